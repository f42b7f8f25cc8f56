#include <algorithm>
#include <array>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/health_probing.hpp>
#include <utility>

#include "circuit_operations.hpp"

namespace resilience::inline v1 {
namespace {

constexpr std::array states{CircuitState::closed,      CircuitState::open,          CircuitState::half_open,
                            CircuitState::forced_open, CircuitState::forced_closed, CircuitState::metrics_only};

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

// Beside calls that settle meanwhile the sums may be one ahead of the counts.
void describe_durations(CircuitBreakerStats::Window& window, const CallCounts& sums) noexcept {
    window.slow_failures = std::min(sums.slow_failures, window.slow);
    window.total_duration = sums.total;
    if (sums.calls != 0) window.average_duration = sums.average();
}

}  // namespace

CircuitBreaker::Position CircuitBreaker::position_locked(TimePoint at) const noexcept {
    const TimePoint now = std::max(newest_, at);
    const CircuitWord word = state_.word();
    Position position{.state = word.state(), .held = word.held(), .since = since_, .until = state_.end_of(word)};
    const auto over = [&] { return position.until != never && position.until <= now; };
    if (position.held && over()) {
        const bool moves = before_ != position.state;
        position = {.state = before_,
                    .held = false,
                    .since = moves ? position.until : position.since,
                    .until = before_ == CircuitState::half_open ? half_open_until(position.until) : before_until_};
    }
    if (unborn_open()) {
        // An initial open period that no call has met yet.
        position.since = since_ == TimePoint::min() ? now : since_;
        position.until = saturating_add(position.since, config_.timeout);
    }
    if (position.state == CircuitState::open && !position.held && over()) {
        position = {.state = CircuitState::half_open,
                    .held = false,
                    .since = position.until,
                    .until = half_open_until(position.until)};
    }
    if (position.state == CircuitState::half_open && !position.held && over())
        position = after_half_open(position, now);
    return position;
}

// As end_half_open_locked, but for a random part and the user's own open time, which are drawn when it happens.
CircuitBreaker::Position CircuitBreaker::after_half_open(const Position& over, TimePoint now) const noexcept {
    if (options_->config.half_open_limit_closes) {
        return {.state = CircuitState::closed, .held = false, .since = over.until, .until = never};
    }
    const TimePoint until = saturating_add(over.until, next_open_time());
    if (until != never && until <= now) {
        return {.state = CircuitState::half_open, .held = false, .since = now, .until = half_open_until(now)};
    }
    return {.state = CircuitState::open, .held = false, .since = over.until, .until = until};
}

std::optional<TimePoint> CircuitBreaker::next_deadline() const noexcept {
    const std::scoped_lock lock(mutex_);
    // Its time begins with the first moment that is given, which must not be this one.
    if (unborn_open()) return std::nullopt;
    TimePoint next = std::min(state_.end_of(state_.word()), left_behind_.forgotten_at());
    if (state_.word().state() == CircuitState::half_open && probes_.in_flight() > 0) {
        next = std::min(next, saturating_add(probes_.oldest_stamp(), lease()));
    }
    if (probes_.health() != nullptr) next = std::min(next, probes_.health()->deadline());
    next = std::min(next, detail::CircuitOperations::next_deadline_locked(*this));
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
                      .forced_open = counters_.read(rejected_forced_open),
                      .throttled = options_ == nullptr ? 0 : options_->throttled};
    stats.requests = stats.admitted + stats.rejected.total();
    for (const RollingWindow& window : windows_) stats.window_saturated += window.saturated();
}

// Closed: what counts now. Open or probing: the window as it stood when it opened, so that whoever asks why is told.
void CircuitBreaker::describe_window_locked(CircuitBreakerStats& stats, const Position& position,
                                            TimePoint now) const noexcept {
    const CircuitWord word = state_.word();
    const bool closed = word.counting() && position.state == word.state();
    const bool tripped = position.state == CircuitState::open || position.state == CircuitState::half_open;
    if (!closed && !tripped) return;
    if (options_ != nullptr && options_->config.consecutive_failures != 0) {
        stats.window.consecutive_failures = options_->run.length();
    }
    if (options_ != nullptr && options_->calls != nullptr) {
        const CallCounts counts = options_->calls->counts();
        stats.window.requests = counts.calls;
        stats.window.failures = counts.failures;
        stats.window.slow = counts.slow;
        if (options_->config.slow_call_duration != Duration::zero()) describe_durations(stats.window, counts);
        return;
    }
    const TimePoint as_of = closed || word.counting() ? now : not_closed_since_;
    const WindowCounts counts =
        detail::CircuitOperations::without_away(*this, windows_[word.window()].counts_locked(as_of), as_of);
    stats.window.requests = counts.calls;
    stats.window.failures = counts.failures;
    if (options_ != nullptr && options_->slow != nullptr) {
        stats.window.slow = options_->slow->of_period[word.window()].counts_locked(as_of).failures;
        describe_durations(stats.window, options_->slow->durations[word.window()].counts_locked(as_of));
    }
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
    stats.retry_after = half_open_refusal_locked(now);
    TimePoint oldest = probes_.oldest_stamp();
    if (probes_.health() != nullptr) {
        const TimePoint sent_at = probes_.health()->place_taken_at(state_.word());
        if (sent_at != never) ++stats.half_open.in_flight;
        oldest = std::min(oldest, sent_at);
    }
    if (oldest != never) stats.half_open.oldest_probe = time_between(oldest, now);
}

double CircuitBreaker::present_threshold_locked() const noexcept {
    return options_ == nullptr || options_->learned == nullptr ? config_.failure_threshold : options_->learned->limit();
}

void CircuitBreaker::describe_options_locked(CircuitBreakerStats& stats) const {
    if (options_ == nullptr) return;
    if (options_->latency != nullptr) stats.latency = options_->latency->picture();
    stats.slow = options_->slow_calls.load(std::memory_order_relaxed);
    stats.hook_exceptions = options_->hook_exceptions.load(std::memory_order_relaxed);
    if (options_->config.slow_call_duration == Duration::zero()) return;
    stats.window.slow_call_ratio = options_->config.slow_call_ratio;
    if (stats.window.requests > 0) {
        stats.window.slow_ratio = static_cast<double>(stats.window.slow) / static_cast<double>(stats.window.requests);
    }
}

CircuitBreakerStats CircuitBreaker::stats(TimePoint at) const {
    CircuitBreakerStats stats;
    decltype(changes_) changed{};
    {
        const std::scoped_lock lock(mutex_);
        const TimePoint now = std::max(newest_, at);
        if (since_ == TimePoint::min()) be_born_locked(now);
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
                       position.state == CircuitState::forced_closed || position.state == CircuitState::metrics_only;
        if (position.held) stats.lever_expires = time_between(now, position.until);
        stats.generation = word.generation();
        describe_window_locked(stats, position, now);
        describe_half_open_locked(stats, position, now);
        detail::CircuitOperations::describe(*this, stats, position, now);
        stats.window.failure_threshold = present_threshold_locked();
        stats.abandoned = abandoned_;
        stats.unpaired_results = unpaired_;
        stats.leases_reclaimed = leases_reclaimed_;
        stats.window.min_requests = min_requests();
        describe_options_locked(stats);
        if (probes_.health() != nullptr) stats.health_probes = probes_.health()->counts();
        count_calls(stats);
        changed = changes_;
    }
    if (stats.window.requests > 0) {
        stats.window.failure_ratio =
            static_cast<double>(stats.window.failures) / static_cast<double>(stats.window.requests);
    }
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
