#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <for_tests/origin.hpp>
#include <resilience/policies/keyed_rate_limiter.hpp>
#include <thread>
#include <vector>

namespace keyed_rate_limiter_threads_test {

using namespace resilience;
using namespace std::chrono_literals;

constexpr int keys = 40;
constexpr std::uint64_t capacity = 20;
const TimePoint start = for_tests::origin() + 1h;

struct Admissions {
    std::vector<std::vector<TimePoint>> of_key = std::vector<std::vector<TimePoint>>(keys);
};

// Every window of one key; a token comes every microsecond.
void expect_within_bound(std::vector<TimePoint> admissions) {
    std::sort(admissions.begin(), admissions.end());
    for (std::size_t last = capacity; last < admissions.size(); ++last) {
        // The tightest windows with capacity + n tokens: it is enough that none of them is too short.
        for (std::size_t first = 0; first + capacity <= last; ++first) {
            const std::size_t most = capacity + static_cast<std::size_t>((admissions[last] - admissions[first]) / 1us);
            ASSERT_LE(last - first + 1, most);
        }
    }
}

TEST(KeyedRateLimiter, keeps_each_keys_bound_under_threads_and_eviction) {
    for (const std::size_t max_keys : {std::size_t{15}, std::size_t{1000}}) {
        KeyedRateLimiter limiter{
            {.tiers = {{"only", capacity, 1e6}}, .max_keys = max_keys, .idle = 0s, .shards = 2, .seed = KeySeed{1, 2}}};
        constexpr int steps = 3000;
        std::atomic<std::int64_t> time{0};
        std::vector<Admissions> admitted(3);
        std::atomic<bool> over{false};
        std::jthread reader([&] {
            while (!over.load(std::memory_order_relaxed)) {
                const KeyedRateLimiterStats stats = limiter.stats();
                EXPECT_EQ(stats.requests, stats.admitted + stats.rejected.total());
                EXPECT_LE(limiter.hottest(3).size(), 3U);
                limiter.sweep(start + Duration{time.load(std::memory_order_relaxed)}, 16);
            }
        });
        {
            std::vector<std::jthread> callers;
            for (std::size_t caller = 0; caller < admitted.size(); ++caller) {
                callers.emplace_back([&, caller] {
                    for (int step = 0; step < steps; ++step) {
                        const TimePoint now = start + Duration{time.fetch_add(50, std::memory_order_relaxed)};
                        const int key = (step * 7 + static_cast<int>(caller)) % keys;
                        if (limiter.acquire(key, 1, now)) {
                            admitted[caller].of_key[static_cast<std::size_t>(key)].push_back(now);
                        }
                    }
                });
            }
        }
        over = true;
        reader.join();
        std::uint64_t sum = 0;
        for (std::size_t key = 0; key < keys; ++key) {
            std::vector<TimePoint> all;
            for (const Admissions& each : admitted)
                all.insert(all.end(), each.of_key[key].begin(), each.of_key[key].end());
            sum += all.size();
            expect_within_bound(all);
        }
        const KeyedRateLimiterStats stats = limiter.stats();
        EXPECT_EQ(stats.admitted, sum);
        EXPECT_EQ(stats.requests, admitted.size() * steps);
        EXPECT_LE(stats.keys, max_keys);
    }
}

TEST(KeyedRateLimiter, changes_tiers_while_calls_run_and_makes_no_tokens) {
    KeyedRateLimiter limiter{{.tiers = {{"bronze", 100, 1e-5}, {"gold", 1000, 1e-5}}, .max_keys = 100}};
    const auto bronze = limiter.tier("bronze");
    const auto gold = limiter.tier("gold");
    std::atomic<std::uint64_t> admitted{0};
    {
        std::vector<std::jthread> threads;
        for (int caller = 0; caller < 2; ++caller) {
            threads.emplace_back([&, caller] {
                for (int step = 0; step < 2000; ++step) {
                    const bool given = limiter.acquire("one", (step + caller) % 2 == 0 ? bronze : gold, 1, start);
                    admitted.fetch_add(given ? 1 : 0, std::memory_order_relaxed);
                }
            });
        }
        threads.emplace_back([&] {
            for (int change = 0; change < 200; ++change) {
                limiter.set_tier(bronze, change % 2 == 0 ? 500 : 100, 1e-5, start);
                EXPECT_TRUE(limiter.assign("other", gold, start));
                limiter.release("other");
            }
        });
    }
    // As many as the tier had in which the key was new.
    EXPECT_LE(admitted.load(), 1000U);
    EXPECT_GE(admitted.load(), 100U);
}

}  // namespace keyed_rate_limiter_threads_test
