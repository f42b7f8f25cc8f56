#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <for_tests/origin.hpp>
#include <limits>
#include <map>
#include <resilience/base/random.hpp>
#include <resilience/policies/keyed_rate_limiter.hpp>
#include <vector>

namespace keyed_rate_limiter_eviction_test {

using namespace resilience;
using namespace std::chrono_literals;

const TimePoint start = for_tests::origin() + 1h;

KeyedRateLimiterConfig one_tier(std::uint64_t capacity, double refill_rate, std::size_t max_keys,
                                WhenFull when_full = WhenFull::evict_idle) {
    return {.tiers = {{"only", capacity, refill_rate}},
            .max_keys = max_keys,
            .when_full = when_full,
            .seed = KeySeed{1, 2}};
}

std::uint64_t taken(KeyedRateLimiter& limiter, const KeyView& key, TimePoint now) {
    std::uint64_t tokens = 0;
    while (limiter.acquire(key, 1, now)) ++tokens;
    return tokens;
}

TEST(KeyedRateLimiter, forgets_keys_that_are_full_when_it_is_swept_and_not_before) {
    KeyedRateLimiterConfig config = one_tier(10, 10, 1000);
    config.idle = 2s;
    KeyedRateLimiter limiter{config};
    for (int key = 0; key < 500; ++key) EXPECT_TRUE(limiter.acquire(key, 10, start));
    EXPECT_EQ(limiter.sweep(start + 3s - 1ns), 0U);
    EXPECT_GT(limiter.sweep(start + 3s, 100), 0U);
    EXPECT_LT(limiter.stats().evicted_full_total, 500U);
    while (limiter.sweep(start + 3s) != 0) {
    }
    EXPECT_EQ(limiter.stats().keys, 0U);
    EXPECT_EQ(limiter.stats().evicted_full_total, 500U);
    EXPECT_EQ(limiter.stats().evicted_live_total, 0U);
    for (int key = 0; key < 500; ++key) EXPECT_EQ(taken(limiter, key, start + 3s), 10U);
}

TEST(KeyedRateLimiter, makes_room_with_full_keys_first) {
    KeyedRateLimiter limiter{one_tier(10, 10, 8)};
    for (int key = 0; key < 8; ++key) EXPECT_TRUE(limiter.acquire(key, key == 5 ? 1U : 10U, start));
    EXPECT_TRUE(limiter.acquire(100, 10, start + 100ms));
    EXPECT_EQ(limiter.stats().evicted_full_total, 1U);
    EXPECT_EQ(limiter.stats().evicted_live_total, 0U);
    for (int key : {0, 1, 2, 3, 4, 6, 7}) EXPECT_EQ(limiter.available(key, start + 100ms), 1U);
    EXPECT_EQ(limiter.available(5, start + 100ms), 10U);
}

TEST(KeyedRateLimiter, makes_room_with_the_key_that_would_be_full_soonest_and_counts_it) {
    KeyedRateLimiter limiter{one_tier(10, 10, 8)};
    for (int key = 0; key < 8; ++key) EXPECT_TRUE(limiter.acquire(key, key == 5 ? 4U : 9U, start));
    EXPECT_TRUE(limiter.acquire(100, 10, start));
    EXPECT_EQ(limiter.stats().evicted_live_total, 1U);
    EXPECT_EQ(limiter.stats().keys, 8U);
    EXPECT_EQ(limiter.available(5, start), 6U);  // what it had, although it was forgotten
    EXPECT_EQ(limiter.available(6, start), 1U);
    EXPECT_EQ(limiter.available("new", start), 6U);  // nobody can tell the two apart
    EXPECT_EQ(limiter.available(5, start + 400ms), 10U);
}

TEST(KeyedRateLimiter, refuses_new_keys_if_told_so) {
    KeyedRateLimiter limiter{one_tier(10, 10, 8, WhenFull::refuse_new)};
    for (int key = 0; key < 8; ++key) EXPECT_TRUE(limiter.acquire(key, 5, start));
    const auto refused = limiter.try_acquire(100, 1, start);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, RejectionReason::load_shed);
    EXPECT_FALSE(refused.error().retry_after);
    EXPECT_TRUE(limiter.acquire(7, 5, start));
    EXPECT_EQ(limiter.stats().rejected.load_shed, 1U);
    EXPECT_EQ(limiter.stats().evicted_live_total, 0U);
    EXPECT_TRUE(limiter.acquire(100, 1, start + 500ms));  // the others are full
    EXPECT_EQ(limiter.stats().evicted_full_total, 7U);
}

TEST(KeyedRateLimiter, refuses_a_new_key_where_none_of_its_shard_may_make_room) {
    KeyedRateLimiterConfig config = one_tier(10, 10, 1);
    config.shards = 1024;
    KeyedRateLimiter sparse{config};
    EXPECT_TRUE(sparse.acquire(1, 10, start));
    EXPECT_EQ(sparse.try_acquire(2, 1, start).error().reason, RejectionReason::load_shed) << "its shard is empty";
    config = one_tier(10, 10, 8);
    KeyedRateLimiter assigned{config};
    for (int key = 0; key < 8; ++key) EXPECT_TRUE(assigned.assign(key, assigned.tier("only"), start));
    EXPECT_EQ(assigned.try_acquire(100, 1, start).error().reason, RejectionReason::load_shed);
    assigned.release(3);
    EXPECT_TRUE(assigned.acquire(100, 1, start));
    EXPECT_EQ(assigned.stats().evicted_full_total, 1U);
}

TEST(KeyedRateLimiter, judges_a_late_caller_as_though_nothing_had_been_forgotten) {
    KeyedRateLimiterConfig config = one_tier(1, 1, 8);
    config.idle = 0s;
    KeyedRateLimiter limiter{config};
    EXPECT_TRUE(limiter.acquire("alice", 1, start));
    EXPECT_EQ(limiter.sweep(start + 1s), 1U);
    EXPECT_FALSE(limiter.acquire("alice", 1, start + 1s - 1ns));
    EXPECT_TRUE(limiter.acquire("alice", 1, start + 1s));
}

TEST(KeyedRateLimiter, lets_a_forgotten_key_come_back_in_another_tier_with_no_more_than_it_had) {
    const std::vector<KeyTierConfig> tiers{{"bronze", 10, 10}, {"gold", 100, 100}};
    for (const bool from_gold : {false, true}) {
        KeyedRateLimiter limiter{{.tiers = tiers, .max_keys = 1, .seed = KeySeed{1, 2}}};
        const auto gold = limiter.tier("gold");
        const auto bronze = limiter.tier("bronze");
        ASSERT_TRUE(limiter.acquire("alice", from_gold ? gold : bronze, from_gold ? 97 : 7, start));
        ASSERT_TRUE(limiter.acquire("bob", from_gold ? bronze : gold, 1, start));
        ASSERT_EQ(limiter.stats().evicted_live_total, 1U);
        // Three tokens of gold are three of bronze; seven that bronze has missing, gold has missing too.
        EXPECT_EQ(limiter.acquire("alice", from_gold ? bronze : gold, from_gold ? 4 : 94, start), false);
        EXPECT_EQ(limiter.acquire("carol", from_gold ? bronze : gold, from_gold ? 3 : 93, start), true);
    }
}

// Every admission of every key, judged over all windows: those that begin and end with an admission suffice.
struct Admission {
    TimePoint at;
    std::uint64_t tokens;
};
void expect_within_bound(std::vector<Admission> admissions, std::uint64_t capacity, std::int64_t nanoseconds_a_token) {
    std::sort(admissions.begin(), admissions.end(),
              [](const Admission& one, const Admission& other) { return one.at < other.at; });
    for (auto first = admissions.begin(); first != admissions.end(); ++first) {
        std::uint64_t sum = 0;
        for (auto last = first; last != admissions.end(); ++last) {
            sum += last->tokens;
            const std::int64_t grown = (last->at - first->at).count() / nanoseconds_a_token;
            ASSERT_LE(sum, capacity + static_cast<std::uint64_t>(grown));
        }
    }
}

TEST(KeyedRateLimiter, keeps_each_keys_bound_through_any_eviction_and_late_callers) {
    Random random(7);
    std::uint64_t evicted_live = 0;
    std::uint64_t evicted_full = 0;
    for (int schedule = 0; schedule < 40; ++schedule) {
        KeyedRateLimiterConfig config =
            one_tier(5, 1000, 4 + random.next() % 20, schedule % 3 == 0 ? WhenFull::refuse_new : WhenFull::evict_idle);
        config.idle = schedule % 2 == 0 ? Duration(0) : Duration(1ms);
        KeyedRateLimiter limiter{config};
        std::map<std::uint64_t, std::vector<Admission>> admitted;
        std::uint64_t asked = 0;
        TimePoint newest = start;
        for (int step = 0; step < 1000; ++step) {
            newest += Duration{static_cast<std::int64_t>(random.next() % 400'000)};
            const TimePoint now = newest - Duration{static_cast<std::int64_t>(random.next() % 3'000'000)};
            const std::uint64_t key = random.next() % 30;
            const std::uint64_t tokens = 1 + random.next() % 5;
            if (step % 7 == 0) limiter.sweep(now, 8);
            if (step % 50 == 49) newest += 10ms;
            ++asked;
            if (limiter.acquire(key, tokens, now)) admitted[key].push_back({now, tokens});
            const KeyedRateLimiterStats stats = limiter.stats();
            ASSERT_EQ(stats.requests, asked);
            ASSERT_EQ(stats.requests, stats.admitted + stats.rejected.total());
            ASSERT_LE(stats.keys, config.max_keys);
        }
        for (const auto& [key, admissions] : admitted) expect_within_bound(admissions, 5, 1'000'000);
        evicted_live += limiter.stats().evicted_live_total;
        evicted_full += limiter.stats().evicted_full_total;
    }
    EXPECT_GT(evicted_live, 500U);
    EXPECT_GT(evicted_full, 500U);
}

TEST(KeyedRateLimiter, returns_to_its_first_size_when_all_keys_are_idle) {
    KeyedRateLimiter limiter{one_tier(10, 10, 100'000)};
    const std::size_t before = limiter.stats().bytes;
    for (int key = 0; key < 50'000; ++key) EXPECT_TRUE(limiter.acquire(key, 10, start));
    const std::size_t held = limiter.stats().bytes - before;
    EXPECT_GE(held, 50'000U * 32);
    EXPECT_LE(held, 50'000U * 60);
    EXPECT_EQ(limiter.sweep(start + 1h, std::numeric_limits<std::size_t>::max()), 50'000U);
    EXPECT_EQ(limiter.stats().bytes, before);
}

TEST(KeyedRateLimiter, forgets_by_itself_as_new_keys_come) {
    KeyedRateLimiter limiter{one_tier(1, 1000, 1'000'000)};
    // A thousand new keys a second, each full a millisecond later: those of the last two seconds or so are held.
    for (int key = 0; key < 100'000; ++key) EXPECT_TRUE(limiter.acquire(key, 1, start + key * 1ms));
    EXPECT_LT(limiter.stats().keys, 5'000U);
    EXPECT_LT(limiter.stats().bytes, 1'000'000U);
}

}  // namespace keyed_rate_limiter_eviction_test
