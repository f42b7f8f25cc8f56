#include <algorithm>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/health_probing.hpp>

#include "circuit_operations.hpp"

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

void CircuitBreaker::record_latency(Duration took) noexcept {
    if (LatencyHistogram* const latency = options_->latency.get()) latency->add(took);
    if (options_->is_slow(took)) options_->slow_calls.fetch_add(1, std::memory_order_relaxed);
}

void CircuitBreaker::record_failure(Passage passage, CallResult result, TimePoint now) noexcept {
    const std::optional<WindowCounts> counts = windows_[passage.word.window()].record_failure(now, threshold());
    if (counts || events_.wants(EventKind::finished)) conclude(passage, result, now, counts.value_or(WindowCounts{}));
}

bool CircuitBreaker::trips(WindowCounts counts) const noexcept {
    return counts.failures != 0 && counts.calls >= min_requests() &&
           reaches(counts.failures, counts.calls, threshold());
}

// After a recorded result that may open the breaker or that somebody wants to hear of.
void CircuitBreaker::conclude(Passage passage, CallResult result, TimePoint now, WindowCounts counts) noexcept {
    enqueue_finished(passage, result, now);
    if (trips(counts)) {
        const std::scoped_lock lock(mutex_);
        // The counts are of this call's own period; another thread may have ended it meanwhile.
        if (passage.word.same_period(state_.word())) act_on_locked({.window = counts}, pass_time_locked(now));
    }
    after_change();
}

// What is not a plain success in the closed state it was admitted in.
void CircuitBreaker::settle_otherwise(Passage passage, CallResult result, TimePoint now) noexcept {
    const CircuitWord word = passage.word;
    if (word.of_operation()) return detail::CircuitOperation::settle(*this, passage, result, now);
    const Outcome outcome = outcome_of(result);
    if (word == state_.word() && outcome != Outcome::ignored && !word.ends()) {
        if (word.plainly_closed()) {
            return outcome == Outcome::failure ? record_failure(passage, result, now)
                                               : record_success(passage, result, now);
        }
        if (word.counting() && !records_under_mutex()) {
            return record_watched(passage, result, now);
        }
    }
    settle_slowly(passage, result, now);
}

// What is not a success or failure in the closed state it was admitted in.
void CircuitBreaker::settle_slowly(Passage passage, CallResult result, TimePoint now) noexcept {
    const Outcome outcome = outcome_of(result);
    const bool late = !passage.word.same_period(state_.word());
    const bool recorded = passage.word.counting() && outcome != Outcome::ignored;
    const bool decides = recorded || passage.counted_as_running() || passage.word.state() == CircuitState::half_open;
    const bool health_probe = passage.word.slot() == detail::HealthProbing::slot;  // may be the one that is out
    if (!health_probe && (late || !decides)) {
        count_outside(outcome);
        if (late) count_late();
        enqueue_finished(passage, result, now);
    } else {
        const std::scoped_lock lock(mutex_);
        const TimePoint at = pass_time_locked(now);
        end_running_locked(passage);
        settle_locked(passage, result, at);
    }
    // After `ignored`, of which it is a part, so that no picture shows the part without the whole.
    if (result == CallResult::cancelled) cancelled_.fetch_add(1, std::memory_order_release);
    if (recorded && !late && trips_by_predicate()) ask_trip_predicate(passage, now);
    after_change();
}

void CircuitBreaker::end_running_locked(Passage passage) noexcept {
    if (!passage.counted_as_running() || !passage.word.same_period(state_.word())) return;
    // Those of an earlier configuration are not waited for any more.
    if (!counts_running() || passage.word.slot() != options_->running_number) return;
    options_->running->end(passage.admitted_at);
}

// A verdict that asks the breaker to open: counted like any other, then heard, both before anybody is told.
void CircuitBreaker::settle_as_asked(Passage passage, CallResult result, TimePoint now, Duration open_for) noexcept {
    if (passage.word.of_operation()) {
        return detail::CircuitOperation::settle(*this, passage, result, now, std::max(open_for, Duration::zero()));
    }
    if (options_ != nullptr) record_latency(time_between(passage.admitted_at, now));
    const bool current = passage.word.same_period(state_.word());
    {
        const std::scoped_lock lock(mutex_);
        const TimePoint at = pass_time_locked(now);
        end_running_locked(passage);
        settle_locked(passage, result, at);
        if (open_for > Duration::zero()) open_as_asked_locked(passage, open_for, at);
    }
    if (result == CallResult::cancelled) cancelled_.fetch_add(1, std::memory_order_release);
    if (current && passage.word.counting() && trips_by_predicate()) ask_trip_predicate(passage, now);
    after_change();
}

void CircuitBreaker::settle_locked(Passage passage, CallResult result, TimePoint now) noexcept {
    const Outcome outcome = outcome_of(result);
    const CircuitWord word = state_.word();
    const bool current = passage.word.same_period(word);
    if (current && word.counting() && outcome != Outcome::ignored) {
        const Findings found = record_in_windows_locked(passage, outcome == Outcome::failure, now);
        enqueue_finished(passage, result, now);
        act_on_locked(found, now);
        return;
    }
    count_outside(outcome);
    enqueue_finished(passage, result, now);
    if (passage.word.slot() == detail::HealthProbing::slot) {
        return probes_.health()->settle(*this, passage, outcome, now);
    }
    if (word.state() == CircuitState::half_open && current) {
        // Where the slot is not this probe's any more its lease was over: the verdict came too late to decide.
        if (probes_.give_back(passage.word.slot(), passage.admitted_at)) {
            judge_probe_locked(outcome, is_slow(passage, now), now);
        } else {
            count_late();
        }
    } else if (!current) {
        count_late();
    }
}

void CircuitBreaker::judge_probe_locked(Outcome outcome, bool slow, TimePoint now) noexcept {
    if (outcome == Outcome::ignored) return;
    const bool early = options_ == nullptr || options_->config.half_open_verdict == HalfOpenVerdict::early;
    const bool success = outcome == Outcome::success && !(early && slow);
    ++(success ? probe_successes_ : probe_failures_);
    if (slow) ++options_->probes_slow;
    decide_half_open_locked(now);
}

void CircuitBreaker::decide_half_open_locked(TimePoint now) noexcept {
    const std::optional<bool> closes = probes_close_locked();
    if (!closes) return;
    Change change{.to = CircuitState::closed,
                  .cause = TransitionCause::probes_succeeded,
                  .due = now,
                  .ramp = options_ != nullptr && options_->config.recovery_ramp > Duration::zero(),
                  .failures = probe_failures_,
                  .requests = std::uint64_t{probe_successes_} + probe_failures_};
    if (!*closes) {
        change.to = CircuitState::open;
        change.cause = TransitionCause::probes_failed;
        change.until = open_until_locked(now, change.cause);
    }
    change_locked(change, now);
}

// Verdicts that would decide, if all of them are good. None, where another configuration asks for no more than there
// are: the next one to come in decides.
std::uint32_t CircuitBreaker::probes_missing_locked() const noexcept {
    const bool early = options_ == nullptr || options_->config.half_open_verdict == HalfOpenVerdict::early;
    const std::uint32_t needed = early ? config_.success_threshold : probe_verdicts();
    const std::uint32_t there = std::uint32_t{probe_successes_} + (early ? 0U : probe_failures_);
    return needed - std::min(needed, there);
}

// Absent: the probes have not decided yet.
std::optional<bool> CircuitBreaker::probes_close_locked() const noexcept {
    if (options_ == nullptr || options_->config.half_open_verdict == HalfOpenVerdict::early) {
        if (probe_successes_ >= config_.success_threshold) return true;
        if (probe_failures_ > probe_verdicts() - config_.success_threshold) return false;
        return std::nullopt;
    }
    const std::uint32_t verdicts = std::uint32_t{probe_successes_} + probe_failures_;
    if (verdicts < probe_verdicts()) return std::nullopt;
    const bool failed = probe_failures_ != 0 && reaches(probe_failures_, verdicts, threshold());
    const bool slow = options_->probes_slow != 0 && reaches(options_->probes_slow, verdicts, options_->slow_ratio());
    return !failed && !slow;
}

}  // namespace resilience::inline v1
