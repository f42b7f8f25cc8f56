#include <algorithm>
#include <optional>
#include <resilience/prometheus/exporter.hpp>
#include <utility>

#include "metric_families.hpp"
#include "text_format.hpp"

namespace resilience::inline v1 {

namespace detail {

namespace {

// The policies of one kind, parted into those with series of their own and the sum of the others.
template <class Stats>
class Parted {
  public:
    Parted(const StatsByName<Stats>& all, const SeriesOverflow<Stats>& overflow) : all_(all) {
        if (overflow.names.empty() && !overflow.removed) return;
        own_ = all;
        sum_ = overflow.removed.value_or(Stats{});
        for (const std::string& name : overflow.names) move_to_sum(name);
    }
    [[nodiscard]] Shown<Stats> shown() const noexcept {
        return {.each = sum_ ? own_ : all_, .overflow = sum_ ? &*sum_ : nullptr};
    }

  private:
    void move_to_sum(std::string_view name) {
        const auto policy = own_.find(name);
        if (policy == own_.end()) return;
        add_counters(*sum_, policy->second);
        own_.erase(policy);
    }

    const StatsByName<Stats>& all_;
    StatsByName<Stats> own_;
    std::optional<Stats> sum_;
};

// As the format wants them: rising, each once.
std::vector<Duration> rising(std::vector<Duration> edges) {
    std::ranges::sort(edges);
    const auto repeated = std::ranges::unique(edges);
    edges.erase(repeated.begin(), repeated.end());
    return edges;
}

}  // namespace

void add_all(const FamilySink& sink, const ResilienceStats& stats, const Health& judged, const MetricsConfig& config) {
    const auto& overflow = stats.overflow;
    const std::vector<Duration> edges = rising(config.latency_buckets);
    add_circuit_breakers(sink, Parted(stats.circuit_breakers, overflow.circuit_breakers).shown(), edges);
    add_rate_limiters(sink, Parted(stats.rate_limiters, overflow.rate_limiters).shown(),
                      Parted(stats.keyed_rate_limiters, overflow.keyed_rate_limiters).shown());
    add_bulkheads(sink, Parted(stats.bulkheads, overflow.bulkheads).shown(), edges);
    add_retries(sink, Parted(stats.retries, overflow.retries).shown());
    add_process(sink, stats, judged);
}

}  // namespace detail

std::string export_metrics_as_judged(const ResilienceStats& stats, const Health& judged, const MetricsConfig& config) {
    std::string text;
    detail::add_all([&text](prometheus::MetricFamily&& family) { detail::append_exposition(text, family); }, stats,
                    judged, config);
    return text;
}

std::string export_metrics(const ResilienceStats& stats, const HealthRules& rules, const MetricsConfig& config) {
    return export_metrics_as_judged(stats, health(stats, rules), config);
}

std::string export_metrics(const ResilienceManager& manager, const HealthRules& rules, const MetricsConfig& config) {
    return export_metrics(manager.stats(), rules, config);
}

std::vector<prometheus::MetricFamily> ManagerCollectable::Collect() const {
    std::vector<prometheus::MetricFamily> families;
    const ResilienceStats stats = manager_.stats();
    detail::add_all([&families](prometheus::MetricFamily&& family) { families.push_back(std::move(family)); }, stats,
                    health(stats, rules_), config_);
    return families;
}

}  // namespace resilience::inline v1
