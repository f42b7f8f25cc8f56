#pragma once

// A circuit breaker's permit: one admitted call, settled exactly once; and the breaker's hot path, which needs it.
//
// A permit is 24 bytes, moves and does not copy. Dropped without a verdict it is *ignored*: its probe slot returns, no
// window changes, and it counts as `ignored` and `cancelled`. Settling is the end of it: a second `settle`, or one on
// an empty or moved-from permit, does nothing, and `held()` says which it is. It may be settled on another thread than
// the one that acquired it, but not by two at once, and must not outlive its breaker.

#include <resilience/base/inlining.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <utility>

namespace resilience::inline v1 {

class [[nodiscard("dropping a permit counts the call as ignored")]] CircuitBreaker::Permit {
  public:
    // Empty: settles nothing.
    Permit() noexcept = default;
    Permit(Permit&& other) noexcept : breaker_(std::exchange(other.breaker_, nullptr)), passage_(other.passage_) {}
    // What it held before is dropped.
    Permit& operator=(Permit&& other) noexcept {
        if (this != &other) {
            drop();
            breaker_ = std::exchange(other.breaker_, nullptr);
            passage_ = other.passage_;
        }
        return *this;
    }
    ~Permit() { drop(); }

    RESILIENCE_HOT void settle(Outcome outcome, TimePoint now = Clock::now()) noexcept {
        if (CircuitBreaker* const breaker = std::exchange(breaker_, nullptr)) [[likely]]
            breaker->settle(passage_, result_of(outcome), now);
    }
    // With `open_for` the breaker opens for that long, up to max_timeout and whatever the window says, if only this
    // verdict has ended the state that admitted the call, or nothing has. An open period it causes is not shortened.
    void settle(const Verdict& verdict, TimePoint now = Clock::now()) noexcept {
        if (verdict.open_for) return settle_as_asked(verdict.result, now, *verdict.open_for);
        settle(verdict.result, now);
    }
    // Nothing is asked for with 0 or less.
    RESILIENCE_HOT void settle_as_asked(CallResult result, TimePoint now, Duration open_for) noexcept {
        CircuitBreaker* const breaker = std::exchange(breaker_, nullptr);
        if (breaker != nullptr) breaker->settle_as_asked(passage_, result, now, open_for);
    }
    // The call machine's form. A classifier that threw is counted beside the result.
    RESILIENCE_HOT void settle(CallResult result, TimePoint now, bool classifier_failed = false) noexcept {
        CircuitBreaker* const breaker = std::exchange(breaker_, nullptr);
        if (breaker == nullptr) return;
        if (classifier_failed) [[unlikely]]
            return settle_unjudged(*breaker, passage_, result, now);
        breaker->settle(passage_, result, now);
    }

    [[nodiscard]] bool held() const noexcept { return breaker_ != nullptr; }
    // When the breaker admitted the call.
    [[nodiscard]] TimePoint admitted_at() const noexcept { return passage_.admitted_at; }

  private:
    friend class CircuitBreaker;
    friend struct detail::CircuitOperation;
    Permit(CircuitBreaker& breaker, Passage passage) noexcept : breaker_(&breaker), passage_(passage) {}

    // Apart from the path of every call, which would hold all of settle() twice.
    [[gnu::cold, gnu::noinline]] static void settle_unjudged(CircuitBreaker& breaker, Passage passage,
                                                             CallResult result, TimePoint now) noexcept {
        breaker.classifier_errors_.fetch_add(1, std::memory_order_relaxed);
        breaker.settle(passage, result, now);
    }

    // Nobody says when a permit is dropped, and a destructor reads no clock: the moment of admission is always true.
    void drop() noexcept {
        if (breaker_ != nullptr) [[unlikely]]
            std::exchange(breaker_, nullptr)->settle_otherwise(passage_, CallResult::cancelled, passage_.admitted_at);
    }

    CircuitBreaker* breaker_ = nullptr;
    Passage passage_{};
};
static_assert(sizeof(CircuitBreaker::Permit) == 24);

// Open with an end that is not reached: what is asked most while a callee is down, and answered without a lock.
RESILIENCE_HOT bool CircuitBreaker::refuses_at_once(CircuitWord word, TimePoint now, TimePoint& until) noexcept {
    until = state_.until();
    if (!word.open_with_end() || now >= until) return false;
    if (events_.wants(EventKind::refused)) [[unlikely]]
        return false;
    counters_.add(rejected_circuit_open);
    return true;
}

RESILIENCE_HOT Admission<CircuitBreaker::Permit> CircuitBreaker::try_acquire(TimePoint now) noexcept {
    const CircuitWord word = state_.word();
    if (!word.plainly_closed()) [[unlikely]] {
        TimePoint until;
        if (!refuses_at_once(word, now, until)) return try_acquire_otherwise(word, now);
        // Written where the caller wants it: a refusal made elsewhere would have to be copied.
        return Admission<Permit>(std::unexpect, RejectionReason::circuit_open, PolicyKind::circuit_breaker, name(),
                                 time_between(now, until));
    }
    counters_.add(admitted);
    if (events_.wants(EventKind::permitted)) [[unlikely]]
        announce_permitted(now);
    return Permit(*this, {word, now});
}

RESILIENCE_HOT bool CircuitBreaker::enter(TimePoint now, Permit& permit, Rejection& why) noexcept {
    const CircuitWord word = state_.word();
    if (!word.plainly_closed()) [[unlikely]] {
        // One of its own: a permit whose address goes anywhere would be kept in memory on the path of every call.
        Permit admitted_otherwise;
        if (!enter_otherwise(word, now, admitted_otherwise, why)) return false;
        permit = std::move(admitted_otherwise);
        return true;
    }
    counters_.add(admitted);
    if (events_.wants(EventKind::permitted)) [[unlikely]]
        announce_permitted(now);
    permit.breaker_ = this;
    permit.passage_ = {word, now};
    return true;
}

inline bool CircuitBreaker::allow(TimePoint now) noexcept {
    const CircuitWord word = state_.word();
    if (!word.plainly_closed()) [[unlikely]] {
        TimePoint until;
        return !refuses_at_once(word, now, until) && allow_otherwise(word, now);
    }
    // Counted as admitted before its result can be told: no picture shows more settled than admitted.
    counters_.add(admitted);
    if (!anonymous_.enter(word)) [[unlikely]]
        allow_beside_change(word, now);
    if (events_.wants(EventKind::permitted)) [[unlikely]]
        announce_permitted(now);
    return true;
}

RESILIENCE_HOT void CircuitBreaker::record_result(bool success, TimePoint now) noexcept {
    const CallResult result = success ? CallResult::success : CallResult::failure;
    const CircuitWord word = state_.word();
    if (!word.plainly_closed()) [[unlikely]]
        return record_result_otherwise(result, now);
    const auto left = anonymous_.leave(word);
    if (left == detail::AnonymousAdmissions::Left::ask_under_lock) [[unlikely]]
        return record_result_otherwise(result, now);
    if (left == detail::AnonymousAdmissions::Left::none_open) counters_.add(admitted);
    if (!success) return record_failure({word, now}, result, now);
    record_success({word, now}, result, now);
}

inline void CircuitBreaker::record_result(bool success, Duration took, TimePoint now) noexcept {
    if (options_ == nullptr) return record_result(success, now);
    record_latency(took);
    if (state_.word().plainly_closed()) return record_result(success, now);
    record_result_otherwise(success ? CallResult::success : CallResult::failure, now, took);
}

RESILIENCE_HOT void CircuitBreaker::settle(Passage passage, CallResult result, TimePoint now) noexcept {
    if (options_ != nullptr) [[unlikely]]
        record_latency(time_between(passage.admitted_at, now));
    // Equal words: closed, and nothing has happened since the call was admitted.
    if (result == CallResult::success && passage.word == state_.word() && passage.word.plainly_closed()) [[likely]]
        return record_success(passage, result, now);
    settle_otherwise(passage, result, now);
}

RESILIENCE_HOT void CircuitBreaker::record_success(Passage passage, CallResult result, TimePoint now) noexcept {
    const std::optional<WindowCounts> counts = windows_[passage.word.window()].record_success(now);
    if (counts || events_.wants(EventKind::finished)) [[unlikely]]
        conclude(passage, result, now, counts.value_or(WindowCounts{}));
}

inline CircuitState CircuitBreaker::state(TimePoint now) const noexcept {
    const CircuitWord word = state_.word();
    if (!word.ends() || now < state_.until()) return word.state();
    const std::scoped_lock lock(mutex_);
    return position_locked(now).state;
}

}  // namespace resilience::inline v1
