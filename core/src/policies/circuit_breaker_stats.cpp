#include <algorithm>
#include <array>
#include <resilience/policies/circuit_breaker.hpp>
#include <utility>

namespace resilience::inline v1 {
namespace {

constexpr std::array states{CircuitState::closed, CircuitState::open, CircuitState::half_open,
                            CircuitState::forced_open, CircuitState::forced_closed};

bool happens_by_itself(CircuitState from, CircuitState to) noexcept {
    switch (from) {
        case CircuitState::closed:
            return to == CircuitState::open;
        case CircuitState::open:
            return to == CircuitState::half_open;
        case CircuitState::half_open:
            return to == CircuitState::closed || to == CircuitState::open;
        default:
            return false;
    }
}

}  // namespace

CircuitBreaker::Position CircuitBreaker::position_locked(TimePoint at) const noexcept {
    const TimePoint now = std::max(newest_, at);
    const CircuitWord word = state_.word();
    Position position{.state = word.state(), .held = word.held(), .since = since_, .until = state_.end_of(word)};
    const auto over = [&] { return position.until != never && position.until <= now; };
    if (position.held && over()) {
        const bool moves = before_ != position.state;
        position = {
            .state = before_, .held = false, .since = moves ? position.until : position.since, .until = before_until_};
    }
    if (position.state == CircuitState::open && !position.held && over()) {
        position = {.state = CircuitState::half_open, .held = false, .since = position.until, .until = never};
    }
    return position;
}

std::optional<TimePoint> CircuitBreaker::next_deadline() const noexcept {
    const std::scoped_lock lock(mutex_);
    TimePoint next = std::min(state_.end_of(state_.word()), left_behind_.forgotten_at());
    if (state_.word().state() == CircuitState::half_open && probes_.in_flight() > 0) {
        next = std::min(next, saturating_add(probes_.oldest_stamp(), lease()));
    }
    return next == never ? std::nullopt : std::optional(next);
}

// Parts before the whole they are part of, settled before admitted: each read acquires what the one it follows was
// counted after, so the identities hold although calls go on.
void CircuitBreaker::count_calls(CircuitBreakerStats& stats) const noexcept {
    stats.late = late_.load(std::memory_order_acquire);
    stats.cancelled = counters_.read_acquire(cancelled);
    stats.ignored = counters_.read_acquire(ignored);
    stats.success = counters_.read_acquire(success_outside);
    stats.failure = counters_.read_acquire(failure_outside);
    for (const RollingWindow& window : windows_) {
        const WindowCounts totals = window.totals();
        stats.success += totals.calls - totals.failures;
        stats.failure += totals.failures;
        stats.window_saturated += window.saturated();
    }
    stats.admitted = counters_.read(admitted);
    stats.in_flight = stats.admitted - (stats.success + stats.failure + stats.ignored);
    stats.rejected = {.circuit_open = counters_.read(rejected_circuit_open),
                      .half_open_full = counters_.read(rejected_half_open_full),
                      .forced_open = counters_.read(rejected_forced_open)};
    stats.requests = stats.admitted + stats.rejected.total();
}

void CircuitBreaker::describe_half_open_locked(CircuitBreakerStats& stats, const Position& position,
                                               TimePoint now) const noexcept {
    stats.half_open.max_calls = probes_at_once();
    stats.half_open.success_threshold = config_.success_threshold;
    // A half-open period that nobody has noticed yet has had no probes.
    if (position.state != CircuitState::half_open || position.state != state_.word().state()) return;
    stats.half_open.in_flight = probes_.in_flight();
    stats.half_open.successes = probe_successes_;
    stats.half_open.failures = probe_failures_;
    if (probes_.in_flight() == 0) return;
    stats.half_open.oldest_probe = time_between(probes_.oldest_stamp(), now);
    if (probes_.full() || probes_.in_flight() + probe_successes_ + probe_failures_ >= probe_verdicts()) {
        const TimePoint first_end = saturating_add(probes_.oldest_stamp(), lease());
        stats.retry_after = std::min(time_between(now, first_end), config_.timeout);
    }
}

CircuitBreakerStats CircuitBreaker::stats(TimePoint at) const {
    CircuitBreakerStats stats;
    decltype(changes_) changed{};
    {
        const std::scoped_lock lock(mutex_);
        const TimePoint now = std::max(newest_, at);
        if (since_ == TimePoint::min()) since_ = now;
        const Position position = position_locked(now);
        const CircuitWord word = state_.word();
        stats.state = position.state;
        stats.in_state = time_between(position.since, now);
        if (position.state != CircuitState::closed) {
            const bool noticed = word.state() != CircuitState::closed;
            stats.not_closed = time_between(noticed ? not_closed_since_ : position.since, now);
        }
        if (position.state == CircuitState::open && position.until != never) {
            stats.retry_after = time_between(now, position.until);
        }
        stats.manual = position.held || position.state == CircuitState::forced_open ||
                       position.state == CircuitState::forced_closed;
        if (position.held) stats.lever_expires = time_between(now, position.until);
        stats.generation = word.generation();
        if (position.state == CircuitState::closed && word.state() == CircuitState::closed) {
            const WindowCounts counts = windows_[word.window()].counts(now);
            stats.window.requests = counts.calls;
            stats.window.failures = counts.failures;
        }
        describe_half_open_locked(stats, position, now);
        stats.abandoned = abandoned_;
        stats.unpaired_results = unpaired_;
        stats.leases_reclaimed = leases_reclaimed_;
        count_calls(stats);
        changed = changes_;
    }
    if (stats.window.requests > 0) {
        stats.window.failure_ratio =
            static_cast<double>(stats.window.failures) / static_cast<double>(stats.window.requests);
    }
    stats.window.failure_threshold = config_.failure_threshold;
    stats.window.min_requests = config_.min_requests;
    stats.classifier_errors = classifier_errors_.load(std::memory_order_relaxed);
    stats.listener_exceptions = events_.listener_exceptions();
    stats.events_dropped = events_.dropped();
    for (const CircuitState from : states) {
        for (const CircuitState to : states) {
            if (from == to) continue;
            const std::uint32_t count = changed[index_of_change(from, to)];
            if (count > 0 || happens_by_itself(from, to)) stats.transitions.push_back({from, to, count});
        }
    }
    return stats;
}

}  // namespace resilience::inline v1
