#include <resilience/base/rejection.hpp>

#include "family.hpp"
#include "metric_families.hpp"

namespace resilience::inline v1::detail {

namespace {

using LimiterStats = RateLimiterStats;

// Without a reason on purpose: people divide the second by the first.
constexpr PlainFamily<LimiterStats> limiter_families[] = {
    {"rate_limiter_requests_total", "Requests for tokens.", MetricType::Counter, counted<&LimiterStats::requests>},
    {"rate_limiter_rejections_total", "Requests refused.", MetricType::Counter,
     [](const LimiterStats& stats) -> std::optional<double> { return count(stats.rejected.total()); }},
    {"rate_limiter_available_tokens", "Tokens to take now.", MetricType::Gauge,
     counted<&LimiterStats::available_tokens>},
    {"rate_limiter_capacity", "Largest burst.", MetricType::Gauge, counted<&LimiterStats::capacity>},
    {"rate_limiter_waiting", "Callers in the queue.", MetricType::Gauge, counted<&LimiterStats::waiting>},
};

constexpr PlainFamily<BulkheadStats> bulkhead_families[] = {
    {"bulkhead_in_use", "Permits out.", MetricType::Gauge, counted<&BulkheadStats::in_use>},
    {"bulkhead_max_concurrent", "Limit now.", MetricType::Gauge, counted<&BulkheadStats::max_concurrent>},
    {"bulkhead_queue_depth", "Waiters.", MetricType::Gauge, counted<&BulkheadStats::queue_depth>},
    {"bulkhead_oldest_waiter_seconds", "Age of the oldest waiter.", MetricType::Gauge,
     [](const BulkheadStats& stats) -> std::optional<double> { return seconds_or_zero(stats.oldest_waiter); }},
    {"bulkhead_queue_size", "Places in the queue.", MetricType::Gauge, counted<&BulkheadStats::queue_size>},
    {"bulkhead_requests_total", "Requests for a permit.", MetricType::Counter, counted<&BulkheadStats::requests>},
};

constexpr PlainFamily<RetryStats> retry_families[] = {
    {"retry_attempts_total", "Attempts, the first included.", MetricType::Counter, counted<&RetryStats::attempts>},
    {"retry_sleeping", "Calls in backoff.", MetricType::Gauge, counted<&RetryStats::sleeping>},
};

}  // namespace

void add_rate_limiters(const FamilySink& sink, const Shown<RateLimiterStats>& limiters) {
    add_plain_families<RateLimiterStats>(sink, limiter_families, limiters);
}

void add_bulkheads(const FamilySink& sink, const Shown<BulkheadStats>& bulkheads) {
    add_plain_families<BulkheadStats>(sink, bulkhead_families, bulkheads);
    Family family{"bulkhead_rejections_total", "Requests refused.", MetricType::Counter, bulkheads.size() * 6};
    bulkheads.each_with_counters([&](std::string_view name, const BulkheadStats& stats) {
        for (const RejectionCount& each : stats.rejected.by_reason()) {
            family.add(count(each.count), {{"service", name}, {"reason", to_string(each.reason)}});
        }
    });
    std::move(family).move_to(sink);
}

void add_retries(const FamilySink& sink, const Shown<RetryStats>& retries) {
    Family family{"retry_calls_total", "Calls by how they ended.", MetricType::Counter, retries.size() * 5};
    retries.each_with_counters([&](std::string_view name, const RetryStats& stats) {
        const std::pair<std::string_view, std::uint64_t> counts[] = {{"success_first", stats.success_first},
                                                                     {"success_retried", stats.success_retried},
                                                                     {"exhausted", stats.exhausted},
                                                                     {"not_retryable", stats.not_retryable},
                                                                     {"gave_up", stats.gave_up}};
        for (const auto& [result, number] : counts) {
            family.add(count(number), {{"service", name}, {"result", result}});
        }
    });
    std::move(family).move_to(sink);
    add_plain_families<RetryStats>(sink, retry_families, retries);
}

}  // namespace resilience::inline v1::detail
