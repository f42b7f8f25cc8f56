#pragma once

// What a GateStage of a policy does that judges the answer by a classifier of its own.
//
// Only its own permit hears that verdict: the step travels on as it came. What is no answer of the callee is not
// judged: a refusal further in, an answer after the deadline, an attempt that the caller gave up.

#include <resilience/base/call_context.hpp>
#include <resilience/pipeline/gate_stage.hpp>
#include <resilience/pipeline/run_attempt.hpp>
#include <resilience/pipeline/step.hpp>

namespace resilience::inline v1::detail {

template <int Index>
struct JudgedElement {
    template <class Driver>
    static auto& policy(Driver& driver) noexcept {
        return *driver.template policy<Index>().policy;
    }
    template <class Entrance, class Driver, class Answer>
    static void leave(Driver& driver, Answer& answer, typename Entrance::Permit& permit, const Step& step) {
        CallState apart;  // what this verdict says about coming back concerns no retry
        Entrance::leave(permit, judged(driver, answer, step, apart), apart);
    }

  private:
    template <class Driver, class Answer>
    [[nodiscard]] static Step judged(Driver& driver, Answer& answer, Step step, CallState& apart) {
        if (step.is(Step::refused) || step.is(Step::late) || step.result == CallResult::cancelled) {
            // What was asked is for those who judge by the other verdict.
            step.flags &= static_cast<std::uint8_t>(~Step::open_asked);
            return step;
        }
        const Judgement judgement = judge_slot(driver.template policy<Index>().classifier, answer, apart);
        step.result = judgement.result;
        step.flags = judgement.flags;
        if (!step.ok() && !step.is(Step::refused) && driver.cold().stop_requested()) {
            step.result = CallResult::cancelled;
        }
        return step;
    }
};

}  // namespace resilience::inline v1::detail
