#pragma once

// Tokens of one key taken for a call whose true cost is known only afterwards.
//
//     auto reservation = per_user.reserve(user_id, 2);                      // a guess; also with a tier
//     if (!reservation) return too_many_requests(reservation.error().retry_after);
//     const std::uint64_t used = 3;                                         // what the answer says it has cost
//     reservation->settle(used);
//
// Promise, for each key what reservation.hpp promises of a limiter: final charges, each at the instant of its
// reservation, never exceed capacity + rate * (t - s). Unused tokens come back only as far as the key's bucket has not
// overflowed past them, and none once its tier has changed, by a call, by assign() or by set_tier(). What exceeds the
// estimate is charged when reported and delays what that key asks for next; it stays owed in another tier, too. A debt
// is cut at 2^61 of its tier's units: what the tier refills in 73 years where its rate is a whole number of nanoseconds
// a token, and in 4.5 years or more at any other.
//
// - A key with an open reservation is held as an assigned one is: neither sweep nor a new key makes it be forgotten,
//   and it counts in max_keys. Where all keys are held so, a new one is refused with load_shed.
// - A reservation that is dropped stays charged as estimated: nobody knows what the call has used. Its key can be
//   forgotten again.
// - An estimate of 0 takes nothing, but is refused with load_shed where there is no room for its key.
// - Settled twice, it counts once.
//
// Threads: a reservation belongs to one thread at a time and must not outlive its limiter. Cost: reserve that of an
// acquire and a second look-up, settle and drop one short lock of the key's shard. Memory: 53 to 74 bytes more for each
// key that has open reservations, given back by sweep(); nothing for other keys. Where memory is missing the answer is
// load_shed. 48 bytes.

#include <cstdint>
#include <resilience/base/time.hpp>
#include <resilience/measure/key_view.hpp>
#include <resilience/measure/token_bucket.hpp>
#include <utility>

namespace resilience::inline v1 {

class KeyedRateLimiter;

namespace detail {
// What a reservation remembers: where the bucket stood after it, and the tokens returned by then.
struct KeyedReserved {
    KeyDigest digest;
    std::int64_t position = 0;
    std::uint64_t returned = 0;
    std::uint32_t tokens = 0;
    std::uint32_t epoch = 0;
};
}  // namespace detail

class [[nodiscard]] KeyedReservation {
  public:
    // How a settlement ended, in tokens.
    using Settled = TokenBucket::Settled;

    KeyedReservation(KeyedReservation&& other) noexcept
        : limiter_(std::exchange(other.limiter_, nullptr)), reserved_(other.reserved_) {}
    // One that is open here is dropped.
    KeyedReservation& operator=(KeyedReservation&& other) noexcept {
        if (this == &other) return *this;
        drop();
        limiter_ = std::exchange(other.limiter_, nullptr);
        reserved_ = other.reserved_;
        return *this;
    }
    ~KeyedReservation() { drop(); }

    // The call has used `actual` tokens, 0 if it was not made at all. Says what came back of the rest, or what was
    // charged beyond the estimate.
    Settled settle(std::uint64_t actual, TimePoint now = Clock::now()) noexcept;

    [[nodiscard]] std::uint64_t estimate() const noexcept { return reserved_.tokens; }
    // False once settled or moved from.
    [[nodiscard]] bool is_open() const noexcept { return limiter_ != nullptr; }

  private:
    friend class KeyedRateLimiter;
    KeyedReservation(const KeyedRateLimiter& limiter, const detail::KeyedReserved& reserved) noexcept
        : limiter_(&limiter), reserved_(reserved) {}

    void drop() noexcept;

    const KeyedRateLimiter* limiter_;
    detail::KeyedReserved reserved_;
};

}  // namespace resilience::inline v1
