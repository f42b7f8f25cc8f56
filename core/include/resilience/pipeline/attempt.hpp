#pragma once

// The innermost part of the call machine: one attempt of the user's function.
//
// A driver begins it. Either it ends there and then (blocking), or it is kept until the driver marks it as ended and
// polls the machine.

#include <resilience/base/call_context.hpp>
#include <resilience/pipeline/kept.hpp>
#include <resilience/pipeline/run_attempt.hpp>
#include <resilience/pipeline/slot.hpp>
#include <resilience/pipeline/step.hpp>

namespace resilience::inline v1::detail {

template <class ResultType>
class Attempt {
  public:
    using Result = ResultType;

    template <class Driver>
    RESILIENCE_HOT Step start(Driver& driver, CallContext& context, TimePoint now) {
        return driver.begin(*this, context, now);
    }
    template <class Driver>
    RESILIENCE_COLD Step again(Driver& driver, CallContext& context, TimePoint now) {
        slot_.clear();
        return start(driver, context, now);
    }
    template <class Driver>
    Step poll(Driver& driver, TimePoint) {
        Running& running = *kept_;
        if (!running.ended) return Step::wait(never);
        const Judgement judgement = driver.judge(*this);
        // A caller who gave up while the attempt ran counts also where nobody had the time to ask the attempt to stop.
        const Cause asked = running.cause == Cause::none && driver.stop_requested() ? Cause::caller : running.cause;
        const Step step = step_of(judgement, running.at, running.deadline, asked, driver.call());
        kept_.close();
        return step;
    }
    template <class Driver>
    void cancel(Driver& driver, TimePoint, Cause cause) noexcept {
        if (kept_->ended) return;
        if (kept_->cause == Cause::none) kept_->cause = cause;
        driver.stop(*this);
    }
    template <class Driver>
    void abandon(Driver&) noexcept {
        kept_.close();
    }
    [[nodiscard]] Slot<Result>& answer() noexcept { return slot_; }

    // ---- for drivers whose attempts end later: keep it at the beginning, mark it when it has ended, then poll
    void keep(TimePoint deadline) { kept_.open(Running{.deadline = deadline}); }
    void mark_ended(TimePoint at) noexcept {
        kept_->at = at;
        kept_->ended = true;
    }

  private:
    struct Running {
        TimePoint deadline = never;
        TimePoint at{};
        bool ended = false;
        Cause cause = Cause::none;
    };

    Slot<Result> slot_;
    Kept<Running> kept_;
};

}  // namespace resilience::inline v1::detail
