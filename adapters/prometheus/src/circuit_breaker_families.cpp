#include <resilience/base/circuit_state.hpp>
#include <resilience/base/rejection.hpp>

#include "family.hpp"
#include "metric_families.hpp"

namespace resilience::inline v1::detail {

namespace {

using BreakerStats = CircuitBreakerStats;
using BreakerFamily = PlainFamily<CircuitBreakerStats>;

std::optional<double> ratio_in_window(const BreakerStats& stats) noexcept {
    if (stats.window.requests < stats.window.min_requests || stats.window.requests == 0) return std::nullopt;
    return stats.window.failure_ratio;
}

std::optional<double> slow_ratio_in_window(const BreakerStats& stats) noexcept {
    if (!stats.window.slow_call_ratio || !ratio_in_window(stats)) return std::nullopt;
    return stats.window.slow_ratio;
}

constexpr BreakerFamily breaker_counts[] = {
    {"circuit_breaker_failures", "Attempts counted as failures.", MetricType::Untyped, counted<&BreakerStats::failure>},
    {"circuit_breaker_failures_total", "Attempts counted as failures.", MetricType::Counter,
     counted<&BreakerStats::failure>},
    {"circuit_breaker_successes_total", "Attempts counted as successes.", MetricType::Counter,
     counted<&BreakerStats::success>},
    {"circuit_breaker_ignored_total", "Attempts that ended without a verdict.", MetricType::Counter,
     counted<&BreakerStats::ignored>},
    {"circuit_breaker_requests_total", "Attempts that asked for admission.", MetricType::Counter,
     counted<&BreakerStats::requests>},
    {"circuit_breaker_slow_calls_total", "Attempts slower than slow_call_duration.", MetricType::Counter,
     counted<&BreakerStats::slow>},
    {"circuit_breaker_late_results_total", "Verdicts for an earlier state.", MetricType::Counter,
     counted<&BreakerStats::late>},
    {"circuit_breaker_leases_reclaimed_total", "Probe slots taken back from probes that never reported.",
     MetricType::Counter, counted<&BreakerStats::leases_reclaimed>},
    {"circuit_breaker_abandoned_total", "Attempts let through by allow() whose result was never recorded.",
     MetricType::Counter, counted<&BreakerStats::abandoned>},
    {"circuit_breaker_unpaired_results_total", "Results recorded without an attempt that was let through.",
     MetricType::Counter, counted<&BreakerStats::unpaired_results>},
    {"circuit_breaker_window_saturated_total", "Results that did not fit into a bucket of the window.",
     MetricType::Counter, counted<&BreakerStats::window_saturated>},
    {"circuit_breaker_classifier_errors_total", "Classifiers that threw.", MetricType::Counter,
     counted<&BreakerStats::classifier_errors>},
};

constexpr BreakerFamily breaker_gauges[] = {
    {"circuit_breaker_not_closed_seconds", "Time since the circuit was last closed.", MetricType::Gauge,
     timed<&BreakerStats::not_closed>},
    {"circuit_breaker_failure_ratio", "Share in the window; absent below min_requests.", MetricType::Gauge,
     ratio_in_window},
    {"circuit_breaker_slow_call_ratio", "Share in the window; absent below min_requests.", MetricType::Gauge,
     slow_ratio_in_window},
    {"circuit_breaker_failure_threshold", "Ratio that opens the circuit now.", MetricType::Gauge,
     [](const BreakerStats& stats) -> std::optional<double> { return stats.window.failure_threshold; }},
    {"circuit_breaker_state_seconds", "Time in the current state.", MetricType::Gauge, timed<&BreakerStats::in_state>},
    {"circuit_breaker_retry_after_seconds", "Time until the next probe; 0 unless open.", MetricType::Gauge,
     timed<&BreakerStats::retry_after>},
    {"circuit_breaker_oldest_probe_seconds", "Age of the oldest probe; 0 if none.", MetricType::Gauge,
     [](const BreakerStats& stats) -> std::optional<double> { return seconds_or_zero(stats.half_open.oldest_probe); }},
    {"circuit_breaker_in_flight", "Attempts admitted and not settled.", MetricType::Gauge,
     counted<&BreakerStats::in_flight>},
};

void add_states(const FamilySink& sink, const Shown<BreakerStats>& breakers) {
    Family family{"circuit_breaker_state",
                  "Circuit state: 0 closed, 1 open, 2 half-open, 3 forced open, 4 forced closed, 5 metrics only; "
                  "with label state 1 for the current one.",
                  MetricType::Gauge, breakers.size() * (1 + circuit_states)};
    for (const auto& [name, stats] : breakers.each) {
        family.add(static_cast<double>(stats.state), {{"service", name}});
        for (std::size_t number = 0; number < circuit_states; ++number) {
            const auto state = static_cast<CircuitState>(number);
            family.add(state == stats.state ? 1 : 0, {{"service", name}, {"state", to_string(state)}});
        }
    }
    std::move(family).move_to(sink);
}

void add_rejections(const FamilySink& sink, const Shown<BreakerStats>& breakers) {
    Family family{"circuit_breaker_rejections_total", "Attempts not admitted.", MetricType::Counter,
                  breakers.size() * 4};
    breakers.each_with_counters([&](std::string_view name, const BreakerStats& stats) {
        const std::pair<RejectionReason, std::uint64_t> counts[] = {
            {RejectionReason::circuit_open, stats.rejected.circuit_open},
            {RejectionReason::half_open_full, stats.rejected.half_open_full},
            {RejectionReason::forced_open, stats.rejected.forced_open},
            {RejectionReason::throttled, stats.rejected.throttled}};
        for (const auto& [reason, number] : counts) {
            family.add(count(number), {{"service", name}, {"reason", to_string(reason)}});
        }
    });
    std::move(family).move_to(sink);
}

void add_transitions(const FamilySink& sink, const Shown<BreakerStats>& breakers) {
    Family family{"circuit_breaker_transitions_total", "State changes.", MetricType::Counter, breakers.size() * 4};
    breakers.each_with_counters([&](std::string_view name, const BreakerStats& stats) {
        for (const auto& transition : stats.transitions) {
            family.add(count(transition.count),
                       {{"service", name}, {"from", to_string(transition.from)}, {"to", to_string(transition.to)}});
        }
    });
    std::move(family).move_to(sink);
}

// Of the breakers that keep latencies.
void add_durations(const FamilySink& sink, const Shown<BreakerStats>& breakers, std::span<const Duration> edges) {
    Family family{"circuit_breaker_call_duration_seconds", "Duration of settled attempts.", MetricType::Histogram};
    breakers.each_with_counters([&](std::string_view name, const BreakerStats& stats) {
        if (stats.latency) family.add(*stats.latency, edges, name);
    });
    std::move(family).move_to(sink);
}

// Of the breakers that were given a health probe.
void add_health_probes(const FamilySink& sink, const Shown<BreakerStats>& breakers) {
    Family family{"circuit_breaker_health_probes_total", "Health probes by how they ended.", MetricType::Counter};
    breakers.each_with_counters([&](std::string_view name, const BreakerStats& stats) {
        if (!stats.health_probes) return;
        const auto& probes = *stats.health_probes;
        const std::pair<std::string_view, std::uint64_t> counts[] = {{"succeeded", probes.succeeded},
                                                                     {"failed", probes.failed},
                                                                     {"timed_out", probes.timed_out},
                                                                     {"undecided", probes.undecided},
                                                                     {"overlapped", probes.overlapped}};
        for (const auto& [result, number] : counts) {
            family.add(count(number), {{"service", name}, {"result", result}});
        }
    });
    std::move(family).move_to(sink);
}

}  // namespace

void add_circuit_breakers(const FamilySink& sink, const Shown<CircuitBreakerStats>& breakers,
                          std::span<const Duration> latency_buckets) {
    add_states(sink, breakers);
    add_plain_families<BreakerStats>(sink, breaker_counts, breakers);
    add_rejections(sink, breakers);
    add_transitions(sink, breakers);
    add_plain_families<BreakerStats>(sink, breaker_gauges, breakers);
    add_durations(sink, breakers, latency_buckets);
    add_health_probes(sink, breakers);
    add_operations(sink, breakers);
}

}  // namespace resilience::inline v1::detail
