// Calls that wait in the line of a bulkhead or a rate limiter inside a pipeline, on both drivers.

#include <for_tests/origin.hpp>

#include "waiting_drivers.hpp"

namespace resilience::inline v1 {
namespace queue_stage_test {

using namespace std::chrono_literals;

template <class Driver>
class QueueStage : public WaitingTest<Driver> {};
TYPED_TEST_SUITE(QueueStage, WaitingDrivers, WaitingDriverNames);

int seven() { return 7; }
std::uint32_t depth(const Bulkhead& bulkhead) { return bulkhead.stats().queue_depth; }

TYPED_TEST(QueueStage, a_deadline_ends_the_wait_and_is_nobodys_fault) {
    CircuitBreaker breaker("queue_stage_breaker");
    Bulkhead bulkhead("queue_stage_deadline", {.max_concurrent = 1, .queue_size = 1, .max_wait = 10s});
    Pipeline guarded{breaker, bulkhead};
    const auto held = bulkhead.try_acquire();
    CallReport report;
    auto call = this->run.start(guarded, CallOptions{.timeout = 2s, .report = &report}, seven);
    ASSERT_TRUE(this->run.eventually([&] { return depth(bulkhead) == 1; }));
    this->run.advance(2s);
    ASSERT_TRUE(this->run.eventually([&] { return call.done(); }));
    const Rejection why = call.answer().error();
    EXPECT_EQ(why.reason, RejectionReason::deadline_exceeded);
    EXPECT_EQ(why.kind, PolicyKind::bulkhead);
    EXPECT_EQ(report.attempts, 0U);
    EXPECT_EQ(report.waited_in_queue, 2s);
    EXPECT_EQ(report.refused, why);
    const CircuitBreakerStats stats = breaker.stats(this->run.now());
    EXPECT_EQ(stats.ignored, 1U);
    EXPECT_EQ(stats.failure, 0U);
    EXPECT_EQ(bulkhead.stats().rejected.deadline_exceeded, 1U);
}

TYPED_TEST(QueueStage, closing_sends_everybody_away) {
    Bulkhead bulkhead("queue_stage_closed", {.max_concurrent = 1, .queue_size = 3});
    RateLimiter limiter("queue_stage_closed", {.capacity = 1, .refill_rate = 1e-3, .max_wait = Duration::max()});
    Pipeline by_places{bulkhead};
    Pipeline by_tokens{limiter};
    auto held = bulkhead.try_acquire();
    ASSERT_TRUE(limiter.acquire(1, this->run.now()));
    auto first = this->run.start(by_places, seven);
    auto second = this->run.start(by_places, seven);
    auto third = this->run.start(by_tokens, seven);
    ASSERT_TRUE(
        this->run.eventually([&] { return depth(bulkhead) == 2 && limiter.stats(this->run.now()).waiting == 1; }));
    bulkhead.close();
    limiter.close();
    ASSERT_TRUE(this->run.eventually([&] { return first.done() && second.done() && third.done(); }));
    EXPECT_EQ(first.answer().error().reason, RejectionReason::shutting_down);
    EXPECT_EQ(second.answer().error().policy, "queue_stage_closed");
    EXPECT_EQ(third.answer().error().reason, RejectionReason::shutting_down);
    EXPECT_EQ(bulkhead.stats().rejected.shutting_down, 2U);
    EXPECT_EQ(limiter.stats(this->run.now()).rejected.shutting_down, 1U);
    auto late = this->run.start(by_tokens, seven);
    EXPECT_EQ(late.answer().error().reason, RejectionReason::shutting_down);
}

TYPED_TEST(QueueStage, a_wait_for_tokens_that_cannot_fit_is_refused_at_once_with_a_true_retry_after) {
    RateLimiter limiter("queue_stage_fit", {.capacity = 2, .refill_rate = 1, .max_wait = 3s});
    Pipeline guarded{limiter};
    ASSERT_TRUE(limiter.acquire(2, this->run.now()));
    auto waits_one = this->run.start(guarded, seven);
    ASSERT_TRUE(this->run.eventually([&] { return limiter.stats(this->run.now()).waiting == 1; }));
    auto waits_three = this->run.start(guarded, CallOptions{.tokens = 2}, seven);
    ASSERT_TRUE(this->run.eventually([&] { return limiter.stats(this->run.now()).waiting == 2; }));

    auto too_late = this->run.start(guarded, seven);
    ASSERT_TRUE(this->run.eventually([&] { return too_late.done(); }));
    EXPECT_EQ(too_late.answer().error().reason, RejectionReason::rate_limited);
    EXPECT_EQ(too_late.answer().error().retry_after, 4s) << "behind the line";
    auto past_its_deadline = this->run.start(guarded, CallOptions{.timeout = 2s}, seven);
    ASSERT_TRUE(this->run.eventually([&] { return past_its_deadline.done(); }));
    EXPECT_EQ(past_its_deadline.answer().error().retry_after, 4s);
    EXPECT_EQ(limiter.try_acquire(1, this->run.now()).error().retry_after, 4s) << "nobody overtakes a line";

    this->run.advance(1s);
    ASSERT_TRUE(this->run.eventually([&] { return waits_one.done(); }));
    EXPECT_FALSE(waits_three.done());
    this->run.advance(2s);
    ASSERT_TRUE(this->run.eventually([&] { return waits_three.done(); }));
    EXPECT_TRUE(waits_three.answer().has_value());
    EXPECT_FALSE(limiter.acquire(1, this->run.now()));
    this->run.advance(1s);
    EXPECT_TRUE(limiter.acquire(1, this->run.now())) << "exactly when it was told to come back";
}

TYPED_TEST(QueueStage, who_leaves_the_front_of_the_line_moves_the_others_up) {
    RateLimiter limiter("queue_stage_front", {.capacity = 10, .refill_rate = 1, .max_wait = 60s});
    Pipeline guarded{limiter};
    ASSERT_TRUE(limiter.acquire(10, this->run.now()));
    auto large = this->run.start(guarded, CallOptions{.tokens = 8}, seven);
    ASSERT_TRUE(this->run.eventually([&] { return limiter.stats(this->run.now()).waiting == 1; }));
    auto small = this->run.start(guarded, CallOptions{.tokens = 3}, seven);
    ASSERT_TRUE(this->run.eventually([&] { return limiter.stats(this->run.now()).waiting == 2; }));
    this->run.advance(2s);
    large.cancel();
    ASSERT_TRUE(this->run.eventually([&] { return large.done(); }));
    EXPECT_FALSE(small.done());
    this->run.advance(1s);
    ASSERT_TRUE(this->run.eventually([&] { return small.done(); }));
    EXPECT_TRUE(small.answer().has_value());
}

TYPED_TEST(QueueStage, a_change_of_rate_judges_those_who_wait_again) {
    RateLimiter limiter("queue_stage_rate", {.capacity = 10, .refill_rate = 0.001, .max_wait = Duration::max()});
    Pipeline guarded{limiter};
    ASSERT_TRUE(limiter.acquire(10, this->run.now()));
    auto six = this->run.start(guarded, CallOptions{.tokens = 6}, seven);
    ASSERT_TRUE(this->run.eventually([&] { return limiter.stats(this->run.now()).waiting == 1; }));
    auto two = this->run.start(guarded, CallOptions{.tokens = 2}, seven);
    ASSERT_TRUE(this->run.eventually([&] { return limiter.stats(this->run.now()).waiting == 2; }));
    limiter.set_rate({.capacity = 4, .refill_rate = 1, .max_wait = Duration::max()}, this->run.now());
    ASSERT_TRUE(this->run.eventually([&] { return six.done(); }));
    EXPECT_EQ(six.answer().error().reason, RejectionReason::exceeds_capacity);
    this->run.advance(2s);
    ASSERT_TRUE(this->run.eventually([&] { return two.done(); }));
    EXPECT_TRUE(two.answer().has_value());
}

TYPED_TEST(QueueStage, a_rate_that_falls_meanwhile_ends_the_longest_wait) {
    RateLimiter limiter("queue_stage_falls", {.capacity = 1, .refill_rate = 1, .max_wait = 5s});
    Pipeline guarded{limiter};
    ASSERT_TRUE(limiter.acquire(1, this->run.now()));
    auto call = this->run.start(guarded, seven);
    ASSERT_TRUE(this->run.eventually([&] { return limiter.stats(this->run.now()).waiting == 1; }));
    limiter.set_rate({.capacity = 1, .refill_rate = 0.001, .max_wait = 5s}, this->run.now());
    this->run.advance(1s);
    EXPECT_FALSE(call.done());
    this->run.advance(4s);
    ASSERT_TRUE(this->run.eventually([&] { return call.done(); }));
    EXPECT_EQ(call.answer().error().reason, RejectionReason::queue_timeout);
    EXPECT_EQ(limiter.stats(this->run.now()).rejected.queue_timeout, 1U);
}

TYPED_TEST(QueueStage, a_retry_waits_in_line_again_with_each_attempt) {
    Bulkhead bulkhead("queue_stage_retry", {.max_concurrent = 1, .queue_size = 1});
    Pipeline guarded{RetryConfig{.max_attempts = 2, .base_delay = 1s, .jitter = false}, bulkhead};
    auto held = bulkhead.try_acquire();
    CallReport report;
    int tries = 0;
    auto call = this->run.start(guarded, CallOptions{.report = &report}, [&tries]() -> std::expected<int, int> {
        if (++tries == 1) return std::unexpected(1);
        return 7;
    });
    ASSERT_TRUE(this->run.eventually([&] { return depth(bulkhead) == 1; }));
    this->run.advance(3s);
    held->release();
    ASSERT_TRUE(this->run.eventually([&] { return bulkhead.stats().settled == 2; }));
    held = bulkhead.try_acquire();
    this->run.advance(1s);
    ASSERT_TRUE(this->run.eventually([&] { return depth(bulkhead) == 1; }));
    this->run.advance(4s);
    held->release();
    ASSERT_TRUE(this->run.eventually([&] { return call.done(); }));
    EXPECT_EQ(call.answer().value().value(), 7);
    EXPECT_EQ(report.waited_in_queue, 7s);
    EXPECT_EQ(report.waited_in_backoff, 1s);
    EXPECT_EQ(report.attempts, 2U);
}

TEST(QueueStageInVirtualTime, a_hundred_thousand_calls_pass_one_line_in_order) {
    constexpr std::uint32_t calls = 100'000;
    Bulkhead bulkhead("hundred_thousand", {.max_concurrent = 7, .queue_size = calls});
    Pipeline guarded{bulkhead};
    VirtualTime time{1, for_tests::origin()};
    std::uint32_t next = 0;
    std::uint32_t out_of_order = 0;
    std::vector<VirtualCall<std::expected<std::uint32_t, Rejection>>> started;
    started.reserve(calls);
    for (std::uint32_t number = 0; number < calls; ++number) {
        started.push_back(time.start(guarded, [&time, &next, &out_of_order, number] {
            if (number != next++) ++out_of_order;
            time.take(1ms);
            return number;
        }));
    }
    EXPECT_EQ(bulkhead.stats(time.now()).queue_depth, calls - 7);
    time.run();
    EXPECT_EQ(next, calls);
    EXPECT_EQ(out_of_order, 0U);
    EXPECT_EQ(time.elapsed(), 1ms * ((calls + 6) / 7));
    EXPECT_EQ(bulkhead.stats(time.now()).in_use, 0U);
    for (const auto& call : started) EXPECT_TRUE(call.answer().has_value());
}

TEST(QueueStageInVirtualTime, a_time_that_dies_leaves_no_waiter_behind) {
    Bulkhead bulkhead("abandoned", {.max_concurrent = 1, .queue_size = 4});
    RateLimiter limiter("abandoned", {.capacity = 1, .refill_rate = 1, .max_wait = 60s});
    Pipeline guarded{limiter, bulkhead};
    Pipeline by_places{bulkhead};
    {
        VirtualTime time{1, for_tests::origin()};
        auto held = bulkhead.try_acquire();
        const auto admitted = time.start(guarded, [] { return 1; });  // waits for a place, holding a token
        const auto waits_for_token = time.start(guarded, [] { return 2; });
        const auto waits_for_place = time.start(by_places, [] { return 3; });
        const auto acquires = time.start_acquire(bulkhead, 60s);
        EXPECT_EQ(bulkhead.stats(time.now()).queue_depth, 3U);
        held->release();  // on its way to the first when the time dies
    }
    EXPECT_EQ(bulkhead.stats().queue_depth, 0U);
    EXPECT_EQ(bulkhead.stats().in_use, 0U);
    EXPECT_EQ(limiter.stats().waiting, 0U);
    EXPECT_TRUE(bulkhead.try_acquire().has_value());
}

// One that has been called to look again, and whose time dies before it is told.
TEST(QueueStageInVirtualTime, a_called_waiter_that_is_abandoned_leaves_the_line) {
    RateLimiter limiter("called", {.capacity = 1, .refill_rate = 1});
    {
        VirtualTime time{1, for_tests::origin()};
        ASSERT_TRUE(limiter.acquire(1, time.now()));
        auto first = time.start_acquire(limiter, 1, 60s);
        const auto second = time.start_acquire(limiter, 1, 60s);
        first.cancel();
        ASSERT_TRUE(time.run_one());  // the first leaves and calls the second
        EXPECT_TRUE(first.done());
        EXPECT_EQ(limiter.stats(time.now()).waiting, 1U);
    }
    EXPECT_EQ(limiter.stats(for_tests::origin()).waiting, 0U);
    EXPECT_TRUE(limiter.acquire(1, for_tests::origin() + 1s));
}

TEST(QueueStageInVirtualTime, a_call_that_nothing_will_serve_is_gone_once_it_has_said_so) {
    Bulkhead bulkhead("nothing_planned", {.max_concurrent = 1, .queue_size = 2});
    Pipeline guarded{bulkhead};
    VirtualTime time{1, for_tests::origin()};
    auto held = bulkhead.try_acquire();
    bool called = false;
    EXPECT_THROW((void)time.execute(guarded, [&called] { called = true; }), std::logic_error);
    EXPECT_THROW((void)time.acquire_for(bulkhead, Duration::max()), std::logic_error);
    EXPECT_EQ(bulkhead.stats(time.now()).queue_depth, 0U);
    held->release();
    time.run();
    EXPECT_FALSE(called);
    EXPECT_TRUE(bulkhead.try_acquire().has_value());
}

TEST(QueueStageInVirtualTime, a_call_that_outlives_its_time_may_still_be_cancelled) {
    Bulkhead bulkhead("outlives", {.max_concurrent = 1, .queue_size = 2});
    auto time = std::make_unique<VirtualTime>(1, for_tests::origin());
    auto held = bulkhead.try_acquire();
    auto call = time->start_acquire(bulkhead, 1h);
    time.reset();
    call.cancel();
    EXPECT_TRUE(call.done());
    EXPECT_EQ(bulkhead.stats().queue_depth, 0U);
}

TEST(QueueStageInVirtualTime, a_bulkhead_that_dies_sends_away_who_waits_in_virtual_time) {
    VirtualTime time{1, for_tests::origin()};
    auto bulkhead = std::make_unique<Bulkhead>("dies", BulkheadConfig{.max_concurrent = 1, .queue_size = 4});
    bulkhead->set_max_concurrent(0);
    auto call = time.start_acquire(*bulkhead, 1h);
    bulkhead.reset();
    time.run();
    EXPECT_EQ(call.answer().error().reason, RejectionReason::shutting_down);
}

// A place that is on its way to a call whose caller gives up at the same moment goes to the next.
TEST(QueueStageInVirtualTime, a_grant_that_meets_a_cancellation_is_passed_on) {
    Bulkhead bulkhead("grant_meets_cancel", {.max_concurrent = 1, .queue_size = 2});
    Pipeline guarded{bulkhead};
    VirtualTime time{1, for_tests::origin()};
    auto held = bulkhead.try_acquire();
    auto gives_up = time.start(guarded, seven);
    auto next = time.start(guarded, seven);
    gives_up.cancel();
    held->release();  // popped now, delivered after the cancellation
    EXPECT_FALSE(gives_up.done());
    time.run();
    EXPECT_EQ(gives_up.answer().error().reason, RejectionReason::cancelled);
    EXPECT_EQ(next.answer().value(), 7);
    EXPECT_EQ(bulkhead.stats().in_use, 0U);
    EXPECT_EQ(bulkhead.stats().admitted, 3U);
}

TEST(QueueStageInVirtualTime, a_grant_that_meets_the_end_of_the_longest_wait_is_taken) {
    Bulkhead bulkhead("grant_meets_timeout", {.max_concurrent = 1, .queue_size = 2, .max_wait = 1s});
    Pipeline guarded{bulkhead};
    VirtualTime time{1, for_tests::origin()};
    auto held = bulkhead.try_acquire();
    time.at(for_tests::origin() + 1s, [&] { held->release(); });  // planned before the end of the wait
    auto call = time.start(guarded, seven);
    time.run();
    EXPECT_EQ(call.answer().value(), 7);
    EXPECT_EQ(time.elapsed(), 1s);
}

TEST(QueueStageInVirtualTime, acquire_for_has_a_twin) {
    VirtualTime time{1, for_tests::origin()};
    Bulkhead bulkhead("twin", {.max_concurrent = 1, .queue_size = 1});
    auto held = time.acquire_for(bulkhead, 0s);
    ASSERT_TRUE(held.has_value());
    EXPECT_EQ(time.acquire_for(bulkhead, 0s).error().reason, RejectionReason::bulkhead_full);
    EXPECT_EQ(time.acquire_for(bulkhead, 2s).error().reason, RejectionReason::queue_timeout);
    EXPECT_EQ(time.elapsed(), 2s);
    auto waiting = time.start_acquire(bulkhead, 2s);
    EXPECT_EQ(time.acquire_for(bulkhead, 2s).error().reason, RejectionReason::queue_full);
    held->release();
    time.advance(0s);
    EXPECT_TRUE(waiting.answer().has_value());

    RateLimiter limiter("twin", {.capacity = 2, .refill_rate = 1});
    EXPECT_TRUE(time.acquire_for(limiter, 2, 0s).has_value());
    EXPECT_TRUE(time.acquire_for(limiter, 2, 2s).has_value());
    EXPECT_EQ(time.elapsed(), 4s);
    EXPECT_EQ(time.acquire_for(limiter, 2, 1s).error().retry_after, 2s);
    EXPECT_EQ(time.acquire_for(limiter, 3, 10s).error().reason, RejectionReason::exceeds_capacity);
    auto cancelled = time.start_acquire(limiter, 1, 5s);
    cancelled.cancel();
    time.advance(0s);
    EXPECT_EQ(cancelled.answer().error().reason, RejectionReason::cancelled);
}

}  // namespace queue_stage_test
}  // namespace resilience::inline v1
