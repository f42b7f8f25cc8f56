#pragma once

// The stage of a retry: a loop over attempts that never recurses and never sleeps itself.
//
// Even a retry without delay returns to its driver as "look again now", so a million attempts use one frame.

#include <resilience/base/call_context.hpp>
#include <resilience/pipeline/kept.hpp>
#include <resilience/pipeline/step.hpp>
#include <resilience/policies/retry.hpp>

namespace resilience::inline v1::detail {

template <int Index, class InnerStage>
class RetryStage {
  public:
    using Result = typename InnerStage::Result;

    template <class Driver>
    RESILIENCE_HOT Step start(Driver& driver, CallContext& context, TimePoint now) {
        const Step step = inner_.start(driver, context, now);
        if (step.ok()) [[likely]] {
            driver.template policy<Index>().count_first_success();
            return step;
        }
        return first(driver.cold(), context, step);
    }
    template <class Driver>
    RESILIENCE_COLD Step again(Driver& driver, CallContext& context, TimePoint now) {
        inner_.answer().clear();
        return start(driver, context, now);
    }
    template <class Driver>
    Step poll(Driver& driver, TimePoint now) {
        State& state = *kept_;
        if (!state.waiting) return next(driver, inner_.poll(driver, now));
        if (state.cancelled) return cancelled_while_waiting(driver, now);
        if (now < state.resume) return Step::wait(state.resume);
        stop_waiting(driver, now);
        if (now >= state.context.deadline()) return give_up(driver, ended_at(state.last, now), RetryStop::deadline);
        ++state.attempt;
        state.context.set_attempt(++driver.call().tries);  // of the call: nested retries count on, not anew
        // Until it says so: an unwind out of the attempt must not abandon what never waited.
        state.inner_pending = false;
        return next(driver, inner_.again(driver, state.context, now));
    }
    template <class Driver>
    void cancel(Driver& driver, TimePoint now, Cause cause) noexcept {
        kept_->cancelled = true;
        if (!kept_->waiting) inner_.cancel(driver, now, cause);
    }
    template <class Driver>
    void abandon(Driver& driver) noexcept {
        if (kept_->waiting) driver.template policy<Index>().end_sleep();
        if (kept_->inner_pending) inner_.abandon(driver);
        driver.template policy<Index>().count_end(false, RetryStop::cancelled, kept_->attempt);
        kept_.close();
    }
    [[nodiscard]] auto& answer() noexcept { return inner_.answer(); }

  private:
    struct State {
        CallContext context;  // a copy: the one outside is lent, and a stage around may lower its deadline meanwhile
        std::uint32_t attempt = 1;
        TimePoint resume{};
        TimePoint waiting_since{};
        Duration previous_delay{};
        Step last{};
        bool waiting = false;
        bool inner_pending = false;
        bool cancelled = false;
    };

    [[nodiscard]] static Step ended_at(Step step, TimePoint now) noexcept {
        step.at = now;
        return step;
    }

    // The first attempt did not succeed, or did not end: from here on the stage has state of its own.
    template <class Driver>
    RESILIENCE_COLD Step first(Driver& driver, CallContext& context, Step step) {
        kept_.open(State{.context = context});
        return next(driver, step);
    }

    template <class Driver>
    RESILIENCE_COLD Step next(Driver& driver, Step step) {
        State& state = *kept_;
        state.inner_pending = !step.is_done();
        if (state.inner_pending) return step;
        if (step.ok()) {
            const bool at_once = state.attempt == 1;
            return end(driver, step, true, at_once ? RetryStop::not_needed : RetryStop::succeeded);
        }
        if (state.cancelled || driver.stop_requested()) return cancelled(driver, step.at);

        Retry& retry = driver.template policy<Index>();
        const AttemptEnd attempt_end = describe(driver, step);
        const Next decision = retry.next(attempt_end, driver.random());
        if (!decision.resume) return give_up(driver, step, decision.stop);
        if (retry.wants_retry_events()) retry.publish_retry(attempt_end, decision);
        retry.begin_sleep();
        state.last = step;
        state.waiting = true;
        state.waiting_since = step.at;
        state.resume = *decision.resume;
        state.previous_delay = decision.delay;
        return Step::wait(state.resume);
    }

    template <class Driver>
    [[nodiscard]] AttemptEnd describe(Driver& driver, const Step& step) {
        State& state = *kept_;
        AttemptEnd end{.attempt = state.attempt,
                       .at = step.at,
                       .result = step.result,
                       .retryable = !step.is(Step::not_retryable),
                       .refused = step.is(Step::refused),
                       .retry_after = {},
                       .deadline = state.context.deadline(),
                       .previous_delay = state.previous_delay,
                       .reason = step.reason};
        if (end.refused) {
            end.retry_after = driver.call().refusal().retry_after;
        } else if (step.is(Step::pushed_back)) {
            end.retry_after = driver.call().retry_after;
        }
        return end;
    }

    template <class Driver>
    void stop_waiting(Driver& driver, TimePoint now) noexcept {
        State& state = *kept_;
        driver.template policy<Index>().end_sleep();
        driver.call().waited_in_backoff += time_between(state.waiting_since, now);
        state.waiting = false;
    }
    template <class Driver>
    RESILIENCE_COLD Step cancelled_while_waiting(Driver& driver, TimePoint now) {
        stop_waiting(driver, now);
        return cancelled(driver, now);
    }
    template <class Driver>
    RESILIENCE_COLD Step cancelled(Driver& driver, TimePoint now) {
        const Rejection why{.reason = RejectionReason::cancelled,
                            .kind = PolicyKind::retry,
                            .policy = driver.template policy<Index>().name()};
        return end(driver, driver.call().refuse(why, now), false, RetryStop::cancelled);
    }
    template <class Driver>
    Step give_up(Driver& driver, Step step, RetryStop why) {
        return end(driver, step, outcome_of(step.result) == Outcome::success, why);
    }
    template <class Driver>
    Step end(Driver& driver, Step step, bool success, RetryStop why) {
        driver.call().retry_stopped = why;
        driver.template policy<Index>().count_end(success, why, kept_->attempt);
        kept_.close();
        return step;
    }

    InnerStage inner_;
    Kept<State> kept_;
};

}  // namespace resilience::inline v1::detail
