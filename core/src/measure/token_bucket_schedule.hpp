#pragma once

// What the tests of the token bucket share: rates as exact numbers, and the bound checked over a schedule of calls.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <for_tests/origin.hpp>
#include <resilience/measure/token_bucket.hpp>
#include <vector>

#include <gtest/gtest.h>

namespace resilience {

inline constexpr std::int64_t long_uptime = std::int64_t{1} << 57;

inline TimePoint at(std::int64_t nanoseconds) { return for_tests::origin() + Duration{nanoseconds}; }

// A rate as users write it and as the exact number of tokens in a nanosecond.
struct Rate {
    double per_second;
    std::int64_t tokens;
    std::int64_t nanoseconds;
    std::int64_t slack;  // nanoseconds that the bound allows
};

inline const Rate rates[] = {
    {3.0, 3, 1'000'000'000, 0},
    {10.0, 1, 100'000'000, 0},
    {1000.0 / 60, 1, 60'000'000, 0},
    {1.0 / 86400, 1, 86'400'000'000'000, 0},
    {1e6, 1, 1000, 0},
    {7e8, 7, 10, 0},
    {1e9, 1, 1, 0},
    {16.67, 1667, 100'000'000'000, 1},
    {999999999.5, 1999999999, 2'000'000'000, 1},
    {123456.789, 123456789, 1'000'000'000'000, 1},
};

struct Taken {
    std::int64_t now;
    std::uint64_t tokens;
};

// Every window between two admissions, in exact rationals.
inline void expect_bound(std::vector<Taken> taken, std::uint64_t capacity, const Rate& rate) {
    std::sort(taken.begin(), taken.end(), [](const Taken& a, const Taken& b) { return a.now < b.now; });
    for (std::size_t first = 0; first < taken.size(); ++first) {
        std::uint64_t sum = 0;
        for (std::size_t last = first; last < taken.size(); ++last) {
            sum += taken[last].tokens;
            const std::int64_t length = taken[last].now - taken[first].now + rate.slack;
            ASSERT_LE(detail::Signed128{static_cast<std::int64_t>(sum)} * rate.nanoseconds,
                      detail::Signed128{static_cast<std::int64_t>(capacity)} * rate.nanoseconds +
                          detail::Signed128{length} * rate.tokens)
                << rate.per_second << "/s, capacity " << capacity << ", from " << taken[first].now << " for " << length;
        }
    }
}

}  // namespace resilience
