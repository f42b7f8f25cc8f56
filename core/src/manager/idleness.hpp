#pragma once

// How long a policy has not been used, told by its counters: a call does nothing for it.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <resilience/base/time.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/keyed_rate_limiter.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <resilience/policies/retry.hpp>

namespace resilience::inline v1::detail {

// What a look at a policy found.
struct Use {
    std::uint64_t activity;  // another number as soon as there was a call
    bool at_rest;            // nothing in flight, and as if freshly registered: nobody could tell the new one from it
};

// Open, by hand or by failures, is knowledge that a fresh breaker would not have.
inline Use use_of(const CircuitBreaker& breaker, const CircuitBreakerConfig& registered, TimePoint now) {
    const CircuitBreakerStats stats = breaker.stats(now);
    const bool refuses_nobody = stats.state == CircuitState::closed || stats.state == CircuitState::half_open;
    // One that begins closed is as fresh when it is; one that begins only measuring, when it still does nothing else;
    // one that begins open would refuse where this one does not.
    const bool as_it_began = registered.initial_state == CircuitState::closed
                                 ? refuses_nobody && !stats.manual
                                 : registered.initial_state == CircuitState::metrics_only &&
                                       stats.state == CircuitState::metrics_only && !stats.lever_expires;
    // Who has asked for an operation may hold its handle.
    const bool as_made = breaker.config() == registered && stats.operations.empty() && !breaker.probe();
    return {.activity = stats.requests + stats.late + stats.unpaired_results,
            .at_rest = stats.in_flight == 0 && as_it_began && as_made};
}

// A fresh limiter begins with a full bucket.
inline Use use_of(const RateLimiter& limiter, const RateLimiterConfig& registered, TimePoint now) {
    const RateLimiterStats stats = limiter.stats(now);
    return {.activity = stats.requests,
            .at_rest = stats.waiting == 0 && stats.available_tokens == stats.capacity && !stats.closed &&
                       limiter.config() == registered};
}

inline Use use_of(const KeyedRateLimiter& limiter, const KeyedRateLimiterConfig& registered, TimePoint now) {
    return {.activity = limiter.stats().requests,
            .at_rest = limiter.is_full(now) && limiter.tiers() == registered.tiers};
}

// Its partitions have places of it in their hands.
inline Use use_of(const Bulkhead& bulkhead, const BulkheadConfig& registered, TimePoint now) {
    const BulkheadStats stats = bulkhead.stats(now);
    return {.activity = stats.requests,
            .at_rest = stats.in_use == 0 && stats.queue_depth == 0 && !stats.closed && stats.partitions.empty() &&
                       bulkhead.config() == registered};
}

inline Use use_of(const Retry& retry, const RetryConfig&, TimePoint now) {
    const RetryStats stats = retry.stats(now);
    return {.activity = stats.calls, .at_rest = stats.sleeping == 0};
}

// Between two looks: since when the counters have not moved.
class LastUse {
  public:
    // How long it has been at rest for certain: since the first of the looks that found what this one finds.
    [[nodiscard]] Duration idle_for(const Use& use, TimePoint now) noexcept {
        if (!use.at_rest) {
            since_.reset();
            return Duration::min();
        }
        if (!since_ || activity_ != use.activity) {
            activity_ = use.activity;
            since_ = now;
        }
        return std::max(time_between(*since_, now), Duration::zero());
    }

  private:
    std::uint64_t activity_ = 0;
    std::optional<TimePoint> since_{};
};

}  // namespace resilience::inline v1::detail
