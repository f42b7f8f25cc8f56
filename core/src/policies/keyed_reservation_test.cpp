#include <gtest/gtest.h>

#include <for_tests/origin.hpp>
#include <limits>
#include <optional>
#include <resilience/policies/keyed_rate_limiter.hpp>
#include <utility>
#include <vector>

namespace resilience::inline v1 {
namespace keyed_reservation_test {

using namespace std::chrono_literals;

const TimePoint start = for_tests::origin() + 1h;

KeyedRateLimiterConfig one_tier(std::size_t max_keys = 100) {
    return {.tiers = {{"only", 10, 1}}, .max_keys = max_keys, .seed = KeySeed{1, 2}};
}

KeyedRateLimiterConfig metals() {
    return {.tiers = {{"bronze", 10, 1}, {"silver", 20, 2}, {"gold", 100, 10}}, .seed = KeySeed{1, 2}};
}

TEST(KeyedReservation, unused_tokens_come_back_to_their_key_alone) {
    KeyedRateLimiter limiter("models", one_tier());
    auto alice = limiter.reserve("alice", 8, start);
    auto number = limiter.reserve(7, 5, start);
    ASSERT_TRUE(alice && number);
    EXPECT_EQ(alice->estimate(), 8U);
    EXPECT_EQ(limiter.available("alice", start), 2U);
    const KeyedReservation::Settled settled = alice->settle(3, start);
    EXPECT_EQ(settled.returned, 5U);
    EXPECT_EQ(settled.surplus, 0U);
    EXPECT_EQ(limiter.available("alice", start), 7U);
    EXPECT_EQ(limiter.available(7, start), 5U);
    const KeyedRateLimiterStats stats = limiter.stats();
    EXPECT_EQ(stats.returned_tokens, 5U);
    EXPECT_EQ(stats.keys_reserved, 1U);
    EXPECT_EQ(stats.requests, 2U);
    EXPECT_EQ(stats.admitted, 2U);
}

TEST(KeyedReservation, refuses_as_try_acquire_does_and_then_holds_nothing) {
    KeyedRateLimiter limiter("models", one_tier());
    ASSERT_TRUE(limiter.acquire("alice", 8, start));
    const auto refused = limiter.reserve("alice", 4, start);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, RejectionReason::rate_limited);
    EXPECT_EQ(refused.error().retry_after, 2s);
    EXPECT_EQ(refused.error().policy, "models");
    const auto never = limiter.reserve("bob", 11, start);
    ASSERT_FALSE(never);
    EXPECT_EQ(never.error().reason, RejectionReason::exceeds_capacity);
    EXPECT_EQ(never.error().capacity, 10U);
    EXPECT_EQ(limiter.stats().keys_reserved, 0U);
    EXPECT_EQ(limiter.stats().requests, 3U);
    EXPECT_EQ(limiter.stats().rejected.total(), 2U);
}

TEST(KeyedReservation, comes_back_only_as_far_as_the_bucket_has_not_overflowed_past_it) {
    for (const bool taken_meanwhile : {false, true}) {
        KeyedRateLimiter limiter{one_tier()};
        auto first = limiter.reserve("alice", 10, start);
        ASSERT_TRUE(first);
        if (taken_meanwhile) {
            ASSERT_TRUE(limiter.acquire("alice", 10, start + 1h));
        }
        // By a settler whose clock is late: six had flowed back, or all.
        EXPECT_EQ(first->settle(0, start + 6s).returned, taken_meanwhile ? 0U : 4U);
        EXPECT_EQ(limiter.available("alice", start + (taken_meanwhile ? 1h : 6s)), taken_meanwhile ? 0U : 10U);
    }
}

TEST(KeyedReservation, what_came_back_to_another_of_the_key_is_not_returned_twice) {
    KeyedRateLimiter limiter{one_tier()};
    auto first = limiter.reserve("alice", 5, start);
    auto second = limiter.reserve("alice", 5, start);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->settle(0, start).returned, 5U);
    ASSERT_TRUE(limiter.acquire("alice", 8, start + 3s));
    EXPECT_EQ(second->settle(0, start + 3s).returned, 2U) << "the other three would have overflowed by then";
    EXPECT_EQ(limiter.available("alice", start + 3s), 2U);
}

TEST(KeyedReservation, a_surplus_of_another_of_the_key_is_charged_to_a_bucket_that_had_overflowed) {
    KeyedRateLimiter limiter{one_tier()};
    auto unused = limiter.reserve("alice", 5, start);
    auto exceeded = limiter.reserve("alice", 1, start);
    ASSERT_TRUE(unused && exceeded);
    EXPECT_EQ(exceeded->settle(6, start + 20s).surplus, 5U);
    EXPECT_EQ(unused->settle(0, start).returned, 0U);
    EXPECT_EQ(limiter.available("alice", start + 20s), 5U);
}

TEST(KeyedReservation, what_exceeds_the_estimate_is_owed_by_the_key) {
    KeyedRateLimiter limiter{one_tier()};
    auto reservation = limiter.reserve("alice", 4, start);
    ASSERT_TRUE(reservation);
    EXPECT_EQ(reservation->settle(19, start).surplus, 15U);
    EXPECT_EQ(limiter.stats().surplus_tokens, 15U);
    EXPECT_EQ(limiter.available("alice", start), 0U);
    EXPECT_EQ(limiter.try_acquire("alice", 1, start).error().retry_after, 10s);
    EXPECT_TRUE(limiter.acquire("bob", 10, start));
    EXPECT_FALSE(limiter.acquire("alice", 1, start + 10s - 1ns));
    EXPECT_TRUE(limiter.acquire("alice", 1, start + 10s));
}

TEST(KeyedReservation, a_surplus_beyond_all_measure_is_owed_for_years_and_overflows_nothing) {
    for (const double rate : {1e-8, 3.0, 1e9}) {
        KeyedRateLimiter limiter{{.tiers = {{"small", 1, rate}, {"large", 2, rate}}}};
        const auto large = limiter.tier("large");
        for (int time = 0; time < 3; ++time) {
            auto reservation = limiter.reserve("alice", 0, start);
            ASSERT_TRUE(reservation);
            reservation->settle(std::numeric_limits<std::uint64_t>::max(), start);
            EXPECT_FALSE(limiter.acquire("alice", 1, start + 1h));
            EXPECT_GT(limiter.try_acquire("alice", 1, start).error().retry_after, 24h * 365);
        }
        EXPECT_FALSE(limiter.acquire("alice", large, 1, start));
        limiter.set_tier(large, 10, 10, start + 1h);
        EXPECT_FALSE(limiter.acquire("alice", 1, start + 1h));
    }
}

TEST(KeyedReservation, dropped_stays_charged_settled_twice_counts_once_and_moves) {
    KeyedRateLimiter limiter{one_tier()};
    {
        const auto dropped = limiter.reserve("alice", 4, start);
    }
    EXPECT_EQ(limiter.available("alice", start), 6U);
    EXPECT_EQ(limiter.stats().keys_reserved, 0U);
    auto first = limiter.reserve("alice", 2, start);
    auto second = limiter.reserve("alice", 3, start);
    ASSERT_TRUE(first && second);
    *first = std::move(*second);
    EXPECT_EQ(limiter.stats().keys_reserved, 1U);
    EXPECT_EQ(first->settle(0, start).returned, 3U);
    EXPECT_FALSE(first->is_open());
    EXPECT_EQ(first->settle(0, start).returned, 0U);
    EXPECT_EQ(limiter.available("alice", start), 4U);
    EXPECT_EQ(limiter.stats().keys_reserved, 0U);
}

// How a key's tier can change between reserve and settle.
using Change = void (*)(KeyedRateLimiter&);
const Change changes[] = {
    [](KeyedRateLimiter& limiter) { EXPECT_TRUE(limiter.acquire("alice", limiter.tier("gold"), 0, start)); },
    [](KeyedRateLimiter& limiter) { EXPECT_TRUE(limiter.assign("alice", limiter.tier("gold"), start)); },
    [](KeyedRateLimiter& limiter) { limiter.set_tier(limiter.tier("bronze"), 20, 2, start); },
};

TEST(KeyedReservation, what_a_change_of_tier_has_replaced_is_not_returned_but_a_surplus_is_charged) {
    for (const Change& change : changes) {
        KeyedRateLimiter limiter{metals()};
        auto unused = limiter.reserve("alice", 4, start);
        auto exceeded = limiter.reserve("alice", 4, start);
        ASSERT_TRUE(unused && exceeded);
        change(limiter);
        EXPECT_EQ(unused->settle(0, start).returned, 0U);
        EXPECT_EQ(limiter.available("alice", start), 2U);
        EXPECT_EQ(exceeded->settle(5, start).surplus, 1U);
        EXPECT_EQ(limiter.available("alice", start), 1U);
        auto next = limiter.reserve("alice", 1, start);
        ASSERT_TRUE(next);
        EXPECT_EQ(next->settle(0, start).returned, 1U);
    }
}

TEST(KeyedReservation, another_keys_change_of_tier_takes_nothing_away) {
    KeyedRateLimiter limiter{metals()};
    auto reservation = limiter.reserve("alice", 4, start);
    ASSERT_TRUE(reservation);
    EXPECT_TRUE(limiter.acquire("bob", limiter.tier("gold"), 1, start));
    limiter.set_tier(limiter.tier("gold"), 200, 2, start);
    EXPECT_EQ(reservation->settle(0, start).returned, 4U);
}

TEST(KeyedReservation, weighs_what_each_tier_can_carry) {
    KeyedRateLimiter limiter{metals()};
    for (const auto& [name, capacity, rate] : metals().tiers) {
        const auto tier = limiter.tier(name);
        const std::uint64_t weight = capacity / 5;
        for (int call = 0; call < 5; ++call) EXPECT_TRUE(limiter.acquire(name, tier, weight, start));
        EXPECT_FALSE(limiter.acquire(name, tier, 1, start));
        const auto refused = limiter.try_acquire(name, tier, weight, start);
        EXPECT_EQ(refused.error().retry_after, 2s) << "a fifth of a bucket that fills in ten seconds";
        EXPECT_FALSE(limiter.reserve(name, tier, capacity + 1, start).has_value());
        auto reservation = limiter.reserve(name, tier, weight, start + 2s);
        ASSERT_TRUE(reservation);
        EXPECT_EQ(reservation->settle(0, start + 2s).returned, weight);
    }
}

TEST(KeyedReservation, holds_its_key_until_it_ends) {
    KeyedRateLimiter limiter{one_tier(1)};
    std::optional<Admission<KeyedReservation>> reservation(limiter.reserve("alice", 1, start));
    ASSERT_TRUE(reservation->has_value());
    EXPECT_EQ(limiter.sweep(start + 1h), 0U);
    const auto refused = limiter.try_acquire("bob", 1, start + 1h);
    ASSERT_FALSE(refused) << "the only place is alice's";
    EXPECT_EQ(refused.error().reason, RejectionReason::load_shed);
    EXPECT_FALSE(limiter.reserve("bob", 0, start + 1h).has_value());
    EXPECT_EQ(limiter.stats().rejected.load_shed, 2U);
    reservation.reset();
    EXPECT_TRUE(limiter.acquire("bob", 1, start + 1h));
    EXPECT_EQ(limiter.stats().keys, 1U);
}

TEST(KeyedReservation, a_debt_is_not_forgotten_with_its_key) {
    KeyedRateLimiter limiter{one_tier(1)};
    auto reservation = limiter.reserve("alice", 0, start);
    ASSERT_TRUE(reservation);
    reservation->settle(25, start);
    ASSERT_TRUE(limiter.acquire("bob", 1, start));
    EXPECT_EQ(limiter.stats().evicted_live_total, 1U) << "alice made room";
    EXPECT_FALSE(limiter.acquire("alice", 1, start + 16s - 1ns));
    EXPECT_EQ(limiter.available("alice", start + 16s), 1U);
}

TEST(KeyedReservation, of_nothing_can_be_settled_with_something) {
    KeyedRateLimiter limiter{one_tier()};
    auto none = limiter.reserve("alice", 0, start);
    ASSERT_TRUE(none);
    EXPECT_EQ(limiter.stats().keys, 1U);
    EXPECT_EQ(none->settle(3, start).surplus, 3U);
    EXPECT_EQ(limiter.available("alice", start), 7U);
}

TEST(KeyedReservation, outlives_the_span_of_an_origin) {
    KeyedRateLimiter limiter{one_tier()};
    auto first = limiter.reserve("alice", 5, start);
    auto second = limiter.reserve("alice", 5, start);
    ASSERT_TRUE(first && second);
    const TimePoint later = start + Duration{std::int64_t{1} << 58} + 1h;
    EXPECT_EQ(first->settle(0, later).returned, 0U);
    auto next = limiter.reserve("alice", 10, later);
    ASSERT_TRUE(next);
    EXPECT_EQ(next->settle(4, later).returned, 6U);
    EXPECT_EQ(second->settle(18, later).surplus, 13U);
    EXPECT_EQ(limiter.try_acquire("alice", 1, later).error().retry_after, 8s);
}

TEST(KeyedReservation, sums_of_surpluses_do_not_fall_however_many_shards_there_are) {
    KeyedRateLimiterConfig config = one_tier();
    config.shards = 4;
    KeyedRateLimiter limiter{config};
    std::uint64_t before = 0;
    for (int key = 0; key < 16; ++key) {
        auto reservation = limiter.reserve(key, 1, start);
        ASSERT_TRUE(reservation);
        reservation->settle(~std::uint64_t{0}, start);
        const std::uint64_t surplus = limiter.stats().surplus_tokens;
        EXPECT_GE(surplus, before);
        before = surplus;
    }
    EXPECT_EQ(before, ~std::uint64_t{0});
}

TEST(KeyedReservation, weighs_nothing_on_keys_without_one_and_gives_its_memory_back) {
    KeyedRateLimiter limiter{one_tier()};
    const std::size_t before = limiter.stats().bytes;
    {
        std::vector<Admission<KeyedReservation>> open;
        for (int key = 0; key < 50; ++key) open.push_back(limiter.reserve(key, 1, start));
        EXPECT_EQ(limiter.stats().keys_reserved, 50U);
        const std::size_t held = limiter.stats().bytes - before;
        EXPECT_GE(held, 50U * (32 + 40));
        EXPECT_LE(held, 50U * (60 + 75));
    }
    EXPECT_EQ(limiter.stats().keys_reserved, 0U);
    EXPECT_EQ(limiter.sweep(start + 1h), 50U);
    EXPECT_EQ(limiter.stats().bytes, before);
    EXPECT_EQ(sizeof(KeyedReservation), 48U);
}

}  // namespace keyed_reservation_test
}  // namespace resilience::inline v1
