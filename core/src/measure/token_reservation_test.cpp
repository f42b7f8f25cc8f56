#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <limits>
#include <random>
#include <resilience/measure/token_bucket.hpp>
#include <thread>
#include <vector>

#include <for_tests/token_charges.hpp>
#include <for_tests/watched_atomics.hpp>
#include "token_bucket_schedule.hpp"

namespace resilience {
namespace token_reservation_test {

using namespace std::chrono_literals;

constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t hour = 3600 * second;

TEST(TokenReservation, unused_tokens_come_back_and_can_be_taken_again) {
    TokenBucket bucket(10, 1.0);
    const auto reserved = bucket.try_reserve(8, at(0));
    ASSERT_TRUE(reserved);
    EXPECT_EQ(bucket.available(at(0)), 2U);
    const TokenBucket::Settled settled = bucket.settle(*reserved, 3, at(0));
    EXPECT_EQ(settled.returned, 5U);
    EXPECT_EQ(settled.surplus, 0U);
    EXPECT_EQ(bucket.available(at(0)), 7U);
    EXPECT_EQ(bucket.settled().returned, 5U);
}

TEST(TokenReservation, an_hour_later_the_bucket_has_overflowed_past_it_and_nothing_comes_back) {
    TokenBucket bucket(10, 1.0);
    const auto reserved = bucket.try_reserve(10, at(0));
    ASSERT_TRUE(reserved);
    ASSERT_TRUE(bucket.try_take(10, at(hour)));
    EXPECT_EQ(bucket.settle(*reserved, 0, at(hour)).returned, 0U);
    EXPECT_FALSE(bucket.try_take(1, at(hour))) << "twenty would be charged at one instant";
}

TEST(TokenReservation, a_settler_with_an_old_clock_knows_what_others_have_seen) {
    TokenBucket bucket(10, 1.0);
    const auto reserved = bucket.try_reserve(10, at(0));
    ASSERT_TRUE(reserved);
    ASSERT_TRUE(bucket.try_take(5, at(hour)));
    EXPECT_EQ(bucket.settle(*reserved, 0, at(0)).returned, 0U);
    EXPECT_EQ(bucket.available(at(hour)), 5U);
}

TEST(TokenReservation, comes_back_only_as_far_as_the_bucket_has_not_overflowed_past_it) {
    TokenBucket bucket(10, 1.0);
    const auto reserved = bucket.try_reserve(10, at(0));
    ASSERT_TRUE(reserved);
    // Six have flowed back by now and would have overflowed.
    EXPECT_EQ(bucket.settle(*reserved, 0, at(6 * second)).returned, 4U);
    EXPECT_EQ(bucket.available(at(6 * second)), 10U);
}

TEST(TokenReservation, what_exceeds_the_estimate_is_owed_and_delays_what_comes_after) {
    TokenBucket bucket(10, 1.0);
    const auto reserved = bucket.try_reserve(4, at(0));
    ASSERT_TRUE(reserved);
    const TokenBucket::Settled settled = bucket.settle(*reserved, 19, at(0));
    EXPECT_EQ(settled.returned, 0U);
    EXPECT_EQ(settled.surplus, 15U);
    EXPECT_EQ(bucket.settled().surplus, 15U);
    EXPECT_EQ(bucket.available(at(0)), 0U);
    EXPECT_EQ(bucket.debt(at(0)), 9U);
    EXPECT_EQ(bucket.debt(at(second / 2)), 9U) << "rounded up";
    EXPECT_EQ(bucket.debt(at(9 * second)), 0U);
    EXPECT_EQ(bucket.time_until(1, at(0)), 10s);
    EXPECT_FALSE(bucket.try_take(1, at(10 * second - 1)));
    EXPECT_TRUE(bucket.try_take(1, at(10 * second)));
}

TEST(TokenReservation, a_surplus_beyond_all_measure_is_owed_for_years_and_overflows_nothing) {
    for (const double rate : {1e-8, 3.0, 1e9}) {
        TokenBucket bucket(1, rate);
        const auto reserved = bucket.try_reserve(1, at(0));
        ASSERT_TRUE(reserved);
        for (int time = 0; time < 3; ++time) {
            bucket.settle(*reserved, std::numeric_limits<std::uint64_t>::max(), at(0));
            EXPECT_FALSE(bucket.try_take(1, at(hour)));
            EXPECT_GT(bucket.time_until(1, at(0)), 24h * 365);
        }
        bucket.set_rate(10, 10.0, at(hour));
        EXPECT_FALSE(bucket.try_take(1, at(hour)));
    }
}

TEST(TokenReservation, what_a_change_of_rate_has_replaced_is_not_returned_but_a_surplus_is_charged) {
    TokenBucket bucket(10, 1.0);
    const auto first = bucket.try_reserve(4, at(0));
    const auto second_one = bucket.try_reserve(4, at(0));
    ASSERT_TRUE(first && second_one);
    bucket.set_rate(20, 2.0, at(0));
    EXPECT_EQ(bucket.settle(*first, 0, at(0)).returned, 0U);
    EXPECT_EQ(bucket.available(at(0)), 2U);
    EXPECT_EQ(bucket.settle(*second_one, 5, at(0)).surplus, 1U);
    EXPECT_EQ(bucket.available(at(0)), 1U);
    EXPECT_EQ(bucket.settled().surplus, 1U);
}

TEST(TokenReservation, none_and_more_than_the_capacity) {
    TokenBucket bucket(10, 1.0);
    EXPECT_FALSE(bucket.try_reserve(11, at(0)));
    const auto none = bucket.try_reserve(0, at(0));
    ASSERT_TRUE(none);
    EXPECT_EQ(bucket.settle(*none, 3, at(0)).surplus, 3U);
    EXPECT_EQ(bucket.available(at(0)), 7U);
    ASSERT_TRUE(bucket.try_reserve(7, at(0)));
    EXPECT_FALSE(bucket.try_reserve(1, at(0)));
}

TEST(TokenReservation, the_first_one_changes_nothing_but_the_block) {
    for (const Rate& rate : rates) {
        TokenBucket plain(1000, rate.per_second);
        TokenBucket bucket(1000, rate.per_second);
        std::mt19937_64 random(1);
        std::int64_t now = long_uptime;
        for (int call = 0; call < 500; ++call) {
            now += static_cast<std::int64_t>(random() % 3 *
                                             static_cast<std::uint64_t>(rate.nanoseconds / rate.tokens + 1));
            const std::uint64_t tokens = random() % 20;
            const bool reserve = call > 100 && random() % 2 == 0;
            const bool taken =
                reserve ? bucket.try_reserve(tokens, at(now)).has_value() : bucket.try_take(tokens, at(now));
            ASSERT_EQ(taken, plain.try_take(tokens, at(now)));
            ASSERT_EQ(bucket.available(at(now)), plain.available(at(now)));
            ASSERT_EQ(bucket.time_until(1000, at(now)), plain.time_until(1000, at(now)));
        }
    }
}

TEST(TokenReservation, outlives_the_span_of_an_origin) {
    TokenBucket bucket(10, 1.0, at(0));
    const auto reserved = bucket.try_reserve(5, at(0));
    ASSERT_TRUE(reserved);
    const std::int64_t later = static_cast<std::int64_t>(detail::token_span) + hour;
    EXPECT_EQ(bucket.settle(*reserved, 0, at(later)).returned, 0U);
    const auto next = bucket.try_reserve(10, at(later));
    ASSERT_TRUE(next);
    EXPECT_EQ(bucket.settle(*reserved, 0, at(later)).returned, 0U);
    EXPECT_EQ(bucket.settle(*next, 4, at(later)).returned, 6U);
    bucket.settle(*next, 30, at(later + static_cast<std::int64_t>(detail::token_span)));
    EXPECT_EQ(bucket.debt(at(later + static_cast<std::int64_t>(detail::token_span))), 10U);
}

// A schedule of calls whose clocks disagree, with settlements in any order and changes of rate.
void run_schedule(std::mt19937_64& random, std::uint64_t& unused, std::uint64_t& returned) {
    struct Open {
        TokenBucket::Reserved reserved;
        std::size_t admission;
    };
    const auto below = [&](std::uint64_t limit) { return random() % limit; };
    const TokenCharges::Rate* rate = &TokenCharges::rates[below(std::size(TokenCharges::rates))];
    const std::int64_t origin = below(2) == 0 ? 0 : long_uptime;
    std::uint64_t capacity = below(20) + 1;
    TokenBucket bucket(capacity, rate->per_second, at(origin));
    TokenCharges charges(capacity, *rate, origin);
    std::vector<Open> open;
    std::int64_t newest = origin;
    for (int operation = 0; operation < 120; ++operation) {
        const std::int64_t fill = static_cast<std::int64_t>(1e9 * static_cast<double>(capacity) / rate->per_second) + 2;
        newest +=
            below(12) == 0 ? fill * 3 : static_cast<std::int64_t>(below(static_cast<std::uint64_t>(fill) / 4 + 2));
        const std::int64_t stale =
            below(3) == 0 ? static_cast<std::int64_t>(below(static_cast<std::uint64_t>(fill) * 2)) : 0;
        const std::int64_t now = newest - stale;
        const std::uint64_t tokens = below(capacity) + 1;
        switch (below(operation % 40 == 39 ? 5 : 4)) {
            case 0:
                if (bucket.try_take(tokens, at(now))) charges.admit(tokens, now);
                break;
            case 1:
                if (const auto reserved = bucket.try_reserve(tokens, at(now))) {
                    open.push_back({*reserved, charges.admit(tokens, now)});
                }
                break;
            case 2:
            case 3:
                if (!open.empty()) {
                    std::swap(open[below(open.size())], open.back());
                    const Open& ending = open.back();
                    const std::uint64_t actual = below(ending.reserved.tokens * (below(4) == 0 ? 2 : 1) + 1);
                    const TokenBucket::Settled settled = bucket.settle(ending.reserved, actual, at(now));
                    if (settled.returned != 0) charges.give_back(ending.admission, settled.returned);
                    if (settled.surplus != 0) charges.add_surplus(settled.surplus);
                    unused += ending.reserved.tokens - std::min(actual, ending.reserved.tokens);
                    returned += settled.returned;
                    open.pop_back();
                }
                break;
            default:
                rate = &TokenCharges::rates[below(std::size(TokenCharges::rates))];
                capacity = below(20) + 1;
                bucket.set_rate(capacity, rate->per_second, at(now));
                charges.change(capacity, *rate, now);
        }
    }
    ASSERT_TRUE(charges.worst_excess() <= 0);
}

TEST(TokenReservation, final_charges_keep_the_bound_in_every_window_of_random_schedules) {
    std::mt19937_64 random(1);
    std::uint64_t unused = 0;
    std::uint64_t returned = 0;
    for (int schedule = 0; schedule < 4000; ++schedule) {
        run_schedule(random, unused, returned);
        ASSERT_FALSE(testing::Test::HasFatalFailure()) << "schedule " << schedule;
    }
    EXPECT_GT(returned * 4, unused) << "a rule that returns nothing keeps every bound";
}

TEST(TokenReservation, keeps_the_bound_when_a_call_comes_at_any_step_of_a_settlement) {
    using Bucket = BasicTokenBucket<WatchedAtomics>;
    const std::vector<std::function<std::uint64_t(Bucket&)>> others{
        [](Bucket& bucket) { return bucket.try_take(10, at(hour)) ? 10U : 0U; },
        [](Bucket& bucket) { return bucket.try_reserve(10, at(hour)) ? 10U : 0U; },
        [](Bucket& bucket) { return bucket.try_take(1, at(hour)) ? 1U : 0U; },
    };
    for (const auto& other : others) {
        for (int position = 0;; ++position) {
            Bucket bucket(10, 1.0);
            const auto reserved = bucket.try_reserve(10, at(0));
            ASSERT_TRUE(reserved);
            std::uint64_t taken = 0;
            const bool inserted = run_with_insertion(
                position, [&] { bucket.settle(*reserved, 0, at(0)); }, [&] { taken += other(bucket); });
            while (bucket.try_take(1, at(hour))) ++taken;
            EXPECT_EQ(taken, 10U) << "at " << position;
            if (!inserted) break;
        }
    }
}

TEST(TokenReservation, threads_that_reserve_settle_and_take_keep_the_bound) {
    for (const Rate& rate : {rates[4], rates[5], rates[7]}) {
        constexpr std::uint64_t capacity = 40;
        TokenBucket bucket(capacity, rate.per_second);
        std::vector<std::vector<Taken>> taken(3);
        std::atomic<std::int64_t> clock{0};
        {
            std::vector<std::jthread> threads;
            for (std::size_t thread = 0; thread < taken.size(); ++thread) {
                threads.emplace_back([&, thread] {
                    std::mt19937_64 random(thread);
                    const std::int64_t step = rate.nanoseconds / rate.tokens + 1;
                    std::vector<std::pair<TokenBucket::Reserved, std::size_t>> open;
                    for (int call = 0; call < 1500; ++call) {
                        const std::int64_t now = clock.fetch_add(step) - static_cast<std::int64_t>(random() % 3) * step;
                        const std::uint64_t tokens = random() % 8 + 1;
                        if (random() % 3 == 0) {
                            if (bucket.try_take(tokens, at(now))) taken[thread].push_back({now, tokens});
                        } else if (const auto reserved = bucket.try_reserve(tokens, at(now))) {
                            open.emplace_back(*reserved, taken[thread].size());
                            taken[thread].push_back({now, tokens});
                        }
                        if (open.size() > random() % 4) {
                            const auto [reserved, index] = open.back();
                            open.pop_back();
                            const std::uint64_t actual = random() % (reserved.tokens + 1);
                            taken[thread][index].tokens -= bucket.settle(reserved, actual, at(now)).returned;
                        }
                    }
                });
            }
        }
        std::vector<Taken> all;
        for (const std::vector<Taken>& each : taken) all.insert(all.end(), each.begin(), each.end());
        expect_bound(all, capacity, rate);
        EXPECT_GT(bucket.settled().returned, 0U);
    }
}

}  // namespace token_reservation_test
}  // namespace resilience
