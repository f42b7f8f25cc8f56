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

// Parts before the whole they are part of: each is counted after it.
CircuitBreaker::Settled CircuitBreaker::read_settled() const noexcept {
    Settled settled;
    settled.late = late_.load(std::memory_order_acquire);
    settled.cancelled = cancelled_.load(std::memory_order_acquire);
    settled.ignored = counters_.read_acquire(ignored);
    settled.success = counters_.read_acquire(success_outside);
    settled.failure = counters_.read_acquire(failure_outside);
    for (const RollingWindow& window : windows_) {
        const WindowCounts totals = window.totals();
        settled.success += totals.calls - totals.failures;
        settled.failure += totals.failures;
    }
    return settled;
}

// Settled before admitted: acquiring a result brings its admission along, so the identities hold although calls go on.
// Calls that came and went between the two reads would show as in flight; where there were any, they are read again.
void CircuitBreaker::count_calls(CircuitBreakerStats& stats) const noexcept {
    constexpr int attempts = 32;
    Settled settled = read_settled();
    std::uint64_t admitted_calls = 0;
    for (int attempt = 1;; ++attempt) {
        admitted_calls = counters_.read_acquire(admitted);
        const Settled again = read_settled();
        if (again.sum() == settled.sum() || attempt == attempts) break;
        settled = again;
    }
    stats.late = settled.late;
    stats.cancelled = settled.cancelled;
    stats.ignored = settled.ignored;
    stats.success = settled.success;
    stats.failure = settled.failure;
    stats.admitted = admitted_calls;
    stats.in_flight = admitted_calls - settled.sum();
    stats.rejected = {.circuit_open = counters_.read(rejected_circuit_open),
                      .half_open_full = rejected_half_open_full_,
                      .forced_open = counters_.read(rejected_forced_open)};
    stats.requests = stats.admitted + stats.rejected.total();
    for (const RollingWindow& window : windows_) stats.window_saturated += window.saturated();
}

// Closed: what counts now. Open or probing: the window as it stood when it opened, so that whoever asks why is told.
void CircuitBreaker::describe_window_locked(CircuitBreakerStats& stats, const Position& position,
                                            TimePoint now) const noexcept {
    const CircuitWord word = state_.word();
    const bool closed = position.state == CircuitState::closed && word.state() == CircuitState::closed;
    const bool tripped = position.state == CircuitState::open || position.state == CircuitState::half_open;
    if (!closed && !tripped) return;
    const TimePoint as_of = closed || word.state() == CircuitState::closed ? now : not_closed_since_;
    const WindowCounts counts = windows_[word.window()].counts_locked(as_of);
    stats.window.requests = counts.calls;
    stats.window.failures = counts.failures;
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
    const std::uint32_t verdicts = std::uint32_t{probe_successes_} + probe_failures_;
    if (probes_.full() || probes_.in_flight() + verdicts >= probe_verdicts()) {
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
        describe_window_locked(stats, position, now);
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
    if (latency_ != nullptr) stats.latency = latency_->picture();
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
