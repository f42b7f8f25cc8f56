// What the options of a breaker promise where two of them, a lever or a moment at the edge meet.

#include <gtest/gtest.h>

#include <chrono>
#include <for_tests/origin.hpp>
#include <for_tests/watched_atomics.hpp>
#include <memory>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/manual_control.hpp>
#include <thread>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace circuit_breaker_options_test {

TimePoint at(Duration time) { return for_tests::origin() + time; }

void probe(CircuitBreaker& breaker, TimePoint now, const Verdict& verdict) {
    auto permit = breaker.try_acquire(now);
    ASSERT_TRUE(permit.has_value());
    permit->settle(verdict, now);
}

TEST(CircuitBreakerOptions, a_threshold_is_learned_by_every_form_of_call) {
    for (const bool judged_in_flight : {false, true}) {
        CircuitBreaker breaker("options", {.window_size = 10s,
                                           .slow_call_duration = 1h,
                                           .judge_in_flight = judged_in_flight,
                                           .adaptive_threshold = AdaptiveThreshold{}});
        TimePoint now = for_tests::origin();
        for (int call = 0; call < 4000; ++call) {
            now += 10ms;
            if (judged_in_flight) {
                probe(breaker, now, Verdict::of(call % 100 == 0 ? Outcome::failure : Outcome::success));
            } else if (breaker.allow(now)) {
                breaker.record_result(call % 100 != 0, now);
            }
        }
        EXPECT_NEAR(breaker.stats(now).window.failure_threshold, 0.11, 0.001) << judged_in_flight;
    }
}

TEST(CircuitBreakerOptions, a_dry_run_learns_as_well) {
    CircuitBreaker breaker(
        "options",
        {.window_size = 10s, .adaptive_threshold = AdaptiveThreshold{}, .initial_state = CircuitState::metrics_only});
    TimePoint now = for_tests::origin();
    for (int call = 0; call < 4000; ++call) probe(breaker, now += 10ms, Verdict{});
    EXPECT_NEAR(breaker.stats(now).window.failure_threshold, 0.1, 0.001);
}

TEST(CircuitBreakerOptions, a_dry_run_does_not_learn_what_it_would_have_opened_at) {
    CircuitBreaker breaker(
        "options",
        {.window_size = 10s, .adaptive_threshold = AdaptiveThreshold{}, .initial_state = CircuitState::metrics_only});
    TimePoint now = for_tests::origin();
    for (int call = 0; call < 4000; ++call) probe(breaker, now += 50ms, Verdict{});
    for (int call = 0; call < 20'000; ++call) {
        probe(breaker, now += 50ms, Verdict::of(call % 10 == 0 ? Outcome::success : Outcome::failure));
    }
    EXPECT_NEAR(breaker.stats(now).window.failure_threshold, 0.1, 0.001) << "after a thousand seconds of outage";
    for (int call = 0; call < 4000; ++call) probe(breaker, now += 50ms, Verdict{});
    EXPECT_NEAR(breaker.stats(now).window.failure_threshold, 0.1, 0.001);
}

TEST(CircuitBreakerOptions, a_total_outage_opens_before_anything_is_learned_whatever_the_plain_threshold) {
    CircuitBreaker breaker("options", {.failure_threshold = 1, .adaptive_threshold = AdaptiveThreshold{}});
    probe(breaker, at(0s), Verdict{});
    for (int call = 0; call < 100 && breaker.state(at(0s)) == CircuitState::closed; ++call) {
        probe(breaker, at(0s), Verdict::of(Outcome::failure));
    }
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::open);
}

// The peer's wish counts although its answer was the success that closed the breaker.
TEST(CircuitBreakerOptions, a_probe_that_asks_to_be_left_alone_is_heard_although_it_closes) {
    CircuitBreaker breaker("options", {.success_threshold = 1, .timeout = 1s});
    breaker.half_open(at(0s));
    probe(breaker, at(0s), Verdict{.open_for = 3s});
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::open);
    EXPECT_EQ(breaker.stats(at(0s)).retry_after, 3s);
    EXPECT_EQ(breaker.stats(at(0s)).success, 1U);
}

TEST(CircuitBreakerOptions, nobody_is_left_alone_for_longer_than_max_timeout) {
    CircuitBreaker breaker("options", {.timeout = 1s, .max_timeout = 10s});
    probe(breaker, at(0s), Verdict{.open_for = Duration::max()});
    EXPECT_EQ(breaker.stats(at(0s)).retry_after, 10s);
}

TEST(CircuitBreakerOptions, an_open_time_of_zero_stays_zero_however_often_it_grows) {
    CircuitBreaker breaker("options", {.success_threshold = 1, .timeout = 0s, .timeout_multiplier = 1000});
    breaker.open(at(0s));
    for (int round = 0; round < 200; ++round) probe(breaker, at(0s), Verdict::of(Outcome::failure));
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::half_open);
}

TEST(CircuitBreakerOptions, a_full_half_open_breaker_says_when_also_before_it_was_ever_open) {
    CircuitBreaker breaker("options", {.success_threshold = 1, .timeout = 7s, .record_latency = true});
    breaker.half_open(at(0s));
    const auto out = breaker.try_acquire(at(0s));
    EXPECT_EQ(breaker.try_acquire(at(0s)).error().retry_after, 7s);
}

TEST(CircuitBreakerOptions, a_lever_over_an_open_period_begins_it_anew_and_for_as_long) {
    CircuitBreaker plain("options", {.timeout = 10s, .timeout_multiplier = 2});
    plain.open(at(0s));
    plain.open(at(4s));
    EXPECT_EQ(plain.stats(at(4s)).retry_after, 10s) << "it has not opened again";
    CircuitBreaker asked("options", {}, {.open_time = [](const Opening&) { return Duration(10s); }});
    asked.open(at(0s));
    asked.open(at(9s));
    EXPECT_EQ(asked.stats(at(9s)).retry_after, 10s);
}

TEST(CircuitBreakerOptions, what_is_asked_for_longer_than_the_function_says_holds) {
    CircuitBreaker* itself = nullptr;
    CircuitBreaker breaker("options", {.consecutive_failures = 1}, {.open_time = [&](const Opening&) {
                               itself->open(Duration::max(), at(0s));
                               return Duration(1s);
                           }});
    itself = &breaker;
    probe(breaker, at(0s), Verdict::of(Outcome::failure));
    EXPECT_FALSE(breaker.next_deadline().has_value()) << "the lever was pulled while the function ran";
}

TEST(CircuitBreakerOptions, a_function_that_opens_the_breaker_is_not_asked_for_ever) {
    CircuitBreaker* itself = nullptr;
    int asked = 0;
    CircuitBreaker breaker("options", {}, {.open_time = [&](const Opening&) {
                               ++asked;
                               itself->open(at(0s));
                               return Duration(1s);
                           }});
    itself = &breaker;
    breaker.open(at(0s));
    EXPECT_LE(asked, 8);
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::open);
}

// Opening for no time at all makes a half-open breaker of it: the call that notices is a probe like any other.
TEST(CircuitBreakerOptions, a_call_that_finds_running_ones_overdue_is_admitted_by_the_state_that_follows) {
    CircuitBreaker breaker("options", {.success_threshold = 1,
                                       .timeout = 0s,
                                       .min_requests = 1,
                                       .slow_call_duration = 1s,
                                       .slow_call_ratio = 0.5,
                                       .judge_in_flight = true});
    auto running = breaker.try_acquire(at(0s));
    EXPECT_TRUE(breaker.allow(at(2s)));
    EXPECT_FALSE(breaker.allow(at(2s))) << "one probe at once";
    breaker.record_result(true, at(2s));
    EXPECT_EQ(breaker.state(at(2s)), CircuitState::closed);
    running->settle(Outcome::success, at(2s));
    const CircuitBreakerStats stats = breaker.stats(at(2s));
    EXPECT_EQ(stats.in_flight, 0U);
    EXPECT_EQ(stats.admitted, 2U);
    EXPECT_EQ(stats.unpaired_results, 0U);
}

TEST(CircuitBreakerOptions, an_initial_open_period_counts_as_one_and_begins_with_the_first_moment) {
    CircuitBreaker breaker(
        "options",
        {.success_threshold = 1, .timeout = 10s, .timeout_multiplier = 2, .initial_state = CircuitState::open});
    EXPECT_FALSE(breaker.next_deadline().has_value()) << "no moment was given yet";
    EXPECT_EQ(breaker.stats(at(100s)).retry_after, 10s);
    EXPECT_EQ(breaker.stats(at(100s)).not_closed, 0s);
    EXPECT_EQ(breaker.state(at(110s)), CircuitState::half_open);
    probe(breaker, at(110s), Verdict::of(Outcome::failure));
    EXPECT_EQ(breaker.stats(at(110s)).retry_after, 20s);
    EXPECT_EQ(breaker.stats(at(110s)).not_closed, 10s);
}

TEST(CircuitBreakerOptions, an_initial_open_period_without_an_end_keeps_its_beginning) {
    CircuitBreaker breaker("options", {.timeout = Duration::max(), .initial_state = CircuitState::open});
    breaker.tick(at(5s));
    breaker.force_open(at(15s));
    EXPECT_EQ(breaker.stats(at(25s)).not_closed, 20s);
    breaker.reset(at(30s));
    probe(breaker, at(30s), Verdict{});
    EXPECT_EQ(breaker.state(at(30s)), CircuitState::closed);
}

TEST(CircuitBreakerOptions, one_that_begins_measuring_has_been_not_closed_since_it_was_first_asked) {
    CircuitBreaker breaker("options", {.initial_state = CircuitState::metrics_only});
    EXPECT_EQ(breaker.stats(at(5s)).not_closed, 0s);
    EXPECT_EQ(breaker.stats(at(8s)).not_closed, 3s);
    breaker.metrics_only(10s, at(8s));
    EXPECT_EQ(breaker.state(at(30s)), CircuitState::metrics_only) << "what it was before the lever";
}

TEST(CircuitBreakerOptions, a_state_that_nobody_has_noticed_is_the_one_that_will_be_found) {
    CircuitBreaker breaker("options", {.timeout = 10s, .half_open_limit = 10s, .timeout_multiplier = 10});
    breaker.open(at(0s));
    EXPECT_EQ(breaker.state(at(35s)), CircuitState::open) << "the second period lasts 100 s";
    breaker.tick(at(35s));
    EXPECT_EQ(breaker.state(at(35s)), CircuitState::open);
    EXPECT_EQ(breaker.next_deadline(), at(120s));
}

TEST(CircuitBreakerOptions, a_lever_over_half_open_gives_the_whole_limit_back) {
    CircuitBreaker breaker("options", {.timeout = 1h, .half_open_limit = 10s});
    breaker.half_open(at(0s));
    breaker.force_open(100s, at(5s));
    EXPECT_EQ(breaker.state(at(109s)), CircuitState::half_open);
    breaker.tick(at(105s));
    EXPECT_EQ(breaker.next_deadline(), at(115s));
}

TEST(CircuitBreakerOptions, a_limit_that_ended_unnoticed_asks_the_function_about_now) {
    CircuitBreaker breaker("options", {.timeout = 5s, .half_open_limit = 10s},
                           {.open_time = [](const Opening&) { return Duration(600s); }});
    breaker.half_open(at(0s));
    breaker.tick(at(20s));
    EXPECT_EQ(breaker.state(at(20s)), CircuitState::open);
    EXPECT_EQ(breaker.next_deadline(), at(620s));
}

TEST(CircuitBreakerOptions, a_row_of_failures_is_seen_after_it_has_opened) {
    CircuitBreaker breaker("options", {.consecutive_failures = 3});
    for (int call = 0; call < 3; ++call) probe(breaker, at(0s), Verdict::of(Outcome::failure));
    EXPECT_EQ(breaker.stats(at(0s)).window.consecutive_failures, 3U);
}

TEST(OpenQuestion, is_asked_wherever_another_thread_raises_it) {
    for (int position = 0;; ++position) {
        detail::BasicOpenQuestion<WatchedAtomics> question;
        int asked = 0;
        const auto open = [&] {
            question.raise();
            question.ask(8, [&] { ++asked; });
        };
        const bool inserted = run_with_insertion(position, open, open);
        EXPECT_FALSE(question.raised()) << "nobody asks: position " << position;
        EXPECT_GE(asked, 1);
        if (!inserted) break;
    }
}

TEST(ManualControl, isolates_a_breaker_that_is_being_made) {
    for (int round = 0; round < 200; ++round) {
        const auto control = std::make_shared<ManualControl>();
        std::jthread isolating([&] { control->isolate(at(0s)); });
        CircuitBreaker breaker("options", {}, {.manual_control = control});
        isolating.join();
        ASSERT_FALSE(breaker.try_acquire(at(0s)).has_value()) << round;
    }
}

TEST(ManualControl, returns_when_every_breaker_has_followed) {
    const auto control = std::make_shared<ManualControl>();
    std::vector<std::unique_ptr<CircuitBreaker>> breakers;
    for (int made = 0; made < 20; ++made) {
        breakers.push_back(std::make_unique<CircuitBreaker>("options", CircuitBreakerConfig{},
                                                            CircuitBreakerHooks{.manual_control = control}));
    }
    const auto isolate_and_look = [&] {
        for (int round = 0; round < 50; ++round) {
            control->isolate(at(0s));
            for (const auto& breaker : breakers) ASSERT_FALSE(breaker->try_acquire(at(0s)).has_value());
        }
    };
    std::jthread other(isolate_and_look);
    isolate_and_look();
}

TEST(CircuitBreakerOptions, a_trip_predicate_does_not_see_what_an_operation_that_opened_alone_has_left) {
    CircuitBreaker breaker(
        "options", {.min_requests = 4, .operation_mode = OperationMode::isolate},
        {.trips = [](const ClosedPeriod& seen) { return seen.requests >= 4 && 2 * seen.failures >= seen.requests; }});
    const auto charge = breaker.operation("charge");
    const auto refund = breaker.operation("refund");
    for (int failure = 0; failure < 3; ++failure) charge.try_acquire(at(0s))->settle(Outcome::failure, at(0s));
    charge.try_acquire(at(0s))->settle(Outcome::failure, at(0s));
    ASSERT_EQ(charge.state(at(0s)), CircuitState::open);
    refund.try_acquire(at(0s))->settle(Outcome::success, at(0s));
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::closed);
}

}  // namespace circuit_breaker_options_test
