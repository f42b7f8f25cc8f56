#pragma once

// Limits how often something happens in every window of a length, wherever that window begins.
//
//     SlidingLogLimiter limiter{"password_attempts", {.limit = 5, .period = 15min}};
//     if (!limiter.acquire()) return too_many_requests();
//
// Promise: at most `limit` tokens in every window [s, s + period), exactly. Each token comes back one period after it
// was taken, neither sooner nor later.
//
// When to take it. For small limits that must hold exactly: attempts to log in, messages to a person. The price is
// memory, 8 bytes for each token of the limit, allocated at the start and never more, and a short lock in each call.
// RateLimiter needs 8 bytes in all and no lock; over one period it admits up to its capacity on top of what flows back.
// FixedWindowLimiter is as cheap, and admits twice its limit around an edge.
//
// - A refusal says rate_limited with the time until enough entries have left the log.
// - A `now` older than the newest one taken counts as that one.
// - Waiting is as in RateLimiter: first come first served, and a wait that cannot fit is refused at once. That is exact
//   where every request asks for one token. What is taken at once leaves the log at once, so behind larger requests a
//   retry_after may be too short, and a waiter whose turn comes later than foreseen leaves with queue_timeout.
// - Stats are RateLimiterStats: `capacity` is the limit, `refill_rate` the tokens per second in the long run.
//
// Threads: every member may be called from any thread. Cost: one short lock, a write for each token and one striped
// counter; no allocation. The members are in limiter_in_line.hpp and window_limiter.hpp.

#include <resilience/measure/sliding_log.hpp>
#include <resilience/policies/window_limiter.hpp>

namespace resilience::inline v1 {

class SlidingLogLimiter : public WindowLimiter<SlidingLog> {
  public:
    using WindowLimiter::WindowLimiter;
};

extern template class LimiterInLine<SlidingLog>;
extern template class WindowLimiter<SlidingLog>;

}  // namespace resilience::inline v1
