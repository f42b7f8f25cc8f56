#pragma once

// A picture of everything a manager holds, at one moment.
//
//     for (const auto& [name, breaker] : manager.stats().circuit_breakers) std::cout << name << ' ' << breaker.state;
//
// Each policy's counters reconcile within its own part (see the policy's stats); sums across policies are exact at
// rest, when no call runs. The maps are in the order of names and can be searched with a string_view.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <resilience/base/time.hpp>
#include <resilience/manager/series_overflow.hpp>
#include <resilience/policies/bulkhead_config.hpp>
#include <resilience/policies/circuit_breaker_stats.hpp>
#include <resilience/policies/keyed_rate_limiter_config.hpp>
#include <resilience/policies/rate_limiter_config.hpp>
#include <resilience/policies/retry_config.hpp>
#include <string>

namespace resilience::inline v1 {

template <class Stats>
using StatsByName = std::map<std::string, Stats, std::less<>>;

struct ResilienceStats {
    std::string service;                            // what the manager was named
    std::chrono::system_clock::time_point taken{};  // wall time, for people; never used in a decision
    Duration uptime{};                              // since the manager was made, on the monotonic clock, for people
    StatsByName<CircuitBreakerStats> circuit_breakers;
    StatsByName<RateLimiterStats> rate_limiters;
    StatsByName<KeyedRateLimiterStats> keyed_rate_limiters;  // no name is in both
    StatsByName<BulkheadStats> bulkheads;
    StatsByName<RetryStats> retries;

    // Which of them have no metrics of their own, because the manager held ManagerConfig::max_components before them.
    struct Overflow {
        SeriesOverflow<CircuitBreakerStats> circuit_breakers{};
        SeriesOverflow<RateLimiterStats> rate_limiters{};
        SeriesOverflow<KeyedRateLimiterStats> keyed_rate_limiters{};
        SeriesOverflow<BulkheadStats> bulkheads{};
        SeriesOverflow<RetryStats> retries{};
    } overflow{};

    // Of listeners to the manager's own events, those of EventKinds::registrations, and of all to policies that have
    // been removed: with those of the policies above, sums of the process that never fall.
    std::uint64_t listener_exceptions = 0;
    std::uint64_t events_dropped = 0;
};

}  // namespace resilience::inline v1
