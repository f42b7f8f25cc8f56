#pragma once

// Time as every policy sees it: monotonic, signed 64-bit nanoseconds, and an argument of each decision.
//
// Sums saturate: a deadline beyond the end of time is the end of time (`never`), it does not wrap into the past.
// The clock stands still while the machine is suspended, so an open period or a refill is lengthened by a suspend.

#include <chrono>
#include <cstdint>
#include <limits>

namespace resilience::inline v1 {

using Duration = std::chrono::nanoseconds;
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

// No moment at all, or a moment that is not reached: later than every `now`.
inline constexpr TimePoint never = TimePoint::max();

// The one place where the library reads the clock. A decision takes `now` with this as its default.
struct Clock {
    // Costs one clock read (about 20 ns), the largest single cost of a guarded call.
    [[nodiscard]] static TimePoint now() noexcept { return std::chrono::steady_clock::now(); }
};

// `at + by`, held at the ends of the range instead of wrapping.
[[nodiscard]] constexpr TimePoint saturating_add(TimePoint at, Duration by) noexcept {
    std::int64_t sum = 0;
    if (__builtin_add_overflow(at.time_since_epoch().count(), by.count(), &sum)) {
        return by.count() > 0 ? TimePoint::max() : TimePoint::min();
    }
    return TimePoint{Duration{sum}};
}

// How long from `from` until `to`: never negative, so a clock that two threads read in the wrong order counts as no
// time at all, and held at the longest Duration instead of wrapping.
[[nodiscard]] constexpr Duration time_between(TimePoint from, TimePoint to) noexcept {
    if (to <= from) return Duration::zero();
    std::int64_t difference = 0;
    if (__builtin_sub_overflow(to.time_since_epoch().count(), from.time_since_epoch().count(), &difference)) {
        return Duration::max();
    }
    return Duration{difference};
}

}  // namespace resilience::inline v1
