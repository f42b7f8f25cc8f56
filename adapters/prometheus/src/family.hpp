#pragma once

// One family while its series are being added, and the table form for families with one series per policy.

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>
#include <prometheus/metric_type.h>

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <resilience/base/time.hpp>
#include <resilience/manager/stats.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "metric_families.hpp"

namespace resilience::inline v1::detail {

using prometheus::MetricType;

struct Label {
    std::string_view name;
    std::string_view value;
};

[[nodiscard]] inline double count(std::uint64_t number) noexcept { return static_cast<double>(number); }
[[nodiscard]] inline double seconds_or_zero(const std::optional<Duration>& duration) noexcept {
    return std::chrono::duration<double>(duration.value_or(Duration::zero())).count();
}

// Names and help are written into the scrape as they are, so they come from literals only; values are escaped.
class Family {
  public:
    Family(std::string_view name, std::string_view help, MetricType type, std::size_t expected_series = 0) {
        family_.name.append("resilience_").append(name);
        family_.help = help;
        family_.type = type;
        family_.metric.reserve(expected_series);
    }

    // A value that is no number adds no series. A label without a value would be no label and is left out.
    void add(double value, std::initializer_list<Label> labels) {
        if (!std::isfinite(value)) return;
        auto& metric = family_.metric.emplace_back();
        metric.label.reserve(labels.size());
        for (const Label& label : labels) {
            if (label.value.empty()) continue;
            metric.label.push_back({std::string(label.name), std::string(label.value)});
        }
        place_of_value(metric) = value;
    }

    // A histogram's series: how many were no longer than each of `edges`, how many there were, and how long in all.
    void add(const LatencyPicture& latency, std::span<const Duration> edges, std::string_view service) {
        auto& metric = family_.metric.emplace_back();
        metric.label.push_back({"service", std::string(service)});
        metric.histogram.sample_count = latency.count;
        metric.histogram.sample_sum = seconds_or_zero(latency.sum);
        metric.histogram.bucket.reserve(edges.size());
        for (const Duration edge : edges) {
            metric.histogram.bucket.push_back(
                {.cumulative_count = latency.at_most(edge), .upper_bound = seconds_or_zero(edge)});
        }
    }

    // A family without series would still print its header: it is left out.
    void move_to(const FamilySink& sink) && {
        if (!family_.metric.empty()) sink(std::move(family_));
    }

  private:
    double& place_of_value(prometheus::ClientMetric& metric) const noexcept {
        switch (family_.type) {
            case MetricType::Counter:
                return metric.counter.value;
            case MetricType::Gauge:
                return metric.gauge.value;
            default:
                return metric.untyped.value;
        }
    }

    prometheus::MetricFamily family_;
};

// A family with one series per policy.
template <class Stats>
struct PlainFamily {
    std::string_view name;
    std::string_view help;
    MetricType type;
    std::optional<double> (*value)(const Stats&);  // nothing: no series for this policy now
};

// Values of such a family: a counter, or a duration in seconds.
template <auto member, class Stats>
[[nodiscard]] std::optional<double> counted(const Stats& stats) noexcept {
    return count(stats.*member);
}
template <auto member, class Stats>
[[nodiscard]] std::optional<double> timed(const Stats& stats) noexcept {
    return seconds_or_zero(stats.*member);
}

template <class Stats>
void add_plain_families(const FamilySink& sink, std::span<const PlainFamily<Stats>> table,
                        const Shown<Stats>& policies) {
    for (const auto& row : table) {
        Family family{row.name, row.help, row.type, policies.size()};
        const auto add = [&](std::string_view service, const Stats& stats) {
            if (const auto value = row.value(stats)) family.add(*value, {{"service", service}});
        };
        for (const auto& [name, stats] : policies.each) add(name, stats);
        // A sum of states or limits says nothing.
        if (policies.overflow != nullptr && row.type != MetricType::Gauge) add(overflow_service, *policies.overflow);
        std::move(family).move_to(sink);
    }
}

}  // namespace resilience::inline v1::detail
