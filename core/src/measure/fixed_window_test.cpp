#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <for_tests/origin.hpp>
#include <random>
#include <resilience/measure/fixed_window.hpp>
#include <thread>
#include <vector>

namespace resilience::inline v1 {
namespace fixed_window_test {

using namespace std::chrono_literals;

TimePoint at(Duration since_epoch) { return for_tests::origin() + since_epoch; }

TEST(FixedWindow, gives_its_limit_in_each_window_and_starts_anew_at_the_edge) {
    FixedWindow window(3, 1s);
    EXPECT_TRUE(window.try_take(2, at(200ms)));
    EXPECT_FALSE(window.try_take(2, at(300ms))) << "one is left, and refusing takes nothing";
    EXPECT_EQ(window.available(at(300ms)), 1U);
    EXPECT_TRUE(window.try_take(1, at(999'999'999ns)));
    EXPECT_FALSE(window.try_take(1, at(999'999'999ns)));
    EXPECT_TRUE(window.try_take(3, at(1s)));
    EXPECT_FALSE(window.try_take(1, at(1s)));
}

TEST(FixedWindow, none_is_always_given_and_more_than_the_limit_never) {
    FixedWindow window(3, 1s);
    EXPECT_FALSE(window.try_take(4, at(0s)));
    EXPECT_EQ(window.time_until(4, at(0s)), Duration::max());
    EXPECT_FALSE(window.try_take(std::uint64_t{1} << 40, at(0s)));
    EXPECT_TRUE(window.try_take(3, at(0s)));
    EXPECT_TRUE(window.try_take(0, at(0s)));
    EXPECT_EQ(window.time_until(0, at(0s)), Duration::zero());
}

TEST(FixedWindow, a_late_now_counts_as_in_the_newest_window) {
    FixedWindow window(2, 1s);
    ASSERT_TRUE(window.try_take(1, at(5s)));
    EXPECT_TRUE(window.try_take(1, at(4'999ms)));
    EXPECT_FALSE(window.try_take(1, at(4'999ms)));
    EXPECT_EQ(window.time_until(1, at(4'999ms)), 1001ms);
    EXPECT_FALSE(window.try_take(1, at(5'999ms)));
}

TEST(FixedWindow, belongs_to_no_window_until_it_has_given_something) {
    FixedWindow window(1, 1s);
    EXPECT_TRUE(window.try_take(1, at(-5'500ms)));
    EXPECT_EQ(window.time_until(1, at(-5'500ms)), 500ms);
    EXPECT_TRUE(window.try_take(1, at(-5s)));
    EXPECT_FALSE(window.try_take(1, at(-4'001ms)));
}

TEST(FixedWindow, says_when_as_the_first_nanosecond_that_succeeds) {
    std::mt19937_64 random(1);
    for (const Duration origin : {Duration{0}, Duration{-7'000'000'001}, Duration{std::int64_t{1} << 57}}) {
        FixedWindow window(5, 3ms);
        TimePoint now = at(origin);
        for (int round = 0; round < 20'000; ++round) {
            now += Duration{static_cast<std::int64_t>(random() % 2'000'000)};
            const std::uint64_t tokens = random() % 5 + 1;
            const Duration wait = window.time_until(tokens, now);
            if (wait > Duration::zero()) {
                ASSERT_FALSE(window.try_take(tokens, now + wait - 1ns));
                now += wait;
            }
            ASSERT_TRUE(window.try_take(tokens, now));
        }
    }
}

TEST(FixedWindow, foresees_when_single_tokens_come_through_a_line) {
    FixedWindow window(2, 1s);
    ASSERT_TRUE(window.try_take(1, at(500ms)));
    EXPECT_EQ(window.time_until(1, at(500ms), 0), 0s);
    EXPECT_EQ(window.time_until(1, at(500ms), 1), 500ms);
    EXPECT_EQ(window.time_until(1, at(500ms), 2), 500ms);
    EXPECT_EQ(window.time_until(1, at(500ms), 3), 1500ms);
    EXPECT_EQ(window.time_until(1, at(500ms), ~std::uint64_t{0}), Duration::max());
}

TEST(FixedWindow, threads_together_get_exactly_the_limit_of_each_window) {
    constexpr std::uint64_t limit = 50;
    constexpr std::int64_t windows = 200;
    FixedWindow window(limit, 1ms);
    std::vector<std::atomic<std::uint64_t>> given(windows);
    std::barrier edge(4);
    {
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < 4; ++thread) {
            threads.emplace_back([&] {
                for (std::int64_t number = 0; number < windows; ++number) {
                    edge.arrive_and_wait();
                    for (int call = 0; call < 30; ++call) {
                        if (window.try_take(1, at(number * 1ms))) ++given[static_cast<std::size_t>(number)];
                    }
                }
            });
        }
    }
    for (const std::atomic<std::uint64_t>& each : given) ASSERT_EQ(each, limit);
}

}  // namespace fixed_window_test
}  // namespace resilience::inline v1
