#pragma once

// How a pipeline reaches a rate limiter: it is asked for the call's tokens and never told how the attempt ended.

#include <resilience/pipeline/gate_stage.hpp>
#include <resilience/policies/rate_limiter.hpp>

namespace resilience::inline v1 {

template <>
struct GateOf<RateLimiter> {
    struct Permit {};

    static Permit no_permit() noexcept { return {}; }
    [[nodiscard]] static bool enter(RateLimiter& limiter, TimePoint now, const CallContext& context, Permit&,
                                    CallState& call) noexcept {
        return limiter.enter(context.tokens(), now, call.refusal());
    }
    // Tokens are spent by asking: giving them back would break the limiter's bound.
    static void leave(Permit&, const Step&) noexcept {}
};

}  // namespace resilience::inline v1
