// Promises of a circuit breaker that other libraries have broken, each named by the promise. The comment has the number
// of the defect in the behaviour table.

#include <gtest/gtest.h>

#include <for_tests/origin.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <vector>

namespace resilience::inline v1 {
namespace peers_defects_breaker_test {

using namespace std::chrono_literals;

TimePoint at(Duration since_start) { return for_tests::origin() + 1h + since_start; }

void calls(CircuitBreaker& breaker, int count, Outcome outcome, TimePoint now) {
    for (int call = 0; call < count; ++call) {
        auto permit = breaker.try_acquire(now);
        ASSERT_TRUE(permit.has_value());
        permit->settle(outcome, now);
    }
}

CircuitBreaker::Permit admitted(CircuitBreaker& breaker, TimePoint now) {
    auto permit = breaker.try_acquire(now);
    EXPECT_TRUE(permit.has_value());
    return permit ? std::move(*permit) : CircuitBreaker::Permit{};
}

constexpr CircuitBreakerConfig probing(std::uint32_t probes) {
    return {.success_threshold = probes, .timeout = 5s, .half_open_calls = probes, .probe_lease = 10s};
}

// D-tower-1
TEST(BreakerBrokenElsewhere, a_thousand_old_successes_do_not_hide_an_outage) {
    CircuitBreaker breaker{CircuitBreakerConfig{.min_requests = 10, .window_calls = 10}};
    calls(breaker, 1000, Outcome::success, at(0s));
    calls(breaker, 4, Outcome::failure, at(0s));
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::closed);
    calls(breaker, 1, Outcome::failure, at(0s));
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::open);
}

// D-tower-2
TEST(BreakerBrokenElsewhere, the_minimum_is_enough_however_long_the_window) {
    CircuitBreaker breaker{CircuitBreakerConfig{.min_requests = 5, .window_calls = 100}};
    calls(breaker, 5, Outcome::failure, at(0s));
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::open);
}

// D-tower-3
TEST(BreakerBrokenElsewhere, a_picture_shows_one_state_and_each_change_of_it_once) {
    CircuitBreaker breaker{CircuitBreakerConfig{.success_threshold = 1, .timeout = 5s, .min_requests = 2}};
    calls(breaker, 2, Outcome::failure, at(0s));
    const CircuitBreakerStats opened = breaker.stats(at(1s));
    EXPECT_EQ(opened.state, CircuitState::open);
    auto probe = admitted(breaker, at(5s));
    EXPECT_EQ(breaker.stats(at(5s)).state, CircuitState::half_open);
    probe.settle(Outcome::success, at(6s));
    const CircuitBreakerStats stats = breaker.stats(at(6s));
    EXPECT_EQ(stats.state, CircuitState::closed);
    EXPECT_EQ(stats.generation, opened.generation + 2) << "half opened, closed";
}

// D-fsj-4
TEST(BreakerBrokenElsewhere, a_rate_just_below_the_threshold_is_not_rounded_up_to_it) {
    CircuitBreaker below{CircuitBreakerConfig{.min_requests = 200}};
    calls(below, 99, Outcome::failure, at(0s));
    calls(below, 101, Outcome::success, at(0s));
    EXPECT_EQ(below.state(at(0s)), CircuitState::closed);
    CircuitBreaker reached{CircuitBreakerConfig{.min_requests = 200}};
    calls(reached, 100, Outcome::failure, at(0s));
    calls(reached, 100, Outcome::success, at(0s));
    EXPECT_EQ(reached.state(at(0s)), CircuitState::open);
}

// D-gob-4
TEST(BreakerBrokenElsewhere, a_row_of_failures_is_a_row_however_far_apart_they_come) {
    CircuitBreaker breaker{CircuitBreakerConfig{.window_size = 60s, .consecutive_failures = 5}};
    for (int failure = 0; failure < 5; ++failure) {
        EXPECT_EQ(breaker.state(at(failure * 100s)), CircuitState::closed);
        calls(breaker, 1, Outcome::failure, at(failure * 100s));
    }
    EXPECT_EQ(breaker.state(at(400s)), CircuitState::open);
}

// D-fsj-8
TEST(BreakerBrokenElsewhere, a_clock_that_is_set_back_forgets_no_failure) {
    CircuitBreaker breaker{CircuitBreakerConfig{.min_requests = 5, .window_size = 10s}};
    calls(breaker, 3, Outcome::failure, at(0s));
    calls(breaker, 2, Outcome::failure, at(-1h));
    EXPECT_EQ(breaker.state(at(-1h)), CircuitState::open);
}

// D-r4j-5
TEST(BreakerBrokenElsewhere, fewer_probes_than_asked_for_do_not_close_it_although_they_reach_the_minimum) {
    CircuitBreaker breaker{
        CircuitBreakerConfig{.success_threshold = 6, .timeout = 5s, .min_requests = 2, .half_open_calls = 10}};
    breaker.open(at(0s));
    calls(breaker, 5, Outcome::success, at(5s));
    EXPECT_EQ(breaker.state(at(5s)), CircuitState::half_open);
    calls(breaker, 1, Outcome::success, at(5s));
    EXPECT_EQ(breaker.state(at(5s)), CircuitState::closed);
}

// D-gob-2, D-r4j-2, D-polly-1
TEST(BreakerBrokenElsewhere, a_probe_that_never_reports_does_not_refuse_everybody_for_ever) {
    CircuitBreaker breaker{probing(1)};
    breaker.open(at(0s));
    auto hung = admitted(breaker, at(5s));
    EXPECT_FALSE(breaker.try_acquire(at(15s) - 1ns).has_value());
    auto next = admitted(breaker, at(15s));
    EXPECT_EQ(breaker.stats(at(15s)).leases_reclaimed, 1U);
    hung.settle(Outcome::success, at(16s));
    EXPECT_EQ(breaker.state(at(16s)), CircuitState::half_open);
    next.settle(Outcome::success, at(16s));
    EXPECT_EQ(breaker.state(at(16s)), CircuitState::closed);
}

// D-r4j-3
TEST(BreakerBrokenElsewhere, a_probe_that_ends_in_another_period_gives_no_slot_to_that_one) {
    CircuitBreaker breaker{probing(2)};
    breaker.open(at(0s));
    auto first = admitted(breaker, at(5s));
    auto second = admitted(breaker, at(5s));
    breaker.open(at(6s));
    breaker.half_open(at(7s));
    const auto present = admitted(breaker, at(7s));
    first = {};
    second.settle(Outcome::ignored, at(7s));
    std::vector<CircuitBreaker::Permit> probes;
    while (auto probe = breaker.try_acquire(at(8s))) probes.push_back(std::move(*probe));
    EXPECT_EQ(probes.size(), 1U) << "beside the one that is out";
}

// D-r4j-4, D-fsj-3
TEST(BreakerBrokenElsewhere, late_successes_from_before_it_opened_neither_close_it_nor_make_room_for_probes) {
    CircuitBreaker breaker{probing(2)};
    auto one = admitted(breaker, at(0s));
    auto other = admitted(breaker, at(0s));
    breaker.open(at(1s));
    breaker.half_open(at(2s));
    one.settle(Outcome::success, at(3s));
    other.settle(Outcome::success, at(3s));
    EXPECT_EQ(breaker.state(at(3s)), CircuitState::half_open);
    const auto first = admitted(breaker, at(3s));
    const auto second = admitted(breaker, at(3s));
    EXPECT_FALSE(breaker.try_acquire(at(3s)).has_value());
}

// D-polly-3
TEST(BreakerBrokenElsewhere, a_late_failure_from_before_it_opened_does_not_reopen_it) {
    CircuitBreaker breaker{probing(1)};
    auto old = admitted(breaker, at(0s));
    breaker.open(at(1s));
    auto probe = admitted(breaker, at(6s));
    old.settle(Outcome::failure, at(6s));
    EXPECT_EQ(breaker.state(at(6s)), CircuitState::half_open);
    probe.settle(Outcome::success, at(6s));
    EXPECT_EQ(breaker.state(at(6s)), CircuitState::closed);
}

// D-polly-5
TEST(BreakerBrokenElsewhere, an_isolated_one_stays_so_whatever_the_open_time_function_says) {
    CircuitBreaker breaker{"isolated", {}, {.open_time = [](const Opening&) { return Duration{1s}; }}};
    breaker.force_open(at(0s));
    EXPECT_FALSE(breaker.try_acquire(at(1s)).has_value());
    EXPECT_FALSE(breaker.try_acquire(at(24h * 365)).has_value());
}

// D-polly-6
TEST(BreakerBrokenElsewhere, the_retry_after_is_the_functions_open_time_and_not_the_configured_one) {
    CircuitBreaker breaker{"generated", {.timeout = 30s}, {.open_time = [](const Opening&) { return Duration{1s}; }}};
    breaker.open(at(0s));
    const auto refused = breaker.try_acquire(at(250ms));
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().retry_after, 750ms);
    EXPECT_TRUE(breaker.try_acquire(at(1s)).has_value());
}

// D-gob-1
TEST(BreakerBrokenElsewhere, a_listener_that_uses_the_breaker_does_not_lock_it_up) {
    CircuitBreaker breaker{"listened_to", {.min_requests = 2}};
    int heard = 0;
    const auto hearing = breaker.on_event([&](const Event& event) {
        ++heard;
        EXPECT_EQ(breaker.stats(at(0s)).failure, 2U);
        if (event.to == CircuitState::open) breaker.reset(at(0s));
    });
    calls(breaker, 2, Outcome::failure, at(0s));
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::closed);
    EXPECT_EQ(heard, 2);
}

// D-r4j-8
TEST(BreakerBrokenElsewhere, a_listener_that_throws_costs_no_probe_its_slot) {
    CircuitBreaker breaker{"throwing_listener", probing(1)};
    const auto hearing = breaker.on_event([](const Event&) { throw 1; }, EventKinds::all);
    breaker.open(at(0s));
    admitted(breaker, at(5s)).settle(Outcome::ignored, at(5s));
    admitted(breaker, at(5s)).settle(Outcome::success, at(5s));
    EXPECT_EQ(breaker.state(at(5s)), CircuitState::closed);
    EXPECT_EQ(breaker.stats(at(5s)).in_flight, 0U);
    EXPECT_GE(breaker.stats(at(5s)).listener_exceptions, 7U);
}

}  // namespace peers_defects_breaker_test
}  // namespace resilience::inline v1
