#pragma once

// How a pipeline reaches a bulkhead. Full, it lets the call stand in its queue or refuses at once; the slot returns
// when the attempt has really ended.

#include <resilience/pipeline/queue_stage.hpp>
#include <resilience/policies/bulkhead.hpp>

namespace resilience::inline v1 {

template <>
struct LineOf<Bulkhead> {
    using Permit = Bulkhead::Permit;

    static Permit no_permit() noexcept { return {}; }
    [[nodiscard]] RESILIENCE_HOT static bool enter(Bulkhead& bulkhead, TimePoint now, const CallContext&,
                                                   Permit& permit) noexcept {
        return bulkhead.enter(permit, now);
    }
    static Duration longest_wait(const Bulkhead& bulkhead, const CallContext&) noexcept {
        return bulkhead.opens_line() ? bulkhead.max_wait() : Duration::zero();
    }
    static Rejection refuse(Bulkhead& bulkhead, TimePoint now, const CallContext&) noexcept {
        return bulkhead.refuse(now);
    }
    RESILIENCE_HOT static void leave(Permit& permit, const Step& step, const CallState&) noexcept {
        permit.settle(step.result, step.at);
    }
};

}  // namespace resilience::inline v1
