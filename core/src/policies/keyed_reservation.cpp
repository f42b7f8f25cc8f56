#include <mutex>
#include <resilience/policies/keyed_reservation.hpp>
#include <utility>

#include "keyed_shards.hpp"

namespace resilience::inline v1 {

using Kind = detail::KeyedAnswer::Kind;

Admission<KeyedReservation> KeyedRateLimiter::reserve(const KeyView& key, std::uint64_t estimate,
                                                      TimePoint now) noexcept {
    return reserve({{key, digest_of(key, seed_), std::nullopt, estimate, now}});
}

Admission<KeyedReservation> KeyedRateLimiter::reserve(const KeyView& key, Tier tier, std::uint64_t estimate,
                                                      TimePoint now) noexcept {
    return reserve({{key, digest_of(key, seed_), tier.place_, estimate, now}});
}

Admission<KeyedReservation> KeyedRateLimiter::reserve(const Ask& request) const noexcept {
    Shard& shard = shard_of(request.digest);
    Answer given;
    detail::KeyedReserved reserved;
    for (;;) {
        {
            const std::lock_guard lock(shard.mutex);
            given.kind = shard.buckets.reserve(request, levers_->room, given, reserved);
        }
        if (given.kind == Kind::admitted) return KeyedReservation(*this, reserved);
        if (given.kind != Kind::beyond_span) return std::unexpected(refusal(request, given));
        if (move_origins(request.now)) continue;
        const std::lock_guard lock(shard.mutex);
        shard.buckets.count_unjudged();
        given.kind = Kind::load_shed;
        return std::unexpected(refusal(request, given));
    }
}

KeyedReservation::Settled KeyedRateLimiter::settle(const detail::KeyedReserved& reserved, std::uint64_t actual,
                                                   TimePoint now) const noexcept {
    Shard& shard = shard_of(reserved.digest);
    for (bool moved = true;; moved = move_origins(now)) {
        const std::lock_guard lock(shard.mutex);
        // Without memory for other origins it is settled by the old ones.
        if (!moved || !shard.buckets.beyond_span(now)) return shard.buckets.settle(reserved, actual, now);
    }
}

void KeyedRateLimiter::drop(const detail::KeyedReserved& reserved) const noexcept {
    Shard& shard = shard_of(reserved.digest);
    const std::lock_guard lock(shard.mutex);
    shard.buckets.drop(reserved);
}

KeyedReservation::Settled KeyedReservation::settle(std::uint64_t actual, TimePoint now) noexcept {
    if (limiter_ == nullptr) return {};
    return std::exchange(limiter_, nullptr)->settle(reserved_, actual, now);
}

void KeyedReservation::drop() noexcept {
    if (limiter_ != nullptr) std::exchange(limiter_, nullptr)->drop(reserved_);
}

}  // namespace resilience::inline v1
