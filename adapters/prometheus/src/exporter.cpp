#include <resilience/prometheus/exporter.hpp>
#include <utility>

#include "metric_families.hpp"
#include "text_format.hpp"

namespace resilience::inline v1 {

namespace detail {

void add_all(const FamilySink& sink, const ResilienceStats& stats, const HealthRules& rules) {
    add_circuit_breakers(sink, stats.circuit_breakers);
    add_rate_limiters(sink, stats.rate_limiters);
    add_bulkheads(sink, stats.bulkheads);
    add_retries(sink, stats.retries);
    add_process(sink, stats, health(stats, rules));
}

}  // namespace detail

std::string export_metrics(const ResilienceStats& stats, const HealthRules& rules) {
    std::string text;
    detail::add_all([&text](prometheus::MetricFamily&& family) { detail::append_exposition(text, family); }, stats,
                    rules);
    return text;
}

std::string export_metrics(const ResilienceManager& manager, const HealthRules& rules) {
    return export_metrics(manager.stats(), rules);
}

std::vector<prometheus::MetricFamily> ManagerCollectable::Collect() const {
    std::vector<prometheus::MetricFamily> families;
    detail::add_all([&families](prometheus::MetricFamily&& family) { families.push_back(std::move(family)); },
                    manager_.stats(), rules_);
    return families;
}

}  // namespace resilience::inline v1
