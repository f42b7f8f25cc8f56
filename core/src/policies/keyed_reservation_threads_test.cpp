#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <for_tests/origin.hpp>
#include <resilience/base/random.hpp>
#include <resilience/policies/keyed_rate_limiter.hpp>
#include <thread>
#include <utility>
#include <vector>

namespace resilience::inline v1 {
namespace keyed_reservation_threads_test {

using namespace std::chrono_literals;

constexpr std::size_t keys = 12;
constexpr std::uint64_t capacity = 20;
const TimePoint start = for_tests::origin() + 1h;

struct Charge {
    TimePoint at;
    std::uint64_t tokens;
};
using ChargesOfKeys = std::vector<std::vector<Charge>>;

// Every window of one key; a token comes every microsecond.
void expect_within_bound(std::vector<Charge> charges) {
    std::sort(charges.begin(), charges.end(), [](const Charge& one, const Charge& other) { return one.at < other.at; });
    for (auto first = charges.begin(); first != charges.end(); ++first) {
        std::uint64_t sum = 0;
        for (auto last = first; last != charges.end(); ++last) {
            sum += last->tokens;
            ASSERT_LE(sum, capacity + static_cast<std::uint64_t>((last->at - first->at) / 1us));
        }
    }
}

struct Caller {
    explicit Caller(std::uint64_t seed) : random(seed) {}

    void step(KeyedRateLimiter& limiter, TimePoint now) {
        const std::size_t key = random.next() % keys;
        const std::uint64_t tokens = 1 + random.next() % 6;
        if (random.next() % 3 == 0) {
            if (limiter.acquire(key, tokens, now)) charges[key].push_back({now, tokens});
        } else if (auto reservation = limiter.reserve(key, tokens, now)) {
            charges[key].push_back({now, tokens});
            open.push_back({std::move(*reservation), key, charges[key].size() - 1});
        }
        if (open.size() < 6) return;
        std::swap(open[random.next() % open.size()], open.back());
        end(open.back(), now);
        open.pop_back();
    }

    ChargesOfKeys charges = ChargesOfKeys(keys);
    std::uint64_t returned = 0;
    std::uint64_t surplus = 0;

  private:
    struct Open {
        KeyedReservation reservation;
        std::size_t key;
        std::size_t charge;
    };
    void end(Open& ending, TimePoint now) {
        if (random.next() % 8 == 0) return;
        const auto settled = ending.reservation.settle(random.next() % (ending.reservation.estimate() + 2), now);
        charges[ending.key][ending.charge].tokens -= settled.returned;
        returned += settled.returned;
        surplus += settled.surplus;
    }

    Random random;
    std::vector<Open> open;
};

TEST(KeyedReservation, threads_that_reserve_settle_drop_and_take_keep_the_bound_of_each_key) {
    for (const std::size_t max_keys : {std::size_t{8}, std::size_t{100}}) {
        KeyedRateLimiter limiter{
            {.tiers = {{"only", capacity, 1e6}}, .max_keys = max_keys, .idle = 0s, .shards = 1, .seed = KeySeed{1, 2}}};
        std::atomic<std::int64_t> time{0};
        std::atomic<bool> over{false};
        std::vector<Caller> callers;
        for (std::uint64_t seed = 1; seed <= 3; ++seed) callers.emplace_back(seed);
        std::jthread reader([&] {
            while (!over.load(std::memory_order_relaxed)) {
                const KeyedRateLimiterStats stats = limiter.stats();
                EXPECT_EQ(stats.requests, stats.admitted + stats.rejected.total());
                EXPECT_LE(stats.keys, max_keys);
                limiter.sweep(start + Duration{time.load(std::memory_order_relaxed)}, 16);
            }
        });
        {
            std::vector<std::jthread> threads;
            for (Caller& caller : callers) {
                threads.emplace_back([&limiter, &time, &caller] {
                    for (int step = 0; step < 1500; ++step) {
                        const std::int64_t late = step % 5 == 0 ? 3000 : 0;
                        caller.step(limiter, start + Duration{time.fetch_add(150, std::memory_order_relaxed) - late});
                    }
                });
            }
        }
        over = true;
        reader.join();
        std::uint64_t returned = 0;
        std::uint64_t surplus = 0;
        for (std::size_t key = 0; key < keys; ++key) {
            std::vector<Charge> all;
            for (const Caller& each : callers) {
                all.insert(all.end(), each.charges[key].begin(), each.charges[key].end());
            }
            expect_within_bound(all);
        }
        for (const Caller& each : callers) {
            returned += each.returned;
            surplus += each.surplus;
        }
        EXPECT_EQ(limiter.stats().returned_tokens, returned);
        EXPECT_EQ(limiter.stats().surplus_tokens, surplus);
        EXPECT_GT(returned, 100U);
        callers.clear();
        EXPECT_EQ(limiter.stats().keys_reserved, 0U) << "what was open has been dropped";
    }
}

TEST(KeyedReservation, tiers_that_change_while_reservations_are_settled_make_no_tokens) {
    KeyedRateLimiter limiter{{.tiers = {{"bronze", 100, 1e-5}, {"gold", 1000, 1e-5}}, .max_keys = 100}};
    const auto bronze = limiter.tier("bronze");
    const auto gold = limiter.tier("gold");
    ASSERT_TRUE(limiter.assign("one", gold, start));
    std::atomic<std::uint64_t> charged{0};
    {
        std::vector<std::jthread> threads;
        for (int caller = 0; caller < 2; ++caller) {
            threads.emplace_back([&, caller] {
                for (int step = 0; step < 1500; ++step) {
                    auto reservation = limiter.reserve("one", (step + caller) % 16 == 0 ? bronze : gold, 3, start);
                    if (reservation) charged += 3 - reservation->settle(1, start).returned;
                }
            });
        }
        threads.emplace_back([&] {
            for (int change = 0; change < 150; ++change) {
                limiter.set_tier(gold, change % 2 == 0 ? 500 : 1000, 1e-5, start);
            }
        });
    }
    EXPECT_LE(charged.load(), 1000U);
    EXPECT_GE(charged.load(), 98U) << "all of the smaller tier but what no reservation fits";
}

}  // namespace keyed_reservation_threads_test
}  // namespace resilience::inline v1
