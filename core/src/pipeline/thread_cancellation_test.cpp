// What becomes of a call whose thread is cancelled: the process lives, and every permit returns.

#include <gtest/gtest.h>

#include <resilience/base/time.hpp>

// Only here does cancelling a thread unwind its stack; other C++ runtimes just end it.
#if defined(__GLIBCXX__) && defined(__linux__)

#include <cstdint>
#include <expected>
#include <for_tests/cancellable_thread.hpp>
#include <memory>
#include <resilience/pipeline/pipeline.hpp>
#include <stop_token>
#include <string>
#include <thread>

namespace resilience::inline v1 {
namespace thread_cancellation_test {

using namespace std::chrono_literals;

using for_tests::cancel_this_thread;
using for_tests::CancellableThread;

class ThreadCancellation : public testing::Test {
  public:
    void expect_at_rest() {
        EXPECT_EQ(outer.stats().in_use, 0U);
        EXPECT_EQ(inner.stats().in_use, 0U);
        EXPECT_EQ(breaker.stats().in_flight, 0U);
        EXPECT_EQ(breaker.stats().failure, failures_before) << "a cancelled call is nobody's failure";
        EXPECT_EQ(retry.stats().sleeping, 0U);
        EXPECT_EQ(guarded.execute([] { return 200; }), 200) << "all of it serves the next caller";
    }

    Bulkhead outer{"cancelled_outer", 1};
    Retry retry{"cancelled_retry", {.max_attempts = 2, .base_delay = 0s, .jitter = false}};
    CircuitBreaker breaker{"cancelled_breaker"};
    Bulkhead inner{"cancelled_inner", 1};
    Pipeline<Bulkhead, Retry, CircuitBreaker, Bulkhead> guarded{outer, retry, breaker, inner};
    std::uint64_t failures_before = 0;
};

TEST_F(ThreadCancellation, in_the_first_attempt_returns_every_permit) {
    CancellableThread caller([&] { (void)guarded.execute([] { cancel_this_thread(); }); });
    EXPECT_TRUE(caller.was_cancelled());
    expect_at_rest();
}

TEST_F(ThreadCancellation, in_a_later_attempt_returns_every_permit) {
    failures_before = 1;
    CancellableThread caller([&] {
        (void)guarded.execute([](CallContext& call) -> std::expected<int, std::string> {
            if (call.attempt() == 2) cancel_this_thread();
            return std::unexpected("down");
        });
    });
    EXPECT_TRUE(caller.was_cancelled());
    expect_at_rest();
    EXPECT_EQ(retry.stats().gave_up, 1U);
}

// The back-off of an hour is left by the cancellation alone, with and without a stop token to listen to.
TEST(ThreadCancellationInBackOff, ends_the_sleep_and_returns_every_permit) {
    for (const bool with_stop_token : {false, true}) {
        Bulkhead bulkhead("sleeping_bulkhead", 1);
        Retry retry("sleeping_retry", {.base_delay = 1h, .max_delay = 1h, .jitter = false});
        Pipeline guarded{bulkhead, retry};
        const std::stop_source source;
        CancellableThread caller([&] {
            (void)guarded.execute(CallOptions{}, with_stop_token ? source.get_token() : std::stop_token{},
                                  []() -> std::expected<int, std::string> { return std::unexpected("down"); });
        });
        while (retry.stats().sleeping == 0) std::this_thread::yield();
        EXPECT_EQ(bulkhead.stats().in_use, 1U);
        caller.cancel();
        EXPECT_TRUE(caller.was_cancelled());
        EXPECT_EQ(bulkhead.stats().in_use, 0U);
        EXPECT_EQ(retry.stats().sleeping, 0U);
        EXPECT_EQ(retry.stats().gave_up, 1U);
    }
}

// In the first attempt, in a later one, in the back-off between them.
TEST(ThreadCancellationWithBudget, returns_what_the_call_had_taken_of_it) {
    for (const std::uint32_t last_attempt : {1U, 2U, 0U}) {
        auto places = std::make_shared<ConcurrentRetryBudget>();
        const Duration delay = last_attempt == 0 ? 1h : 0h;
        Retry retry({.base_delay = delay, .max_delay = 1h, .jitter = false}, places);
        Pipeline guarded{retry};
        CancellableThread caller([&] {
            (void)guarded.execute([&](CallContext& call) -> std::expected<int, std::string> {
                if (call.attempt() == last_attempt) cancel_this_thread();
                return std::unexpected("down");
            });
        });
        if (last_attempt == 0) {
            while (retry.stats().sleeping == 0) std::this_thread::yield();
            EXPECT_EQ(places->stats().retries, 1U);
            caller.cancel();
        }
        EXPECT_TRUE(caller.was_cancelled());
        EXPECT_EQ(places->stats().calls, 0U) << last_attempt;
        EXPECT_EQ(places->stats().retries, 0U) << last_attempt;
    }
}

// Out of a line where nothing but the cancellation would end the wait, in a pipeline and in acquire_for.
TEST(ThreadCancellationInLine, leaves_the_line_and_takes_nothing_with_it) {
    for (const bool in_a_pipeline : {false, true}) {
        Bulkhead bulkhead("cancelled_in_line", {.max_concurrent = 1, .queue_size = 1});
        RateLimiter limiter("cancelled_in_line", {.capacity = 1, .refill_rate = 1e-3, .max_wait = 10h});
        Pipeline by_place{bulkhead};
        Pipeline by_token{limiter};
        auto held = bulkhead.try_acquire();
        ASSERT_TRUE(limiter.acquire());
        CancellableThread waits_for_place([&] {
            if (in_a_pipeline) {
                (void)by_place.execute([] { return 1; });
            } else {
                (void)bulkhead.acquire_for(1h);
            }
        });
        CancellableThread waits_for_token([&] {
            if (in_a_pipeline) {
                (void)by_token.execute([] { return 1; });
            } else {
                (void)limiter.acquire_for(1, 10h);
            }
        });
        while (bulkhead.stats().queue_depth == 0 || limiter.stats().waiting == 0) std::this_thread::yield();
        waits_for_place.cancel();
        waits_for_token.cancel();
        EXPECT_TRUE(waits_for_place.was_cancelled());
        EXPECT_TRUE(waits_for_token.was_cancelled());
        EXPECT_EQ(bulkhead.stats().queue_depth, 0U);
        EXPECT_EQ(limiter.stats().waiting, 0U);
        held->release();
        EXPECT_TRUE(bulkhead.try_acquire().has_value());
    }
}

}  // namespace thread_cancellation_test
}  // namespace resilience::inline v1

#endif
