#include <resilience/measure/token_bucket.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <for_tests/watched_atomics.hpp>
#include "token_bucket_schedule.hpp"

namespace resilience {
namespace token_bucket_change_test {

using namespace std::chrono_literals;
using detail::Signed128;

TEST(TokenBucket, keeps_its_tokens_when_the_rate_changes) {
    struct Row {
        std::uint64_t capacity;
        std::uint64_t held;
        std::uint64_t new_capacity;
        std::uint64_t expected;
    };
    for (const Row& row :
         {Row{1, 1, 1000, 1}, Row{1000, 1000, 10, 10}, Row{10, 4, 100, 4}, Row{10, 4, 3, 3}, Row{10, 0, 100, 0}}) {
        for (const Rate& before : rates) {
            for (const Rate& after : rates) {
                TokenBucket bucket(row.capacity, before.per_second);
                ASSERT_TRUE(bucket.try_take(row.capacity - row.held, at(5)));
                bucket.set_rate(row.new_capacity, after.per_second, at(5));
                ASSERT_EQ(bucket.available(at(5)), row.expected) << before.per_second << " to " << after.per_second;
                ASSERT_EQ(bucket.capacity(), row.new_capacity);
                ASSERT_EQ(bucket.refill_rate(), after.per_second);
            }
        }
    }
}

TEST(TokenBucket, keeps_the_fraction_of_a_token_and_a_debt_through_a_change) {
    TokenBucket bucket(10, 1.0);
    ASSERT_EQ(bucket.drain(at(0)), 10U);
    bucket.set_rate(10, 2.0, at(500'000'000));
    EXPECT_EQ(bucket.time_until(1, at(500'000'000)), 250ms);
    // Many changes to the same rate, as a control loop makes them, must not stop the refill.
    for (std::int64_t now = 500'000'000; now < 750'000'000; now += 10'000'000) bucket.set_rate(10, 2.0, at(now));
    EXPECT_EQ(bucket.time_until(1, at(740'000'000)), 10ms);
    // Taken at a later `now` than the change: still owed at the new rate.
    ASSERT_EQ(bucket.drain(at(5'000'000'000)), 9U);
    bucket.set_rate(100, 1.0, at(4'000'000'000));
    EXPECT_EQ(bucket.available(at(4'000'000'000)), 0U);
    EXPECT_GT(bucket.time_until(1, at(4'000'000'000)), 2s);
    EXPECT_LE(bucket.time_until(1, at(4'000'000'000)), 3s);
}

TEST(TokenBucket, counts_an_older_instant_as_that_of_the_last_change) {
    TokenBucket bucket(2, 1.0);
    ASSERT_EQ(bucket.drain(at(10'000'000'000)), 2U);
    bucket.set_rate(2, 1.0, at(11'000'000'000));
    EXPECT_TRUE(bucket.try_take(1, at(3)));
    EXPECT_FALSE(bucket.try_take(1, at(3)));
    bucket.set_rate(2, 1.0, at(4));
    EXPECT_FALSE(bucket.try_take(1, at(10'999'999'999)));
    EXPECT_TRUE(bucket.try_take(1, at(12'000'000'000)));
}

TEST(TokenBucket, keeps_its_bound_through_random_changes_of_rate) {
    std::mt19937_64 random(5);
    struct Change {
        std::int64_t now;
        std::uint64_t capacity;
        std::int64_t per_second;
    };
    for (int run = 0; run < 20; ++run) {
        std::vector<Change> changes{{0, 1 + random() % 1000, 100}};
        std::vector<Taken> taken;
        TokenBucket bucket(changes[0].capacity, 100.0);
        std::int64_t now = 0;
        for (int call = 0; call < 300; ++call) {
            now += static_cast<std::int64_t>(random() % 50'000'000);
            if (random() % 4 == 0) {
                changes.push_back({now, 1 + random() % 1000, 1 + static_cast<std::int64_t>(random() % 3000)});
                bucket.set_rate(changes.back().capacity, static_cast<double>(changes.back().per_second), at(now));
            }
            const std::uint64_t tokens = bucket.drain(at(now));
            if (tokens != 0) taken.push_back({now, tokens});
        }
        for (std::size_t first = 0; first < taken.size(); ++first) {
            const auto later = [&](const Change& change) { return change.now > taken[first].now; };
            auto rate = std::find_if(changes.begin(), changes.end(), later) - 1;
            Signed128 allowed = Signed128{static_cast<std::int64_t>(rate->capacity)} * 1'000'000'000 + 3000;
            Signed128 sum = 0;
            std::int64_t from = taken[first].now;
            for (std::size_t last = first; last < taken.size(); ++last) {
                for (; rate + 1 != changes.end() && (rate + 1)->now <= taken[last].now; ++rate) {
                    allowed += Signed128{(rate + 1)->now - from} * rate->per_second;
                    from = (rate + 1)->now;
                }
                allowed += Signed128{taken[last].now - from} * rate->per_second;
                from = taken[last].now;
                sum += static_cast<std::int64_t>(taken[last].tokens);
                ASSERT_LE(sum * 1'000'000'000, allowed) << "run " << run;
            }
        }
    }
}

TEST(TokenBucket, loses_and_makes_no_token_when_a_change_and_a_call_meet_at_any_step) {
    const TimePoint now = at(1'000'000'000);
    for (const bool change_first : {false, true}) {
        for (int position = 0;; ++position) {
            BasicTokenBucket<WatchedAtomics> bucket(10, 3.0);
            std::uint64_t taken = 0;
            const std::function<void()> take = [&] { taken += bucket.try_take(4, now) ? 4U : 0U; };
            const std::function<void()> change = [&] { bucket.set_rate(9, 16.67, now); };
            if (!run_with_insertion(position, change_first ? change : take, change_first ? take : change)) break;
            EXPECT_EQ(taken, 4U) << position;
            const std::uint64_t rest = bucket.drain(now);
            // Taken before the change from the ten, or after it from the nine that were left.
            EXPECT_TRUE(rest == 6 || rest == 5) << rest << " left at " << position;
        }
    }
}

TEST(TokenBucket, refuses_at_any_step_of_a_change_what_is_not_there) {
    const TimePoint now = at(1'000'000'000);
    for (int position = 0;; ++position) {
        BasicTokenBucket<WatchedAtomics> bucket(10, 3.0);
        ASSERT_EQ(bucket.drain(now), 10U);
        bool taken = false;
        if (!run_with_insertion(
                position, [&] { taken = bucket.try_take(1, now); }, [&] { bucket.set_rate(10, 1e9, now); })) {
            break;
        }
        EXPECT_FALSE(taken) << position;
        EXPECT_EQ(bucket.available(now), 0U) << position;
    }
}

TEST(TokenBucket, keeps_a_debt_that_is_too_large_to_count) {
    TokenBucket bucket(1'000'000'000, 1e9);
    ASSERT_EQ(bucket.drain(at(long_uptime)), 1'000'000'000U);
    bucket.set_rate(1, 1e-8, at(0));
    EXPECT_EQ(bucket.available(at(0)), 0U);
    EXPECT_FALSE(bucket.try_take(1, at(0)));
    EXPECT_FALSE(bucket.try_take(1, at(long_uptime)));
    EXPECT_GT(bucket.time_until(1, at(0)), Duration{long_uptime});
}

TEST(TokenBucket, loses_and_makes_no_token_while_threads_take_and_the_rate_changes) {
    constexpr std::uint64_t capacity = 60'000;
    const TimePoint now = at(1'000'000'000);
    TokenBucket bucket(capacity, 3.0);
    std::atomic<std::uint64_t> taken{0};
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 3; ++thread) {
        threads.emplace_back([&] {
            std::uint64_t own = 0;
            while (bucket.try_take(1, now)) ++own;
            taken += own;
        });
    }
    for (int change = 0; change < 500; ++change) bucket.set_rate(capacity, rates[change % 3 * 3].per_second, now);
    threads.clear();
    EXPECT_EQ(taken.load() + bucket.drain(now), capacity);
}

}  // namespace token_bucket_change_test
}  // namespace resilience
