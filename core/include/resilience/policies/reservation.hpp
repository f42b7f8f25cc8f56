#pragma once

// Tokens taken for a call whose true cost is known only afterwards: a language model's answer, a query's rows.
//
//     RateLimiter model{"model", RateLimiterConfig::per(60'000, 1min, 60'000)};
//     auto reservation = model.reserve(1000 + 200);                        // the prompt, and a guess at the answer
//     if (!reservation) return too_many_requests(reservation.error().retry_after);
//     const std::uint64_t used = 1090;                                     // what the answer says it has cost
//     reservation->settle(used);
//
// Promise: final charges, each at the instant of its reservation, never exceed capacity + rate * (t - s). Unused tokens
// come back only as far as the bucket has not overflowed past them; what a change of rate or an overflow has replaced
// is not returned. What exceeds the estimate is charged when reported and delays what comes after; admissions plus
// surplus, from the first to the last admission of a window, keep the bound.
//
// - Counted by admission, before unused tokens came back, a window may hold more than the bound.
// - A flight longer than capacity / refill_rate returns little: by then the bucket has refilled past it.
// - A reservation that is dropped stays charged as estimated: nobody knows what the call has used.
// - Settled twice, it counts once.
// - A debt is cut at 2^61 units (measure/token_bucket.hpp), which the limiter refills in 4.5 years or more.
//
// Threads: a reservation belongs to one thread at a time and must not outlive its limiter. Cost: settle takes a short
// lock when anything is to be returned or charged, nothing when the estimate was right; no allocation. 40 bytes.

#include <cstdint>
#include <resilience/base/time.hpp>
#include <resilience/measure/token_bucket.hpp>
#include <utility>

namespace resilience::inline v1 {

class RateLimiter;

class [[nodiscard]] Reservation {
  public:
    // How a settlement ended, in tokens.
    using Settled = TokenBucket::Settled;

    Reservation(Reservation&& other) noexcept
        : limiter_(std::exchange(other.limiter_, nullptr)), reserved_(other.reserved_) {}
    Reservation& operator=(Reservation&& other) noexcept {
        limiter_ = std::exchange(other.limiter_, nullptr);
        reserved_ = other.reserved_;
        return *this;
    }
    ~Reservation() = default;

    // The call has used `actual` tokens, 0 if it was not made at all. Says what came back of the rest, or what was
    // charged beyond the estimate. Callers in the limiter's line are served with what came back.
    Settled settle(std::uint64_t actual, TimePoint now = Clock::now()) noexcept;

    [[nodiscard]] std::uint64_t estimate() const noexcept { return reserved_.tokens; }
    // False once settled or moved from.
    [[nodiscard]] bool is_open() const noexcept { return limiter_ != nullptr; }

  private:
    friend class RateLimiter;
    Reservation(RateLimiter& limiter, const TokenBucket::Reserved& reserved) noexcept
        : limiter_(&limiter), reserved_(reserved) {}

    RateLimiter* limiter_;
    TokenBucket::Reserved reserved_;
};

}  // namespace resilience::inline v1
