#include "demo/narration.hpp"

#include <cmath>
#include <cstdint>
#include <resilience/base/duration_text.hpp>
#include <resilience/base/quoted_text.hpp>

#include "text/figures.hpp"

namespace resilience::demo {
namespace {

std::string two_digits(std::int64_t number) { return (number < 10 ? "0" : "") + std::to_string(number); }

std::string_view sign_of(CircuitState state) {
    switch (state) {
        case CircuitState::closed:
            return "●";
        case CircuitState::half_open:
            return "◐";
        case CircuitState::open:
            return "■";
        case CircuitState::forced_open:
        case CircuitState::forced_closed:
        case CircuitState::metrics_only:
            break;
    }
    return "✋";
}

std::string next_probe(const Event& event) {
    if (!event.retry_after) return {};
    return "; next probe in " + program::with_decimals(std::chrono::duration<double>(*event.retry_after).count(), 1) +
           " s";
}

// Of the probes that decided, how many failed: the event carries their ratio.
std::uint64_t failed_probes(const Event& event) {
    return static_cast<std::uint64_t>(std::llround(event.value * static_cast<double>(event.requests)));
}

std::string reason_of(const Event& event) {
    switch (event.cause) {
        case TransitionCause::failure_ratio:
            return "failure ratio " + program::with_decimals(event.value, 2) + " ≥ " +
                   program::with_decimals(event.threshold, 2) + " of " + program::with_separators(event.requests) +
                   " calls" + next_probe(event);
        case TransitionCause::open_time_over:
            return "open time is over: probes may pass";
        case TransitionCause::probes_succeeded:
            return std::to_string(event.requests - failed_probes(event)) + " of " + std::to_string(event.requests) +
                   " probes succeeded";
        case TransitionCause::probes_failed:
            return std::to_string(failed_probes(event)) + " of " + std::to_string(event.requests) + " probes failed" +
                   next_probe(event);
        case TransitionCause::lever:
            return "by hand";
        case TransitionCause::lever_expired:
            return "the lever's time is over";
        case TransitionCause::slow_ratio:
            return "slow ratio " + program::with_decimals(event.value, 2) + " ≥ " +
                   program::with_decimals(event.threshold, 2) + " of " + program::with_separators(event.requests) +
                   " calls" + next_probe(event);
        case TransitionCause::consecutive_failures:
            return program::with_decimals(event.value, 0) + " failures in a row" + next_probe(event);
        case TransitionCause::trip_predicate:
            return "by the rule of the service" + next_probe(event);
        case TransitionCause::asked:
            return "asked to by the answer" + next_probe(event);
        case TransitionCause::half_open_limit:
            return "half-open for too long" + next_probe(event);
        case TransitionCause::health_probes:
            return std::to_string(event.requests) + " health probes in a row succeeded";
    }
    return {};
}

std::string narrated_transition(const Event& event) {
    const std::string states = std::string(to_string(event.from)) + " → " + std::string(to_string(event.to));
    return std::string(sign_of(event.to)) + " " + name_column(event.name) + program::padded(states, 20) +
           reason_of(event);
}

}  // namespace

std::string moment_text(Duration since_start) {
    const std::int64_t seconds = std::chrono::floor<std::chrono::seconds>(since_start).count();
    const std::string minutes = two_digits(seconds / 60 % 60) + ":" + two_digits(seconds % 60);
    return seconds < 3600 ? minutes : std::to_string(seconds / 3600) + ":" + minutes;
}

std::string name_column(std::string_view policy) { return program::padded(logfmt_text(policy), 14); }

std::optional<std::string> narrated(const Event& event) {
    switch (event.kind) {
        case EventKind::transition:
            return narrated_transition(event);
        case EventKind::operation_transition:
            return narrated_transition(event) + " (operation " + logfmt_text(event.operation) + ")";
        case EventKind::lease_reclaimed:
            return "◌ " + name_column(event.name) + "a probe did not report for " + duration_text(event.took) +
                   ": its slot is free again";
        case EventKind::limit_changed:
            return "⇅ " + name_column(event.name) + "limit " + program::with_decimals(event.limit_before, 0) + " → " +
                   program::with_decimals(event.limit_after, 0);
        case EventKind::threshold_reached:
            return "◌ " + name_column(event.name) + "would open: " + reason_of(event);
        case EventKind::lever:  // the transition it causes is told
        case EventKind::permitted:
        case EventKind::refused:
        case EventKind::finished:
        case EventKind::retry:
        case EventKind::added:
        case EventKind::removed:
            break;
    }
    return std::nullopt;
}

std::string narrated_deed(std::string_view deed) { return "▶ " + std::string(deed); }

}  // namespace resilience::demo
