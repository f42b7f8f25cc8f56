#include <resilience/policies/circuit_breaker.hpp>

namespace resilience::inline v1 {

// Beside a window: release, so that whoever reads the result here finds the call among the admitted ones read after it.
void CircuitBreaker::count_outside(Outcome outcome) noexcept {
    switch (outcome) {
        case Outcome::success:
            counters_.add_release(success_outside);
            break;
        case Outcome::failure:
            counters_.add_release(failure_outside);
            break;
        case Outcome::ignored:
            counters_.add_release(ignored);
            break;
    }
}

void CircuitBreaker::enqueue_finished(Passage passage, CallResult result, TimePoint now) noexcept {
    if (!events_.wants(EventKind::finished)) return;
    events_.enqueue({.kind = EventKind::finished,
                     .name = name(),
                     .at = now,
                     .result = result,
                     .took = time_between(passage.admitted_at, now)});
}

void CircuitBreaker::record_latency(Duration took) noexcept { latency_->add(took); }

void CircuitBreaker::record_failure(Passage passage, CallResult result, TimePoint now) noexcept {
    const std::optional<WindowCounts> counts = windows_[passage.word.window()].record_failure(now, threshold());
    if (counts || events_.wants(EventKind::finished)) conclude(passage, result, now, counts.value_or(WindowCounts{}));
}

bool CircuitBreaker::trips(WindowCounts counts) const noexcept {
    return counts.failures != 0 && counts.calls >= config_.min_requests &&
           reaches(counts.failures, counts.calls, threshold());
}

// After a recorded result that may open the breaker or that somebody wants to hear of.
void CircuitBreaker::conclude(Passage passage, CallResult result, TimePoint now, WindowCounts counts) noexcept {
    enqueue_finished(passage, result, now);
    if (trips(counts)) {
        const std::scoped_lock lock(mutex_);
        // The counts are of this call's own period; another thread may have ended it meanwhile.
        if (passage.word.same_period(state_.word())) trip_locked(counts, now);
    }
    events_.deliver();
}

void CircuitBreaker::trip_locked(WindowCounts counts, TimePoint at) noexcept {
    const TimePoint now = pass_time_locked(at);
    change_locked({.to = CircuitState::open,
                   .cause = TransitionCause::failure_ratio,
                   .due = now,
                   .until = saturating_add(now, config_.timeout),
                   .failures = counts.failures,
                   .requests = counts.calls},
                  now);
}

// What is not a plain success in the closed state it was admitted in.
void CircuitBreaker::settle_otherwise(Passage passage, CallResult result, TimePoint now) noexcept {
    const bool plain = passage.word == state_.word() && passage.word.plainly_closed();
    if (plain && outcome_of(result) == Outcome::failure) return record_failure(passage, result, now);
    if (plain && outcome_of(result) == Outcome::success) return record_success(passage, result, now);
    settle_slowly(passage, result, now);
}

// What is not a success or failure in the closed state it was admitted in.
void CircuitBreaker::settle_slowly(Passage passage, CallResult result, TimePoint now) noexcept {
    const Outcome outcome = outcome_of(result);
    const CircuitState admitted_in = passage.word.state();
    const bool late = !passage.word.same_period(state_.word());
    const bool decides =
        admitted_in == CircuitState::half_open || (admitted_in == CircuitState::closed && outcome != Outcome::ignored);
    if (late || !decides) {
        count_outside(outcome);
        if (late) count_late();
        enqueue_finished(passage, result, now);
    } else {
        const std::scoped_lock lock(mutex_);
        settle_locked(passage, result, pass_time_locked(now));
    }
    // After `ignored`, of which it is a part, so that no picture shows the part without the whole.
    if (result == CallResult::cancelled) cancelled_.fetch_add(1, std::memory_order_release);
    events_.deliver();
}

void CircuitBreaker::settle_locked(Passage passage, CallResult result, TimePoint now) noexcept {
    const Outcome outcome = outcome_of(result);
    const CircuitWord word = state_.word();
    const bool current = passage.word.same_period(word);
    if (current && word.state() == CircuitState::closed && outcome != Outcome::ignored) {
        const WindowCounts counts = windows_[word.window()].record_locked(outcome == Outcome::failure, now);
        enqueue_finished(passage, result, now);
        if (trips(counts)) trip_locked(counts, now);
        return;
    }
    count_outside(outcome);
    enqueue_finished(passage, result, now);
    if (word.state() == CircuitState::half_open && current) {
        // Where the slot is not this probe's any more its lease was over: the verdict came too late to decide.
        if (probes_.give_back(passage.word.slot(), passage.admitted_at)) {
            judge_probe_locked(outcome, now);
        } else {
            count_late();
        }
    } else if (!current) {
        count_late();
    }
}

void CircuitBreaker::judge_probe_locked(Outcome outcome, TimePoint now) noexcept {
    if (outcome == Outcome::ignored) return;
    ++(outcome == Outcome::success ? probe_successes_ : probe_failures_);
    Change change{.to = CircuitState::closed,
                  .cause = TransitionCause::probes_succeeded,
                  .due = now,
                  .failures = probe_failures_,
                  .requests = std::uint64_t{probe_successes_} + probe_failures_};
    if (probe_successes_ >= config_.success_threshold) {
        change_locked(change, now);
    } else if (probe_failures_ > probe_verdicts() - config_.success_threshold) {
        change.to = CircuitState::open;
        change.cause = TransitionCause::probes_failed;
        change.until = saturating_add(now, config_.timeout);
        change_locked(change, now);
    }
}

}  // namespace resilience::inline v1
