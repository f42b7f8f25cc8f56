#pragma once

// How a pipeline reaches a circuit breaker.

#include <resilience/pipeline/gate_stage.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <utility>

namespace resilience::inline v1 {

template <>
struct GateOf<CircuitBreaker> {
    using Permit = CircuitBreaker::Permit;

    static Permit no_permit() noexcept { return {}; }
    [[nodiscard]] RESILIENCE_HOT static bool enter(CircuitBreaker& breaker, TimePoint now, const CallContext& context,
                                                   Permit& permit, CallState& call) noexcept {
        if (context.operation() != OperationHandle{}) [[unlikely]] {
            // One of its own, as in `CircuitBreaker::enter`.
            Permit of_operation;
            if (!CircuitBreaker::Operation::enter(context.operation(), breaker, now, of_operation, call.refusal())) {
                return false;
            }
            permit = std::move(of_operation);
            return true;
        }
        return breaker.enter(now, permit, call.refusal());
    }
    RESILIENCE_HOT static void leave(Permit& permit, const Step& step, const CallState& call) noexcept {
        // One test for both, of which a plain answer has neither.
        if ((step.flags & (Step::open_asked | Step::classifier_failed)) != 0) [[unlikely]] {
            // A classifier that throws asks for nothing.
            if (step.is(Step::open_asked)) return permit.settle_as_asked(step.result, step.at, call.open_for);
            return permit.settle(step.result, step.at, true);
        }
        permit.settle(step.result, step.at);
    }
};

}  // namespace resilience::inline v1
