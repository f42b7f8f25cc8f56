#pragma once

// Ratios and rates as exact fractions, so that "half of the calls" means half and "three per second" means three.
//
// A double cannot hold 0.28 or 2/3. Comparing `failures >= 0.28 * calls` in doubles therefore fails to reach the
// threshold at some counts that lie exactly on it. What a user writes as a double is read instead as the simplest
// fraction that the double could have been rounded from, and compared in integers:
//
//     const Fraction threshold = simplest_fraction(0.28);   // 7/25
//     reaches(7, 25, threshold);                            // true:  7 of 25 is exactly 28 %
//     reaches(6, 25, threshold);                            // false
//
// Both functions are pure and may be called from any thread. `simplest_fraction` takes about a microsecond and belongs
// in constructors; `reaches` is two multiplications and belongs in the path of a call.

#include <cstdint>

namespace resilience::inline v1 {

namespace detail {
// Wide enough for the product of any two 64-bit counts.
__extension__ typedef unsigned __int128 Unsigned128;
__extension__ typedef __int128 Signed128;
}  // namespace detail

// numerator / denominator in lowest terms; the denominator is at least 1.
struct Fraction {
    std::uint64_t numerator = 0;
    std::uint64_t denominator = 1;

    friend constexpr bool operator==(const Fraction&, const Fraction&) = default;
};

// The fraction with the smallest denominator among all real numbers that round to `value`: 0.5 is 1/2, 2.0/3 is 2/3,
// 0.28 is 7/25, 16.67 is 1667/100. Where even that denominator exceeds `max_denominator`, the nearest fraction whose
// denominator does not.
//
// Range: 0 <= value < 2^63 and max_denominator >= 1. A value above 0 never becomes 0: the least result is
// 1/max_denominator, so a tiny threshold is not one that everything reaches. Outside the range: 0/1 for negative values
// and NaN, (2^64-1)/1 for values from 2^63 on.
//
// Computed by continued fractions on the mantissa in 128-bit integers; nothing is rounded on the way.
[[nodiscard]] Fraction simplest_fraction(double value, std::uint64_t max_denominator = std::uint64_t{1} << 31) noexcept;

// Whether part/whole is at least `threshold`, exactly, for every value of the 64-bit arguments: the products have 128
// bits. Nothing is divided, so 0 of 0 reaches every threshold; a caller with a minimum of calls asks for that first.
[[nodiscard]] constexpr bool reaches(std::uint64_t part, std::uint64_t whole, Fraction threshold) noexcept {
    return detail::Unsigned128{part} * threshold.denominator >= detail::Unsigned128{whole} * threshold.numerator;
}

}  // namespace resilience::inline v1
