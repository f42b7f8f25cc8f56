#pragma once

// The families of one scrape: which there are, what they are called and what their help says.
//
// A policy's plain numbers stand in a table per kind; what needs more labels than `service` has a function.

#include <prometheus/metric_family.h>

#include <cstddef>
#include <functional>
#include <resilience/base/time.hpp>
#include <resilience/manager/health.hpp>
#include <resilience/manager/stats.hpp>
#include <resilience/prometheus/exporter.hpp>
#include <span>
#include <string_view>

namespace resilience::inline v1::detail {

// Takes each family once it is complete. One at a time, so that a text is written with the memory of one.
using FamilySink = std::function<void(prometheus::MetricFamily&&)>;

// The policies of one kind as metrics show them: some one by one, and perhaps the counters of all others as one.
template <class Stats>
struct Shown {
    const StatsByName<Stats>& each;
    const Stats* overflow = nullptr;

    // Calls `visit` with the value of `service` and the stats of everything that has counters.
    template <class Visitor>
    void each_with_counters(Visitor visit) const {
        for (const auto& [name, stats] : each) visit(std::string_view(name), stats);
        if (overflow != nullptr) visit(overflow_service, *overflow);
    }
    [[nodiscard]] std::size_t size() const noexcept { return each.size() + (overflow != nullptr ? 1 : 0); }
};

void add_circuit_breakers(const FamilySink& sink, const Shown<CircuitBreakerStats>& breakers,
                          std::span<const Duration> latency_buckets);
void add_operations(const FamilySink& sink, const Shown<CircuitBreakerStats>& breakers);
void add_rate_limiters(const FamilySink& sink, const Shown<RateLimiterStats>& plain,
                       const Shown<KeyedRateLimiterStats>& keyed);
void add_bulkheads(const FamilySink& sink, const Shown<BulkheadStats>& bulkheads,
                   std::span<const Duration> latency_buckets);
void add_retries(const FamilySink& sink, const Shown<RetryStats>& retries);
void add_process(const FamilySink& sink, const ResilienceStats& stats, const Health& health);

// All of the above, families without series left out.
void add_all(const FamilySink& sink, const ResilienceStats& stats, const Health& judged, const MetricsConfig& config);

}  // namespace resilience::inline v1::detail
