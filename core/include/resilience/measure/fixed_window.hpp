#pragma once

// A count that starts anew with every window of a fixed length.
//
//     FixedWindow window(100, 1min);                            // 100 in each minute of the clock
//     if (!window.try_take(1, now)) {
//         Duration wait = window.time_until(1, now);            // until the next window begins
//     }
//
// What it promises: at most `limit` tokens in each window [k * period, (k + 1) * period) of the clock. Two windows that
// meet admit 2 * limit within an instant: all of the one at its end, all of the next at its start. That belongs to
// fixed windows; the token bucket and the sliding log do not have it.
//
// A `now` that lies in an older window than the newest one seen counts as in the newest: whoever read the clock just
// before the edge and comes just after it is not refused for a window that nobody can fill any more.
//
// How. One 64-bit word: the number of the window, and how many tokens it has given. A word that has given nothing
// belongs to no window yet. The number has 40 bits and is compared by its distance, so between two calls to the same
// window object at most 2^39 periods may pass: 17 years at the shortest period.
//
// Threads: every member may be called from any thread. Cost: one division, one load and one CAS when it admits, no CAS
// when it refuses; no lock, no allocation; 24 bytes.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <resilience/base/atomics.hpp>
#include <resilience/base/time.hpp>
#include <resilience/measure/fraction.hpp>

namespace resilience::inline v1 {

template <class Atomics = StandardAtomics>
class BasicFixedWindow {
  public:
    static constexpr std::uint64_t highest_limit = (std::uint64_t{1} << 24) - 1;
    static constexpr Duration shortest_period = std::chrono::milliseconds(1);
    static constexpr Duration longest_period{std::int64_t{1} << 58};

    // `limit` 1 to highest_limit, `period` shortest_period to longest_period (9.1 years); the caller has made sure.
    BasicFixedWindow(std::uint64_t limit, Duration period) noexcept
        : limit_(static_cast<std::uint32_t>(limit)), period_(period.count()) {}

    BasicFixedWindow(const BasicFixedWindow&) = delete;
    BasicFixedWindow& operator=(const BasicFixedWindow&) = delete;

    // Takes `tokens` if this window has them left, else takes nothing. More than the limit never succeeds, 0 always.
    [[nodiscard]] bool try_take(std::uint64_t tokens, TimePoint now) noexcept {
        if (tokens == 0) return true;
        const std::int64_t number = number_of(now);
        // Relaxed throughout: the promise rests on the modification order of this one word alone.
        std::uint64_t word = word_.load(std::memory_order_relaxed);
        for (;;) {
            const Window window = window_at(word, number);
            if (tokens > limit_ - window.used) return false;
            if (word_.compare_exchange_weak(word, packed(window.number, window.used + tokens),
                                            std::memory_order_relaxed)) {
                return true;
            }
        }
    }

    // How long after `now` the first nanosecond lies at which `tokens` could be taken if nobody takes any meanwhile;
    // 0 if they could be taken at `now`, Duration::max() if never.
    //
    // With `ahead`: for somebody before whom that many tokens are taken, one by one, each as soon as it is there.
    // Larger requests may need longer, as none is split between two windows.
    [[nodiscard]] Duration time_until(std::uint64_t tokens, TimePoint now, std::uint64_t ahead = 0) const noexcept {
        if (tokens > limit_) return Duration::max();
        const Window window = window_at(word_.load(std::memory_order_relaxed), number_of(now));
        const std::uint64_t left = limit_ - window.used;
        const detail::Unsigned128 needed = detail::Unsigned128{ahead} + tokens;
        if (needed <= left) return Duration::zero();
        const detail::Unsigned128 windows = (needed - left + limit_ - 1) / limit_;
        const detail::Signed128 begins =
            (static_cast<detail::Signed128>(window.number) + static_cast<detail::Signed128>(windows)) * period_;
        const detail::Signed128 wait = begins - now.time_since_epoch().count();
        constexpr detail::Signed128 longest = Duration::max().count();
        return Duration{static_cast<std::int64_t>(wait < longest ? wait : longest)};
    }

    // Tokens that the window of `now` has left.
    [[nodiscard]] std::uint64_t available(TimePoint now) const noexcept {
        return limit_ - window_at(word_.load(std::memory_order_relaxed), number_of(now)).used;
    }

    [[nodiscard]] std::uint64_t capacity() const noexcept { return limit_; }
    // Tokens per second in the long run.
    [[nodiscard]] double refill_rate() const noexcept {
        return static_cast<double>(limit_) / std::chrono::duration<double>(Duration{period_}).count();
    }
    [[nodiscard]] Duration period() const noexcept { return Duration{period_}; }

  private:
    struct Window {
        std::int64_t number;
        std::uint64_t used;
    };
    static constexpr unsigned used_bits = 24;

    static std::uint64_t packed(std::int64_t number, std::uint64_t used) noexcept {
        return static_cast<std::uint64_t>(number) << used_bits | used;
    }
    [[nodiscard]] std::int64_t number_of(TimePoint now) const noexcept {
        const std::int64_t at = now.time_since_epoch().count();
        return at / period_ - (at % period_ < 0 ? 1 : 0);
    }
    // The window that a caller in window `number` takes from.
    [[nodiscard]] static Window window_at(std::uint64_t word, std::int64_t number) noexcept {
        const std::uint64_t used = word & highest_limit;
        // The distance in 40 bits, its sign extended.
        const std::uint64_t ahead = (static_cast<std::uint64_t>(number) << used_bits) - (word - used);
        const std::int64_t distance = static_cast<std::int64_t>(ahead) >> used_bits;
        if (used == 0 || distance > 0) return {number, 0};
        return {number - distance, used};
    }

    typename Atomics::template Atomic<std::uint64_t> word_{0};
    std::uint32_t limit_;
    std::int64_t period_;
};

using FixedWindow = BasicFixedWindow<StandardAtomics>;

}  // namespace resilience::inline v1
