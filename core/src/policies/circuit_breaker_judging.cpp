#include <algorithm>
#include <resilience/base/cancellation_hold.hpp>
#include <resilience/policies/circuit_breaker.hpp>

#include "circuit_operations.hpp"

namespace resilience::inline v1 {
namespace {

// The counts to judge by, or none.
WindowCounts record(RollingWindow& window, bool counted, TimePoint now, Fraction threshold) noexcept {
    return (counted ? window.record_failure(now, threshold) : window.record_success(now)).value_or(WindowCounts{});
}

}  // namespace

// A result of a call that was admitted in the present period, where an option judges results or nothing opens.
void CircuitBreaker::record_watched(Passage passage, CallResult result, TimePoint now) noexcept {
    const Findings found = record_in_windows(passage, outcome_of(result) == Outcome::failure, now);
    enqueue_finished(passage, result, now);
    if (finds_something(found)) {
        const std::scoped_lock lock(mutex_);
        const TimePoint at = pass_time_locked(now);
        if (passage.word.same_period(state_.word())) act_on_locked(found, at);
    }
    if (trips_by_predicate()) ask_trip_predicate(passage, now);
    after_change();
}

CircuitBreaker::Findings CircuitBreaker::record_in_windows(Passage passage, bool failed, TimePoint now) noexcept {
    const std::uint32_t window = passage.word.window();
    // Each asked for once: it may be switched off meanwhile.
    detail::LearnedThreshold* const learned = options_ == nullptr ? nullptr : options_->learned.get();
    const Fraction limit = learned != nullptr
                               ? Fraction{learned->limit_in_millionths.load(std::memory_order_relaxed), 1'000'000}
                               : threshold();
    Findings found{.window = record(windows_[window], failed, now, limit)};
    if (learned != nullptr && now.time_since_epoch().count() >= learned->bucket_end.load(std::memory_order_relaxed)) {
        const std::scoped_lock lock(mutex_);
        learn_if_due_locked(pass_time_locked(now));
    }
    if (options_ == nullptr) return found;
    if (detail::SlowCallWindows* const slow = options_->slow.get()) {
        const Duration took = time_between(passage.admitted_at, now);
        const bool was_slow = options_->is_slow(took);
        found.slow = record(slow->of_period[window], was_slow, now, options_->slow_ratio());
        slow->durations[window].record(failed, was_slow, took, now);
    }
    if (options_->consecutive_failures.load(std::memory_order_relaxed) != 0) {
        found.run = options_->run.record(passage.word.generation(), failed);
    }
    return found;
}

CircuitBreaker::Findings CircuitBreaker::record_in_windows_locked(Passage passage, bool failed,
                                                                  TimePoint now) noexcept {
    const CircuitWord word = state_.word();
    Findings found;
    if (options_ != nullptr && options_->calls != nullptr) {
        count_outside(failed ? Outcome::failure : Outcome::success);
        const Duration took = time_between(passage.admitted_at, now);
        const CallCounts counts = options_->calls->record(failed, options_->is_slow(took), took);
        found = {.window = {counts.calls, counts.failures}, .slow = {counts.calls, counts.slow}};
    } else {
        found.window = windows_[word.window()].record_locked(failed, now);
    }
    if (options_ == nullptr) return found;
    if (options_->slow != nullptr) {
        const Duration took = time_between(passage.admitted_at, now);
        const bool was_slow = options_->is_slow(took);
        found.slow = options_->slow->of_period[word.window()].record_locked(was_slow, now);
        options_->slow->durations[word.window()].record_locked(failed, was_slow, took, now);
    }
    learn_if_due_locked(now);
    if (options_->running != nullptr) add_overdue_locked(found, now);
    if (options_->config.consecutive_failures != 0) found.run = options_->run.record(word.generation(), failed);
    return found;
}

// A bucket of a closed period is over. What belongs to one in which the breaker opens is never asked for: the next
// closed period begins with its own totals.
void CircuitBreaker::learn_if_due_locked(TimePoint now) noexcept {
    const CircuitWord word = state_.word();
    if (options_->learned == nullptr || !word.counting()) return;
    if (now.time_since_epoch().count() < options_->learned->bucket_end.load(std::memory_order_relaxed)) return;
    if (!options_->ramping) {
        options_->learned->learn(windows_[word.window()].totals());
    }
    begin_learning_locked(word, now);
}

void CircuitBreaker::begin_learning_locked(CircuitWord word, TimePoint now) noexcept {
    detail::LearnedThreshold& learned = *options_->learned.get();
    const RollingWindow& window = windows_[word.window()];
    learned.learned_to = window.totals();
    const std::int64_t width = window.bucket_width().count();
    const std::int64_t bucket = std::max<std::int64_t>(now.time_since_epoch().count(), 0) / width;
    std::int64_t end = 0;
    if (__builtin_mul_overflow(bucket + 1, width, &end)) end = never.time_since_epoch().count();
    learned.bucket_end.store(end, std::memory_order_relaxed);
    learned.limit_in_millionths.store(static_cast<std::uint32_t>(learned.limit() * 1e6), std::memory_order_relaxed);
}

// Calls that will be slow whenever they end.
void CircuitBreaker::add_overdue_locked(Findings& found, TimePoint now) const noexcept {
    const std::uint64_t overdue = options_->running->overdue(now);
    found.slow.calls += overdue;
    found.slow.failures += overdue;
}

void CircuitBreaker::judge_running_locked(TimePoint now) noexcept {
    Findings found;
    if (options_->calls != nullptr) {
        const CallCounts counts = options_->calls->counts();
        found.slow = {counts.calls, counts.slow};
    } else {
        found.slow = options_->slow->of_period[state_.word().window()].counts_locked(now);
    }
    add_overdue_locked(found, now);
    act_on_locked(found, now);
}

bool CircuitBreaker::finds_something(const Findings& found) const noexcept {
    return found.window.calls != 0 || found.slow.calls != 0 || found.run != 0;
}

// Opens where a limit is reached; while only measuring, says so.
void CircuitBreaker::act_on_locked(const Findings& found, TimePoint now) noexcept {
    if (trips_by_predicate()) return;
    Change change{.to = CircuitState::open, .cause = TransitionCause::failure_ratio, .due = now};
    const std::uint32_t run_limit = options_ == nullptr ? 0 : options_->config.consecutive_failures;
    const auto reached = [&](TransitionCause cause, WindowCounts counts) {
        change.cause = cause;
        change.failures = counts.failures;
        change.requests = counts.calls;
        reach_threshold_locked(change, now);
    };
    const CircuitWord before = state_.word();
    const WindowCounts window = detail::CircuitOperations::without_away(*this, found.window, now);
    if (run_limit != 0) {
        if (found.run >= run_limit) reached(TransitionCause::consecutive_failures, {found.run, found.run});
    } else if (options_ != nullptr && options_->learned != nullptr) {
        if (window.calls >= min_requests() && options_->learned->trips(window)) {
            reached(TransitionCause::failure_ratio, window);
        }
    } else if (trips(window) && !detail::CircuitOperations::due_to_one(*this, window, now)) {
        reached(TransitionCause::failure_ratio, window);
    }
    if (options_ == nullptr || !before.same_period(state_.word())) return;
    if (found.slow.failures != 0 && found.slow.calls >= min_requests() &&
        reaches(found.slow.failures, found.slow.calls, options_->slow_ratio())) {
        reached(TransitionCause::slow_ratio, found.slow);
    }
}

void CircuitBreaker::reach_threshold_locked(const Change& reached, TimePoint now) noexcept {
    if (state_.word().state() == CircuitState::closed) {
        Change change = reached;
        change.until = open_until_locked(now, change.cause);
        return change_locked(change, now);
    }
    // As if it had opened. For a breaker that is the state of an operation: what follows counts for nobody else.
    if (options_ != nullptr) detail::CircuitOperations::leave_for_one_window(*this, now);
    if (options_ != nullptr && options_->learned != nullptr) {
        options_->learned->leave_out(windows_[state_.word().window()].totals());
    }
    const auto bit = static_cast<std::uint8_t>(reached.cause == TransitionCause::slow_ratio ? 2 : 1);
    if ((thresholds_reached_ & bit) != 0) return;
    thresholds_reached_ |= bit;
    Event event{.kind = EventKind::threshold_reached, .name = name(), .at = now, .cause = reached.cause};
    describe_cause(reached, event);
    events_.enqueue(event);
}

// Outside the mutex, like everything of the user's. Meanwhile others may record and open: then this answer comes late.
void CircuitBreaker::ask_trip_predicate(Passage passage, TimePoint at) noexcept {
    ClosedPeriod seen;
    {
        const std::scoped_lock lock(mutex_);
        const TimePoint now = pass_time_locked(at);
        const CircuitWord word = state_.word();
        if (!passage.word.same_period(word)) return;
        if (options_->calls != nullptr) {
            const CallCounts counts = options_->calls->counts();
            seen = {.requests = counts.calls, .failures = counts.failures, .slow = counts.slow};
        } else {
            const WindowCounts counts =
                detail::CircuitOperations::without_away(*this, windows_[word.window()].counts_locked(now), now);
            seen = {.requests = counts.calls, .failures = counts.failures};
            if (options_->slow != nullptr) {
                seen.slow = options_->slow->of_period[word.window()].counts_locked(now).failures;
            }
        }
        if (options_->config.consecutive_failures != 0) {
            seen.consecutive_failures = options_->run.length(word.generation());
        }
    }
    bool trips = false;
    const detail::CancellationHold no_cancellation;
    try {
        trips = options_->hooks.trips(seen);
    } catch (...) {
        options_->hook_exceptions.fetch_add(1, std::memory_order_relaxed);
    }
    if (!trips) return;
    const std::scoped_lock lock(mutex_);
    const TimePoint now = pass_time_locked(at);
    if (!passage.word.same_period(state_.word())) return;
    reach_threshold_locked({.to = CircuitState::open,
                            .cause = TransitionCause::trip_predicate,
                            .due = now,
                            .failures = seen.failures,
                            .requests = seen.requests},
                           now);
}

}  // namespace resilience::inline v1
