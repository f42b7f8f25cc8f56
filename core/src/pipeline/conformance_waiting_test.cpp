// Rows of the behaviour table about waiting, each run with sleeping threads and in virtual time from one text.

#include "waiting_drivers.hpp"

#include <for_tests/origin.hpp>
#include <resilience/policies/fixed_window_limiter.hpp>
#include <resilience/policies/sliding_log_limiter.hpp>

namespace resilience::inline v1 {
namespace conformance_waiting_test {

using namespace std::chrono_literals;

template <class Driver>
class WaitingConformance : public WaitingTest<Driver> {};
TYPED_TEST_SUITE(WaitingConformance, WaitingDrivers, WaitingDriverNames);

int seven() { return 7; }
std::uint32_t depth(const Bulkhead& bulkhead) { return bulkhead.stats().queue_depth; }

TYPED_TEST(WaitingConformance, BH_1_counts_what_is_free_and_tells_who_came_and_went) {
    Bulkhead bulkhead("BH-1", {.max_concurrent = 2, .queue_size = 1, .max_wait = 0s});
    std::vector<EventKind> events;
    const Subscription hearing =
        bulkhead.on_event([&](const Event& event) { events.push_back(event.kind); }, EventKinds::calls);
    Pipeline guarded{bulkhead};
    auto first = bulkhead.try_acquire();
    auto second = bulkhead.try_acquire();
    auto third = this->run.start(guarded, seven);
    EXPECT_EQ(third.answer().error().reason, RejectionReason::bulkhead_full) << "a wait of 0 is none";
    first->settle(Outcome::success);
    EXPECT_EQ(bulkhead.stats().available(), 1U);
    second->settle(Outcome::success);
    EXPECT_EQ(bulkhead.stats().available(), 2U);
    EXPECT_TRUE(bulkhead.try_acquire().has_value());
    events.resize(6);  // the last permit was dropped at once
    using enum EventKind;
    EXPECT_EQ(events, (std::vector{permitted, permitted, refused, finished, finished, permitted}));
}

TYPED_TEST(WaitingConformance, BH_3_a_stopped_waiter_leaves_before_its_time) {
    Bulkhead bulkhead("BH-3", {.max_concurrent = 1, .queue_size = 1, .max_wait = 2s});
    Pipeline guarded{bulkhead};
    const auto held = bulkhead.try_acquire();
    auto waiter = this->run.start(guarded, seven);
    ASSERT_TRUE(this->run.eventually([&] { return depth(bulkhead) == 1; }));
    waiter.cancel();
    ASSERT_TRUE(this->run.eventually([&] { return waiter.done(); }));
    EXPECT_EQ(waiter.answer().error().reason, RejectionReason::cancelled);
    EXPECT_EQ(this->run.now(), for_tests::origin());
    EXPECT_EQ(depth(bulkhead), 0U);
    EXPECT_EQ(bulkhead.stats().rejected.cancelled, 1U);
}

TYPED_TEST(WaitingConformance, BH_7_a_raised_limit_serves_who_waits) {
    Bulkhead bulkhead("BH-7", {.max_concurrent = 1, .queue_size = 1, .max_wait = 500s});
    Pipeline guarded{bulkhead};
    const auto held = bulkhead.try_acquire();
    auto waiter = this->run.start(guarded, seven);
    ASSERT_TRUE(this->run.eventually([&] { return depth(bulkhead) == 1; }));
    bulkhead.set_max_concurrent(2);
    ASSERT_TRUE(this->run.eventually([&] { return waiter.done(); }));
    EXPECT_EQ(waiter.answer().value(), 7);
    EXPECT_EQ(bulkhead.stats().available(), 1U);
}

TYPED_TEST(WaitingConformance, BH_9_a_changed_wait_is_for_those_who_come_after) {
    Bulkhead bulkhead("BH-9", {.max_concurrent = 1, .queue_size = 2, .max_wait = 500s});
    Pipeline guarded{bulkhead};
    auto held = bulkhead.try_acquire();
    auto waiter = this->run.start(guarded, seven);
    ASSERT_TRUE(this->run.eventually([&] { return depth(bulkhead) == 1; }));
    bulkhead.set_max_wait(0s);
    auto late = this->run.start(guarded, seven);
    EXPECT_EQ(late.answer().error().reason, RejectionReason::bulkhead_full);
    this->run.advance(499s);
    EXPECT_EQ(depth(bulkhead), 1U);
    held->release();
    ASSERT_TRUE(this->run.eventually([&] { return waiter.done(); }));
    EXPECT_EQ(waiter.answer().value(), 7);
}

TYPED_TEST(WaitingConformance, BH_10_a_waiter_whose_time_is_over_leaves_the_place_to_others) {
    Bulkhead bulkhead("BH-10", {.max_concurrent = 1, .queue_size = 1, .max_wait = 20ms});
    Pipeline guarded{bulkhead};
    auto held = bulkhead.try_acquire();
    auto waiter = this->run.start(guarded, seven);
    ASSERT_TRUE(this->run.eventually([&] { return depth(bulkhead) == 1; }));
    this->run.advance(20ms);
    ASSERT_TRUE(this->run.eventually([&] { return waiter.done(); }));
    EXPECT_EQ(waiter.answer().error().reason, RejectionReason::queue_timeout);
    held->release();
    EXPECT_TRUE(bulkhead.try_acquire().has_value());
}

TYPED_TEST(WaitingConformance, BH_15_serves_in_the_order_of_coming) {
    Bulkhead bulkhead("BH-15", {.max_concurrent = 1, .queue_size = 3});
    Pipeline guarded{bulkhead};
    auto held = bulkhead.try_acquire();
    std::mutex mutex;
    std::vector<int> order;
    std::vector<decltype(this->run.start(guarded, std::function<int()>{}))> waiters;
    for (int number = 1; number <= 3; ++number) {
        waiters.push_back(this->run.start(guarded, std::function<int()>([&mutex, &order, number] {
                                              const std::lock_guard lock(mutex);
                                              order.push_back(number);
                                              return number;
                                          })));
        ASSERT_TRUE(this->run.eventually([&] { return depth(bulkhead) == static_cast<std::uint32_t>(number); }));
    }
    held->release();
    for (auto& waiter : waiters) {
        ASSERT_TRUE(this->run.eventually([&] { return waiter.done(); }));
    }
    EXPECT_EQ(order, (std::vector{1, 2, 3}));
}

TYPED_TEST(WaitingConformance, BH_16_places_that_come_back_in_time_admit) {
    Bulkhead bulkhead("BH-16", {.max_concurrent = 2, .queue_size = 1, .max_wait = 1s});
    Pipeline guarded{bulkhead};
    auto first = bulkhead.try_acquire();
    auto second = bulkhead.try_acquire();
    CallReport report;
    auto waiter = this->run.start(guarded, CallOptions{.report = &report}, seven);
    ASSERT_TRUE(this->run.eventually([&] { return depth(bulkhead) == 1; }));
    this->run.advance(200ms);
    first->release();
    second->release();
    ASSERT_TRUE(this->run.eventually([&] { return waiter.done(); }));
    EXPECT_EQ(waiter.answer().value(), 7);
    EXPECT_EQ(report.waited_in_queue, 200ms);
}

TYPED_TEST(WaitingConformance, BH_17_a_free_place_needs_no_time) {
    Bulkhead bulkhead("BH-17", {.max_concurrent = 1, .queue_size = 1, .max_wait = 1ns});
    Pipeline guarded{bulkhead};
    auto call = this->run.start(guarded, seven);
    ASSERT_TRUE(this->run.eventually([&] { return call.done(); }));
    EXPECT_EQ(call.answer().value(), 7);
}

TYPED_TEST(WaitingConformance, BH_18_ten_calls_pass_one_after_another) {
    Bulkhead bulkhead("BH-18", {.max_concurrent = 1, .queue_size = 10, .max_wait = 15s});
    Pipeline guarded{bulkhead};
    auto& driver = this->run;
    std::atomic<std::uint32_t> begun{0};
    const auto ten_milliseconds = [&driver, &begun] {
        const TimePoint until = driver.now() + 10ms;
        ++begun;
        driver.take_until(until);
        return 7;
    };
    std::vector<decltype(driver.start(guarded, ten_milliseconds))> calls;
    for (int call = 0; call < 10; ++call) calls.push_back(driver.start(guarded, ten_milliseconds));
    for (std::uint32_t round = 1; round <= 10; ++round) {
        ASSERT_TRUE(driver.eventually([&] { return begun == round && depth(bulkhead) == 10 - round; }));
        driver.advance(10ms);
    }
    for (auto& call : calls) {
        ASSERT_TRUE(driver.eventually([&] { return call.done(); }));
        EXPECT_EQ(call.answer().value(), 7);
    }
    EXPECT_EQ(driver.now(), for_tests::origin() + 100ms);
}

TYPED_TEST(WaitingConformance, BH_20_one_more_than_may_wait_is_refused_at_once) {
    Bulkhead bulkhead("BH-20", {.max_concurrent = 1, .queue_size = 2});
    Pipeline guarded{bulkhead};
    auto held = bulkhead.try_acquire();
    auto first = this->run.start(guarded, seven);
    auto second = this->run.start(guarded, seven);
    ASSERT_TRUE(this->run.eventually([&] { return depth(bulkhead) == 2; }));
    auto third = this->run.start(guarded, seven);
    ASSERT_TRUE(this->run.eventually([&] { return third.done(); }));
    EXPECT_EQ(third.answer().error().reason, RejectionReason::queue_full);
    EXPECT_EQ(to_string(third.answer().error()), "rejected by bulkhead \"BH-20\": queue full");
    held->release();
    ASSERT_TRUE(this->run.eventually([&] { return first.done() && second.done(); }));
    EXPECT_EQ(bulkhead.stats().rejected.queue_full, 1U);
}

TYPED_TEST(WaitingConformance, RL_57_a_cancelled_waiter_has_consumed_nothing) {
    RateLimiter limiter("RL-57", {.capacity = 1, .refill_rate = 1, .max_wait = 5s});
    Pipeline guarded{limiter};
    ASSERT_TRUE(limiter.acquire(1, this->run.now()));
    auto waiter = this->run.start(guarded, seven);
    ASSERT_TRUE(this->run.eventually([&] { return limiter.stats(for_tests::origin()).waiting == 1; }));
    waiter.cancel();
    ASSERT_TRUE(this->run.eventually([&] { return waiter.done(); }));
    EXPECT_EQ(waiter.answer().error().reason, RejectionReason::cancelled);
    this->run.advance(1s);
    EXPECT_TRUE(limiter.acquire(1, this->run.now()));
    EXPECT_FALSE(limiter.acquire(1, this->run.now()));
}

TYPED_TEST(WaitingConformance, RL_60_a_cancelled_waiter_frees_its_place_in_line) {
    RateLimiter limiter("RL-60", {.capacity = 1, .refill_rate = 1, .max_wait = 5s, .max_waiters = 1});
    Pipeline guarded{limiter};
    ASSERT_TRUE(limiter.acquire(1, this->run.now()));
    auto first = this->run.start(guarded, seven);
    ASSERT_TRUE(this->run.eventually([&] { return limiter.stats(for_tests::origin()).waiting == 1; }));
    auto turned_away = this->run.start(guarded, seven);
    EXPECT_EQ(turned_away.answer().error().reason, RejectionReason::queue_full);
    EXPECT_EQ(turned_away.answer().error().retry_after, 2s) << "when the line is through and a token is there";
    first.cancel();
    ASSERT_TRUE(this->run.eventually([&] { return first.done(); }));
    auto next = this->run.start(guarded, seven);
    ASSERT_TRUE(this->run.eventually([&] { return limiter.stats(for_tests::origin()).waiting == 1; }));
    this->run.advance(1s);
    ASSERT_TRUE(this->run.eventually([&] { return next.done(); }));
    EXPECT_EQ(next.answer().value(), 7);
}

// The answer of a call that does not have to wait.
template <class Limiter>
std::expected<int, Rejection> answer_at_once(auto& run, const Pipeline<Limiter>& guarded) {
    auto call = run.start(guarded, seven);
    EXPECT_TRUE(run.eventually([&] { return call.done(); }));
    return call.answer();
}

TYPED_TEST(WaitingConformance, RL_53_entries_of_a_sliding_log_leave_one_by_one) {
    SlidingLogLimiter limiter("RL-53", {.limit = 2, .period = 100ms, .max_wait = 10ms});
    Pipeline guarded{limiter};
    EXPECT_EQ(answer_at_once(this->run, guarded).value(), 7);
    this->run.advance(60ms);
    EXPECT_EQ(answer_at_once(this->run, guarded).value(), 7);
    const auto refused = answer_at_once(this->run, guarded);
    EXPECT_EQ(refused.error().reason, RejectionReason::rate_limited) << "40 ms do not fit in 10";
    EXPECT_EQ(refused.error().retry_after, 40ms);
    this->run.advance(50ms);
    EXPECT_EQ(answer_at_once(this->run, guarded).value(), 7);
}

TYPED_TEST(WaitingConformance, RL_54_fixed_windows_admit_twice_their_limit_around_an_edge) {
    FixedWindowLimiter limiter("RL-54", {.limit = 5, .period = 1s});
    Pipeline guarded{limiter};
    this->run.advance(999ms);
    for (int call = 0; call < 5; ++call) EXPECT_EQ(answer_at_once(this->run, guarded).value(), 7);
    EXPECT_FALSE(answer_at_once(this->run, guarded).has_value());
    this->run.advance(1ms);
    for (int call = 0; call < 5; ++call) EXPECT_EQ(answer_at_once(this->run, guarded).value(), 7);
    EXPECT_FALSE(answer_at_once(this->run, guarded).has_value());
}

TYPED_TEST(WaitingConformance, RL_56_of_two_waiters_one_is_served_and_the_other_is_refused_at_once) {
    FixedWindowLimiter limiter("RL-56", {.limit = 1, .period = 1s, .max_wait = 1500ms});
    Pipeline guarded{limiter};
    ASSERT_TRUE(limiter.acquire(1, this->run.now()));
    auto first = this->run.start(guarded, seven);
    ASSERT_TRUE(this->run.eventually([&] { return limiter.stats(for_tests::origin()).waiting == 1; }));
    auto second = this->run.start(guarded, seven);
    EXPECT_EQ(second.answer().error().reason, RejectionReason::rate_limited) << "its token comes at 2 s";
    EXPECT_EQ(second.answer().error().retry_after, 2s);
    EXPECT_EQ(this->run.now(), for_tests::origin());
    this->run.advance(1s);
    ASSERT_TRUE(this->run.eventually([&] { return first.done(); }));
    EXPECT_EQ(first.answer().value(), 7);
}

// The line is the same in front of every source of tokens.
template <class Limiter>
void expect_that_a_cancelled_waiter_frees_its_place(auto& run, Limiter& limiter) {
    Pipeline guarded{limiter};
    ASSERT_TRUE(limiter.acquire(1, run.now()));
    auto first = run.start(guarded, seven);
    ASSERT_TRUE(run.eventually([&] { return limiter.stats(for_tests::origin()).waiting == 1; }));
    first.cancel();
    ASSERT_TRUE(run.eventually([&] { return first.done(); }));
    auto next = run.start(guarded, seven);
    ASSERT_TRUE(run.eventually([&] { return limiter.stats(for_tests::origin()).waiting == 1; }));
    run.advance(1s);
    ASSERT_TRUE(run.eventually([&] { return next.done(); }));
    EXPECT_EQ(next.answer().value(), 7);
}

TYPED_TEST(WaitingConformance, RL_60_holds_for_windows_and_logs_too) {
    const WindowLimiterConfig config{.limit = 1, .period = 1s, .max_wait = 5s, .max_waiters = 1};
    FixedWindowLimiter window("RL-60 window", config);
    expect_that_a_cancelled_waiter_frees_its_place(this->run, window);
    this->run.advance(5s);
    SlidingLogLimiter log("RL-60 log", config);
    expect_that_a_cancelled_waiter_frees_its_place(this->run, log);
}

}  // namespace conformance_waiting_test
}  // namespace resilience::inline v1
