#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <resilience/manager/series_overflow.hpp>

namespace resilience::inline v1 {
namespace {

template <class Counts>
void add_each(Counts& sum, const Counts& more, std::initializer_list<std::uint64_t Counts::*> members) {
    for (const auto member : members) sum.*member += more.*member;
}

void add_transitions(CircuitBreakerStats& sum, const CircuitBreakerStats& more) {
    for (const auto& counted : more.transitions) {
        const auto known = std::ranges::find_if(
            sum.transitions, [&](const auto& each) { return each.from == counted.from && each.to == counted.to; });
        if (known == sum.transitions.end()) {
            sum.transitions.push_back(counted);
        } else {
            known->count += counted.count;
        }
    }
}

void add_latencies(std::optional<LatencyPicture>& sum, const std::optional<LatencyPicture>& more) {
    if (!more) return;
    if (!sum) {
        sum = more;
        return;
    }
    if (sum->scale != more->scale || sum->buckets.size() != more->buckets.size()) return;
    for (std::size_t bucket = 0; bucket < sum->buckets.size(); ++bucket) sum->buckets[bucket] += more->buckets[bucket];
    sum->count += more->count;
    sum->sum += more->sum;
    sum->max = std::max(sum->max, more->max);
}

using HealthProbes = CircuitBreakerStats::HealthProbes;

void add_health_probes(std::optional<HealthProbes>& sum, const std::optional<HealthProbes>& more) {
    if (!more) return;
    if (!sum) {
        sum = more;
        return;
    }
    add_each(*sum, *more,
             {&HealthProbes::sent, &HealthProbes::succeeded, &HealthProbes::failed, &HealthProbes::timed_out,
              &HealthProbes::undecided, &HealthProbes::overlapped});
}

}  // namespace

void add_counters(CircuitBreakerStats& sum, const CircuitBreakerStats& more) {
    using Stats = CircuitBreakerStats;
    using Rejected = CircuitBreakerStats::Rejected;
    add_transitions(sum, more);
    add_latencies(sum.latency, more.latency);
    add_health_probes(sum.health_probes, more.health_probes);
    add_each(sum, more,
             {&Stats::requests, &Stats::admitted, &Stats::success, &Stats::failure, &Stats::ignored, &Stats::late,
              &Stats::cancelled, &Stats::abandoned, &Stats::leases_reclaimed, &Stats::unpaired_results,
              &Stats::window_saturated, &Stats::classifier_errors, &Stats::slow, &Stats::hook_exceptions,
              &Stats::listener_exceptions, &Stats::events_dropped});
    add_each(sum.rejected, more.rejected,
             {&Rejected::circuit_open, &Rejected::half_open_full, &Rejected::forced_open, &Rejected::throttled});
}

void add_counters(RateLimiterStats& sum, const RateLimiterStats& more) {
    using Stats = RateLimiterStats;
    using Rejected = RateLimiterStats::Rejected;
    add_each(sum, more,
             {&Stats::requests, &Stats::admitted, &Stats::returned_tokens, &Stats::surplus_tokens,
              &Stats::listener_exceptions, &Stats::events_dropped});
    add_each(sum.rejected, more.rejected,
             {&Rejected::rate_limited, &Rejected::exceeds_capacity, &Rejected::queue_full, &Rejected::queue_timeout,
              &Rejected::deadline_exceeded, &Rejected::cancelled, &Rejected::shutting_down});
}

void add_counters(KeyedRateLimiterStats& sum, const KeyedRateLimiterStats& more) {
    using Stats = KeyedRateLimiterStats;
    using Rejected = KeyedRateLimiterStats::Rejected;
    add_each(sum, more,
             {&Stats::requests, &Stats::admitted, &Stats::returned_tokens, &Stats::surplus_tokens,
              &Stats::evicted_full_total, &Stats::evicted_live_total});
    add_each(sum.rejected, more.rejected, {&Rejected::rate_limited, &Rejected::exceeds_capacity, &Rejected::load_shed});
}

void add_counters(BulkheadStats& sum, const BulkheadStats& more) {
    using Stats = BulkheadStats;
    using Rejected = BulkheadStats::Rejected;
    add_latencies(sum.wait, more.wait);
    add_each(
        sum, more,
        {&Stats::requests, &Stats::admitted, &Stats::settled, &Stats::listener_exceptions, &Stats::events_dropped});
    add_each(sum.rejected, more.rejected,
             {&Rejected::bulkhead_full, &Rejected::queue_full, &Rejected::queue_timeout, &Rejected::deadline_exceeded,
              &Rejected::cancelled, &Rejected::shutting_down});
}

void add_counters(RetryStats& sum, const RetryStats& more) {
    using Stats = RetryStats;
    add_each(sum, more,
             {&Stats::calls, &Stats::success_first, &Stats::success_retried, &Stats::exhausted, &Stats::not_retryable,
              &Stats::gave_up, &Stats::attempts, &Stats::retries, &Stats::budget_rejections, &Stats::hook_exceptions,
              &Stats::listener_exceptions, &Stats::events_dropped});
}

}  // namespace resilience::inline v1
