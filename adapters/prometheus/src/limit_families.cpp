#include <resilience/base/rejection.hpp>

#include "family.hpp"
#include "metric_families.hpp"

namespace resilience::inline v1::detail {

namespace {

using LimiterStats = RateLimiterStats;

constexpr PlainFamily<LimiterStats> limiter_families[] = {
    {"rate_limiter_available_tokens", "Tokens to take now.", MetricType::Gauge,
     counted<&LimiterStats::available_tokens>},
    {"rate_limiter_capacity", "Largest burst.", MetricType::Gauge, counted<&LimiterStats::capacity>},
    {"rate_limiter_waiting", "Callers in the queue.", MetricType::Gauge, counted<&LimiterStats::waiting>},
    {"rate_limiter_oldest_waiter_seconds", "Age of the oldest waiter.", MetricType::Gauge,
     [](const LimiterStats& stats) -> std::optional<double> { return seconds_or_zero(stats.oldest_waiter); }},
    {"rate_limiter_debt_tokens", "Tokens used beyond what was there, still owed.", MetricType::Gauge,
     counted<&LimiterStats::debt_tokens>},
};

constexpr PlainFamily<KeyedRateLimiterStats> keyed_limiter_families[] = {
    {"rate_limiter_keys", "Keys held.", MetricType::Gauge, counted<&KeyedRateLimiterStats::keys>},
    // Those that were full can be told from new ones by nobody.
    {"rate_limiter_evicted_keys_total", "Keys dropped to stay within max_keys.", MetricType::Counter,
     counted<&KeyedRateLimiterStats::evicted_live_total>},
};

// A counter that plain limiters and keyed ones have: one family, and one sum of what has no series of its own.
template <class Value>
void add_limiter_counter(const FamilySink& sink, std::string_view name, std::string_view help,
                         const Shown<LimiterStats>& plain, const Shown<KeyedRateLimiterStats>& keyed, Value value) {
    Family family{name, help, MetricType::Counter, plain.size() + keyed.size()};
    const bool has_sum = plain.overflow != nullptr || keyed.overflow != nullptr;
    double sum = 0;
    const auto add = [&](std::string_view service, const auto& stats) {
        if (has_sum && service == overflow_service) {
            sum += value(stats);
        } else {
            family.add(value(stats), {{"service", service}});
        }
    };
    plain.each_with_counters(add);
    keyed.each_with_counters(add);
    if (has_sum) family.add(sum, {{"service", overflow_service}});
    std::move(family).move_to(sink);
}

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
    {"retry_budget_rejections_total", "Retries the budget refused.", MetricType::Counter,
     counted<&RetryStats::budget_rejections>},
    {"retry_budget_balance", "Retries that may start now.", MetricType::Gauge,
     [](const RetryStats& stats) -> std::optional<double> {
         return stats.budget ? std::optional(stats.budget->balance) : std::nullopt;
     }},
    {"retry_budget_capacity", "Retries that may start at most.", MetricType::Gauge,
     [](const RetryStats& stats) -> std::optional<double> {
         return stats.budget ? std::optional(stats.budget->capacity) : std::nullopt;
     }},
};

struct PartitionFamily {
    std::string_view name;
    std::string_view help;
    MetricType type;
    double (*value)(const BulkheadPartitionStats&);
};

constexpr PartitionFamily partition_families[] = {
    {"bulkhead_partition_in_use", "Permits out, of its own places and of those that everybody shares.",
     MetricType::Gauge,
     [](const BulkheadPartitionStats& stats) { return count(stats.reserved_in_use) + count(stats.shared_in_use); }},
    {"bulkhead_partition_reserved", "Places of its own.", MetricType::Gauge,
     [](const BulkheadPartitionStats& stats) { return count(stats.reserved); }},
    {"bulkhead_partition_requests_total", "Requests for a permit.", MetricType::Counter,
     [](const BulkheadPartitionStats& stats) { return count(stats.requests); }},
    {"bulkhead_partition_rejections_total", "Requests refused.", MetricType::Counter,
     [](const BulkheadPartitionStats& stats) { return count(stats.rejected); }},
};

// Of bulkheads with series of their own: under one name for all others, partitions would say nothing.
void add_partitions(const FamilySink& sink, const Shown<BulkheadStats>& bulkheads) {
    for (const PartitionFamily& row : partition_families) {
        Family family{row.name, row.help, row.type};
        for (const auto& [name, stats] : bulkheads.each) {
            for (const BulkheadPartitionStats& each : stats.partitions) {
                family.add(row.value(each), {{"service", name}, {"partition", each.name}});
            }
        }
        std::move(family).move_to(sink);
    }
}

// Of the bulkheads that record waits.
void add_waits(const FamilySink& sink, const Shown<BulkheadStats>& bulkheads, std::span<const Duration> edges) {
    Family family{"bulkhead_wait_seconds", "Time from request to permit.", MetricType::Histogram};
    bulkheads.each_with_counters([&](std::string_view name, const BulkheadStats& stats) {
        if (stats.wait) family.add(*stats.wait, edges, name);
    });
    std::move(family).move_to(sink);
}

}  // namespace

void add_rate_limiters(const FamilySink& sink, const Shown<RateLimiterStats>& plain,
                       const Shown<KeyedRateLimiterStats>& keyed) {
    const auto add = [&](std::string_view name, std::string_view help, auto value) {
        add_limiter_counter(sink, name, help, plain, keyed, value);
    };
    // Without a reason on purpose: people divide the second by the first.
    add("rate_limiter_requests_total", "Requests for tokens.", [](const auto& stats) { return count(stats.requests); });
    add("rate_limiter_rejections_total", "Requests refused.",
        [](const auto& stats) { return count(stats.rejected.total()); });
    add("rate_limiter_returned_tokens_total", "Tokens that settled reservations gave back.",
        [](const auto& stats) { return count(stats.returned_tokens); });
    add("rate_limiter_surplus_tokens_total", "Tokens used beyond the estimates of reservations.",
        [](const auto& stats) { return count(stats.surplus_tokens); });
    add_plain_families<RateLimiterStats>(sink, limiter_families, plain);
    add_plain_families<KeyedRateLimiterStats>(sink, keyed_limiter_families, keyed);
}

void add_bulkheads(const FamilySink& sink, const Shown<BulkheadStats>& bulkheads,
                   std::span<const Duration> latency_buckets) {
    add_plain_families<BulkheadStats>(sink, bulkhead_families, bulkheads);
    Family family{"bulkhead_rejections_total", "Requests refused.", MetricType::Counter, bulkheads.size() * 6};
    bulkheads.each_with_counters([&](std::string_view name, const BulkheadStats& stats) {
        for (const RejectionCount& each : stats.rejected.by_reason()) {
            family.add(count(each.count), {{"service", name}, {"reason", to_string(each.reason)}});
        }
    });
    std::move(family).move_to(sink);
    add_waits(sink, bulkheads, latency_buckets);
    add_partitions(sink, bulkheads);
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
