#include <algorithm>
#include <cstdint>

#include "keyed_buckets.hpp"

// The reservations of a keyed rate limiter's buckets. The rule is that of measure/token_bucket_reservations.hpp, with
// what it needs beside the position kept for keys with open reservations only: such a key is not forgotten, so the
// position it was reserved at and the one it is settled at belong to one history.

namespace resilience::inline v1::detail {

// The position has been carried over, perhaps cut: where a reservation stood in it is no longer known.
void KeyedBuckets::carried_over(const KeyedBucket& bucket) noexcept {
    if (bucket.reserved != 0) open_.find(bucket.digest)->begin_epoch();
}

KeyedAnswer::Kind KeyedBuckets::reserve(const KeyedAsk& ask, KeyRoom& room, KeyedAnswer& answer,
                                        KeyedReserved& reserved) noexcept {
    if (beyond_span(ask.now)) [[unlikely]]
        return KeyedAnswer::Kind::beyond_span;
    // Both before anything is taken. Who reserves nothing may still be charged: that key is held, too.
    const bool known = table_.find(ask.digest) != nullptr;
    const bool room_to_open = open_.find(ask.digest) != nullptr || open_.make_room();
    if (!room_to_open || (!known && ask.tokens == 0 && hold(ask, ask.tier.value_or(0), room) == nullptr)) {
        ++counts_.load_shed;
        return KeyedAnswer::Kind::load_shed;
    }
    const KeyedAnswer::Kind kind = this->ask(ask, room, answer);
    if (kind != KeyedAnswer::Kind::admitted) return kind;
    KeyedBucket& bucket = *table_.find(ask.digest);
    OpenReservations* open = open_.find(ask.digest);
    if (open == nullptr) open = &open_.insert(ask.digest);
    bucket.reserved = 1;
    ++open->open;
    open->see(ask.now);
    reserved = {.digest = ask.digest,
                .position = bucket.position,
                .returned = open->returned,
                .tokens = static_cast<std::uint32_t>(ask.tokens),
                .epoch = open->epoch};
    return kind;
}

TokenBucket::Settled KeyedBuckets::settle(const KeyedReserved& reserved, std::uint64_t actual, TimePoint now) noexcept {
    TokenBucket::Settled settled;
    if (actual < reserved.tokens) {
        settled.returned = give_back(reserved, reserved.tokens - actual, now);
        counts_.returned_tokens += settled.returned;
    } else if (actual > reserved.tokens) {
        settled.surplus = actual - reserved.tokens;
        charge(*table_.find(reserved.digest), settled.surplus, now);
        // Anybody may report anything; a sum that wraps would read as a restart.
        counts_.surplus_tokens += std::min(settled.surplus, ~std::uint64_t{0} - counts_.surplus_tokens);
    }
    drop(reserved);
    return settled;
}

void KeyedBuckets::drop(const KeyedReserved& reserved) noexcept {
    OpenReservations& open = *open_.find(reserved.digest);
    if (open.open > 1) {
        --open.open;
        return;
    }
    table_.find(reserved.digest)->reserved = 0;
    open_.remove(open);
}

// Lowers the position to where it would stand had the reservation taken less from the start, as far as the bucket has
// not overflowed past it since.
std::uint64_t KeyedBuckets::give_back(const KeyedReserved& reserved, std::uint64_t unused, TimePoint now) noexcept {
    KeyedBucket& bucket = *table_.find(reserved.digest);
    OpenReservations& open = *open_.find(reserved.digest);
    if (reserved.epoch != open.epoch || open.epoch == OpenReservations::last_epoch) return 0;
    const TierBlock& block = *blocks_[bucket.tier];
    const std::uint64_t elapsed = block.elapsed_at(std::max(now, open.seen));
    if (elapsed >= token_span) return 0;
    const Signed128 since = Signed128{block.units_per_token} * (open.returned - reserved.returned);
    const Signed128 room = Signed128{reserved.position} - since - block.grown(elapsed) + block.capacity_units;
    if (room < block.units_per_token) return 0;
    const std::uint64_t tokens = std::min(unused, static_cast<std::uint64_t>(room / block.units_per_token));
    bucket.position -= static_cast<std::int64_t>(tokens) * block.units_per_token;
    open.returned += tokens;
    return tokens;
}

// Takes what has been used already, whether it is there or not.
void KeyedBuckets::charge(KeyedBucket& bucket, std::uint64_t surplus, TimePoint now) noexcept {
    // More is owed for years anyway, and sums stay far from the end of the range.
    constexpr std::int64_t deepest = std::int64_t{1} << 61;
    const TierBlock& block = *blocks_[bucket.tier];
    const std::int64_t grown = block.grown(std::min(block.elapsed_at(now), token_span - 1));
    const std::int64_t base = std::max(bucket.position, grown - block.capacity_units);
    const Unsigned128 units = Unsigned128{surplus} * static_cast<std::uint64_t>(block.units_per_token);
    const auto room = static_cast<std::uint64_t>(std::max<std::int64_t>(grown + deepest - base, 0));
    bucket.position = base + static_cast<std::int64_t>(std::min<Unsigned128>(units, room));
    open_.find(bucket.digest)->see(now);
}

}  // namespace resilience::inline v1::detail
