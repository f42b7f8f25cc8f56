#pragma once

// The policies of one kind that have no metrics of their own, and how their counters become one sum.
//
//     CircuitBreakerStats sum = stats.overflow.circuit_breakers.removed.value_or(CircuitBreakerStats{});
//     for (const std::string& name : stats.overflow.circuit_breakers.names) {
//         add_counters(sum, stats.circuit_breakers.at(name));
//     }
//
// The sum never falls while the manager lives: what was counted by a policy that has since been removed stays in it.
// Only the latencies of a breaker whose record_latency is switched off leave it.

#include <optional>
#include <resilience/policies/bulkhead_config.hpp>
#include <resilience/policies/circuit_breaker_stats.hpp>
#include <resilience/policies/keyed_rate_limiter_config.hpp>
#include <resilience/policies/rate_limiter_config.hpp>
#include <resilience/policies/retry_config.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::inline v1 {

// What the sum is called where each of the others bears its policy's name. No policy of a manager is called so.
inline constexpr std::string_view overflow_name = "overflow";

template <class Stats>
struct SeriesOverflow {
    std::vector<std::string> names{};  // of policies that are registered, in the order of names
    std::optional<Stats> removed{};    // the counters, and only those, of such policies that were removed
};

// Adds everything that only ever rises, each reason and each change of state by itself. States, limits, what is in
// flight, partitions and latencies on another scale stay what they are in `sum`. Throws std::bad_alloc for circuit
// breakers and bulkheads only.
void add_counters(CircuitBreakerStats& sum, const CircuitBreakerStats& more);
void add_counters(RateLimiterStats& sum, const RateLimiterStats& more);
void add_counters(KeyedRateLimiterStats& sum, const KeyedRateLimiterStats& more);
void add_counters(BulkheadStats& sum, const BulkheadStats& more);
void add_counters(RetryStats& sum, const RetryStats& more);

}  // namespace resilience::inline v1
