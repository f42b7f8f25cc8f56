// Promises of limits and retries that other libraries have broken, each named by the promise. The comment has the
// number of the defect in the behaviour table. Those of the circuit breaker stand beside it, in policies.

#include <gtest/gtest.h>

#include <expected>
#include <for_tests/origin.hpp>
#include <for_tests/watched_atomics.hpp>
#include <memory>
#include <resilience/pipeline/pipeline.hpp>
#include <resilience/pipeline/virtual_time.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace resilience::inline v1 {
namespace peers_defects_test {

using namespace std::chrono_literals;
using Failing = std::expected<int, std::string>;

Failing down() { return std::unexpected("down"); }
const auto seven = [] { return 7; };

struct Throwing {
    Outcome operator()(int) const { throw std::runtime_error("classifier"); }
};
struct Critical {
    Verdict operator()(int) const { return {.result = CallResult::success, .open_for = 10s}; }
};

// D-r4j-1
TEST(CallBrokenElsewhere, a_value_that_opens_the_circuit_reaches_its_caller_and_the_next_call_is_refused) {
    VirtualTime time{1, for_tests::origin()};
    CircuitBreaker breaker{"opened_by_a_value"};
    Pipeline guarded{breaker, classify(Critical{})};
    EXPECT_EQ(time.execute(guarded, seven), 7);
    EXPECT_EQ(breaker.state(time.now()), CircuitState::open);
    EXPECT_EQ(time.execute(guarded, seven).error().reason, RejectionReason::circuit_open);
    time.advance(10s);
    EXPECT_EQ(time.execute(guarded, seven), 7);
}

// D-r4j-7, D-fsj-5, D-polly-1
TEST(CallBrokenElsewhere, a_classifier_that_throws_costs_the_caller_nothing_and_a_probe_not_its_slot) {
    VirtualTime time{1, for_tests::origin()};
    CircuitBreaker breaker{"judged_by_a_thrower", {.success_threshold = 1, .timeout = 5s}};
    Pipeline guarded{breaker, classify(Throwing{})};
    EXPECT_EQ(time.execute(guarded, seven), 7);
    EXPECT_EQ(breaker.stats(time.now()).failure, 1U);
    EXPECT_EQ(breaker.stats(time.now()).classifier_errors, 1U);
    breaker.open(time.now());
    time.advance(5s);
    EXPECT_EQ(time.execute(guarded, seven), 7);
    EXPECT_EQ(breaker.stats(time.now()).in_flight, 0U);
    EXPECT_EQ(breaker.state(time.now()), CircuitState::open) << "a failed probe, and none that hangs";
}

// D-r4j-8
TEST(CallBrokenElsewhere, listeners_that_throw_neither_repeat_the_call_nor_take_a_permit_with_them) {
    VirtualTime time{1, for_tests::origin()};
    Retry retry{"thrown_at", {.base_delay = 1ms}};
    CircuitBreaker breaker{"thrown_at"};
    RateLimiter limiter{"thrown_at", {.capacity = 5, .refill_rate = 1}};
    Bulkhead bulkhead{"thrown_at", 1};
    const Listener throws = [](const Event&) { throw std::runtime_error("listener"); };
    const Subscription hearing[] = {retry.on_event(throws, EventKinds::all), breaker.on_event(throws, EventKinds::all),
                                    limiter.on_event(throws, EventKinds::all),
                                    bulkhead.on_event(throws, EventKinds::all)};
    Pipeline guarded{retry, breaker, limiter, bulkhead};
    int calls = 0;
    EXPECT_EQ(time.execute(guarded, [&] { return ++calls; }), 1);
    const auto failed = time.execute(guarded, [&] { return ++calls, down(); });
    EXPECT_EQ(failed.value().error(), "down");
    EXPECT_EQ(calls, 4);
    EXPECT_EQ(bulkhead.stats(time.now()).in_use, 0U);
    EXPECT_GE(bulkhead.stats(time.now()).listener_exceptions, 8U);
    EXPECT_EQ(retry.stats().listener_exceptions, 2U);
}

// D-r4j-10
TEST(CallBrokenElsewhere, three_attempts_are_counted_as_one_call_three_attempts_and_two_retries) {
    VirtualTime time{1, for_tests::origin()};
    Retry retry{{.max_attempts = 3}};
    Pipeline guarded{retry};
    EXPECT_FALSE(time.execute(guarded, down).value().has_value());
    const RetryStats stats = retry.stats();
    EXPECT_EQ(stats.calls, 1U);
    EXPECT_EQ(stats.attempts, 3U);
    EXPECT_EQ(stats.retries, 2U);
}

// D-r4j-22
TEST(CallBrokenElsewhere, delays_at_their_longest_are_still_spread_apart) {
    const Retry retry{{.base_delay = 1s, .max_delay = 10s}};
    Random random = Random(7);
    std::set<Duration> delays;
    for (int call = 0; call < 100; ++call) {
        const Duration delay = backoff_delay(retry.config(), 20, 10s, random.unit());
        EXPECT_LE(delay, 10s);
        delays.insert(delay);
    }
    EXPECT_GT(delays.size(), 90U);
}

// D-fsj-6
TEST(CallBrokenElsewhere, no_attempt_begins_when_the_time_for_all_of_them_is_over) {
    VirtualTime time{1, for_tests::origin()};
    Pipeline guarded{RetryConfig{.max_attempts = 5,
                                 .base_delay = 150ms,
                                 .max_duration = 200ms,
                                 .backoff_kind = BackoffKind::constant,
                                 .jitter = false}};
    std::vector<Duration> began;
    const auto failed = time.execute(guarded, [&] { return began.push_back(time.elapsed()), down(); });
    EXPECT_EQ(failed.value().error(), "down");
    EXPECT_EQ(began, (std::vector<Duration>{0ms, 150ms}));
    EXPECT_EQ(time.elapsed(), 150ms) << "and nobody waits for an attempt that will not be";
}

// D-fsj-1
TEST(CallBrokenElsewhere, a_waiter_whose_time_is_over_leaves_no_place_taken) {
    VirtualTime time{1, for_tests::origin()};
    Bulkhead bulkhead{"timed_out_in_line", {.max_concurrent = 1, .queue_size = 1}};
    auto held = bulkhead.try_acquire();
    EXPECT_FALSE(time.acquire_for(bulkhead, 20ms).has_value());
    held->release();
    EXPECT_TRUE(bulkhead.try_acquire().has_value());
    EXPECT_EQ(bulkhead.stats(time.now()).queue_depth, 0U);
}

// D-r4j-14, D-fsj-7
TEST(CallBrokenElsewhere, a_waiter_that_gives_up_takes_no_token_with_it) {
    VirtualTime time{1, for_tests::origin()};
    RateLimiter limiter{"given_up", {.capacity = 1, .refill_rate = 1, .max_wait = 5s}};
    ASSERT_TRUE(limiter.acquire(1, time.now()));
    auto waiting = time.start_acquire(limiter, 1, 5s);
    time.advance(500ms);
    waiting.cancel();
    time.advance(500ms);
    EXPECT_TRUE(limiter.acquire(1, time.now()));
    EXPECT_FALSE(limiter.acquire(1, time.now()));
}

// D-fsgo-1
TEST(CallBrokenElsewhere, a_call_that_throws_whatever_it_throws_gives_its_place_back) {
    VirtualTime time{1, for_tests::origin()};
    Bulkhead bulkhead{"thrown_out_of", 1};
    Pipeline guarded{bulkhead};
    EXPECT_THROW((void)time.execute(guarded, []() -> int { throw 17; }), int);
    EXPECT_THROW((void)time.execute(guarded, []() -> int { throw std::logic_error("a bug"); }), std::logic_error);
    EXPECT_EQ(bulkhead.stats(time.now()).in_use, 0U);
    EXPECT_EQ(time.execute(guarded, seven), 7);
}

// D-r4j-17, D-fsgo-6
TEST(CallBrokenElsewhere, a_place_that_is_returned_twice_is_one_place) {
    Bulkhead bulkhead{"returned_twice", 1};
    auto held = bulkhead.try_acquire();
    Bulkhead::Permit moved = std::move(*held);
    moved.release();
    moved.release();
    held->settle(CallResult::success);
    EXPECT_EQ(bulkhead.stats().in_use, 0U);
    auto again = bulkhead.try_acquire();
    EXPECT_TRUE(again.has_value());
    EXPECT_FALSE(bulkhead.try_acquire().has_value());
}

// D-r4j-18
TEST(CallBrokenElsewhere, a_limit_is_lowered_at_once_although_all_its_places_are_taken) {
    Bulkhead bulkhead{"lowered", 2};
    auto one = bulkhead.try_acquire();
    auto other = bulkhead.try_acquire();
    bulkhead.set_max_concurrent(1);  // on this thread, which holds them
    EXPECT_EQ(bulkhead.stats().max_concurrent, 1U);
    one->release();
    EXPECT_FALSE(bulkhead.try_acquire().has_value());
    other->release();
    EXPECT_TRUE(bulkhead.try_acquire().has_value());
}

// D-fsgo-4. One who asks is stopped at each of its operations while the others ask.
TEST(CallBrokenElsewhere, a_budget_gives_no_more_than_its_maximum_to_all_who_ask_at_once) {
    bool stopped = true;
    for (int operation = 0; stopped; ++operation) {
        BasicConcurrentRetryBudget<WatchedAtomics> budget{{.rate = 1, .minimum = 1, .maximum = 10}};
        for (int call = 0; call < 100; ++call) budget.begin_call();
        int granted = 0;
        const auto ask = [&] { granted += budget.begin_retry() ? 1 : 0; };
        stopped = run_with_insertion(operation, ask, [&] {
            for (int other = 0; other < 99; ++other) ask();
        });
        EXPECT_EQ(granted, stopped ? 10 : 1) << "at operation " << operation;
    }
}

}  // namespace peers_defects_test
}  // namespace resilience::inline v1
