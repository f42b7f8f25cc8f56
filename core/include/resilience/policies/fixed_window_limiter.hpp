#pragma once

// Limits how often something happens in each window of the clock: the quota as most providers bill it.
//
//     FixedWindowLimiter limiter{"geocoder", {.limit = 1000, .period = 1min}};
//     if (auto answer = limiter.try_acquire(); !answer) {
//         return too_many_requests(answer.error().retry_after);            // until the next window begins
//     }
//
// Promise: at most `limit` tokens in each window [k * period, (k + 1) * period) of the clock.
//
// When to take it. It is the cheapest to explain and matches a quota that is counted the same way. The price: around
// an edge it admits 2 * limit within an instant, all of one window at its end and all of the next at its start. Where
// that hurts, take RateLimiter (smooth, a bounded burst) or SlidingLogLimiter (exact in every window, 8 bytes a token).
// The windows are those of the monotonic clock, so they need not begin together with the provider's.
//
// - A refusal says rate_limited with the time until the next window begins.
// - A `now` from an older window than the newest one seen counts as in the newest.
// - Waiting is as in RateLimiter: first come first served, and a wait that cannot fit is refused at once. That is exact
//   where every request asks for one token. No request is split between two windows, so behind larger ones a
//   retry_after may be too short, and a waiter whose window comes later than foreseen leaves with queue_timeout.
// - Stats are RateLimiterStats: `capacity` is the limit, `refill_rate` the tokens per second in the long run.
//
// Threads: every member may be called from any thread. Cost: admitted one division, one CAS and one striped counter; no
// lock, no allocation. The members are in limiter_in_line.hpp and window_limiter.hpp.

#include <resilience/measure/fixed_window.hpp>
#include <resilience/policies/window_limiter.hpp>

namespace resilience::inline v1 {

class FixedWindowLimiter : public WindowLimiter<FixedWindow> {
  public:
    using WindowLimiter::WindowLimiter;
};

extern template class LimiterInLine<FixedWindow>;
extern template class WindowLimiter<FixedWindow>;

}  // namespace resilience::inline v1
