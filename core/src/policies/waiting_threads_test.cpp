// Threads that meet in the lines of a bulkhead and a rate limiter: a grant against the end of a wait, a grant against a
// cancellation, a return against somebody who joins. Meant for ThreadSanitizer as much as for the counts.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <stop_token>
#include <thread>
#include <vector>

namespace resilience::inline v1 {
namespace waiting_threads_test {

using namespace std::chrono_literals;

template <class Condition>
[[nodiscard]] bool eventually(Condition&& condition) {
    for (const TimePoint patience = Clock::now() + 60s; !condition();) {
        if (Clock::now() > patience) return false;
        std::this_thread::yield();
    }
    return true;
}

// A place whose owners must never meet: a plain number, so that ThreadSanitizer sees what the bulkhead hands over.
struct Guarded {
    std::uint64_t entries = 0;
    std::atomic<std::uint32_t> inside{0};
    void visit() {
        EXPECT_EQ(inside.fetch_add(1), 0U);
        ++entries;
        inside.fetch_sub(1);
    }
};

// Many short waits at once: most places are granted to somebody who is just about to give up.
TEST(BulkheadQueueThreads, a_grant_that_meets_the_end_of_a_wait_loses_no_place) {
    Bulkhead bulkhead("grant_against_timeout", {.max_concurrent = 1, .queue_size = 8});
    Guarded place;
    std::atomic<std::uint64_t> served{0}, timed_out{0};
    {
        std::vector<std::jthread> threads;
        for (int number = 0; number < 4; ++number) {
            threads.emplace_back([&, number] {
                for (int round = 0; round < 3'000; ++round) {
                    auto permit = bulkhead.acquire_for(std::chrono::microseconds(1 + (round * 7 + number) % 40));
                    if (permit) {
                        place.visit();
                        ++served;
                    } else {
                        EXPECT_EQ(permit.error().reason, RejectionReason::queue_timeout);
                        ++timed_out;
                    }
                }
            });
        }
    }
    const BulkheadStats stats = bulkhead.stats();
    EXPECT_EQ(served + timed_out, 12'000U);
    EXPECT_EQ(stats.rejected.total(), timed_out);
    EXPECT_EQ(place.entries, served);
    EXPECT_EQ(stats.in_use, 0U);
    EXPECT_EQ(stats.queue_depth, 0U);
    EXPECT_TRUE(bulkhead.try_acquire().has_value());
}

TEST(BulkheadQueueThreads, a_grant_that_meets_a_cancellation_loses_no_place) {
    Bulkhead bulkhead("grant_against_cancel", {.max_concurrent = 1, .queue_size = 2});
    std::uint64_t granted = 0;
    for (int round = 0; round < 2'000; ++round) {
        auto held = bulkhead.try_acquire();
        ASSERT_TRUE(held.has_value()) << "a place was lost in round " << round;
        std::stop_source source;
        bool got_it = false;
        std::jthread waiter([&] {
            const auto permit = bulkhead.acquire_for(1h, source.get_token());
            got_it = permit.has_value();
            if (!got_it) {
                EXPECT_EQ(permit.error().reason, RejectionReason::cancelled);
            }
        });
        ASSERT_TRUE(eventually([&] { return bulkhead.stats().queue_depth == 1; }));
        std::jthread canceller([&] { source.request_stop(); });
        held->release();
        canceller.join();
        waiter.join();
        granted += got_it ? 1 : 0;
    }
    EXPECT_EQ(bulkhead.stats().in_use, 0U);
    RecordProperty("granted", static_cast<int>(granted));
}

// One returns the last place while another joins: if they missed each other the joiner would sleep for an hour.
TEST(BulkheadQueueThreads, a_return_and_somebody_who_joins_never_miss_each_other) {
    Bulkhead bulkhead("release_against_join", {.max_concurrent = 1, .queue_size = 1});
    std::uint64_t entries = 0;  // plain: handed over with the place
    std::array<std::jthread, 2> threads;
    for (std::jthread& thread : threads) {
        thread = std::jthread([&] {
            for (int round = 0; round < 20'000; ++round) {
                const auto permit = bulkhead.acquire_for(1h);
                ASSERT_TRUE(permit.has_value());
                ++entries;
            }
        });
    }
    for (std::jthread& thread : threads) thread.join();
    EXPECT_EQ(entries, 40'000U);
    EXPECT_EQ(bulkhead.stats().admitted, 40'000U);
}

TEST(BulkheadQueueThreads, a_hundred_threads_share_four_places_while_the_limit_moves) {
    Bulkhead bulkhead("hundred", {.max_concurrent = 4, .queue_size = 100});
    std::atomic<std::uint32_t> inside{0};
    std::atomic<std::uint32_t> most{0};
    std::atomic<int> running{100};
    {
        std::vector<std::jthread> threads;
        for (int number = 0; number < 100; ++number) {
            threads.emplace_back([&] {
                for (int round = 0; round < 50; ++round) {
                    const auto permit = bulkhead.acquire_for(1h);
                    ASSERT_TRUE(permit.has_value());
                    const std::uint32_t now = inside.fetch_add(1) + 1;
                    for (std::uint32_t seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
                    }
                    inside.fetch_sub(1);
                }
                --running;
            });
        }
        for (std::uint32_t limit = 0; running > 0; ++limit) bulkhead.set_max_concurrent(1 + limit % 4);
    }
    EXPECT_LE(most, 4U);
    const BulkheadStats stats = bulkhead.stats();
    EXPECT_EQ(stats.admitted, 5'000U);
    EXPECT_EQ(stats.settled, 5'000U);
    EXPECT_EQ(stats.queue_depth, 0U);
}

TEST(BulkheadQueueThreads, the_destructor_waits_for_threads_that_sleep_in_the_queue) {
    for (int round = 0; round < 200; ++round) {
        std::vector<std::jthread> threads;
        std::atomic<int> sent_away{0};
        auto bulkhead = std::make_unique<Bulkhead>("closing", BulkheadConfig{.max_concurrent = 1, .queue_size = 4});
        bulkhead->set_max_concurrent(0);
        for (int number = 0; number < 4; ++number) {
            threads.emplace_back([&, &bulkhead = *bulkhead] {
                const auto permit = bulkhead.acquire_for(1h);
                ASSERT_FALSE(permit.has_value());
                EXPECT_EQ(permit.error().reason, RejectionReason::shutting_down);
                EXPECT_EQ(permit.error().policy, "closing");
                ++sent_away;
            });
        }
        ASSERT_TRUE(eventually([&] { return bulkhead->stats().queue_depth == 4; }));
        if (round % 2 == 0) bulkhead->close();
        bulkhead.reset();
        threads.clear();
        EXPECT_EQ(sent_away, 4);
    }
}

TEST(RateLimiterQueueThreads, a_grant_that_meets_the_end_of_a_wait_keeps_the_bound) {
    RateLimiter limiter("limiter_timeouts", {.capacity = 5, .refill_rate = 100'000});
    std::atomic<std::uint64_t> taken{0}, asked{0};
    const TimePoint begun = Clock::now();
    {
        std::vector<std::jthread> threads;
        for (int number = 0; number < 4; ++number) {
            threads.emplace_back([&, number] {
                for (int round = 0; round < 2'000; ++round) {
                    const std::uint64_t tokens = 1 + static_cast<std::uint64_t>(round + number) % 3;
                    ++asked;
                    if (limiter.acquire_for(tokens, std::chrono::microseconds(10 + round % 60))) taken += tokens;
                }
            });
        }
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - begun).count();
    EXPECT_LE(static_cast<double>(taken), 5 + 100'000 * seconds);
    const RateLimiterStats stats = limiter.stats();
    EXPECT_EQ(stats.waiting, 0U);
    EXPECT_EQ(stats.requests, asked);
    EXPECT_TRUE(limiter.acquire_for(5, 1h).has_value());
    EXPECT_TRUE(limiter.acquire(1, Clock::now() + 1s)) << "nobody is left before us";
}

TEST(RateLimiterQueueThreads, cancelled_waiters_let_those_behind_them_pass) {
    RateLimiter limiter("limiter_cancel", {.capacity = 1, .refill_rate = 2'000});
    for (int round = 0; round < 300; ++round) {
        std::stop_source source;
        std::atomic<int> passed{0};
        {
            std::vector<std::jthread> threads;
            for (int number = 0; number < 3; ++number) {
                threads.emplace_back([&, number] {
                    const auto stop = number == 1 ? source.get_token() : std::stop_token{};
                    if (limiter.acquire_for(1, 1h, stop)) ++passed;
                });
            }
            source.request_stop();
        }
        EXPECT_GE(passed, 2) << "those who were not cancelled";
        EXPECT_EQ(limiter.stats().waiting, 0U);
    }
}

TEST(RateLimiterQueueThreads, a_change_of_rate_wakes_whoever_may_go_sooner) {
    RateLimiter limiter("limiter_rate", {.capacity = 4, .refill_rate = 1e-3});
    ASSERT_TRUE(limiter.acquire(4));
    std::vector<std::jthread> threads;
    std::atomic<int> passed{0};
    for (int number = 0; number < 4; ++number) {
        threads.emplace_back([&] {
            if (limiter.acquire_for(1, 10h)) ++passed;
        });
    }
    ASSERT_TRUE(eventually([&] { return limiter.stats().waiting == 4; }));
    limiter.set_rate({.capacity = 4, .refill_rate = 1e6});
    threads.clear();
    EXPECT_EQ(passed, 4);
}

TEST(RateLimiterQueueThreads, closing_sends_away_who_sleeps_and_the_destructor_waits_for_them) {
    for (int round = 0; round < 200; ++round) {
        std::vector<std::jthread> threads;
        auto limiter =
            std::make_unique<RateLimiter>("limiter_closing", RateLimiterConfig{.capacity = 1, .refill_rate = 1e-3});
        ASSERT_TRUE(limiter->acquire(1));
        for (int number = 0; number < 3; ++number) {
            threads.emplace_back([&limiter = *limiter] {
                const auto answer = limiter.acquire_for(1, 10h);
                ASSERT_FALSE(answer.has_value());
                EXPECT_EQ(answer.error().reason, RejectionReason::shutting_down);
            });
        }
        ASSERT_TRUE(eventually([&] { return limiter->stats().waiting == 3; }));
        if (round % 2 == 0) {
            limiter->close();
            EXPECT_EQ(limiter->try_acquire().error().reason, RejectionReason::shutting_down);
        }
        limiter.reset();
    }
}

}  // namespace waiting_threads_test
}  // namespace resilience::inline v1
