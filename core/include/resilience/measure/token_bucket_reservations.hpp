#pragma once

// The bodies of a token bucket's reservations; token_bucket.hpp says what they promise and why it holds.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <resilience/measure/token_bucket.hpp>

namespace resilience::inline v1 {

// Puts a ReservingBlock in the place of the plain one, at the same origin: nothing else changes. False if there is no
// memory for it.
template <class Atomics>
bool BasicTokenBucket<Atomics>::start_reserving() noexcept {
    const std::lock_guard lock(reload_mutex_);
    Block& block = *newest().block;
    if (reserving(block) != nullptr) return true;
    OwnedBlock fresh = make_block(true, block.capacity, block.scale(), TimePoint{Duration{block.origin}});
    if (fresh == nullptr) return false;
    replace_locked(std::move(fresh));
    return true;
}

template <class Atomics>
auto BasicTokenBucket<Atomics>::try_reserve(std::uint64_t tokens, TimePoint now) noexcept -> std::optional<Reserved> {
    if (tokens == 0) {
        // What it is charged later is counted in the block.
        if (reserving(*newest().block) == nullptr) static_cast<void>(start_reserving());
        return Reserved{};
    }
    for (;;) {
        Block& block = *newest().block;
        if (tokens > block.capacity) return std::nullopt;
        ReservingBlock* const careful = reserving(block);
        if (careful == nullptr) {
            if (start_reserving()) continue;
            return try_take(tokens, now) ? std::optional(Reserved{.tokens = tokens}) : std::nullopt;
        }
        const std::uint64_t elapsed = block.elapsed_at(now);
        if (elapsed >= detail::token_span) {
            if (!move_origin(now)) return std::nullopt;
            continue;
        }
        Reserved reserved{.tokens = tokens, .block = careful};
        // Before the position is written: a count that is too low only returns less. Acquire: whoever sees a refund
        // counted writes after it.
        reserved.returned = careful->returned.load(std::memory_order_acquire);
        const Attempt attempt = take_seen(*careful, tokens, elapsed, reserved.position);
        if (attempt == Attempt::moved) continue;
        return attempt == Attempt::taken ? std::optional(reserved) : std::nullopt;
    }
}

template <class Atomics>
auto BasicTokenBucket<Atomics>::settle(const Reserved& reserved, std::uint64_t actual, TimePoint now) noexcept
    -> Settled {
    if (actual < reserved.tokens) return {.returned = give_back(reserved, reserved.tokens - actual, now)};
    const std::uint64_t surplus = actual - reserved.tokens;
    if (surplus != 0) charge(surplus, now);
    return {.surplus = surplus};
}

template <class Atomics>
std::uint64_t BasicTokenBucket<Atomics>::give_back(const Reserved& reserved, std::uint64_t unused,
                                                   TimePoint now) noexcept {
    if (reserved.block == nullptr) return 0;
    ReservingBlock& block = *reserved.block;
    const std::lock_guard lock(block.mutex);
    const std::uint64_t returned = block.returned.load(std::memory_order_relaxed);
    // Acquire: the instants seen by whoever wrote the position.
    std::int64_t position = block.position.load(std::memory_order_acquire);
    while (position != detail::token_position_moved) {
        const std::uint64_t elapsed = std::max(block.elapsed_at(now), block.seen.load(std::memory_order_relaxed));
        if (elapsed >= detail::token_span) return 0;
        const detail::Signed128 since = detail::Signed128{block.units_per_token} * (returned - reserved.returned);
        const detail::Signed128 room =
            detail::Signed128{reserved.position} - since - block.grown(elapsed) + block.capacity_units;
        if (room < block.units_per_token) return 0;
        const std::uint64_t tokens = std::min(unused, static_cast<std::uint64_t>(room / block.units_per_token));
        const std::int64_t lower = position - static_cast<std::int64_t>(tokens) * block.units_per_token;
        if (!block.position.compare_exchange_weak(position, lower, std::memory_order_acq_rel,
                                                  std::memory_order_acquire)) {
            continue;
        }
        // Release: pairs with try_reserve().
        block.returned.store(returned + tokens, std::memory_order_release);
        return tokens;
    }
    return 0;
}

// Takes what has been used already, whether it is there or not.
template <class Atomics>
void BasicTokenBucket<Atomics>::charge(std::uint64_t surplus, TimePoint now) noexcept {
    // More is owed for years anyway, and sums stay far from the end of the range.
    constexpr std::int64_t deepest = std::int64_t{1} << 61;
    for (;;) {
        Block& block = *newest().block;
        std::uint64_t elapsed = block.elapsed_at(now);
        if (elapsed >= detail::token_span) {
            if (move_origin(now)) continue;
            elapsed = detail::token_span - 1;
        }
        std::unique_lock<typename Atomics::Mutex> settlers;
        ReservingBlock* const careful = reserving(block);
        if (careful != nullptr) {
            settlers = std::unique_lock(careful->mutex);
            careful->see(elapsed);
        }
        const std::int64_t grown = block.grown(elapsed);
        std::int64_t position = block.position.load(std::memory_order_acquire);
        while (position != detail::token_position_moved) {
            const std::int64_t base = std::max(position, grown - block.capacity_units);
            const detail::Unsigned128 units =
                detail::Unsigned128{surplus} * static_cast<std::uint64_t>(block.units_per_token);
            const std::int64_t room = std::max<std::int64_t>(grown + deepest - base, 0);
            const std::int64_t added =
                static_cast<std::int64_t>(std::min<detail::Unsigned128>(units, static_cast<std::uint64_t>(room)));
            if (!block.position.compare_exchange_weak(position, base + added, std::memory_order_acq_rel,
                                                      std::memory_order_acquire)) {
                continue;
            }
            if (careful != nullptr) {
                // Anybody may report anything; a sum that wraps would read as a restart.
                const std::uint64_t before = careful->surplus.load(std::memory_order_relaxed);
                careful->surplus.store(before + std::min(surplus, ~std::uint64_t{0} - before),
                                       std::memory_order_relaxed);
            }
            return;
        }
    }
}

template <class Atomics>
auto BasicTokenBucket<Atomics>::settled() const noexcept -> Settled {
    const ReservingBlock* const block = reserving(*newest().block);
    if (block == nullptr) return {};
    return {.returned = block->returned.load(std::memory_order_relaxed),
            .surplus = block->surplus.load(std::memory_order_relaxed)};
}

template <class Atomics>
std::uint64_t BasicTokenBucket<Atomics>::debt(TimePoint now) const noexcept {
    const Reading reading = newest();
    const std::int64_t level = reading.block->level(reading.position, now);
    if (level >= 0) return 0;
    const std::int64_t unit = reading.block->units_per_token;
    return static_cast<std::uint64_t>(-(level + 1) / unit + 1);
}

extern template class BasicTokenBucket<StandardAtomics>;

}  // namespace resilience::inline v1
