#include <gtest/gtest.h>

#include <algorithm>
#include <for_tests/origin.hpp>
#include <random>
#include <resilience/measure/sliding_log.hpp>
#include <thread>
#include <utility>
#include <vector>

namespace resilience::inline v1 {
namespace sliding_log_test {

using namespace std::chrono_literals;

TimePoint at(Duration since_epoch) { return for_tests::origin() + since_epoch; }

TEST(SlidingLog, entries_leave_one_by_one_each_a_period_after_it_came) {
    SlidingLog log(2, 100ms);
    EXPECT_TRUE(log.try_take(1, at(0ms)));
    EXPECT_TRUE(log.try_take(1, at(60ms)));
    EXPECT_FALSE(log.try_take(1, at(99'999'999ns)));
    EXPECT_TRUE(log.try_take(1, at(100ms)));
    EXPECT_FALSE(log.try_take(1, at(159ms)));
    EXPECT_EQ(log.available(at(159ms)), 0U);
    EXPECT_EQ(log.available(at(160ms)), 1U);
    EXPECT_EQ(log.available(at(200ms)), 2U);
}

TEST(SlidingLog, none_is_always_given_and_more_than_the_limit_never) {
    SlidingLog log(3, 1s);
    EXPECT_FALSE(log.try_take(4, at(0s)));
    EXPECT_EQ(log.time_until(4, at(0s)), Duration::max());
    EXPECT_TRUE(log.try_take(3, at(0s)));
    EXPECT_TRUE(log.try_take(0, at(0s)));
    EXPECT_EQ(log.time_until(0, at(0s)), Duration::zero());
}

TEST(SlidingLog, is_full_at_whatever_instant_it_is_first_asked) {
    for (const TimePoint now : {TimePoint::min(), at(-1s), at(0s), TimePoint::max() - 1s, TimePoint::max()}) {
        SlidingLog log(2, 1s);
        EXPECT_EQ(log.available(now), 2U);
        EXPECT_TRUE(log.try_take(2, now));
        EXPECT_FALSE(log.try_take(1, now));
    }
}

TEST(SlidingLog, a_late_now_counts_as_the_newest) {
    SlidingLog log(2, 100ms);
    ASSERT_TRUE(log.try_take(1, at(50ms)));
    ASSERT_TRUE(log.try_take(1, at(10ms)));
    EXPECT_EQ(log.time_until(1, at(10ms)), 140ms);
    EXPECT_FALSE(log.try_take(2, at(149ms)));
    EXPECT_TRUE(log.try_take(2, at(150ms)));
}

TEST(SlidingLog, foresees_when_single_tokens_come_through_a_line) {
    SlidingLog log(2, 100ms);
    ASSERT_TRUE(log.try_take(1, at(0ms)));
    EXPECT_EQ(log.time_until(1, at(60ms), 0), 0ms);
    EXPECT_EQ(log.time_until(1, at(60ms), 1), 40ms);
    ASSERT_TRUE(log.try_take(1, at(60ms)));
    EXPECT_EQ(log.time_until(1, at(60ms), 1), 100ms);
    EXPECT_EQ(log.time_until(1, at(60ms), 2), 140ms);
    EXPECT_EQ(log.time_until(1, at(60ms), ~std::uint64_t{0} - 1), Duration::max());
}

// Every half-open window that begins with an entry holds at most the limit, and no more than that was refused.
void expect_at_most(std::uint64_t limit, Duration period, std::vector<std::pair<std::int64_t, std::uint64_t>> taken) {
    std::sort(taken.begin(), taken.end());
    std::uint64_t inside = 0;
    std::size_t last = 0;
    for (std::size_t first = 0; first < taken.size(); ++first) {
        for (; last < taken.size() && taken[last].first - taken[first].first < period.count(); ++last) {
            inside += taken[last].second;
        }
        ASSERT_LE(inside, limit) << "from " << taken[first].first;
        inside -= taken[first].second;
    }
}

TEST(SlidingLog, no_window_holds_more_than_the_limit_and_the_wait_is_the_shortest) {
    std::mt19937_64 random(1);
    for (const std::int64_t origin : {std::int64_t{0}, std::int64_t{1} << 57}) {
        SlidingLog log(7, 1us);
        std::vector<std::pair<std::int64_t, std::uint64_t>> taken;
        TimePoint now = at(Duration{origin});
        for (int round = 0; round < 20'000; ++round) {
            now += Duration{static_cast<std::int64_t>(random() % 400)};
            const std::uint64_t tokens = random() % 7 + 1;
            const Duration wait = log.time_until(tokens, now);
            if (wait > Duration::zero()) {
                ASSERT_FALSE(log.try_take(tokens, now + wait - 1ns));
                now += wait;
            }
            ASSERT_TRUE(log.try_take(tokens, now));
            taken.emplace_back(now.time_since_epoch().count(), tokens);
        }
        expect_at_most(7, 1us, taken);
    }
}

TEST(SlidingLog, threads_together_get_no_more_than_the_limit) {
    SlidingLog log(100, 1s);
    std::vector<std::uint64_t> given(4);
    {
        std::vector<std::jthread> threads;
        for (std::uint64_t& mine : given) {
            threads.emplace_back([&] {
                for (int call = 0; call < 1000; ++call) mine += log.try_take(1, at(Duration{call})) ? 1U : 0U;
            });
        }
    }
    EXPECT_EQ(given[0] + given[1] + given[2] + given[3], 100U);
}

}  // namespace sliding_log_test
}  // namespace resilience::inline v1
