#include <gtest/gtest.h>

#include <atomic>
#include <for_tests/origin.hpp>
#include <limits>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace resilience::inline v1 {
namespace rate_limiter_test {

using namespace std::chrono_literals;

const TimePoint start = for_tests::origin() + 1h;

TEST(RateLimiter, starts_full_and_gives_exactly_its_capacity_at_one_instant) {
    RateLimiter limiter(5, 10);
    for (int call = 0; call < 5; ++call) EXPECT_TRUE(limiter.acquire(1, start)) << call;
    EXPECT_FALSE(limiter.acquire(1, start));
}

TEST(RateLimiter, refills_at_its_rate_and_never_above_its_capacity) {
    RateLimiter limiter(5, 10);
    EXPECT_TRUE(limiter.acquire(5, start));
    EXPECT_FALSE(limiter.acquire(1, start + 100ms - 1ns));
    EXPECT_TRUE(limiter.acquire(1, start + 100ms));
    EXPECT_EQ(limiter.stats(start + 24h).available_tokens, 5U);
    EXPECT_FALSE(limiter.acquire(6, start + 24h));
    EXPECT_TRUE(limiter.acquire(5, start + 24h));
}

TEST(RateLimiter, a_refusal_takes_nothing) {
    RateLimiter limiter(5, 1);
    EXPECT_TRUE(limiter.acquire(3, start));
    for (int call = 0; call < 10; ++call) EXPECT_FALSE(limiter.acquire(3, start));
    EXPECT_TRUE(limiter.acquire(2, start));
}

TEST(RateLimiter, retry_after_is_the_first_nanosecond_that_succeeds) {
    for (const double rate : {0.5, 3.0, 10.0, 16.67, 700.0, 1e6, 7e8}) {
        RateLimiter limiter("first_nanosecond", {.capacity = 7, .refill_rate = rate});
        ASSERT_TRUE(limiter.acquire(7, start));
        const auto refused = limiter.try_acquire(4, start);
        ASSERT_FALSE(refused);
        const Rejection why = refused.error();
        EXPECT_EQ(why.reason, RejectionReason::rate_limited);
        EXPECT_EQ(why.kind, PolicyKind::rate_limiter);
        EXPECT_EQ(why.policy, "first_nanosecond");
        ASSERT_TRUE(why.retry_after) << rate;
        EXPECT_FALSE(limiter.acquire(4, start + *why.retry_after - 1ns)) << rate;
        EXPECT_TRUE(limiter.acquire(4, start + *why.retry_after)) << rate;
    }
}

TEST(RateLimiter, enter_counts_nothing_until_its_caller_is_refused) {
    RateLimiter limiter("enter", {.capacity = 1, .refill_rate = 2});
    EXPECT_TRUE(limiter.enter(1, start));
    EXPECT_FALSE(limiter.enter(1, start));
    EXPECT_EQ(limiter.stats(start).requests, 1U);
    EXPECT_EQ(limiter.refuse(1, start), (Rejection{.reason = RejectionReason::rate_limited,
                                                   .kind = PolicyKind::rate_limiter,
                                                   .policy = "enter",
                                                   .retry_after = 500ms}));
}

TEST(RateLimiter, zero_tokens_are_admitted_and_counted_also_when_empty) {
    RateLimiter limiter(1, 1);
    EXPECT_TRUE(limiter.acquire(1, start));
    EXPECT_TRUE(limiter.acquire(0, start));
    EXPECT_TRUE(limiter.try_acquire(0, start).has_value());
    EXPECT_EQ(limiter.stats(start).admitted, 3U);
    EXPECT_EQ(limiter.stats(start).available_tokens, 0U);
}

TEST(RateLimiter, drain_takes_what_is_there_and_counts_no_request) {
    RateLimiter limiter(5, 10);
    EXPECT_TRUE(limiter.acquire(2, start));
    EXPECT_EQ(limiter.drain(start), 3U);
    EXPECT_EQ(limiter.drain(start), 0U);
    EXPECT_FALSE(limiter.acquire(1, start));
    EXPECT_EQ(limiter.stats(start).requests, 2U);
}

TEST(RateLimiter, set_rate_keeps_tokens_and_not_the_proportion) {
    RateLimiter limiter(1, 1);
    limiter.set_rate({.capacity = 1000, .refill_rate = 1}, start);
    EXPECT_EQ(limiter.stats(start).available_tokens, 1U);
    EXPECT_EQ(limiter.config(), (RateLimiterConfig{.capacity = 1000, .refill_rate = 1}));

    RateLimiter shrunk(1000, 1);
    shrunk.set_rate({.capacity = 10, .refill_rate = 100}, start);
    EXPECT_EQ(shrunk.stats(start).available_tokens, 10U);
    EXPECT_TRUE(shrunk.acquire(10, start));
    EXPECT_TRUE(shrunk.acquire(1, start + 10ms));
}

TEST(RateLimiter, a_refused_set_rate_changes_nothing) {
    RateLimiter limiter("stays", {.capacity = 5, .refill_rate = 10});
    EXPECT_THROW(limiter.set_rate({.capacity = 0, .refill_rate = 10}, start), ConfigError);
    EXPECT_EQ(limiter.config(), (RateLimiterConfig{.capacity = 5, .refill_rate = 10}));
    EXPECT_TRUE(limiter.acquire(5, start));
}

TEST(RateLimiter, stats_say_when_the_next_token_comes) {
    RateLimiter limiter(2, 10);
    EXPECT_FALSE(limiter.stats(start).retry_after);
    EXPECT_TRUE(limiter.acquire(2, start));
    const RateLimiterStats stats = limiter.stats(start + 40ms);
    EXPECT_EQ(stats.capacity, 2U);
    EXPECT_EQ(stats.refill_rate, 10);
    EXPECT_EQ(stats.retry_after, 60ms);
}

TEST(RateLimiter, counts_requests_by_how_they_were_answered) {
    RateLimiter limiter(2, 1);
    EXPECT_TRUE(limiter.acquire(2, start));
    EXPECT_FALSE(limiter.acquire(1, start));
    EXPECT_FALSE(limiter.acquire(3, start));
    EXPECT_EQ(limiter.refuse(3, start).reason, RejectionReason::exceeds_capacity);
    EXPECT_FALSE(limiter.try_acquire(2, start).has_value());
    const RateLimiterStats stats = limiter.stats(start);
    EXPECT_EQ(stats.admitted, 1U);
    EXPECT_EQ(stats.rejected.rate_limited, 2U);
    EXPECT_EQ(stats.rejected.exceeds_capacity, 2U);
    EXPECT_EQ(stats.requests, 5U);
}

TEST(RateLimiter, tells_listeners_of_calls_and_changes) {
    RateLimiter limiter("heard", {.capacity = 1, .refill_rate = 4});
    std::vector<Event> events;
    const Subscription hearing =
        limiter.on_event([&](const Event& event) { events.push_back(event); }, EventKinds::all);
    EXPECT_TRUE(limiter.acquire(1, start));
    EXPECT_FALSE(limiter.acquire(1, start));
    EXPECT_FALSE(limiter.try_acquire(2, start).has_value());
    limiter.set_rate({.capacity = 1, .refill_rate = 8}, start);
    (void)limiter.drain(start);
    ASSERT_EQ(events.size(), 5U);
    EXPECT_EQ(events[0].kind, EventKind::permitted);
    EXPECT_EQ(events[0].name, "heard");
    EXPECT_EQ(events[0].policy, PolicyKind::rate_limiter);
    EXPECT_EQ(events[0].at, start);
    EXPECT_EQ(events[1].kind, EventKind::refused);
    EXPECT_EQ(events[1].reason, RejectionReason::rate_limited);
    EXPECT_EQ(events[1].retry_after, 250ms);
    EXPECT_EQ(events[2].reason, RejectionReason::exceeds_capacity);
    EXPECT_FALSE(events[2].retry_after);
    EXPECT_EQ(events[3].kind, EventKind::limit_changed);
    EXPECT_EQ(events[3].limit_before, 4);
    EXPECT_EQ(events[3].limit_after, 8);
    EXPECT_EQ(events[4].kind, EventKind::lever);
}

TEST(RateLimiter, a_throwing_listener_changes_no_answer_and_is_counted) {
    RateLimiter limiter(1, 1);
    const Subscription hearing =
        limiter.on_event([](const Event&) { throw std::runtime_error("listener"); }, EventKinds::calls);
    EXPECT_TRUE(limiter.acquire(1, start));
    EXPECT_FALSE(limiter.acquire(1, start));
    EXPECT_EQ(limiter.stats(start).listener_exceptions, 2U);
    EXPECT_EQ(limiter.stats(start).requests, 2U);
}

TEST(RateLimiter, per_keeps_a_rate_exactly) {
    RateLimiter limiter("minute", RateLimiterConfig::per(1000, 1min, 100));
    EXPECT_TRUE(limiter.acquire(100, start));
    EXPECT_FALSE(limiter.acquire(50, start + 3s - 1ns));
    EXPECT_TRUE(limiter.acquire(50, start + 3s));  // 50 in 3 s are 1000 in a minute; 16.67 a second would be early
}

TEST(RateLimiter, fits_in_256_bytes_with_two_stripes) { EXPECT_LE(sizeof(RateLimiter) + 2 * cache_line, 256U); }

// The bound under threads: no more than the capacity at one instant, whatever the interleaving, and every picture adds
// up.
TEST(RateLimiter, snapshots_reconcile_while_threads_acquire) {
    RateLimiter limiter(1000, 1);
    std::atomic<bool> done{false};
    std::atomic<std::uint64_t> admitted{0};
    std::vector<std::thread> threads;
    for (int worker = 0; worker < 3; ++worker) {
        threads.emplace_back([&] {
            std::uint64_t mine = 0;
            for (int call = 0; call < 3000; ++call) mine += limiter.acquire(1, start) ? 1U : 0U;
            admitted += mine;
        });
    }
    std::thread reader([&] {
        RateLimiterStats before = limiter.stats(start);
        while (!done) {
            const RateLimiterStats now = limiter.stats(start);
            EXPECT_EQ(now.requests, now.admitted + now.rejected.total());
            EXPECT_GE(now.admitted, before.admitted);
            EXPECT_GE(now.requests, before.requests);
            before = now;
        }
    });
    for (std::thread& thread : threads) thread.join();
    done = true;
    reader.join();
    EXPECT_EQ(admitted, 1000U);
    const RateLimiterStats stats = limiter.stats(start);
    EXPECT_EQ(stats.admitted, 1000U);
    EXPECT_EQ(stats.requests, 9000U);
}

TEST(RateLimiter, config_is_always_of_one_change) {
    RateLimiter limiter(10, 10);
    std::atomic<bool> done{false};
    std::thread changer([&] {
        for (int change = 0; change < 200'000; ++change) {
            const std::uint64_t size = change % 2 == 0 ? 20 : 10;
            limiter.set_rate({.capacity = size, .refill_rate = static_cast<double>(size)}, start);
        }
        done = true;
    });
    int torn = 0;
    while (!done) {
        const RateLimiterConfig config = limiter.config();
        if (static_cast<double>(config.capacity) != config.refill_rate) ++torn;
    }
    changer.join();
    EXPECT_EQ(torn, 0);
}

TEST(Conformance, RL_61_more_tokens_than_the_capacity_are_refused_at_once_for_good) {
    RateLimiter limiter("ten", {.capacity = 10, .refill_rate = 10});
    const auto refused = limiter.try_acquire(11, start);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), (Rejection{.reason = RejectionReason::exceeds_capacity,
                                          .kind = PolicyKind::rate_limiter,
                                          .policy = "ten",
                                          .tokens_asked = 11,
                                          .capacity = 10}));
    EXPECT_EQ(to_string(refused.error()),
              "rejected by rate limiter \"ten\": 11 tokens asked, capacity 10: can never be granted");
    EXPECT_FALSE(limiter.acquire(std::numeric_limits<std::uint64_t>::max(), start + 24h));
    EXPECT_TRUE(limiter.acquire(10, start));
}

TEST(RateLimiter, tells_how_long_the_first_in_its_line_has_waited) {
    RateLimiter limiter(1, 1);
    EXPECT_FALSE(limiter.stats(start).oldest_waiter.has_value());
    EXPECT_TRUE(limiter.acquire(1, start));
    ASSERT_TRUE(limiter.opens_line(1));
    const Waker nobody{[](void*, Waiter& waiter) noexcept { waiter.arrive(); }, nullptr};
    Rejection why;
    PlaceInLine<RateLimiter> first(limiter);
    PlaceInLine<RateLimiter> second(limiter);
    ASSERT_TRUE(first.join(nobody, start, {}, why));
    ASSERT_TRUE(second.join(nobody, start + 400ms, {}, why));
    EXPECT_EQ(limiter.stats(start + 700ms).waiting, 2U);
    EXPECT_EQ(limiter.stats(start + 700ms).oldest_waiter, 700ms);
    ASSERT_EQ(first.look(start + 1s, false, why), PlaceInLine<RateLimiter>::Look::granted);
    EXPECT_EQ(limiter.stats(start + 1s).oldest_waiter, 600ms);
    ASSERT_EQ(second.look(start + 1s, true, why), PlaceInLine<RateLimiter>::Look::refused);
    EXPECT_FALSE(limiter.stats(start + 1s).oldest_waiter.has_value());
}

TEST(Conformance, RL_64_of_twenty_callers_at_once_exactly_ten_are_admitted) {
    RateLimiter limiter(10, 1);
    std::atomic<int> admitted{0};
    std::atomic<bool> go{false};
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 20; ++caller) {
        callers.emplace_back([&] {
            while (!go) std::this_thread::yield();
            if (limiter.acquire(1, start)) ++admitted;
        });
    }
    go = true;
    for (std::thread& caller : callers) caller.join();
    EXPECT_EQ(admitted, 10);
}

}  // namespace rate_limiter_test
}  // namespace resilience::inline v1
