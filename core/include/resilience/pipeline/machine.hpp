#pragma once

// The call machine: the policies of a pipeline nested around one attempt, as one type.
//
// Three functions matter. `start`, once; `poll`, after any event, as often as one likes; `cancel`. Each gives or leads
// to a Step. Two rules keep it fast and simple: a stage keeps nothing until it must wait, and polling looks at the
// state and never asks which event came, so spurious polls are harmless. `poll` and `cancel` only while a step is
// pending; a pending machine must be abandoned before it is destroyed.

#include <resilience/pipeline/attempt.hpp>
#include <resilience/pipeline/gate_stage.hpp>
#include <resilience/pipeline/gates/bulkhead.hpp>
#include <resilience/pipeline/gates/circuit_breaker.hpp>
#include <resilience/pipeline/gates/rate_limiter.hpp>
#include <resilience/pipeline/retry_stage.hpp>

namespace resilience::inline v1::detail {

template <class Policy, int Index, class InnerStage>
struct StageFor {
    using type = GateStage<Policy, PlainElement<Index>, InnerStage>;
};
template <int Index, class InnerStage>
struct StageFor<Retry, Index, InnerStage> {
    using type = RetryStage<Index, InnerStage>;
};
// Policies in whose line a call may wait.
template <int Index, class InnerStage>
struct StageFor<Bulkhead, Index, InnerStage> {
    using type = QueueStage<Bulkhead, Index, InnerStage>;
};
template <LimitsByTokens Limiter, int Index, class InnerStage>
struct StageFor<Limiter, Index, InnerStage> {
    using type = QueueStage<Limiter, Index, InnerStage>;
};

}  // namespace resilience::inline v1::detail
