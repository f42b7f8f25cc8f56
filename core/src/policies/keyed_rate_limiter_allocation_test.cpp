#include <gtest/gtest.h>

#include <for_tests/counted_allocations.hpp>
#include <for_tests/origin.hpp>
#include <new>
#include <resilience/policies/keyed.hpp>
#include <resilience/policies/keyed_rate_limiter.hpp>
#include <string>

namespace keyed_rate_limiter_allocation_test {

using namespace resilience;
using namespace std::chrono_literals;
using for_tests::allocations;
using for_tests::fail_after;

const TimePoint start = for_tests::origin() + 1h;

KeyedRateLimiterConfig tiers() {
    return {.tiers = {{"bronze", 10, 10}, {"gold", 100, 100}}, .max_keys = 1000, .seed = KeySeed{1, 2}};
}

TEST(KeyedRateLimiter, allocates_nothing_for_keys_that_are_held_or_refused) {
    KeyedRateLimiter limiter{"per_user", tiers()};
    const auto gold = limiter.tier("gold");
    const std::string key = "a key that is longer than any buffer inside of a string";
    ASSERT_TRUE(limiter.acquire(key, 1, start));
    ASSERT_TRUE(limiter.acquire(1, 10, start));
    const std::size_t before = allocations;
    EXPECT_TRUE(limiter.acquire(key, 1, start));
    EXPECT_TRUE(limiter.try_acquire(key, gold, 8, start));
    for (int ask = 0; ask < 200; ++ask) EXPECT_FALSE(limiter.try_acquire(key, 1, start));
    EXPECT_FALSE(limiter.acquire(1, 1, start));
    EXPECT_FALSE(limiter.try_acquire("another", 1000, start));
    EXPECT_EQ(limiter.available(key, start), 0U);
    EXPECT_TRUE(limiter.stats().keys == 2);
    EXPECT_EQ(limiter.sweep(start), 0U);
    EXPECT_EQ(allocations, before);
}

// They are looked at under a shard's lock, with every new key.
TEST(Keyed, allocates_nothing_to_see_that_circuits_are_open) {
    Keyed<CircuitBreaker> per_host{"per_host", {.timeout = 1h, .min_requests = 1}, {.idle = 1min}};
    for (int host = 0; host < 10; ++host) per_host.at(host, start)->record_result(false, start);
    const std::size_t before = allocations;
    EXPECT_EQ(per_host.sweep(start + 2min, 1 << 20), 0U);
    EXPECT_EQ(allocations, before);
}

TEST(KeyedRateLimiter, loses_nothing_when_a_new_key_finds_no_memory) {
    KeyedRateLimiterConfig config = tiers();
    config.shards = 1;
    config.max_keys = 10;
    config.when_full = WhenFull::refuse_new;
    KeyedRateLimiter limiter{config};
    int held = 0;
    while (limiter.stats().keys < 6) ASSERT_TRUE(limiter.acquire(held++, 10, start));
    fail_after = 0;
    // It goes on in the room that is left of eight places, and keeps one free.
    int more = 0;
    while (limiter.acquire(100 + more, 10, start)) ++more;
    const auto refused = limiter.try_acquire("new", 1, start);
    fail_after = for_tests::never;
    EXPECT_GT(more, 0);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, RejectionReason::load_shed);
    const KeyedRateLimiterStats stats = limiter.stats();
    EXPECT_EQ(stats.rejected.load_shed, 2U);
    EXPECT_EQ(stats.admitted, static_cast<std::uint64_t>(held + more));
    EXPECT_EQ(stats.keys, static_cast<std::size_t>(held + more));
    for (int key = 0; key < held; ++key) EXPECT_EQ(limiter.available(key, start), 0U);
    EXPECT_TRUE(limiter.acquire("new", 10, start));
    for (int key = 0; key < held; ++key) EXPECT_EQ(limiter.available(key, start), 0U);
    for (int key = 200; limiter.acquire(key, 10, start); ++key) {
    }
    EXPECT_EQ(limiter.stats().keys, 10U);  // no refused key has kept a place
}

TEST(KeyedReservation, allocates_once_for_many_and_takes_nothing_when_there_is_no_memory) {
    KeyedRateLimiterConfig config = tiers();
    config.shards = 1;
    KeyedRateLimiter limiter{config};
    ASSERT_TRUE(limiter.acquire(1, 1, start));
    fail_after = 0;
    const auto refused = limiter.reserve(1, 4, start);
    fail_after = for_tests::never;
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, RejectionReason::load_shed);
    EXPECT_EQ(limiter.available(1, start), 9U);
    EXPECT_EQ(limiter.stats().requests, 2U);
    {
        const auto first = limiter.reserve(1, 1, start);
    }
    const std::size_t before = allocations;
    for (int call = 0; call < 100; ++call) {
        auto reservation = limiter.reserve(1, 4, start);
        ASSERT_TRUE(reservation);
        EXPECT_EQ(reservation->settle(0, start).returned, 4U);
    }
    EXPECT_EQ(allocations, before);
    // 9.1 years need memory once: without it nothing comes back, and what is owed is owed.
    auto unused = limiter.reserve(1, 4, start);
    auto exceeded = limiter.reserve(1, 1, start);
    ASSERT_TRUE(unused && exceeded);
    const TimePoint later = TimePoint{Duration{std::int64_t{1} << 58}} + 1h;
    fail_after = 0;
    EXPECT_EQ(unused->settle(0, later).returned, 0U);
    EXPECT_EQ(exceeded->settle(21, later).surplus, 20U);
    fail_after = for_tests::never;
    EXPECT_FALSE(limiter.acquire(1, 1, TimePoint{Duration{(std::int64_t{1} << 58) - 1}}));
    EXPECT_EQ(limiter.stats().keys_reserved, 0U);
}

TEST(KeyedRateLimiter, changes_nothing_when_a_change_of_tier_finds_no_memory) {
    KeyedRateLimiter limiter{tiers()};
    const auto bronze = limiter.tier("bronze");
    ASSERT_TRUE(limiter.acquire(1, 4, start));
    fail_after = 0;
    EXPECT_THROW(limiter.set_tier(bronze, 1, 1, start), std::bad_alloc);
    EXPECT_FALSE(limiter.acquire(1, 1, start + Duration{std::int64_t{1} << 58}));  // 9.1 years need memory once
    fail_after = for_tests::never;
    EXPECT_EQ(limiter.available(1, start), 6U);
    EXPECT_EQ(limiter.tiers(), tiers().tiers);
    EXPECT_EQ(limiter.stats().requests, 2U);
    EXPECT_TRUE(limiter.acquire(1, 10, start + Duration{std::int64_t{1} << 58}));
}

TEST(KeyedRateLimiter, is_not_made_when_there_is_no_memory) {
    for (std::size_t failures = 0;; ++failures) {
        const KeyedRateLimiterConfig config = tiers();
        fail_after = failures;
        try {
            const KeyedRateLimiter limiter{config};
            fail_after = for_tests::never;
            EXPECT_GT(failures, 4U);
            return;
        } catch (const std::bad_alloc&) {
            fail_after = for_tests::never;
        }
    }
}

}  // namespace keyed_rate_limiter_allocation_test
