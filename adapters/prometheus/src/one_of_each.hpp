#pragma once

// A picture with one policy of every kind, in which every number that is shown is another one.

#include <chrono>
#include <limits>
#include <resilience/manager/stats.hpp>

namespace resilience::inline v1::detail {

using namespace std::chrono_literals;

inline void show_slow_calls(CircuitBreakerStats& breaker) {
    breaker.window.slow_ratio = 0.05;
    breaker.window.slow_call_ratio = 0.5;
    breaker.slow = 3;
}

// What only waiting, partitions and budgets bring.
inline void add_options(ResilienceStats& stats) {
    auto& bulkhead = stats.bulkheads["pay"];
    bulkhead.wait = stats.circuit_breakers["pay"].latency;
    bulkhead.partitions = {
        {.name = "checkout", .reserved = 10, .reserved_in_use = 10, .shared_in_use = 3, .requests = 70, .rejected = 4}};
    stats.rate_limiters["pay"].oldest_waiter = 1500ms;
    auto& retry = stats.retries["reads"];
    retry.budget_rejections = 6;
    retry.budget = {.balance = 7.5, .capacity = 10};
}

inline void show_limiter(RateLimiterStats& limiter) {
    limiter.capacity = 1000;
    limiter.available_tokens = 412;
    limiter.requests = 9000;
    limiter.rejected = {.rate_limited = 40, .exceeds_capacity = 10};
    limiter.events_dropped = 20;
    limiter.waiting = 4;
    limiter.returned_tokens = 70;
    limiter.surplus_tokens = 30;
    limiter.debt_tokens = 6;
}

inline void show_keyed(KeyedRateLimiterStats& limiter) {
    limiter.keys = 17;
    limiter.max_keys = 100;
    limiter.evicted_full_total = 1000;
    limiter.evicted_live_total = 5;
    limiter.requests = 800;
    limiter.rejected = {.rate_limited = 3, .exceeds_capacity = 2, .load_shed = 1};
    limiter.returned_tokens = 8;
    limiter.surplus_tokens = 9;
    limiter.hottest = {{.key = "secret"}};
}

inline ResilienceStats one_of_each() {
    ResilienceStats stats;
    auto& breaker = stats.circuit_breakers["pay"];
    breaker.state = CircuitState::open;
    breaker.in_state = 12'500ms;
    breaker.not_closed = 40s;
    breaker.retry_after = 47'500ms;
    breaker.window = {.requests = 40, .failures = 23, .failure_ratio = 0.575, .failure_threshold = 0.5};
    breaker.window.min_requests = 10;
    show_slow_calls(breaker);
    breaker.rejected = {.circuit_open = 250, .half_open_full = 3, .forced_open = 0};
    breaker.requests = 1203;
    breaker.admitted = 950;
    breaker.success = 899;
    breaker.failure = 48;
    breaker.ignored = 2;
    breaker.in_flight = 1;
    breaker.late = 4;
    breaker.abandoned = 5;
    breaker.leases_reclaimed = 6;
    breaker.unpaired_results = 7;
    breaker.window_saturated = 8;
    breaker.classifier_errors = 9;
    LatencyHistogram latencies;
    for (const Duration took : {2ms, 5ms, 6ms, 3000ms}) latencies.add(took);
    breaker.latency = latencies.picture();
    breaker.half_open.oldest_probe = 2s;
    breaker.listener_exceptions = 1;
    breaker.events_dropped = 10;
    breaker.transitions = {{CircuitState::closed, CircuitState::open, 3},
                           {CircuitState::open, CircuitState::half_open, 2}};
    show_limiter(stats.rate_limiters["pay"]);
    show_keyed(stats.keyed_rate_limiters["per_user"]);
    auto& bulkhead = stats.bulkheads["pay"];
    bulkhead.in_use = 12;
    bulkhead.max_concurrent = 50;
    bulkhead.queue_size = 10;
    bulkhead.queue_depth = 3;
    bulkhead.oldest_waiter = 250ms;
    bulkhead.requests = 950;
    bulkhead.rejected = {.bulkhead_full = 2, .queue_full = 5, .shutting_down = 1};
    bulkhead.listener_exceptions = 2;
    auto& retry = stats.retries["reads"];
    retry.success_first = 880;
    retry.success_retried = 15;
    retry.exhausted = 3;
    retry.not_retryable = 2;
    retry.gave_up = 1;
    retry.attempts = 921;
    retry.sleeping = 4;
    retry.listener_exceptions = 3;
    retry.events_dropped = 30;
    add_options(stats);
    return stats;
}

}  // namespace resilience::inline v1::detail
