#pragma once

// How a pipeline reaches a rate limiter of any kind: it is asked for the call's tokens and never told how the attempt
// ended.

#include <resilience/pipeline/queue_stage.hpp>
#include <resilience/policies/rate_limiter.hpp>

namespace resilience::inline v1 {

template <LimitsByTokens Limiter>
struct LineOf<Limiter> {
    using Permit = typename Limiter::Turn;

    static Permit no_permit() noexcept { return {}; }
    [[nodiscard]] RESILIENCE_HOT static bool enter(Limiter& limiter, TimePoint now, const CallContext& context,
                                                   Permit&) noexcept {
        return limiter.enter(context.tokens(), now);
    }
    static Duration longest_wait(const Limiter& limiter, const CallContext& context) noexcept {
        return limiter.longest_wait(context.tokens());
    }
    static Rejection refuse(Limiter& limiter, TimePoint now, const CallContext& context) noexcept {
        return limiter.refuse(context.tokens(), now);
    }
    // Tokens are spent by asking: giving them back would break the limiter's bound.
    static void leave(Permit&, const Step&, const CallState&) noexcept {}
};

}  // namespace resilience::inline v1
