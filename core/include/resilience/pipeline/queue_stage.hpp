#pragma once

// The stage of a policy in whose line a call may wait: bulkhead and rate limiter.
//
// A call that is let in at once costs what it costs in a GateStage. One that is not becomes pending *before* it joins
// the line: it joins at its first poll, when its driver has somewhere to be woken. What became of its turn it learns
// only by looking (policies/place_in_line.hpp), so a grant, a time-out and a cancellation that meet need no code here.
//
// A stay that ends without its turn ends as a refusal: waiting is never the callee's fault. The time in line counts
// into CallReport::waited_in_queue either way.

#include <optional>
#include <resilience/base/call_context.hpp>
#include <resilience/pipeline/kept.hpp>
#include <resilience/pipeline/step.hpp>
#include <resilience/policies/place_in_line.hpp>
#include <utility>

namespace resilience::inline v1 {

// How the engine reaches a policy that has a line: a file each in pipeline/gates/.
template <class Policy>
struct LineOf;

namespace detail {

template <class Policy, int Index, class InnerStage>
class QueueStage {
    using Entrance = LineOf<Policy>;
    using Permit = typename Entrance::Permit;

  public:
    using Result = typename InnerStage::Result;

    template <class Driver>
    RESILIENCE_HOT Step start(Driver& driver, CallContext& context, TimePoint now) {
        Permit permit = Entrance::no_permit();
        if (!Entrance::enter(driver.template policy<Index>(), now, context, permit)) [[unlikely]] {
            return not_let_in(driver.cold(), context, now);
        }
        const Step step = inner_.start(driver, context, now);
        if (!step.is_done()) [[unlikely]] {
            kept_.open(std::move(permit));
            return step;
        }
        Entrance::leave(permit, step, driver.call());
        return step;
    }
    template <class Driver>
    RESILIENCE_COLD Step again(Driver& driver, CallContext& context, TimePoint now) {
        inner_.answer().clear();
        return start(driver, context, now);
    }
    template <class Driver>
    Step poll(Driver& driver, TimePoint now) {
        State& state = *kept_;
        if (!state.waiting) return end_if_done(driver, inner_.poll(driver, now));
        Stay& stay = *state.stay;
        if (!stay.joined) {
            const WaitTerms terms{.until = saturating_add(now, stay.longest),
                                  .deadline = stay.context.deadline(),
                                  .tokens = stay.context.tokens(),
                                  .blocking = Driver::blocks};
            if (!stay.place.join(driver.waker(), now, terms, driver.call().refusal())) {
                return turned_away(driver, now);
            }
            stay.joined = true;
        }
        return look(driver, now);
    }
    template <class Driver>
    void cancel(Driver& driver, TimePoint now, Cause cause) noexcept {
        if (kept_->waiting) {
            kept_->stay->cancelled = true;
        } else {
            inner_.cancel(driver, now, cause);
        }
    }
    // The call will never end: it leaves the line, or its permit is dropped, which counts it as ignored.
    template <class Driver>
    void abandon(Driver& driver) noexcept {
        State& state = *kept_;
        if (state.waiting && state.stay->joined) {
            state.stay->place.abandon(driver.now(), [&](Waiter& waiter) { driver.await_delivery(waiter); });
        }
        if (state.inner_pending) inner_.abandon(driver);
        kept_.close();
    }
    [[nodiscard]] auto& answer() noexcept { return inner_.answer(); }

  private:
    using Look = typename PlaceInLine<Policy>::Look;

    struct Stay {
        Stay(Policy& policy, const CallContext& lent, Duration longest_wait) noexcept
            : place(policy), context(lent), longest(longest_wait) {}
        PlaceInLine<Policy> place;
        CallContext context;  // a copy for what stands inside: the one outside is only lent
        Duration longest;
        bool joined = false;
        bool cancelled = false;
    };
    struct State {
        Permit permit;
        bool inner_pending = true;
        bool waiting = false;
        std::optional<Stay> stay{};
    };

    template <class Driver>
    RESILIENCE_COLD Step not_let_in(Driver& driver, CallContext& context, TimePoint now) {
        Policy& policy = driver.template policy<Index>();
        const Duration longest = Entrance::longest_wait(policy, context);
        if (longest <= Duration::zero()) {
            driver.call().refusal() = Entrance::refuse(policy, now, context);
            return driver.call().turned_away(now);
        }
        kept_.open(Entrance::no_permit(), false, true);
        kept_->stay.emplace(policy, context, longest);
        return Step::wait(now);
    }

    template <class Driver>
    Step look(Driver& driver, TimePoint now) {
        State& state = *kept_;
        Stay& stay = *state.stay;
        const Look seen = stay.place.look(now, stay.cancelled || driver.stop_requested(), driver.call().refusal());
        if (seen == Look::waiting) return Step::wait(stay.place.next());
        // Not `now`: a thread that was held up between joining and this look has waited since.
        driver.call().waited_in_queue += stay.place.waited(driver.now());
        if (seen == Look::refused) return turned_away(driver, now);
        state.permit = stay.place.adopt(now);
        state.waiting = false;
        return end_if_done(driver, inner_.again(driver, stay.context, now));
    }
    template <class Driver>
    Step turned_away(Driver& driver, TimePoint now) {
        kept_.close();
        return driver.call().turned_away(now);
    }
    template <class Driver>
    Step end_if_done(Driver& driver, const Step& step) noexcept {
        kept_->inner_pending = !step.is_done();
        if (step.is_done()) {
            Entrance::leave(kept_->permit, step, driver.call());
            kept_.close();
        }
        return step;
    }

    InnerStage inner_;
    Kept<State> kept_;
};

}  // namespace detail
}  // namespace resilience::inline v1
