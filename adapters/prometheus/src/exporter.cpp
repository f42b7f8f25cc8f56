#include <resilience/prometheus/exporter.hpp>
#include <utility>

#include "metric_families.hpp"
#include "text_format.hpp"

namespace resilience::inline v1 {

namespace detail {

void add_all(const FamilySink& sink, const ResilienceStats& stats, const Health& judged) {
    add_circuit_breakers(sink, stats.circuit_breakers);
    add_rate_limiters(sink, stats.rate_limiters);
    add_bulkheads(sink, stats.bulkheads);
    add_retries(sink, stats.retries);
    add_process(sink, stats, judged);
}

}  // namespace detail

std::string export_metrics_as_judged(const ResilienceStats& stats, const Health& judged) {
    std::string text;
    detail::add_all([&text](prometheus::MetricFamily&& family) { detail::append_exposition(text, family); }, stats,
                    judged);
    return text;
}

std::string export_metrics(const ResilienceStats& stats, const HealthRules& rules) {
    return export_metrics_as_judged(stats, health(stats, rules));
}

std::string export_metrics(const ResilienceManager& manager, const HealthRules& rules) {
    return export_metrics(manager.stats(), rules);
}

std::vector<prometheus::MetricFamily> ManagerCollectable::Collect() const {
    std::vector<prometheus::MetricFamily> families;
    const ResilienceStats stats = manager_.stats();
    detail::add_all([&families](prometheus::MetricFamily&& family) { families.push_back(std::move(family)); }, stats,
                    health(stats, rules_));
    return families;
}

}  // namespace resilience::inline v1
