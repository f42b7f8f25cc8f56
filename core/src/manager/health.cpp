#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <ostream>
#include <resilience/base/duration_text.hpp>
#include <resilience/base/quoted_text.hpp>
#include <resilience/manager/health.hpp>
#include <utility>

namespace resilience::inline v1 {
namespace {

bool refuses_everything(CircuitState state) noexcept {
    return state == CircuitState::open || state == CircuitState::forced_open;
}

Criticality criticality_of(std::string_view name, const HealthRules& rules) noexcept {
    const auto named = rules.dependencies.find(name);
    return named == rules.dependencies.end() ? Criticality::normal : named->second;
}

// While its breaker lets calls pass: an operation of its own mind, which refuses some or all of them.
bool refuses_alone(const CircuitBreakerStats::Operation& operation, const CircuitBreakerStats& breaker) noexcept {
    if (operation.state == CircuitState::open) {
        return breaker.state == CircuitState::closed || breaker.state == CircuitState::half_open;
    }
    return operation.state == CircuitState::half_open && breaker.state == CircuitState::closed;
}

HealthStatus severity_of(const CircuitBreakerStats& breaker, Criticality criticality) noexcept {
    if (criticality == Criticality::optional) return HealthStatus::healthy;
    if (refuses_everything(breaker.state)) {
        return criticality == Criticality::critical ? HealthStatus::failing : HealthStatus::degraded;
    }
    const bool degraded =
        breaker.state == CircuitState::half_open ||
        std::ranges::any_of(breaker.operations, [&](const auto& each) { return refuses_alone(each, breaker); });
    return degraded ? HealthStatus::degraded : HealthStatus::healthy;
}

// Nobody reads tenths of a second of a state that lasts.
std::string about(Duration duration) {
    using std::chrono::seconds;
    return duration_text(duration < seconds(10) || duration > std::chrono::hours(1)
                             ? duration
                             : Duration(std::chrono::round<seconds>(duration)));
}

// Whole percents from 10 on, two significant digits below: "58 %", "7.5 %", "0.12 %".
std::string percent(double value) {
    std::array<char, 32> text{};
    const auto written =
        value < 10 ? std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::general, 2)
                   : std::to_chars(text.data(), text.data() + text.size(), std::floor(value + 0.5),
                                   std::chars_format::fixed, 0);
    return std::string(text.data(), written.ptr) + " %";
}

// Of the breaker's window, or of that of one of its operations.
template <class Window>
std::string what_failed(const Window& window, const CircuitBreakerStats& breaker) {
    const auto& limits = breaker.window;
    // Only where failures are why: slow calls, a row of them, or somebody's rule open as well.
    if (window.requests < std::max(limits.min_requests, 1U) || window.failure_ratio < limits.failure_threshold)
        return {};
    const double failed = 100 * static_cast<double>(window.failures) / static_cast<double>(window.requests);
    return ": " + percent(failed) + " of " + std::to_string(window.requests) + " calls failed (limit " +
           percent(100 * limits.failure_threshold) + ")";
}

std::string why_open(const CircuitBreakerStats& breaker) {
    return breaker.manual ? ", by hand" : what_failed(breaker.window, breaker);
}

std::string operation_sentence(const CircuitBreakerStats::Operation& operation, std::string_view circuit,
                               const CircuitBreakerStats& breaker) {
    const std::string subject = "operation " + logfmt_text(operation.name) + " of circuit " + logfmt_text(circuit);
    if (operation.state == CircuitState::half_open) return subject + " is half-open";
    return subject + " is open" + what_failed(operation.window, breaker);
}

std::string open_sentence(const CircuitBreakerStats& breaker) {
    if (breaker.state == CircuitState::forced_open) {
        std::string sentence = "is forced open for " + about(breaker.in_state);
        if (breaker.lever_expires) sentence += "; ends in " + about(*breaker.lever_expires);
        return sentence;
    }
    std::string sentence = "is open for " + about(breaker.in_state) + why_open(breaker);
    if (breaker.retry_after) sentence += "; next probe in " + about(*breaker.retry_after);
    return sentence;
}

std::string half_open_sentence(const CircuitBreakerStats& breaker) {
    const auto& probes = breaker.half_open;
    return "is half-open for " + about(breaker.in_state) + ": " + std::to_string(probes.successes) + " of " +
           std::to_string(probes.success_threshold) + " probes succeeded, " + std::to_string(probes.in_flight) +
           " in flight";
}

std::string not_ready_sentence(std::uint32_t open, std::uint32_t limit) {
    return "not ready: " + std::to_string(open) + (open == 1 ? " circuit is" : " circuits are") + " open (limit " +
           std::to_string(limit) + ")";
}

std::string full_sentence(const BulkheadStats& bulkhead) {
    return "is full for " + about(*bulkhead.oldest_waiter) + ": " + std::to_string(bulkhead.in_use) + " of " +
           std::to_string(bulkhead.max_concurrent) + " places in use, " + std::to_string(bulkhead.queue_depth) +
           " waiting";
}

void look_at_circuits(Health& health, const ResilienceStats& stats, const HealthRules& rules) {
    for (const auto& [name, breaker] : stats.circuit_breakers) {
        const Criticality criticality = criticality_of(name, rules);
        const HealthStatus severity = severity_of(breaker, criticality);
        health.dependencies.emplace_hint(
            health.dependencies.end(), name,
            DependencyHealth{.state = breaker.state, .criticality = criticality, .severity = severity});
        if (severity != HealthStatus::healthy && refuses_everything(breaker.state)) ++health.open_circuits;
        if (severity != HealthStatus::failing) continue;
        health.ready = false;
        health.reasons.push_back("not ready: circuit " + logfmt_text(name) + " is critical and refuses every call");
    }
    if (!rules.max_open_circuits || health.open_circuits < *rules.max_open_circuits) return;
    health.ready = false;
    health.reasons.insert(health.reasons.begin(), not_ready_sentence(health.open_circuits, *rules.max_open_circuits));
}

void tell_of_circuits(Health& health, const ResilienceStats& stats) {
    std::vector<std::string> half_open;
    auto dependency = health.dependencies.begin();
    for (const auto& [name, breaker] : stats.circuit_breakers) {
        const HealthStatus severity = (dependency++)->second.severity;
        if (severity == HealthStatus::healthy) continue;
        if (refuses_everything(breaker.state)) {
            health.reasons.push_back("circuit " + logfmt_text(name) + ' ' + open_sentence(breaker));
        } else if (breaker.state == CircuitState::half_open) {
            half_open.push_back("circuit " + logfmt_text(name) + ' ' + half_open_sentence(breaker));
        }
        for (const auto& operation : breaker.operations) {
            if (!refuses_alone(operation, breaker)) continue;
            auto& sentences = operation.state == CircuitState::open ? health.reasons : half_open;
            sentences.push_back(operation_sentence(operation, name, breaker));
        }
    }
    for (std::string& sentence : half_open) health.reasons.push_back(std::move(sentence));
}

void tell_of_full_bulkheads(Health& health, const ResilienceStats& stats, const HealthRules& rules) {
    if (!rules.full_bulkhead_after) return;
    for (const auto& [name, bulkhead] : stats.bulkheads) {
        if (!bulkhead.oldest_waiter || *bulkhead.oldest_waiter < *rules.full_bulkhead_after) continue;
        if (criticality_of(name, rules) == Criticality::optional) continue;
        health.reasons.push_back("bulkhead " + logfmt_text(name) + ' ' + full_sentence(bulkhead));
    }
}

}  // namespace

std::string_view to_string(Criticality criticality) noexcept {
    switch (criticality) {
        case Criticality::normal:
            return "normal";
        case Criticality::critical:
            return "critical";
        case Criticality::optional:
            return "optional";
    }
    return "unknown";
}

std::ostream& operator<<(std::ostream& out, Criticality criticality) { return out << to_string(criticality); }

std::string_view to_string(HealthStatus status) noexcept {
    switch (status) {
        case HealthStatus::healthy:
            return "healthy";
        case HealthStatus::degraded:
            return "degraded";
        case HealthStatus::failing:
            return "failing";
    }
    return "unknown";
}

std::ostream& operator<<(std::ostream& out, HealthStatus status) { return out << to_string(status); }

Health health(const ResilienceStats& stats, const HealthRules& rules) {
    Health health;
    health.max_open_circuits = rules.max_open_circuits;
    look_at_circuits(health, stats, rules);
    tell_of_circuits(health, stats);
    tell_of_full_bulkheads(health, stats, rules);
    if (!health.ready) {
        health.status = HealthStatus::failing;
    } else if (!health.reasons.empty()) {
        health.status = HealthStatus::degraded;
    }
    return health;
}

bool is_ready(const ResilienceStats& stats, std::uint32_t max_open) noexcept {
    std::uint32_t open = 0;
    for (const auto& [name, breaker] : stats.circuit_breakers) {
        if (refuses_everything(breaker.state)) ++open;
    }
    return open < max_open;
}

}  // namespace resilience::inline v1
