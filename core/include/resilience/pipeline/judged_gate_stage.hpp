#pragma once

// A gate that judges the answer by a classifier of its own.
//
// Only its own permit hears that verdict: the step travels on as it came. What is no answer of the callee is not
// judged: a refusal further in, an answer after the deadline, an attempt that the caller gave up.

#include <resilience/base/call_context.hpp>
#include <resilience/pipeline/gate_stage.hpp>
#include <resilience/pipeline/kept.hpp>
#include <resilience/pipeline/run_attempt.hpp>
#include <resilience/pipeline/step.hpp>
#include <utility>

namespace resilience::inline v1::detail {

template <class Policy, int Index, class InnerStage>
class JudgedGateStage {
    using Entrance = GateOf<Policy>;
    using Permit = typename Entrance::Permit;

  public:
    using Result = typename InnerStage::Result;

    template <class Driver>
    RESILIENCE_HOT Step start(Driver& driver, CallContext& context, TimePoint now) {
        Permit permit = Entrance::no_permit();
        if (!Entrance::enter(*driver.template policy<Index>().policy, now, context, permit, driver.call()))
            [[unlikely]] {
            return driver.call().turned_away(now);
        }
        const Step step = inner_.start(driver, context, now);
        if (!step.is_done()) [[unlikely]] {
            kept_.open(std::move(permit));
            return step;
        }
        leave(driver, permit, step);
        return step;
    }
    template <class Driver>
    RESILIENCE_COLD Step again(Driver& driver, CallContext& context, TimePoint now) {
        inner_.answer().clear();
        return start(driver, context, now);
    }
    template <class Driver>
    Step poll(Driver& driver, TimePoint now) {
        const Step step = inner_.poll(driver, now);
        if (step.is_done()) {
            leave(driver, *kept_, step);
            kept_.close();
        }
        return step;
    }
    template <class Driver>
    void cancel(Driver& driver, TimePoint now, Cause cause) noexcept {
        inner_.cancel(driver, now, cause);
    }
    template <class Driver>
    void abandon(Driver& driver) noexcept {
        inner_.abandon(driver);
        kept_.close();
    }
    [[nodiscard]] auto& answer() noexcept { return inner_.answer(); }

  private:
    template <class Driver>
    void leave(Driver& driver, Permit& permit, const Step& step) {
        CallState apart;  // what this verdict says about coming back concerns no retry
        Entrance::leave(permit, judged(driver, step, apart), apart);
    }
    template <class Driver>
    [[nodiscard]] Step judged(Driver& driver, Step step, CallState& apart) {
        if (step.is(Step::refused) || step.is(Step::late) || step.result == CallResult::cancelled) {
            step.flags &=
                static_cast<std::uint8_t>(~Step::open_asked);  // asked of those who judge by the other verdict
            return step;
        }
        const Judgement judgement = judge_slot(driver.template policy<Index>().classifier, inner_.answer(), apart);
        step.result = judgement.result;
        step.flags = judgement.flags;
        if (!step.ok() && !step.is(Step::refused) && driver.cold().stop_requested()) {
            step.result = CallResult::cancelled;
        }
        return step;
    }

    InnerStage inner_;
    Kept<Permit> kept_;
};

}  // namespace resilience::inline v1::detail
