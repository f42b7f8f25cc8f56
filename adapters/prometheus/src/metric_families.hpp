#pragma once

// The families of one scrape: which there are, what they are called and what their help says.
//
// A policy's plain numbers stand in a table per kind; what needs more labels than `service` has a function.

#include <prometheus/metric_family.h>

#include <functional>
#include <resilience/manager/health.hpp>
#include <resilience/manager/stats.hpp>

namespace resilience::inline v1::detail {

// Takes each family once it is complete. One at a time, so that a text is written with the memory of one.
using FamilySink = std::function<void(prometheus::MetricFamily&&)>;

void add_circuit_breakers(const FamilySink& sink, const StatsByName<CircuitBreakerStats>& breakers);
void add_rate_limiters(const FamilySink& sink, const StatsByName<RateLimiterStats>& limiters);
void add_bulkheads(const FamilySink& sink, const StatsByName<BulkheadStats>& bulkheads);
void add_retries(const FamilySink& sink, const StatsByName<RetryStats>& retries);
void add_process(const FamilySink& sink, const ResilienceStats& stats, const Health& health);

// All of the above, families without series left out.
void add_all(const FamilySink& sink, const ResilienceStats& stats, const Health& judged);

}  // namespace resilience::inline v1::detail
