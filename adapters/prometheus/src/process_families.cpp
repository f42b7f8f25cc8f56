#include <resilience/base/version.hpp>

#include "family.hpp"
#include "metric_families.hpp"

namespace resilience::inline v1::detail {

namespace {

std::string compiler_text() {
#if defined(__clang__)
    return "clang " + std::to_string(__clang_major__) + '.' + std::to_string(__clang_minor__) + '.' +
           std::to_string(__clang_patchlevel__);
#else
    return "gcc " + std::to_string(__GNUC__) + '.' + std::to_string(__GNUC_MINOR__) + '.' +
           std::to_string(__GNUC_PATCHLEVEL__);
#endif
}

struct ListenerTroubles {
    std::uint64_t exceptions = 0;
    std::uint64_t dropped = 0;

    template <class Stats>
    void add(const StatsByName<Stats>& policies) noexcept {
        for (const auto& [name, stats] : policies) {
            exceptions += stats.listener_exceptions;
            dropped += stats.events_dropped;
        }
    }
};

void add_one(const FamilySink& sink, std::string_view name, std::string_view help, MetricType type, double value,
             std::initializer_list<Label> labels) {
    Family family{name, help, type, 1};
    family.add(value, labels);
    std::move(family).move_to(sink);
}

}  // namespace

void add_process(const FamilySink& sink, const ResilienceStats& stats, const Health& health) {
    const Label service{"service", stats.service};
    add_one(sink, "build_info", "1.", MetricType::Gauge, 1,
            {service, {"version", library_version}, {"compiler", compiler_text()}});
    Family statuses{"health_status", "1 for the current status.", MetricType::Gauge, 3};
    for (const auto status : {HealthStatus::healthy, HealthStatus::degraded, HealthStatus::failing}) {
        statuses.add(status == health.status ? 1 : 0, {service, {"status", to_string(status)}});
    }
    std::move(statuses).move_to(sink);
    add_one(sink, "ready", "1 when /readyz says 200.", MetricType::Gauge, health.ready ? 1 : 0, {service});

    ListenerTroubles troubles{.exceptions = stats.listener_exceptions, .dropped = stats.events_dropped};
    troubles.add(stats.circuit_breakers);
    troubles.add(stats.rate_limiters);
    troubles.add(stats.bulkheads);
    troubles.add(stats.retries);
    add_one(sink, "listener_exceptions_total", "Exceptions caught from listeners.", MetricType::Counter,
            count(troubles.exceptions), {service});
    add_one(sink, "events_dropped_total", "Events a slow reader lost.", MetricType::Counter, count(troubles.dropped),
            {service});
    const auto& overflow = stats.overflow;
    const std::size_t without_series = overflow.circuit_breakers.names.size() + overflow.rate_limiters.names.size() +
                                       overflow.keyed_rate_limiters.names.size() + overflow.bulkheads.names.size() +
                                       overflow.retries.names.size();
    add_one(sink, "metrics_dropped_components", "Components summed into overflow.", MetricType::Gauge,
            count(without_series), {service});
}

}  // namespace resilience::inline v1::detail
