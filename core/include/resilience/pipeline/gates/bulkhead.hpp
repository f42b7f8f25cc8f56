#pragma once

// How a pipeline reaches a bulkhead. Full, it refuses at once; the slot returns when the attempt has really ended.

#include <resilience/pipeline/gate_stage.hpp>
#include <resilience/policies/bulkhead.hpp>

namespace resilience::inline v1 {

template <>
struct GateOf<Bulkhead> {
    using Permit = Bulkhead::Permit;

    static Permit no_permit() noexcept { return {}; }
    [[nodiscard]] static bool enter(Bulkhead& bulkhead, TimePoint now, const CallContext&, Permit& permit,
                                    CallState& call) noexcept {
        return bulkhead.enter(permit, now, call.refusal());
    }
    static void leave(Permit& permit, const Step& step) noexcept { permit.settle(step.result, step.at); }
};

}  // namespace resilience::inline v1
