#include <gtest/gtest.h>

#include <resilience/base/time.hpp>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace time_test {

constexpr Duration longest = Duration::max();
constexpr Duration most_negative = Duration::min();

TEST(Time, sums_stop_at_the_ends_of_the_range) {
    struct Row {
        TimePoint at;
        Duration by;
        TimePoint sum;
    };
    const std::vector<Row> rows{
        {TimePoint{}, 0ns, TimePoint{}},
        {TimePoint{5s}, 3s, TimePoint{8s}},
        {TimePoint{5s}, -8s, TimePoint{-3s}},
        {TimePoint{1ns}, longest, never},
        {TimePoint{0ns}, longest, never},
        {never, 0ns, never},
        {never, 1ns, never},
        {never, longest, never},
        {never, -1ns, TimePoint{longest - 1ns}},
        {TimePoint::min(), -1ns, TimePoint::min()},
        {TimePoint::min(), most_negative, TimePoint::min()},
        {TimePoint{-2ns}, most_negative, TimePoint::min()},
        {TimePoint::min(), longest, TimePoint{-1ns}},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(saturating_add(row.at, row.by), row.sum)
            << row.at.time_since_epoch().count() << " + " << row.by.count();
    }
}

TEST(Time, differences_are_never_negative_and_stop_at_the_longest_duration) {
    struct Row {
        TimePoint from;
        TimePoint to;
        Duration between;
    };
    const std::vector<Row> rows{
        {TimePoint{2s}, TimePoint{5s}, 3s},       {TimePoint{5s}, TimePoint{2s}, 0s},
        {TimePoint{5s}, TimePoint{5s}, 0s},       {TimePoint::min(), never, longest},
        {TimePoint{-1ns}, never, longest},        {TimePoint{}, never, longest},
        {TimePoint{1ns}, never, longest - 1ns},   {TimePoint::min(), TimePoint{-1ns}, longest},
        {TimePoint::min(), TimePoint{}, longest}, {never, TimePoint::min(), 0s},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(time_between(row.from, row.to), row.between)
            << row.from.time_since_epoch().count() << " .. " << row.to.time_since_epoch().count();
    }
}

// Both are constant expressions.
static_assert(saturating_add(never, 1h) == never);
static_assert(time_between(TimePoint{1s}, TimePoint{3s}) == 2s);

}  // namespace time_test
