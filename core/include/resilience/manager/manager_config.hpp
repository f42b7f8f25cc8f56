#pragma once

// What a manager can be told: how much it keeps and shows.
//
//     ResilienceManager manager{"checkout", {.max_components = 500, .history = 1024}};

#include <cstddef>

namespace resilience::inline v1 {

struct ManagerConfig {
    // Policies of each sort (keyed limiters are one of their own) with metrics of their own, 1 to 65,536, so that names
    // that come from outside cannot flood whoever stores the metrics. Those registered beyond work like all others and
    // stand in stats and health; metrics show them as one sum (manager/series_overflow.hpp). A place becomes free when
    // a policy that has one is removed, and goes to the next that is registered: a policy never changes sides.
    std::size_t max_components = 1000;

    // How many events ResilienceManager::history keeps, 0 to 65,536; their memory, about 250 bytes each, is taken at
    // once. Not 0 means that every policy is listened to, which costs about 15 KiB a policy for its queue of events.
    std::size_t history = 0;

    // How many keys of each keyed rate limiter the stats name, those that ask most first, 0 to 100. Keys are your
    // users' data and go where the stats go, /stats too; and finding them looks at every key that is held. They are in
    // no metrics.
    std::size_t hottest_keys = 0;
};

}  // namespace resilience::inline v1
