#include "keyed_buckets.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

namespace resilience::inline v1::detail {
namespace {

// Places looked at for room, and with each new key anyway.
constexpr std::size_t looks_for_room = 64;
constexpr std::size_t looks_with_each_key = 4;
constexpr std::uint64_t asks_until_remembered = 16;
constexpr std::uint64_t largest_count = (std::uint64_t{1} << 28) - 1;

std::int64_t held_in_range(Signed128 position) noexcept {
    constexpr Signed128 highest = token_position_moved - 1;
    return static_cast<std::int64_t>(std::clamp<Signed128>(position, -highest, highest));
}

// `units` of one tier in another's, towards minus infinity.
Signed128 converted_down(std::int64_t units, const TierBlock& from, const TierBlock& to) noexcept {
    const Signed128 product = Signed128{units} * to.units_per_token;
    const Signed128 quotient = product / from.units_per_token;
    return quotient * from.units_per_token > product ? quotient - 1 : quotient;
}

std::int64_t grown_at(const TierBlock& block, TimePoint at) noexcept {
    return block.grown(std::min(block.elapsed_at(at), token_span - 1));
}

// Where a key stands that had `level` units in `from` at `at`: as many tokens, cut at the capacity.
std::int64_t moved_position(std::int64_t level, const TierBlock& from, const TierBlock& to, TimePoint at) noexcept {
    const Signed128 moved = std::min<Signed128>(converted_down(level, from, to), to.capacity_units);
    return held_in_range(grown_at(to, at) - moved);
}

}  // namespace

bool KeyRoom::take() noexcept {
    if (keys.fetch_add(1, std::memory_order_relaxed) < max_keys) return true;
    give_back(1);
    return false;
}

bool KeyedBucket::count(bool was_admitted) noexcept {
    if (admitted == largest_count || rejected == largest_count) [[unlikely]] {
        admitted = (std::uint64_t{admitted} / 2) & largest_count;
        rejected = (std::uint64_t{rejected} / 2) & largest_count;
    }
    if (was_admitted) {
        admitted = (std::uint64_t{admitted} + 1) & largest_count;
    } else {
        rejected = (std::uint64_t{rejected} + 1) & largest_count;
    }
    // Not std::has_single_bit, which calls a function where the processor's instruction is not assumed.
    return asked() >= asks_until_remembered && (asked() & (asked() - 1)) == 0;
}

void KeyedBuckets::begin_tier(std::size_t tier, const TierBlock& block) noexcept {
    blocks_[tier] = &block;
    absent_[tier] = -block.capacity_units;
    tiers_ = std::max(tiers_, tier + 1);
}

void KeyedBuckets::change_tier(std::size_t tier, const TierBlock& fresh) noexcept {
    const TierBlock& old = *blocks_[tier];
    // Never before an earlier change: the time between would count in both rates.
    const TimePoint at = std::max(TimePoint{Duration{fresh.origin}}, newest_change_);
    for (std::size_t place = 0; place < table_.places(); ++place) {
        KeyedBucket* const bucket = table_.at(place);
        if (bucket == nullptr || bucket->tier != tier) continue;
        bucket->position = moved_position(old.level(bucket->position, at), old, fresh, at);
        carried_over(*bucket);
    }
    // A key that is not held has as much missing as before, not as many tokens: it is new.
    const std::int64_t missing = old.capacity_units - old.level(absent_[tier], at);
    absent_[tier] = missing == 0 ? -fresh.capacity_units
                                 : held_in_range(Signed128{grown_at(fresh, at)} - fresh.capacity_units -
                                                 converted_down(-missing, old, fresh));
    blocks_[tier] = &fresh;
    newest_change_ = at;
}

bool KeyedBuckets::beyond_span(TimePoint now) const noexcept {
    const TimePoint latest = std::max(now, newest_change_);
    return std::any_of(blocks_.begin(), blocks_.begin() + static_cast<std::ptrdiff_t>(tiers_),
                       [latest](const TierBlock* block) { return block->elapsed_at(latest) >= token_span; });
}

bool KeyedBuckets::full_at(const KeyedBucket& bucket, TimePoint at) const noexcept {
    const TierBlock& block = *blocks_[bucket.tier];
    return !bucket.pinned() && bucket.position <= grown_at(block, at) - block.capacity_units;
}

bool KeyedBuckets::all_full(TimePoint now) noexcept {
    for (std::size_t tier = 0; tier < tiers_; ++tier) {
        if (absent_[tier] > grown_at(*blocks_[tier], now) - blocks_[tier]->capacity_units) return false;
    }
    for (std::size_t place = 0; place < table_.places(); ++place) {
        const KeyedBucket* const bucket = table_.at(place);
        if (bucket != nullptr && !full_at(*bucket, now)) return false;
    }
    return true;
}

double KeyedBuckets::nanoseconds_until_full(const KeyedBucket& bucket, TimePoint now) const noexcept {
    const TierBlock& block = *blocks_[bucket.tier];
    const double missing =
        static_cast<double>(bucket.position) - static_cast<double>(grown_at(block, now) - block.capacity_units);
    return missing / static_cast<double>(block.multiplier_high);
}

void KeyedBuckets::switch_tier(KeyedBucket& bucket, std::uint8_t tier, TimePoint now) noexcept {
    newest_change_ = std::max(newest_change_, now);
    const TierBlock& from = *blocks_[bucket.tier];
    bucket.position = moved_position(from.level(bucket.position, newest_change_), from, *blocks_[tier], newest_change_);
    bucket.tier = tier & 7U;
    carried_over(bucket);
}

KeyedAnswer::Kind KeyedBuckets::ask(const KeyedAsk& ask, KeyRoom& room, KeyedAnswer& answer) noexcept {
    KeyedBucket* bucket = table_.find(ask.digest);
    const std::uint8_t tier = ask.tier.value_or(bucket == nullptr ? 0 : static_cast<std::uint8_t>(bucket->tier));
    const TierBlock& block = *blocks_[tier];
    const std::uint64_t elapsed = block.elapsed_at(ask.now);
    if (elapsed >= token_span || (bucket != nullptr && bucket->tier != tier && beyond_span(ask.now))) [[unlikely]] {
        return KeyedAnswer::Kind::beyond_span;
    }
    if (bucket != nullptr && bucket->tier != tier) [[unlikely]]
        switch_tier(*bucket, tier, ask.now);
    if (ask.tokens == 0) {
        count(bucket, ask, true);
        return KeyedAnswer::Kind::admitted;
    }
    if (ask.tokens > block.capacity) {
        ++counts_.exceeds_capacity;
        if (bucket != nullptr) count(bucket, ask, false);
        answer.capacity = block.capacity;
        return KeyedAnswer::Kind::exceeds_capacity;
    }
    const std::int64_t grown = block.grown(elapsed);
    const std::int64_t units = static_cast<std::int64_t>(ask.tokens) * block.units_per_token;
    const std::int64_t base =
        std::max(bucket == nullptr ? absent_[tier] : bucket->position, grown - block.capacity_units);
    if (base > grown - units) {
        ++counts_.rate_limited;
        count(bucket, ask, false);
        // Until the origin time stands still.
        const Duration before = time_between(ask.now, TimePoint{Duration{block.origin}});
        const std::uint64_t wait = block.first_reaching(base, units, elapsed) - elapsed;
        answer.wait = saturating_add(TimePoint{before}, Duration{static_cast<std::int64_t>(wait)}).time_since_epoch();
        return KeyedAnswer::Kind::rate_limited;
    }
    if (bucket == nullptr) {
        bucket = add(ask, tier, room);
        if (bucket == nullptr) {
            ++counts_.load_shed;
            return KeyedAnswer::Kind::load_shed;
        }
    }
    bucket->position = base + units;
    if (bucket->reserved != 0) [[unlikely]]
        open_.find(ask.digest)->see(ask.now);
    count(bucket, ask, true);
    return KeyedAnswer::Kind::admitted;
}

void KeyedBuckets::count(KeyedBucket* bucket, const KeyedAsk& ask, bool was_admitted) noexcept {
    if (was_admitted) ++counts_.admitted;
    if (bucket != nullptr && bucket->count(was_admitted) && !ask.key.is_number()) [[unlikely]]
        remember_text(*bucket, ask.key.text());
}

void KeyedBuckets::remember_text(const KeyedBucket& bucket, std::string_view text) noexcept {
    HotText* place = &hot_[0];
    for (HotText& each : hot_) {
        if (each.asked != 0 && each.hash == bucket.digest.hash) {
            each.asked = bucket.asked();
            return;
        }
        if (each.asked < place->asked) place = &each;
    }
    if (place->asked >= bucket.asked()) return;
    place->hash = bucket.digest.hash;
    place->asked = bucket.asked();
    place->length = static_cast<std::uint8_t>(std::min(text.size(), HotText::kept));
    if (place->length != 0) std::memcpy(place->text.data(), text.data(), place->length);
}

// A key that is gone holds no place against those that ask now.
void KeyedBuckets::forget_text(const KeyedBucket& bucket) noexcept {
    if (bucket.is_number != 0 || bucket.asked() < asks_until_remembered) return;
    for (HotText& each : hot_) {
        if (each.hash == bucket.digest.hash) each.asked = 0;
    }
}

std::optional<std::string_view> KeyedBuckets::text_of(const KeyDigest& digest) const noexcept {
    for (const HotText& each : hot_) {
        if (each.asked != 0 && each.hash == digest.hash) return std::string_view(each.text.data(), each.length);
    }
    return std::nullopt;
}

std::uint64_t KeyedBuckets::available(const KeyDigest& digest, TimePoint now) noexcept {
    const KeyedBucket* const bucket = table_.find(digest);
    const std::size_t tier = bucket == nullptr ? 0 : bucket->tier;
    const std::int64_t level = blocks_[tier]->level(bucket == nullptr ? absent_[tier] : bucket->position, now);
    return level <= 0 ? 0 : static_cast<std::uint64_t>(level / blocks_[tier]->units_per_token);
}

KeyedAnswer::Kind KeyedBuckets::assign(const KeyedAsk& ask, KeyRoom& room) noexcept {
    if (beyond_span(ask.now)) [[unlikely]]
        return KeyedAnswer::Kind::beyond_span;
    const std::uint8_t tier = ask.tier.value_or(0);
    KeyedBucket* bucket = table_.find(ask.digest);
    if (bucket == nullptr) bucket = hold(ask, tier, room);
    if (bucket == nullptr) return KeyedAnswer::Kind::load_shed;
    if (bucket->tier != tier) switch_tier(*bucket, tier, ask.now);
    bucket->assigned = 1;
    return KeyedAnswer::Kind::admitted;
}

void KeyedBuckets::release(const KeyDigest& digest) noexcept {
    if (KeyedBucket* const bucket = table_.find(digest)) bucket->assigned = 0;
}

// ---- making room ----------------------------------------------------------------------------------------------------

KeyedBucket* KeyedBuckets::add(const KeyedAsk& ask, std::uint8_t tier, KeyRoom& room) noexcept {
    static_cast<void>(sweep(looks_with_each_key, ask.now, room));
    if (!room.take() && !evict(ask.now, room)) return nullptr;
    if (!table_.make_room()) {
        room.give_back(1);
        return nullptr;
    }
    KeyedBucket& bucket = table_.insert(ask.digest);
    bucket.held = 1;
    bucket.is_number = ask.key.is_number() ? 1 : 0;
    bucket.tier = tier & 7U;
    return &bucket;
}

// A key that has taken nothing yet: as full as any that is new.
KeyedBucket* KeyedBuckets::hold(const KeyedAsk& ask, std::uint8_t tier, KeyRoom& room) noexcept {
    const std::int64_t position = absent_[tier];
    KeyedBucket* const bucket = add(ask, tier, room);
    if (bucket != nullptr) bucket->position = position;
    return bucket;
}

std::size_t KeyedBuckets::sweep(std::size_t looks, TimePoint now, KeyRoom& room) noexcept {
    const TimePoint at = saturating_add(now, -room.idle);
    const std::size_t removed = table_.sweep(looks, [&](const KeyedBucket& bucket) {
        if (!full_at(bucket, at)) return false;
        forget_full(bucket, at);
        return true;
    });
    if (removed == 0) return 0;
    counts_.evicted_full += removed;
    room.give_back(removed);
    table_.shrink();
    return removed;
}

// Removes full keys, or a live one. One of the places stays taken in `room`, for the new key.
bool KeyedBuckets::evict(TimePoint now, KeyRoom& room) noexcept {
    KeyDigest soonest{};
    double least = std::numeric_limits<double>::infinity();
    const std::size_t removed = table_.sweep(looks_for_room, [&](const KeyedBucket& bucket) {
        if (full_at(bucket, now)) {
            forget_full(bucket, now);
            return true;
        }
        const double until = nanoseconds_until_full(bucket, now);
        if (!bucket.pinned() && until < least) {
            least = until;
            soonest = bucket.digest;
        }
        return false;
    });
    if (removed != 0) {
        counts_.evicted_full += removed;
        room.give_back(removed - 1);
        return true;
    }
    if (room.when_full == WhenFull::refuse_new || least == std::numeric_limits<double>::infinity()) return false;
    KeyedBucket& live = *table_.find(soonest);
    forget_live(live, now);
    table_.remove(live);
    ++counts_.evicted_live;
    return true;
}

void KeyedBuckets::raise_absent(std::size_t tier, Signed128 position) noexcept {
    absent_[tier] = std::max(absent_[tier], held_in_range(position));
}

// Callers whose `now` lies before `full_at` find a new key as full as this one was then, in whatever tier.
void KeyedBuckets::forget_full(const KeyedBucket& bucket, TimePoint full_at) noexcept {
    forget_text(bucket);
    for (std::size_t tier = 0; tier < tiers_; ++tier) {
        raise_absent(tier, tier == bucket.tier ? bucket.position
                                               : grown_at(*blocks_[tier], full_at) - blocks_[tier]->capacity_units);
    }
}

void KeyedBuckets::forget_live(const KeyedBucket& bucket, TimePoint now) noexcept {
    forget_text(bucket);
    const TierBlock& own = *blocks_[bucket.tier];
    const TimePoint at = std::max(now, newest_change_);
    const std::int64_t level = own.level(bucket.position, at);
    for (std::size_t tier = 0; tier < tiers_; ++tier) {
        const TierBlock& block = *blocks_[tier];
        if (tier == bucket.tier) {
            raise_absent(tier, bucket.position);
        } else if (block.capacity <= own.capacity) {
            raise_absent(tier, moved_position(level, own, block, at));
        } else {
            // In a larger tier as many tokens are missing as here.
            const Signed128 missing = -converted_down(level - own.capacity_units, own, block);
            raise_absent(tier, grown_at(block, at) - block.capacity_units + missing);
        }
    }
}

}  // namespace resilience::inline v1::detail
