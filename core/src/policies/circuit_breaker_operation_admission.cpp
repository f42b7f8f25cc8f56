#include <algorithm>
#include <optional>

#include "circuit_operations.hpp"

namespace resilience::inline v1::detail {

// ---- admission: the breaker and the operation are both asked, and only what both admit is counted as admitted.

bool CircuitOperation::enter(TimePoint now, Permit& permit, Rejection& why) noexcept {
    CircuitPassage passage;
    const bool enters = alone == nullptr ? enters_tracked(now, passage, why) : enters_isolated(now, passage, why);
    counters.add(enters ? admitted : rejected);
    if (enters) permit = Permit(whole, passage);
    return enters;
}

bool CircuitOperation::enters_tracked(TimePoint now, CircuitPassage& passage, Rejection& why) noexcept {
    const CircuitWord word = whole.state_.word();
    if (word.plainly_closed()) [[likely]] {
        whole.counters_.add(CircuitBreaker::admitted);
        if (whole.events_.wants(EventKind::permitted)) [[unlikely]]
            whole.announce_permitted(now);
        passage = {word, now};
    } else if (!whole.admits(ProbeHolder::permit, word, now, passage, why)) {
        return false;
    }
    passage.word = OperationWord(index, passage.word).kept();
    return true;
}

bool CircuitOperation::enters_isolated(TimePoint now, CircuitPassage& passage, Rejection& why) noexcept {
    const auto asks_nothing = [](CircuitWord word) {
        return word.counting() && !word.ends() && !word.watches_admissions();
    };
    const CircuitWord of_whole = whole.state_.word();
    const CircuitWord own = alone->state_.word();
    bool enters = false;
    if (asks_nothing(of_whole) && asks_nothing(own)) [[likely]] {
        alone->counters_.add(CircuitBreaker::admitted);
        whole.counters_.add(CircuitBreaker::admitted);
        passage = {OperationWord(index, of_whole, own).kept(), now};
        enters = true;
    } else if (!whole.refuses(of_whole, now, why)) {
        const std::scoped_lock lock(whole.mutex_);
        enters = enters_locked(now, passage, why);
    }
    if (enters) {
        if (whole.events_.wants(EventKind::permitted)) whole.announce_permitted(now);
    } else if (whole.events_.wants(EventKind::refused)) {
        whole.announce_refused(why, now);
    }
    whole.after_change();
    return enters;
}

bool CircuitOperation::enters_locked(TimePoint at, CircuitPassage& passage, Rejection& why) noexcept {
    const TimePoint now = whole.pass_time_locked(at);
    // Before anything is asked: where the breaker closes by it, the operation's own state has its say.
    whole.decide_due_locked(now);
    const CircuitWord word = whole.state_.word();
    if (!word.counting()) {
        // A probe of the breaker says nothing about the operation, unless that is open: then it is none.
        if (word.state() == CircuitState::half_open && own_state_refuses_locked(now, why)) return false;
        if (!whole.admits_locked(ProbeHolder::permit, now, passage, why)) return false;
        passage.word = OperationWord(index, passage.word).kept();
        return true;
    }
    CircuitPassage own;
    if (!own_state_admits_locked(now, own, why)) return false;
    // The breaker's ramp shares out what the operations themselves would admit.
    if (word.watches_admissions() && whole.options_->ramping && !whole.admits_in_ramp_locked(now, why)) {
        give_back_locked(own);
        return false;
    }
    whole.counters_.add(CircuitBreaker::admitted);
    passage = {OperationWord(index, whole.state_.word(), own.word).kept(), own.admitted_at};
    return true;
}

bool CircuitOperation::own_state_admits_locked(TimePoint now, CircuitPassage& own, Rejection& why) noexcept {
    const std::scoped_lock lock(alone->mutex_);
    if (alone->admits_locked(ProbeHolder::permit, now, own, why)) return true;
    refused_locked(why);
    return false;
}

// Admitted by the own state and by nobody else: there it was a call without a result.
void CircuitOperation::give_back_locked(const CircuitPassage& own) noexcept {
    const std::scoped_lock lock(alone->mutex_);
    alone->settle_locked(own, CallResult::ignored, own.admitted_at);
}

bool CircuitOperation::own_state_refuses_locked(TimePoint now, Rejection& why) const noexcept {
    const std::scoped_lock lock(alone->mutex_);
    const CircuitPosition position = alone->position_locked(now);
    if (position.state != CircuitState::open) return false;
    why = {.reason = RejectionReason::circuit_open,
           .kind = PolicyKind::circuit_breaker,
           .retry_after = position.until == never ? std::nullopt : std::optional(time_between(now, position.until))};
    refused_locked(why);
    return true;
}

// Refused by the operation's own state: in the breaker's name, and counted there.
void CircuitOperation::refused_locked(Rejection& why) const noexcept {
    why.policy = whole.name();
    switch (why.reason) {
        case RejectionReason::half_open_full:
            ++whole.rejected_half_open_full_;
            break;
        case RejectionReason::throttled:
            ++whole.options_->throttled;
            break;
        default:
            whole.counters_.add(CircuitBreaker::rejected_circuit_open);
            break;
    }
}

}  // namespace resilience::inline v1::detail
