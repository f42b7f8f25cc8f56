#include <algorithm>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/health_probing.hpp>

namespace resilience::inline v1 {

// What needs no lock: refusing while open or forced open, as long as that lasts.
bool CircuitBreaker::refuses(CircuitWord word, TimePoint now, Rejection& why) noexcept {
    const TimePoint until = state_.end_of(word);
    if (word.ends() && now >= until) return false;
    if (word.state() == CircuitState::open) {
        counters_.add(rejected_circuit_open);
        why = refusal(RejectionReason::circuit_open,
                      word.ends() ? std::optional(time_between(now, until)) : std::nullopt);
    } else if (word.state() == CircuitState::forced_open) {
        counters_.add(rejected_forced_open);
        why = refusal(RejectionReason::forced_open, std::nullopt);
    } else {
        return false;
    }
    return true;
}

Rejection CircuitBreaker::refusal(RejectionReason reason, std::optional<Duration> retry_after) noexcept {
    return {.reason = reason, .kind = PolicyKind::circuit_breaker, .policy = name(), .retry_after = retry_after};
}

Admission<CircuitBreaker::Permit> CircuitBreaker::try_acquire_otherwise(CircuitWord word, TimePoint now) noexcept {
    Rejection why;
    Passage passage;
    if (!admits(ProbeHolder::permit, word, now, passage, why)) return std::unexpected(why);
    return Permit(*this, passage);
}

bool CircuitBreaker::enter_otherwise(CircuitWord word, TimePoint now, Permit& permit, Rejection& why) noexcept {
    TimePoint until;
    if (refuses_at_once(word, now, until)) [[likely]] {
        why = {.reason = RejectionReason::circuit_open, .policy = name(), .retry_after = time_between(now, until)};
        return false;
    }
    return enter_slowly(word, now, permit, why);
}

bool CircuitBreaker::enter_slowly(CircuitWord word, TimePoint now, Permit& permit, Rejection& why) noexcept {
    Passage passage;
    if (!admits(ProbeHolder::permit, word, now, passage, why)) return false;
    permit = Permit(*this, passage);
    return true;
}

bool CircuitBreaker::allow_otherwise(CircuitWord word, TimePoint now) noexcept {
    Rejection why;
    Passage passage;
    return admits(ProbeHolder::anonymous, word, now, passage, why);
}

bool CircuitBreaker::admits(ProbeHolder holder, CircuitWord word, TimePoint now, Passage& passage,
                            Rejection& why) noexcept {
    bool admitted_it = false;
    if (word.counting() && !word.ends() && !word.watches_admissions()) {
        counters_.add(admitted);
        if (holder == ProbeHolder::anonymous && !anonymous_.enter(word)) allow_beside_change(word, now);
        passage = {word, now};
        admitted_it = true;
    } else if (!refuses(word, now, why)) {
        const std::scoped_lock lock(mutex_);
        admitted_it = admits_locked(holder, now, passage, why);
    }
    if (admitted_it) {
        if (events_.wants(EventKind::permitted)) announce_permitted(now);
    } else if (events_.wants(EventKind::refused)) {
        announce_refused(why, now);
    }
    after_change();
    return admitted_it;
}

bool CircuitBreaker::admits_locked(ProbeHolder holder, TimePoint at, Passage& passage, Rejection& why) noexcept {
    const TimePoint now = pass_time_locked(at);
    if (probes_.health() != nullptr) probes_.health()->judge_overdue(*this, now);
    const CircuitWord word = state_.word();
    switch (word.state()) {
        case CircuitState::half_open:
            return admits_probe_locked(holder, now, passage, why);
        case CircuitState::open:
        case CircuitState::forced_open:
            return !refuses(word, now, why);
        default:
            break;
    }
    if (counts_running() && word.counting()) {
        judge_running_locked(now);
        // It may have opened, for no time at all even: then the question is another one.
        if (!state_.word().counting()) return admits_locked(holder, now, passage, why);
    }
    if (word.watches_admissions() && options_->ramping && !admits_in_ramp_locked(now, why)) return false;
    counters_.add(admitted);
    // Under the mutex the generation cannot have changed.
    if (holder == ProbeHolder::anonymous) static_cast<void>(anonymous_.enter(word));
    passage = {state_.word(), now};
    if (counts_running() && word.counting() && holder == ProbeHolder::permit) {
        options_->running->begin(now);
        passage.word = passage.word.with_slot(options_->running_number);
    }
    return true;
}

// One call for each whole call of the share that has come together: no luck, and no burst.
bool CircuitBreaker::admits_in_ramp_locked(TimePoint now, Rejection& why) noexcept {
    detail::CircuitBreakerOptions& options = *options_;
    const Duration passed = time_between(options.ramp_began, now);
    if (passed >= options.config.recovery_ramp) {
        options.ramping = false;
        state_.publish(state_.word().with_watch(options.watch()), never);
        return true;
    }
    const double part = static_cast<double>(passed.count()) / static_cast<double>(options.config.recovery_ramp.count());
    options.ramp_credit += options.config.ramp_from + (1 - options.config.ramp_from) * part;
    if (options.ramp_credit >= 1) {
        options.ramp_credit -= 1;
        return true;
    }
    ++options.throttled;
    why = refusal(RejectionReason::throttled, std::nullopt);
    return false;
}

bool CircuitBreaker::admits_probe_locked(ProbeHolder holder, TimePoint now, Passage& passage, Rejection& why) noexcept {
    reclaim_leases_locked(now);
    // A change of the numbers may have decided it: no further probe would.
    decide_half_open_locked(now);
    if (state_.word().state() != CircuitState::half_open) return admits_locked(holder, now, passage, why);
    if (const std::optional<Duration> place_in = half_open_refusal_locked(now)) {
        ++rejected_half_open_full_;
        why = refusal(RejectionReason::half_open_full, *place_in);
        return false;
    }
    counters_.add(admitted);
    passage = {state_.word().with_slot(probes_.take(now, holder)), now};
    return true;
}

// A health probe takes a place too.
bool CircuitBreaker::probes_full_locked() const noexcept {
    const bool health = probes_.health() != nullptr && probes_.health()->place_taken_at(state_.word()) != never;
    const std::uint32_t out = probes_.in_flight() + (health ? 1 : 0);
    return out >= probes_at_once() || out + probe_successes_ + probe_failures_ >= probe_verdicts();
}

// Absent: there is a place for a call. Else in how long there may be one.
std::optional<Duration> CircuitBreaker::half_open_refusal_locked(TimePoint now) const noexcept {
    const detail::HealthProbing* const health = probes_.health();
    if (health != nullptr && health->keeps_calls_out()) return health->until_decided(*this, now);
    if (!probes_full_locked()) return std::nullopt;
    TimePoint first_end = saturating_add(probes_.oldest_stamp(), lease());
    if (health != nullptr) first_end = std::min(first_end, health->deadline());
    return std::min(time_between(now, first_end), present_open_time());
}

void CircuitBreaker::announce_permitted(TimePoint now) noexcept {
    events_.publish({.kind = EventKind::permitted, .name = name(), .at = now});
}

void CircuitBreaker::announce_refused(const Rejection& why, TimePoint now) noexcept {
    events_.publish(
        {.kind = EventKind::refused, .name = name(), .at = now, .retry_after = why.retry_after, .reason = why.reason});
}

}  // namespace resilience::inline v1
