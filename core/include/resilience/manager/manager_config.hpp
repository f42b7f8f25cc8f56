#pragma once

// What a manager can be told: how much of what it holds has metrics of its own.
//
//     ResilienceManager manager{"checkout", {.max_components = 500}};

#include <cstddef>

namespace resilience::inline v1 {

struct ManagerConfig {
    // Policies of each kind with metrics of their own, 1 to 65,536, so that names that come from outside cannot flood
    // whoever stores the metrics. Those registered beyond work like all others and stand in stats and health; metrics
    // show them as one sum (manager/series_overflow.hpp). A place becomes free when a policy that has one is removed,
    // and goes to the next that is registered: a policy never changes sides.
    std::size_t max_components = 1000;
};

}  // namespace resilience::inline v1
