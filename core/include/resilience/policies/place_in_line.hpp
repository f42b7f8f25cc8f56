#pragma once

// One call's stay in the line of a bulkhead or a rate limiter: joining, looking whether its turn has come, giving up.
//
// Every driver goes through this one class: the stage of a pipeline, `acquire_for` on a sleeping thread, and its twin
// in virtual time. Looking is level-triggered: do it after any wake-up, as often as you like, at `next()` at the
// latest. What holds:
//   - a stay that gives up (its time is over, its caller is gone) has taken nothing with it;
//   - if its turn came while it was giving up, it takes the turn when only the longest wait was over; when nobody is
//     there to use it, it passes the place on;
//   - a waiter that its policy has sent away touches the policy no more.
//
// A stay belongs to the call's thread and stays where it is in memory until it has ended; only the waker is called from
// others.

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <resilience/base/parker.hpp>
#include <resilience/base/rejection.hpp>
#include <resilience/base/time.hpp>
#include <resilience/base/waiter.hpp>
#include <stop_token>

namespace resilience::inline v1 {

// What a call brings to a line.
struct WaitTerms {
    TimePoint until = never;     // the end of the longest wait: then `queue_timeout`
    TimePoint deadline = never;  // of the call: then `deadline_exceeded`
    std::uint64_t tokens = 1;
    bool blocking = false;  // a thread sleeps meanwhile
};

// How a stay reaches its policy. Whatever ends as a refusal is counted by the policy.
template <class Policy>
concept HasLine = requires(Policy& policy, const Policy& same, Waiter& waiter, TimePoint now, const WaitTerms& terms,
                           Rejection& why, RejectionReason reason) {
    { policy.join_line(waiter, now, terms, why) } noexcept -> std::same_as<bool>;
    { policy.look_in_line(waiter, now) } noexcept -> std::same_as<TimePoint>;  // when its turn may come by itself
    // Gives up; false: a delivery is coming.
    { policy.leave_line(waiter, reason, now, why) } noexcept -> std::same_as<bool>;
    { policy.return_turn(waiter, now) } noexcept;
    { policy.depart() } noexcept;  // the last touch of a stay whose thread sleeps
    { same.rejection_of(reason) } noexcept -> std::same_as<Rejection>;
};

template <class Policy>
class PlaceInLine {
  public:
    enum class Look : std::uint8_t { waiting, granted, refused };

    explicit PlaceInLine(Policy& policy) noexcept : policy_(&policy) {}
    PlaceInLine(const PlaceInLine&) = delete;
    PlaceInLine& operator=(const PlaceInLine&) = delete;

    // False: not let in, see `why`.
    [[nodiscard]] bool join(Waker waker, TimePoint now, const WaitTerms& terms, Rejection& why) noexcept {
        terms_ = terms;
        waiter_.waker = waker;
        waiter_.since = now;
        waiter_.tokens = terms.tokens;
        waiter_.blocking = terms.blocking;
        return policy_->join_line(waiter_, now, terms, why);
    }

    // After `granted` the turn is the caller's: adopt(). After `refused` the stay is over.
    [[nodiscard]] Look look(TimePoint now, bool cancelled, Rejection& why) noexcept {
        for (;;) {
            next_ = never;
            switch (waiter_.look()) {
                case WaitState::granted:
                    return take_or_return(now, cancelled, why);
                case WaitState::dropped:
                    return sent_away(why);
                case WaitState::queued:
                    break;
                default:
                    return Look::waiting;  // a delivery is coming
            }
            if (cancelled) return leave(RejectionReason::cancelled, now, why);
            if (now >= terms_.deadline) return leave(RejectionReason::deadline_exceeded, now, why);
            const TimePoint moment = policy_->look_in_line(waiter_, now);
            // Its own look may have brought its turn.
            if (waiter_.look() != WaitState::queued) continue;
            if (now >= terms_.until) return leave(RejectionReason::queue_timeout, now, why);
            next_ = std::min({moment, terms_.until, terms_.deadline});
            return Look::waiting;
        }
    }
    // When to look again at the latest; `never` while a delivery is coming.
    [[nodiscard]] TimePoint next() const noexcept { return next_; }

    // The permit, or what stands for it, of a stay that was granted.
    [[nodiscard]] auto adopt(TimePoint now) noexcept {
        auto permit = policy_->adopt(waiter_, now);
        depart();
        return permit;
    }
    [[nodiscard]] Duration waited(TimePoint now) const noexcept { return time_between(waiter_.since, now); }

    // The call dies while it waits. `await_delivery(waiter)` returns once the delivery that is on its way has arrived.
    template <class AwaitDelivery>
    void abandon(TimePoint now, AwaitDelivery&& await_delivery) noexcept {
        const WaitState seen = waiter_.look();
        if (seen == WaitState::idle) return;  // it never joined
        Rejection why;
        // Also when called: that delivery would leave it in the line.
        if ((seen == WaitState::queued || seen == WaitState::called) &&
            policy_->leave_line(waiter_, RejectionReason::cancelled, now, why)) {
            return depart();
        }
        await_delivery(waiter_);
        if (waiter_.look() == WaitState::granted) policy_->return_turn(waiter_, now);
        depart();
    }

  private:
    [[nodiscard]] Look leave(RejectionReason reason, TimePoint now, Rejection& why) noexcept {
        if (!policy_->leave_line(waiter_, reason, now, why)) return Look::waiting;
        depart();
        return Look::refused;
    }
    [[nodiscard]] Look take_or_return(TimePoint now, bool cancelled, Rejection& why) noexcept {
        if (!cancelled && now < terms_.deadline) return Look::granted;
        why = policy_->rejection_of(cancelled ? RejectionReason::cancelled : RejectionReason::deadline_exceeded);
        policy_->return_turn(waiter_, now);
        depart();
        return Look::refused;
    }
    [[nodiscard]] Look sent_away(Rejection& why) noexcept {
        why = waiter_.why;
        depart();
        return Look::refused;
    }
    // Without a sleeping thread the policy may be gone, and there is nobody for its destructor to wait for.
    void depart() noexcept {
        if (waiter_.blocking) policy_->depart();
    }

    Policy* policy_;
    Waiter waiter_;
    WaitTerms terms_{};
    TimePoint next_ = never;
};

namespace detail {

// Sleeps on the calling thread until its turn has come (true) or it is refused.
template <class Policy>
[[nodiscard]] bool sleep_in_line(PlaceInLine<Policy>& place, const WaitTerms& terms, const std::stop_token& stop,
                                 TimePoint now, Rejection& why) {
    using Look = typename PlaceInLine<Policy>::Look;
    Parker parker;
    const Waker waker{[](void* sleeper, Waiter& waiter) noexcept {
                          static_cast<Parker*>(sleeper)->wake([&waiter] { waiter.arrive(); });
                      },
                      &parker};
    if (!place.join(waker, now, terms, why)) return false;

    struct Guard {  // pthread_cancel unwinds out of the sleep
        PlaceInLine<Policy>& place;
        Parker& parker;
        bool waiting = true;
        ~Guard() {
            if (!waiting) return;
            place.abandon(Clock::now(), [this](const Waiter& waiter) {
                while (waiter.look() == WaitState::called || waiter.look() == WaitState::leaving) {
                    parker.park(never, {});
                }
            });
        }
    } guard{place, parker};
    for (;;) {
        const bool cancelled = stop.stop_requested();
        const Look look = place.look(now, cancelled, why);
        if (look != Look::waiting) {
            guard.waiting = false;
            return look == Look::granted;
        }
        // A stop that is known must not keep waking the thread while it waits for its delivery.
        parker.park(place.next(), cancelled ? std::stop_token{} : stop);
        now = Clock::now();
    }
}

}  // namespace detail
}  // namespace resilience::inline v1
