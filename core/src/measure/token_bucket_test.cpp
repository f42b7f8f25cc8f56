#include <resilience/measure/token_bucket.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <for_tests/origin.hpp>
#include <limits>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "token_bucket_schedule.hpp"

namespace resilience {
namespace token_bucket_test {

using namespace std::chrono_literals;
using detail::Signed128;

constexpr std::uint64_t greatest_capacity = 0xffff'ffff;

TEST(TokenBucket, never_gives_more_than_capacity_and_refill_in_any_window_of_random_calls) {
    std::mt19937_64 random(3);
    const std::int64_t epoch = -for_tests::origin().time_since_epoch().count();  // what is before it counts as it
    for (const Rate& rate : rates) {
        for (const std::int64_t uptime : {std::int64_t{0}, long_uptime}) {
            for (const std::uint64_t capacity : {1U, 7U, 1000U}) {
                TokenBucket bucket(capacity, rate.per_second);
                std::vector<Taken> taken;
                const double token = static_cast<double>(rate.nanoseconds) / static_cast<double>(rate.tokens);
                const auto step = static_cast<std::uint64_t>(token * static_cast<double>(capacity)) + 2;
                if (step > std::uint64_t{1} << 49) continue;  // 400 steps would go beyond one origin's span
                std::int64_t now = uptime;
                for (int call = 0; call < 400; ++call) {
                    now += static_cast<std::int64_t>(random() % (random() % 3 == 0 ? step : step / 20 + 1));
                    const std::int64_t late = now - static_cast<std::int64_t>(random() % 4 == 0 ? random() % step : 0);
                    const std::uint64_t tokens = 1 + random() % capacity;
                    if (bucket.try_take(tokens, at(late))) taken.push_back({std::max(late, epoch), tokens});
                }
                ASSERT_GT(taken.size(), 20U);
                ASSERT_NO_FATAL_FAILURE(expect_bound(taken, capacity, rate));
            }
        }
    }
}

TEST(TokenBucket, gives_exactly_its_capacity_at_one_instant_when_full) {
    for (const Rate& rate : rates) {
        for (const std::int64_t now : {std::int64_t{-5}, std::int64_t{0}, std::int64_t{1}, std::int64_t{987654321},
                                       long_uptime, long_uptime + 12345}) {
            TokenBucket bucket(7, rate.per_second);
            EXPECT_EQ(bucket.available(at(now)), 7U) << rate.per_second << " at " << now;
            for (int token = 0; token < 7; ++token) EXPECT_TRUE(bucket.try_take(1, at(now)));
            EXPECT_FALSE(bucket.try_take(1, at(now))) << rate.per_second << " at " << now;
            EXPECT_EQ(bucket.available(at(now)), 0U);
        }
    }
}

TEST(TokenBucket, gives_its_whole_capacity_again_after_the_time_to_refill_it) {
    for (const Rate& rate : rates) {
        TokenBucket bucket(rate.per_second < 1 ? 3 : 1000, rate.per_second);
        const std::uint64_t capacity = bucket.capacity();
        std::int64_t now = 123'456'789;
        for (int round = 0; round < 20; ++round) {
            ASSERT_TRUE(bucket.try_take(capacity, at(now))) << rate.per_second << " in round " << round;
            const Signed128 refill = Signed128{static_cast<std::int64_t>(capacity)} * rate.nanoseconds;
            now += static_cast<std::int64_t>((refill + rate.tokens - 1) / rate.tokens) + 1;
        }
    }
}

TEST(TokenBucket, does_not_drift_in_a_day_of_three_a_second) {
    TokenBucket bucket(3, 3.0);
    std::uint64_t taken = 0;
    for (std::int64_t second = 0; second < 86'400; ++second) {
        for (int call = 0; call < 5; ++call) taken += bucket.try_take(1, at(second * 1'000'000'000)) ? 1U : 0U;
    }
    EXPECT_EQ(taken, 3U * 86'400);
}

TEST(TokenBucket, succeeds_at_the_instant_it_names_and_not_a_nanosecond_before) {
    std::mt19937_64 random(4);
    for (const Rate& rate : rates) {
        for (const std::int64_t uptime : {std::int64_t{0}, std::int64_t{1'000'000'007}, long_uptime}) {
            for (const std::uint64_t capacity : {std::uint64_t{1}, std::uint64_t{7}, std::uint64_t{1000}}) {
                TokenBucket bucket(capacity, rate.per_second);
                TimePoint now = at(uptime);
                for (int call = 0; call < 100; ++call) {
                    const std::uint64_t tokens = 1 + random() % capacity;
                    const Duration wait = bucket.time_until(tokens, now);
                    if (wait > 0ns) {
                        ASSERT_FALSE(bucket.try_take(tokens, now + wait - 1ns)) << rate.per_second;
                    }
                    ASSERT_TRUE(bucket.try_take(tokens, now + wait)) << rate.per_second << " after " << wait.count();
                    now += wait + Duration{static_cast<std::int64_t>(random() % 1000)};
                }
            }
        }
    }
}

TEST(TokenBucket, names_the_first_instant_however_long_the_wait) {
    // The longest there is: 2^58 ns, and as much at the end of a long uptime.
    TokenBucket slow(2, 1e-8);
    ASSERT_TRUE(slow.try_take(2, at(0)));
    EXPECT_EQ(slow.time_until(1, at(0)).count(), 100'000'000'000'000'000);
    EXPECT_EQ(slow.time_until(2, at(1)).count(), 200'000'000'000'000'000 - 1);
    const double third = 1.0 / 3e7;
    TokenBucket other(8, third);
    ASSERT_TRUE(other.try_take(8, at(17)));
    EXPECT_EQ(other.time_until(8, at(17)).count(), 240'000'000'000'000'000);
    TokenBucket odd(4'000'000'000, 16.67);
    ASSERT_TRUE(odd.try_take(4'000'000'000, at(0)));
    const Duration wait = odd.time_until(4'000'000'000, at(0));
    EXPECT_FALSE(odd.try_take(4'000'000'000, at(0) + wait - 1ns));
    EXPECT_TRUE(odd.try_take(4'000'000'000, at(0) + wait));
}

TEST(TokenBucket, takes_nothing_when_it_refuses) {
    TokenBucket bucket(5, 1.0);
    EXPECT_TRUE(bucket.try_take(3, at(0)));
    EXPECT_FALSE(bucket.try_take(3, at(0)));
    EXPECT_EQ(bucket.available(at(0)), 2U);
    EXPECT_TRUE(bucket.try_take(2, at(0)));
}

TEST(TokenBucket, always_gives_nothing_and_never_more_than_its_capacity) {
    TokenBucket bucket(5, 1e9);
    EXPECT_FALSE(bucket.try_take(6, at(0)));
    EXPECT_FALSE(bucket.try_take(std::numeric_limits<std::uint64_t>::max(), at(0)));
    EXPECT_EQ(bucket.time_until(6, at(0)), Duration::max());
    EXPECT_EQ(bucket.drain(at(0)), 5U);
    EXPECT_TRUE(bucket.try_take(0, at(0)));
    EXPECT_EQ(bucket.time_until(0, at(0)), 0ns);
    TokenBucket largest(greatest_capacity, 1e9);
    EXPECT_EQ(largest.available(at(0)), greatest_capacity);
    EXPECT_FALSE(largest.try_take(greatest_capacity + 1, at(0)));
    EXPECT_TRUE(largest.try_take(greatest_capacity, at(0)));
    EXPECT_FALSE(largest.try_take(1, at(0)));
}

TEST(TokenBucket, judges_a_late_call_as_itself) {
    TokenBucket bucket(1, 1.0);
    ASSERT_TRUE(bucket.try_take(1, at(10'000'000'000)));
    EXPECT_FALSE(bucket.try_take(1, at(9'000'000'000)));
    EXPECT_EQ(bucket.time_until(1, at(9'000'000'000)), 2s);
    EXPECT_EQ(bucket.available(at(9'000'000'000)), 0U);
    EXPECT_TRUE(bucket.try_take(1, at(11'000'000'000)));
}

TEST(TokenBucket, drains_every_whole_token_and_keeps_the_rest) {
    TokenBucket bucket(10, 1.0);
    EXPECT_EQ(bucket.drain(at(0)), 10U);
    EXPECT_EQ(bucket.drain(at(0)), 0U);
    EXPECT_EQ(bucket.drain(at(2'500'000'000)), 2U);
    EXPECT_EQ(bucket.time_until(1, at(2'500'000'000)), 500ms);
}

TEST(TokenBucket, is_safe_at_both_ends_of_time) {
    const auto since_epoch = [](std::int64_t nanoseconds) { return TimePoint{Duration{nanoseconds}}; };
    TokenBucket bucket(2, 1.0);
    EXPECT_TRUE(bucket.try_take(1, TimePoint::min()));
    EXPECT_TRUE(bucket.try_take(1, since_epoch(0)));
    EXPECT_FALSE(bucket.try_take(1, since_epoch(0)));
    EXPECT_EQ(bucket.time_until(1, since_epoch(-1)), 1s + 1ns);
    EXPECT_EQ(bucket.time_until(1, TimePoint::min()), Duration::max());
    EXPECT_EQ(bucket.available(TimePoint::max()), 2U);
    EXPECT_TRUE(bucket.try_take(2, TimePoint::max()));
    EXPECT_FALSE(bucket.try_take(1, TimePoint::max()));
    EXPECT_FALSE(bucket.try_take(1, TimePoint::min()));
    EXPECT_FALSE(bucket.try_take(1, since_epoch(0)));
    EXPECT_EQ(bucket.time_until(1, TimePoint::max()), 1s);
}

TEST(TokenBucket, goes_on_unchanged_when_its_origin_moves_after_nine_years) {
    for (const Rate& rate : {rates[0], rates[6], rates[7]}) {
        const std::int64_t origin = -(std::int64_t{1} << 58) + 1;
        TokenBucket moving(3, rate.per_second, at(origin));
        TokenBucket steady(3, rate.per_second);
        ASSERT_EQ(moving.drain(at(0)), 3U);
        ASSERT_EQ(steady.drain(at(0)), 3U);
        // The last instant of the first origin's span was 0; from 1 on it has to move. A moved origin drops at most one
        // unit, which is less than a nanosecond's refill.
        EXPECT_LE((moving.time_until(1, at(1)) - steady.time_until(1, at(1))).count(), rate.slack);
        std::vector<Taken> taken{{0, 3}};
        std::uint64_t sum = 0;
        std::uint64_t expected = 0;
        const std::int64_t step = rate.nanoseconds / rate.tokens / 3 + 1;
        for (std::int64_t now = 1; now < 1000 * step; now += step) {
            const bool given = moving.try_take(1, at(now));
            if (given) taken.push_back({now, 1});
            sum += given ? 1U : 0U;
            expected += steady.try_take(1, at(now)) ? 1U : 0U;
        }
        EXPECT_EQ(sum, expected);
        ASSERT_NO_FATAL_FAILURE(expect_bound(taken, 3, rate));
    }
}

TEST(TokenBucket, counts_the_refill_of_years_without_a_call) {
    TokenBucket bucket(200, 1e-6, at(-(std::int64_t{1} << 60)));
    EXPECT_EQ(bucket.drain(at(-(std::int64_t{1} << 60))), 200U);
    // Four spans later: 1,152 tokens have come, 200 fit.
    EXPECT_EQ(bucket.available(at(0)), 200U);
    EXPECT_EQ(bucket.time_until(200, at(0)), 0ns);
    EXPECT_TRUE(bucket.try_take(200, at(0)));
    EXPECT_FALSE(bucket.try_take(1, at(0)));
}

TEST(TokenBucket, says_which_numbers_it_can_hold) {
    struct Row {
        std::uint64_t capacity;
        double rate;
        bool expected;
    };
    const double infinity = std::numeric_limits<double>::infinity();
    const Row rows[] = {
        {1, 1.0, true},
        {0, 1.0, false},
        {greatest_capacity, 1e9, true},
        {greatest_capacity + 1, 1e9, false},
        {1, 1e-8, true},
        {1, std::nextafter(1e-8, 0.0), false},
        {1, 1e9, true},
        {1, std::nextafter(1e9, 2e9), false},
        {2, 1e-8, true},
        {3, 1e-8, false},
        {288'230'376, 1.0, true},
        {288'230'377, 1.0, false},
        {1, 0.0, false},
        {1, -1.0, false},
        {1, infinity, false},
        {1, std::numeric_limits<double>::quiet_NaN(), false},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(TokenBucket::representable(row.capacity, row.rate), row.expected) << row.capacity << " " << row.rate;
    }
}

TEST(TokenBucket, keeps_its_bound_under_threads_with_late_clocks) {
    for (const Rate& rate : {rates[4], rates[7]}) {
        TokenBucket bucket(7, rate.per_second);
        std::vector<std::vector<Taken>> taken(3);
        std::vector<std::jthread> threads;
        const std::int64_t step = rate.nanoseconds / rate.tokens / 4;
        std::atomic<std::int64_t> clock{2 * step};  // the latest of them is not before the origin
        for (std::size_t thread = 0; thread < taken.size(); ++thread) {
            threads.emplace_back([&, thread] {
                for (int call = 0; call < 4000; ++call) {
                    const std::int64_t now = clock.fetch_add(step) - static_cast<std::int64_t>(thread) * step;
                    if (bucket.try_take(1, at(now))) taken[thread].push_back({now, 1});
                }
            });
        }
        threads.clear();
        std::vector<Taken> all;
        for (const auto& own : taken) all.insert(all.end(), own.begin(), own.end());
        EXPECT_GT(all.size(), 1000U);
        ASSERT_NO_FATAL_FAILURE(expect_bound(all, 7, rate));
    }
}

}  // namespace token_bucket_test
}  // namespace resilience
