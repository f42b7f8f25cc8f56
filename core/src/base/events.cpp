#include <array>
#include <charconv>
#include <cstddef>
#include <ostream>
#include <resilience/base/events.hpp>
#include <resilience/base/quoted_text.hpp>

namespace resilience::inline v1 {
namespace {

constexpr std::array<std::string_view, 12> event_names{
    "transition", "lease_reclaimed",   "lever", "limit_changed", "permitted",           "refused", "finished",
    "retry",      "threshold_reached", "added", "removed",       "operation_transition"};

// The shortest text that reads back as the same number, whatever flags and locale the stream has.
void write_number(std::ostream& out, double value) {
    std::array<char, 32> text{};
    const auto written = std::to_chars(text.data(), text.data() + text.size(), value);
    out.write(text.data(), written.ptr - text.data());
}

void write_ratio(std::ostream& out, double value) {
    std::array<char, 32> text{};
    const auto written = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed, 2);
    out.write(text.data(), written.ptr - text.data());
}

void write_count(std::ostream& out, std::uint64_t value) {
    std::array<char, 24> text{};
    const auto written = std::to_chars(text.data(), text.data() + text.size(), value);
    out.write(text.data(), written.ptr - text.data());
}

void write_seconds(std::ostream& out, std::string_view field, Duration duration) {
    out << ' ' << field << "_seconds=";
    write_number(out, std::chrono::duration<double>(duration).count());
}

void write_retry_after(std::ostream& out, const Event& event) {
    if (event.retry_after) write_seconds(out, "retry_after", *event.retry_after);
}

// The numbers that decided, where numbers did.
void write_decision(std::ostream& out, const Event& event) {
    const bool in_a_row = event.cause == TransitionCause::consecutive_failures;
    switch (event.cause) {
        case TransitionCause::failure_ratio:
        case TransitionCause::probes_failed:
        case TransitionCause::trip_predicate:
            out << " failure_ratio=";
            break;
        case TransitionCause::slow_ratio:
            out << " slow_ratio=";
            break;
        case TransitionCause::consecutive_failures:
            out << " failures_in_a_row=";
            break;
        default:
            return;
    }
    in_a_row ? write_number(out, event.value) : write_ratio(out, event.value);
    out << " threshold=";
    in_a_row ? write_number(out, event.threshold) : write_ratio(out, event.threshold);
    out << " requests=";
    write_count(out, event.requests);
}

void write_transition(std::ostream& out, const Event& event) {
    out << " from=" << event.from << " to=" << event.to << " cause=" << event.cause;
    write_decision(out, event);
    write_retry_after(out, event);
    out << " generation=";
    write_count(out, event.generation);
}

void write_fields(std::ostream& out, const Event& event) {
    switch (event.kind) {
        case EventKind::transition:
            return write_transition(out, event);
        case EventKind::operation_transition:
            out << " operation=" << logfmt_text(event.operation);
            return write_transition(out, event);
        case EventKind::threshold_reached:
            out << " cause=" << event.cause;
            return write_decision(out, event);
        case EventKind::lease_reclaimed:
            return write_seconds(out, "age", event.took);
        case EventKind::limit_changed:
            out << " from=";
            write_number(out, event.limit_before);
            out << " to=";
            write_number(out, event.limit_after);
            return;
        case EventKind::refused:
            out << " reason=" << event.reason;
            return write_retry_after(out, event);
        case EventKind::finished:
            out << " result=" << event.result;
            return write_seconds(out, "took", event.took);
        case EventKind::retry:
            out << " result=" << event.result << " attempt=";
            write_count(out, event.attempt);
            return write_retry_after(out, event);
        case EventKind::lever:
        case EventKind::permitted:
        case EventKind::added:
        case EventKind::removed:
            return;
    }
}

// What somebody on call wants to see: a circuit that opens, a probe that hangs, an attempt that is refused.
bool is_warning(const Event& event) noexcept {
    switch (event.kind) {
        case EventKind::transition:
        case EventKind::operation_transition:
            return event.to == CircuitState::open || event.to == CircuitState::forced_open;
        case EventKind::lease_reclaimed:
        case EventKind::refused:
        case EventKind::threshold_reached:
            return true;
        default:
            return false;
    }
}

}  // namespace

std::string_view to_string(EventKind kind) noexcept {
    const auto index = static_cast<std::size_t>(kind);
    return index < event_names.size() ? event_names[index] : "unknown";
}

std::ostream& operator<<(std::ostream& out, EventKind kind) { return out << to_string(kind); }

std::ostream& operator<<(std::ostream& out, const Event& event) {
    out << "level=" << (is_warning(event) ? "warn" : "info") << " kind=" << event.policy;
    if (!event.name.empty()) out << " name=" << logfmt_text(event.name);
    out << " event=" << to_string(event.kind);
    write_fields(out, event);
    return out;
}

}  // namespace resilience::inline v1
