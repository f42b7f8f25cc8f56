#pragma once

// The arithmetic of a token bucket: one set of parameters, and the position of the bucket counted in them.
//
// Users want token_bucket.hpp, which explains the units and proves the bound. The parameters of a block never change
// after it is published, so they are never read half changed; a change of rate replaces the block.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <resilience/base/atomics.hpp>
#include <resilience/base/time.hpp>
#include <resilience/measure/fraction.hpp>

namespace resilience::inline v1::detail {

// How a refill rate is counted: units in a token, and 2^120 * the units grown in a nanosecond, rounded up, as two
// words.
struct TokenScale {
    std::int64_t units_per_token;
    std::uint64_t multiplier_high;
    std::uint64_t multiplier_low;
};

// The scale of a rate in tokens per second, 1e-8..1e9.
[[nodiscard]] TokenScale token_scale(double refill_rate) noexcept;

// Whether both numbers are in range and the bucket fills within 2^58 ns. Then capacity * units <= 2^62, which every sum
// below relies on.
[[nodiscard]] bool token_scale_exists(std::uint64_t capacity, double refill_rate) noexcept;

// Time is counted in nanoseconds from an origin, and fewer than this many (9.1 years): then the origin has to move.
inline constexpr std::uint64_t token_span = std::uint64_t{1} << 58;

// The position of a block that has been replaced. Greater than every other position, so it is met only in the branch
// that refuses, and costs an admission nothing.
inline constexpr std::int64_t token_position_moved = std::numeric_limits<std::int64_t>::max();

template <class Atomics>
struct alignas(cache_line) TokenBlock {
    // Full at its origin, and so at every instant until something is taken.
    TokenBlock(std::uint64_t tokens, TokenScale scale, TimePoint at) noexcept
        : position(-static_cast<std::int64_t>(tokens) * scale.units_per_token),
          origin(std::min(at.time_since_epoch().count(), latest_origin)),
          capacity_units(static_cast<std::int64_t>(tokens) * scale.units_per_token),
          units_per_token(scale.units_per_token),
          multiplier_high(scale.multiplier_high),
          multiplier_low(scale.multiplier_low),
          capacity(static_cast<std::uint32_t>(tokens)),
          direct_capacity(capacity) {}

    [[nodiscard]] TokenScale scale() const noexcept { return {units_per_token, multiplier_high, multiplier_low}; }

    // The units grown in `elapsed` < token_span nanoseconds. Unsigned throughout: a signed factor would be extended to
    // 128 bits, which costs two more multiplications.
    [[nodiscard]] std::int64_t grown(std::uint64_t elapsed) const noexcept {
        const Unsigned128 low = Unsigned128{elapsed} * multiplier_low;
        const Unsigned128 high = Unsigned128{elapsed} * multiplier_high;
        return static_cast<std::int64_t>((high + (low >> 64)) >> 56);
    }

    // Nanoseconds from the origin to `now`; a `now` before the origin comes out as at least token_span.
    [[nodiscard]] std::uint64_t since_origin(TimePoint now) const noexcept {
        return static_cast<std::uint64_t>(now.time_since_epoch().count()) - static_cast<std::uint64_t>(origin);
    }

    // The same, with a `now` before the origin counted as the origin.
    [[nodiscard]] std::uint64_t elapsed_at(TimePoint now) const noexcept {
        return now.time_since_epoch().count() <= origin ? 0 : since_origin(now);
    }

    // Units in the bucket at `now` if it stands at `from`; negative after a call whose `now` was later than this one.
    // Beyond the span it is reached in several strides, each rounded down.
    [[nodiscard]] std::int64_t level(std::int64_t from, TimePoint now) const noexcept {
        std::uint64_t left = elapsed_at(now);
        std::uint64_t stride = std::min(left, token_span - 1);
        std::int64_t units = std::min(capacity_units, grown(stride) - from);
        for (left -= stride; left != 0 && units < capacity_units; left -= stride) {
            stride = std::min(left, token_span - 1);
            units = std::min(capacity_units, units + grown(stride));
        }
        return units;
    }

    // The units of both together, held at the largest number: a line can ask for more than time will ever bring.
    [[nodiscard]] std::int64_t units_of(std::uint64_t ahead, std::uint64_t tokens) const noexcept {
        const Unsigned128 units =
            (Unsigned128{ahead} + tokens) * static_cast<Unsigned128>(static_cast<std::uint64_t>(units_per_token));
        return static_cast<std::int64_t>(std::min<Unsigned128>(units, token_position_moved));
    }

    // The first nanosecond from `elapsed` < token_span on at which `from + units` units have grown; exact within the
    // span.
    [[nodiscard]] std::uint64_t first_reaching(std::int64_t from, std::int64_t units,
                                               std::uint64_t elapsed) const noexcept {
        std::int64_t goal = 0;
        if (__builtin_add_overflow(from, units, &goal)) goal = std::numeric_limits<std::int64_t>::max();
        std::int64_t missing = goal - grown(elapsed);
        // The estimate is off by a nanosecond or two, or by what doubles lose of a wait of many days: then once more.
        while (missing > 0) {
            const double unit = 0x1p56 / static_cast<double>(static_cast<std::int64_t>(multiplier_high));
            const double stride = static_cast<double>(missing) * unit * (1 - 0x1p-50);
            elapsed += static_cast<std::uint64_t>(static_cast<std::int64_t>(stride)) + 1;
            if (elapsed >= token_span) {
                // Beyond the span in strides, as level() goes there.
                const std::int64_t end = grown(token_span - 1);
                if (goal > end) return token_span - 1 + first_reaching(-end, goal, 0);
                elapsed = token_span - 1;
            }
            missing = goal - grown(elapsed);
            while (missing <= 0 && grown(elapsed - 1) >= goal) --elapsed;
        }
        return elapsed;
    }

    // Stands where `old` does, which is at `from`, at this block's origin: as many tokens, cut at the new capacity, any
    // fraction of a unit dropped.
    void take_over(const TokenBlock& old, std::int64_t from) noexcept {
        const Signed128 units = Signed128{old.level(from, TimePoint{Duration{origin}})} * units_per_token;
        Signed128 level = units / old.units_per_token;
        if (level * old.units_per_token > units) --level;
        const Signed128 lowest = -Signed128{token_position_moved - 1};
        level = std::clamp<Signed128>(level, lowest, capacity_units);
        position.store(static_cast<std::int64_t>(-level), std::memory_order_relaxed);
    }

    // With no origin later than this, since_origin() is exact at both ends of the clock's range.
    static constexpr std::int64_t latest_origin =
        std::numeric_limits<std::int64_t>::max() - static_cast<std::int64_t>(token_span) + 1;

    typename Atomics::template Atomic<std::int64_t> position;
    std::int64_t origin;
    std::int64_t capacity_units;
    std::int64_t units_per_token;
    std::uint64_t multiplier_high;
    std::uint64_t multiplier_low;
    typename Atomics::template Atomic<TokenBlock*> next{nullptr};  // set once, before the position becomes the mark
    std::uint32_t capacity;
    // Most tokens that a call takes without further thought: the capacity, or 0 in a ReservingBlock.
    std::uint32_t direct_capacity;
};

// The block of a bucket that hands out reservations: 128 bytes.
//
// A refund lowers the position to where it would stand had the reservation taken less from the start. That is only
// known while the bucket has not overflowed past the reservation, and an overflow shows in nobody's word: so each call
// first leaves its instant in `seen`, and writes the position with release.
template <class Atomics>
struct ReservingBlock final : TokenBlock<Atomics> {
    ReservingBlock(std::uint64_t tokens, TokenScale scale, TimePoint at) noexcept
        : TokenBlock<Atomics>(tokens, scale, at) {
        this->direct_capacity = 0;
    }

    // Relaxed: published by the position that the same call writes afterwards.
    void see(std::uint64_t elapsed) noexcept {
        std::uint64_t newest = seen.load(std::memory_order_relaxed);
        while (newest < elapsed && !seen.compare_exchange_weak(newest, elapsed, std::memory_order_relaxed)) {
        }
    }

    typename Atomics::template Atomic<std::uint64_t> seen{0};  // the newest `now` of a call, as time since the origin
    // Tokens returned, and tokens charged beyond their estimates, through all blocks of the bucket; written under
    // mutex.
    typename Atomics::template Atomic<std::uint64_t> returned{0};
    typename Atomics::template Atomic<std::uint64_t> surplus{0};
    // One settler at a time: then the position only rises beside it.
    typename Atomics::Mutex mutex;
};

// A block in the hands of whoever makes or removes it.
template <class Atomics>
struct DisposeOfBlock {
    void operator()(TokenBlock<Atomics>* block) const noexcept {
        if (block->direct_capacity != 0) {
            delete block;
        } else {
            delete static_cast<ReservingBlock<Atomics>*>(block);
        }
    }
};

}  // namespace resilience::inline v1::detail
