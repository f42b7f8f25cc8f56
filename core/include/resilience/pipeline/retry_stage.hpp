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
        if (driver.template held<Index>().has_extras()) [[unlikely]]
            return start_with_extras(driver.cold(), context, now);
        const Step step = inner_.start(driver, context, now);
        if (step.ok()) [[likely]] {
            driver.template policy<Index>().count_first_success();
            return step;
        }
        // Only hooks want to know when the attempt began: keeping `now` for them costs a success two instructions.
        return first(driver.cold(), context, step, TimePoint{});
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
        if (const RetryStop late = too_late(driver, now); late != RetryStop::not_needed) {
            driver.template policy<Index>().end_retry(false, now);
            return give_up(driver, ended_at(state.last, now), late);
        }
        ++state.attempt;
        state.attempt_began = now;
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
        Retry& retry = driver.template policy<Index>();
        const TimePoint now = driver.now();
        if (kept_->waiting) {
            retry.end_sleep();
            retry.end_retry(false, now);
        } else if (kept_->attempt > 1) {
            retry.end_retry(true, now);
        }
        if (kept_->inner_pending) inner_.abandon(driver);
        retry.end_call(false, now);
        retry.count_end(false, RetryStop::cancelled, kept_->attempt);
        kept_.close();
    }
    [[nodiscard]] auto& answer() noexcept { return inner_.answer(); }

  private:
    struct State {
        CallContext context;  // a copy: the one outside is lent, and a stage around may lower its deadline meanwhile
        std::uint32_t attempt = 1;
        TimePoint attempt_began{};
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
    RESILIENCE_COLD Step first(Driver& driver, CallContext& context, Step step, TimePoint began) {
        kept_.open(State{.context = context, .attempt_began = began});
        return next(driver, step);
    }

    // The same with hooks or a budget: what a call costs then is not asked of calls without.
    template <class Driver>
    RESILIENCE_COLD Step start_with_extras(Driver& driver, CallContext& context, TimePoint now) {
        // A forced unwind out of the attempt ends the call as well.
        struct BegunCall {
            Retry* retry;
            TimePoint began;
            ~BegunCall() {
                if (retry != nullptr) retry->end_call(false, began);
            }
        } begun{&driver.template policy<Index>(), now};
        begun.retry->begin_call();
        const Step step = inner_.start(driver, context, now);
        begun.retry = nullptr;
        return first(driver, context, step, now);
    }

    template <class Driver>
    RESILIENCE_COLD Step next(Driver& driver, Step step) {
        State& state = *kept_;
        state.inner_pending = !step.is_done();
        if (state.inner_pending) return step;
        Retry& retry = driver.template policy<Index>();
        if (state.attempt > 1) retry.end_retry(true, step.at);
        if (step.ok()) {
            const bool at_once = state.attempt == 1;
            return end(driver, step, true, at_once ? RetryStop::not_needed : RetryStop::succeeded);
        }
        if (state.cancelled || driver.stop_requested()) return cancelled(driver, step.at);

        const AttemptEnd attempt_end = describe(driver, step);
        const Next decision = retry.next(attempt_end, driver.random());
        if (!decision.resume) return give_up(driver, step, decision.stop);
        if (!retry.begin_retry(step.at)) return give_up(driver, step, RetryStop::budget);
        retry.call_before_retry(attempt_end, decision);
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
                       .reason = step.reason,
                       .call_began = state.context.started(),
                       .took = time_between(state.attempt_began, step.at)};
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
        driver.template policy<Index>().end_retry(false, now);
        return cancelled(driver, now);
    }
    // Whoever woke too late: why no attempt begins at `now`; not_needed if one may.
    template <class Driver>
    [[nodiscard]] RetryStop too_late(Driver& driver, TimePoint now) noexcept {
        const CallContext& context = kept_->context;
        if (now >= context.deadline()) return RetryStop::deadline;
        const Duration most = driver.template policy<Index>().config().max_duration;
        const bool over = most != Duration::max() && now >= saturating_add(context.started(), most);
        return over ? RetryStop::max_duration : RetryStop::not_needed;
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
        Retry& retry = driver.template policy<Index>();
        retry.end_call(success, step.at);
        retry.count_end(success, why, kept_->attempt);
        kept_.close();
        return step;
    }

    InnerStage inner_;
    Kept<State> kept_;
};

}  // namespace resilience::inline v1::detail
