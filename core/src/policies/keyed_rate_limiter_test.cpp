#include <gtest/gtest.h>

#include <algorithm>
#include <for_tests/origin.hpp>
#include <limits>
#include <resilience/base/config_error.hpp>
#include <resilience/base/random.hpp>
#include <resilience/policies/keyed_rate_limiter.hpp>
#include <string>
#include <vector>

namespace keyed_rate_limiter_test {

using namespace resilience;
using namespace std::chrono_literals;

const TimePoint start = for_tests::origin() + 1h;
constexpr KeySeed known_seed{1, 2};

KeyedRateLimiterConfig one_tier(std::uint64_t capacity, double refill_rate, std::size_t max_keys = 1000) {
    return {.tiers = {{"only", capacity, refill_rate}}, .max_keys = max_keys, .seed = known_seed};
}

KeyedRateLimiterConfig metals() {
    return {.tiers = {{"bronze", 10, 10}, {"silver", 100, 100}, {"gold", 1000, 1000}}, .seed = known_seed};
}

std::uint64_t taken(KeyedRateLimiter& limiter, const KeyView& key, TimePoint now) {
    std::uint64_t tokens = 0;
    while (limiter.acquire(key, 1, now)) ++tokens;
    return tokens;
}

void expect_reconciled(const KeyedRateLimiterStats& stats) {
    EXPECT_EQ(stats.requests, stats.admitted + stats.rejected.total());
    EXPECT_LE(stats.keys, stats.max_keys);
}

TEST(KeyedRateLimiter, gives_each_key_a_bucket_of_its_own) {
    KeyedRateLimiter limiter{"per_user", one_tier(5, 3)};
    EXPECT_EQ(taken(limiter, "alice", start), 5U);
    EXPECT_EQ(taken(limiter, "bob", start), 5U);
    EXPECT_EQ(taken(limiter, 7, start), 5U);
    EXPECT_EQ(taken(limiter, "7", start), 5U);
    EXPECT_EQ(taken(limiter, -1, start), 5U);
    EXPECT_EQ(taken(limiter, "alice", start + 1s), 3U);
    EXPECT_EQ(limiter.stats().keys, 5U);
}

TEST(KeyedRateLimiter, takes_the_weight_of_a_call) {
    KeyedRateLimiter limiter{one_tier(10, 10)};
    EXPECT_TRUE(limiter.acquire("alice", 7, start));
    EXPECT_FALSE(limiter.acquire("alice", 4, start));
    EXPECT_EQ(limiter.available("alice", start), 3U);
    EXPECT_TRUE(limiter.acquire("alice", 3, start));
    EXPECT_TRUE(limiter.acquire("alice", 0, start));
    EXPECT_EQ(limiter.available("bob", start), 10U);
}

TEST(KeyedRateLimiter, says_when_to_the_nanosecond) {
    KeyedRateLimiter limiter{"per_user", one_tier(3, 3)};
    EXPECT_EQ(taken(limiter, "alice", start), 3U);
    const auto refused = limiter.try_acquire("alice", 2, start + 1ms);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, RejectionReason::rate_limited);
    EXPECT_EQ(refused.error().policy, "per_user");
    const TimePoint moment = start + 1ms + refused.error().retry_after.value();
    EXPECT_FALSE(limiter.acquire("alice", 2, moment - 1ns));
    EXPECT_TRUE(limiter.acquire("alice", 2, moment));
}

TEST(KeyedRateLimiter, refuses_more_than_the_capacity_for_good) {
    KeyedRateLimiter limiter{one_tier(3, 3)};
    const auto refused = limiter.try_acquire("alice", 4, start);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, RejectionReason::exceeds_capacity);
    EXPECT_EQ(refused.error().tokens_asked, 4U);
    EXPECT_EQ(refused.error().capacity, 3U);
    EXPECT_FALSE(refused.error().retry_after);
    EXPECT_EQ(limiter.stats().keys, 0U);
    EXPECT_EQ(limiter.stats().rejected.exceeds_capacity, 1U);
}

TEST(KeyedRateLimiter, does_not_drift_over_a_hundred_thousand_seconds) {
    KeyedRateLimiter limiter{one_tier(3, 3)};
    std::uint64_t admitted = taken(limiter, "alice", start) - 3;
    for (int second = 1; second <= 100'000; ++second) {
        for (int token = 0; token < 4; ++token) admitted += limiter.acquire("alice", 1, start + second * 1s) ? 1U : 0U;
    }
    EXPECT_EQ(admitted, 300'000U);
}

TEST(KeyedRateLimiter, admits_with_a_tier_given_by_the_call_which_the_key_keeps) {
    KeyedRateLimiter limiter{metals()};
    const auto gold = limiter.tier("gold");
    EXPECT_TRUE(limiter.acquire("alice", gold, 900, start));
    EXPECT_EQ(taken(limiter, "alice", start), 100U);
    EXPECT_EQ(taken(limiter, "bob", start), 10U);
    EXPECT_THROW(static_cast<void>(limiter.tier("lead")), ConfigError);
}

TEST(KeyedRateLimiter, keeps_the_tokens_of_a_key_that_changes_its_tier) {
    KeyedRateLimiter limiter{metals()};
    const auto silver = limiter.tier("silver");
    const auto bronze = limiter.tier("bronze");
    EXPECT_TRUE(limiter.acquire("alice", 9, start));
    EXPECT_FALSE(limiter.acquire("alice", silver, 2, start));  // 1 of 10 is 1 of 100
    EXPECT_EQ(limiter.available("alice", start), 1U);
    EXPECT_EQ(limiter.available("alice", start + 500ms), 51U);
    EXPECT_TRUE(limiter.acquire("alice", bronze, 0, start + 500ms));  // cut at the capacity
    EXPECT_EQ(limiter.available("alice", start + 500ms), 10U);
}

TEST(KeyedRateLimiter, gives_nothing_for_changing_tiers_to_and_fro_at_moments_out_of_order) {
    KeyedRateLimiter limiter{metals()};
    const auto gold = limiter.tier("gold");
    const auto bronze = limiter.tier("bronze");
    ASSERT_TRUE(limiter.acquire("alice", gold, 1000, start + 1s));
    for (int round = 0; round < 100; ++round) {
        EXPECT_TRUE(limiter.acquire("alice", bronze, 0, start + 1s));
        EXPECT_TRUE(limiter.acquire("alice", gold, 0, start));
    }
    EXPECT_EQ(limiter.available("alice", start + 1s), 0U);
}

TEST(KeyedRateLimiter, changes_a_tier_live_and_keeps_the_tokens_of_its_keys) {
    KeyedRateLimiter limiter{metals()};
    const auto bronze = limiter.tier("bronze");
    EXPECT_TRUE(limiter.acquire("alice", 9, start));
    EXPECT_TRUE(limiter.acquire("carol", limiter.tier("gold"), 999, start));
    limiter.set_tier(bronze, 1000, 1, start);
    EXPECT_EQ(limiter.available("alice", start), 1U);
    EXPECT_EQ(limiter.available("alice", start + 3s), 4U);
    EXPECT_EQ(limiter.available("alice", start - 1h), 1U);  // an older moment counts as the change's
    EXPECT_EQ(limiter.available("carol", start), 1U);
    EXPECT_EQ(limiter.available("new", start), 1000U);
    limiter.set_tier(bronze, 2, 1, start + 3s);
    EXPECT_EQ(limiter.available("alice", start + 3s), 2U);
    EXPECT_EQ(limiter.tiers()[0], (KeyTierConfig{"bronze", 2, 1}));
    EXPECT_THROW(limiter.set_tier(bronze, 0, 1), ConfigError);
    EXPECT_EQ(limiter.tiers()[0].capacity, 2U);
}

// Whole milliseconds and whole tokens a millisecond, so that the model needs no fractions.
TEST(KeyedRateLimiter, decides_as_a_plain_model_does_over_any_changes_of_tiers) {
    Random random(9);
    for (int schedule = 0; schedule < 50; ++schedule) {
        KeyedRateLimiter limiter{
            {.tiers = {{"a", 10, 1000}, {"b", 40, 2000}, {"c", 25, 5000}}, .max_keys = 10, .seed = known_seed}};
        const std::vector<KeyedRateLimiter::Tier> tiers{limiter.tier("a"), limiter.tier("b"), limiter.tier("c")};
        std::vector<std::uint64_t> capacity{10, 40, 25};
        std::vector<std::uint64_t> each_millisecond{1, 2, 5};
        std::uint64_t tier = 0;
        std::uint64_t level = 9;
        TimePoint now = start;
        ASSERT_TRUE(limiter.acquire("alice", 1, now));
        for (int step = 0; step < 500; ++step) {
            const std::uint64_t waited = random.next() % 8;
            now += waited * 1ms;
            level = std::min(capacity[tier], level + waited * each_millisecond[tier]);
            if (random.next() % 10 == 0) {
                const std::size_t changed = random.next() % 3;
                capacity[changed] = 1 + random.next() % 50;
                each_millisecond[changed] = 1 + random.next() % 5;
                limiter.set_tier(tiers[changed], capacity[changed],
                                 1000.0 * static_cast<double>(each_millisecond[changed]), now);
                level = std::min(level, capacity[tier]);
            }
            if (random.next() % 4 == 0) tier = random.next() % 3;
            level = std::min(level, capacity[tier]);
            const std::uint64_t tokens = random.next() % 12;
            const bool expected = tokens <= level;
            ASSERT_EQ(limiter.acquire("alice", tiers[tier], tokens, now), expected) << schedule << ' ' << step;
            level -= expected ? tokens : 0;
            ASSERT_EQ(limiter.available("alice", now), level) << schedule << ' ' << step;
        }
    }
}

TEST(KeyedRateLimiter, keeps_an_assigned_tier_until_the_key_is_released) {
    KeyedRateLimiter limiter{metals()};
    ASSERT_TRUE(limiter.assign("alice", limiter.tier("gold"), start));
    EXPECT_EQ(limiter.sweep(start + 24h), 0U);
    EXPECT_EQ(taken(limiter, "alice", start + 24h), 1000U);
    limiter.release("alice");
    EXPECT_EQ(limiter.sweep(start + 48h), 1U);
    EXPECT_EQ(taken(limiter, "alice", start + 48h), 10U);
}

TEST(KeyedRateLimiter, refuses_to_assign_where_there_is_no_room) {
    KeyedRateLimiter limiter{one_tier(1, 1, 2)};
    const auto only = limiter.tier("only");
    EXPECT_TRUE(limiter.assign(1, only, start));
    EXPECT_TRUE(limiter.assign(2, only, start));
    EXPECT_FALSE(limiter.assign(3, only, start));
    const auto refused = limiter.try_acquire(3, 1, start);  // nobody who is assigned makes room
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, RejectionReason::load_shed);
    EXPECT_EQ(limiter.stats().evicted_live_total, 0U);
}

TEST(KeyedRateLimiter, names_the_hottest_keys) {
    KeyedRateLimiter limiter{metals()};
    const std::string uuid = "0b8f7f5e-3c8e-4a52-9d43-6f2f0f1f7a11";
    for (int ask = 0; ask < 300; ++ask) static_cast<void>(limiter.acquire("loud", 1, start));
    for (int ask = 0; ask < 200; ++ask) static_cast<void>(limiter.acquire(uuid, limiter.tier("gold"), 1, start));
    for (int ask = 0; ask < 100; ++ask) static_cast<void>(limiter.acquire(42, 1, start));
    for (int key = 1000; key < 2000; ++key) static_cast<void>(limiter.acquire(key, 1, start));
    static_cast<void>(limiter.acquire("rare", 1, start));
    const std::vector<HotKey> hot = limiter.hottest(3);
    ASSERT_EQ(hot.size(), 3U);
    EXPECT_EQ(hot[0].key, "loud");
    EXPECT_EQ(hot[0].tier, "bronze");
    EXPECT_EQ(hot[0].admitted, 10U);
    EXPECT_EQ(hot[0].rejected, 290U);
    EXPECT_EQ(hot[1].key, uuid);
    EXPECT_EQ(hot[1].tier, "gold");
    EXPECT_EQ(hot[1].admitted, 200U);
    EXPECT_EQ(hot[2].key, "42");
    EXPECT_EQ(limiter.hottest(0).size(), 0U);
    const std::vector<HotKey> all = limiter.hottest(std::numeric_limits<std::size_t>::max());
    ASSERT_EQ(all.size(), 1004U);
    for (const HotKey& each : all) {
        EXPECT_TRUE(!each.key.starts_with('#') || each.key.size() == 33) << each.key;
    }
}

TEST(KeyedRateLimiter, names_those_who_are_hot_today_and_not_those_of_yesterday) {
    KeyedRateLimiterConfig config = one_tier(10, 10, 8);
    config.shards = 1;
    for (const bool swept : {true, false}) {
        KeyedRateLimiter limiter{config};
        for (const std::string key : {"a", "b", "c", "d", "e", "f", "g", "h"}) {
            for (int ask = 0; ask < 1024; ++ask) static_cast<void>(limiter.acquire(key, 1, start));
        }
        EXPECT_EQ(limiter.hottest(1)[0].key.size(), 1U);
        // Swept, they are full; for want of room one of them goes that is not.
        const TimePoint now = swept ? start + 1h : start;
        EXPECT_EQ(limiter.sweep(now), swept ? 8U : 0U);
        EXPECT_TRUE(limiter.assign("today", limiter.tier("only"), now));
        for (int ask = 0; ask < 900; ++ask) static_cast<void>(limiter.acquire("today", 1, now));
        const std::vector<HotKey> hot = limiter.hottest(8);
        EXPECT_EQ(std::count_if(hot.begin(), hot.end(), [](const HotKey& each) { return each.key == "today"; }), 1);
    }
}

TEST(KeyedRateLimiter, takes_any_bytes_as_a_key) {
    KeyedRateLimiter limiter{one_tier(2, 1)};
    const std::string megabyte(1'000'000, 'x');
    std::string other_megabyte = megabyte;
    other_megabyte.back() = 'y';
    const std::vector<std::string> keys{"",
                                        std::string(1, '\0'),
                                        std::string(2, '\0'),
                                        std::string(8, '\0'),
                                        "\xff\xfe",
                                        megabyte,
                                        other_megabyte,
                                        std::string("a\0b", 3),
                                        "a"};
    for (const std::string& key : keys) EXPECT_TRUE(limiter.acquire(key, 2, start));
    EXPECT_FALSE(limiter.acquire(std::string(megabyte), 1, start));
    EXPECT_EQ(limiter.stats().keys, keys.size());
}

TEST(KeyedRateLimiter, goes_on_when_the_clock_has_run_for_centuries) {
    KeyedRateLimiter limiter{metals()};
    const auto silver = limiter.tier("silver");
    EXPECT_TRUE(limiter.acquire("alice", 10, TimePoint{1h}));
    for (const std::int64_t exponent : {57, 58, 59, 60, 61}) {
        const TimePoint later{Duration{std::int64_t{1} << exponent}};
        EXPECT_TRUE(limiter.acquire("alice", silver, 10, later));  // the tokens of its bronze bucket
        EXPECT_FALSE(limiter.acquire("alice", 1, later));
        EXPECT_TRUE(limiter.acquire("alice", limiter.tier("bronze"), 1, later + 100ms));
        EXPECT_EQ(taken(limiter, "bob", later), 10U);
    }
    EXPECT_FALSE(limiter.acquire("alice", 11, TimePoint::max()));
    EXPECT_TRUE(limiter.acquire("alice", 10, TimePoint::max()));
    limiter.set_tier(silver, 100, 100, TimePoint::max());
    EXPECT_TRUE(limiter.acquire("carol", silver, 100, start));
    EXPECT_TRUE(limiter.acquire("carol", limiter.tier("gold"), 0, start));
}

TEST(KeyedRateLimiter, refuses_numbers_out_of_range_and_names_each) {
    struct Row {
        KeyedRateLimiterConfig config;
        std::string field;
    };
    KeyedRateLimiterConfig negative_idle = one_tier(1, 1);
    negative_idle.idle = -1ns;
    KeyedRateLimiterConfig odd_shards = one_tier(1, 1);
    odd_shards.shards = 3;
    KeyedRateLimiterConfig many_shards = one_tier(1, 1);
    many_shards.shards = 2048;
    const std::vector<Row> rows{
        {{}, "tiers"},
        {{.tiers = std::vector<KeyTierConfig>(9, {"x", 1, 1})}, "tiers"},
        {{.tiers = {{"", 1, 1}}}, "tiers[0]"},
        {{.tiers = {{std::string(65, 'x'), 1, 1}}}, "tiers[0]"},
        {{.tiers = {{"x", 1, 1}, {"x", 1, 1}}}, "tiers[1]"},
        {one_tier(0, 1), "tiers[0]"},
        {one_tier(std::uint64_t{1} << 32, 1), "tiers[0]"},
        {one_tier(1, 0), "tiers[0]"},
        {one_tier(1, -1), "tiers[0]"},
        {one_tier(1, std::numeric_limits<double>::quiet_NaN()), "tiers[0]"},
        {one_tier(1, 1, 0), "max_keys"},
        {one_tier(1, 1, (std::size_t{1} << 32) + 1), "max_keys"},
        {negative_idle, "idle"},
        {odd_shards, "shards"},
        {many_shards, "shards"},
    };
    for (const Row& row : rows) {
        try {
            const KeyedRateLimiter limiter{row.config};
            ADD_FAILURE() << row.field << " was taken";
        } catch (const ConfigError& error) {
            EXPECT_EQ(error.problems()[0].field, row.field);
        }
    }
    EXPECT_THROW(KeyedRateLimiter("", one_tier(1, 1)), ConfigError);
}

TEST(KeyedRateLimiter, takes_the_ends_of_its_ranges) {
    for (KeyedRateLimiterConfig config : {one_tier(1, 1e9, 1), one_tier(0xffff'ffff, 1e9), one_tier(1, 1e-8)}) {
        config.shards = 1024;
        config.idle = Duration::max();
        KeyedRateLimiter limiter{config};
        EXPECT_TRUE(limiter.acquire("alice", config.tiers[0].capacity, start));
        expect_reconciled(limiter.stats());
    }
}

}  // namespace keyed_rate_limiter_test
