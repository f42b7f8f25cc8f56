#pragma once

// An event that a manager kept, with the time of day at which it was told: ResilienceManager::history.
//
//     for (const RecordedEvent& each : manager.history()) std::clog << each.event << '\n';

#include <chrono>
#include <resilience/base/events.hpp>

namespace resilience::inline v1 {

struct RecordedEvent {
    std::chrono::system_clock::time_point time{};  // for people; never used in a decision
    Event event{};
};

}  // namespace resilience::inline v1
