#include <gtest/gtest.h>

#include <chrono>
#include <for_tests/origin.hpp>
#include <resilience/policies/circuit_breaker.hpp>

using namespace resilience;
using namespace std::chrono_literals;

namespace circuit_breaker_two_step_test {

TimePoint at(Duration since_start) { return for_tests::origin() + 1h + since_start; }

void allowed(CircuitBreaker& breaker, int count, TimePoint now) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(breaker.allow(now)) << i;
}
void recorded(CircuitBreaker& breaker, int count, bool success, TimePoint now) {
    for (int i = 0; i < count; ++i) breaker.record_result(success, now);
}
void expect_reconciled(const CircuitBreakerStats& stats) {
    EXPECT_EQ(stats.requests, stats.admitted + stats.rejected.total());
    EXPECT_EQ(stats.admitted, stats.success + stats.failure + stats.ignored + stats.in_flight);
    EXPECT_LE(stats.abandoned, stats.ignored);
}

TEST(CircuitBreakerTwoStep, opens_when_half_of_the_results_are_failures) {
    CircuitBreaker breaker{"two_step_test"};
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(breaker.allow(at(0s)));
        breaker.record_result(i % 2 == 0, at(0s));
    }
    EXPECT_FALSE(breaker.allow(at(0s)));
    const CircuitBreakerStats stats = breaker.stats(at(0s));
    EXPECT_EQ(stats.success, 5U);
    EXPECT_EQ(stats.failure, 5U);
    EXPECT_EQ(stats.rejected.circuit_open, 1U);
    EXPECT_EQ(stats.in_flight, 0U);
    expect_reconciled(stats);
}

TEST(CircuitBreakerTwoStep, a_hundred_late_successes_do_not_close_a_half_open_breaker) {
    CircuitBreaker breaker{"two_step_test", {.success_threshold = 1}};
    allowed(breaker, 100, at(0s));
    breaker.open(at(1s));
    ASSERT_TRUE(breaker.allow(at(61s))) << "the open time is over";
    recorded(breaker, 100, true, at(62s));
    EXPECT_EQ(breaker.state(at(62s)), CircuitState::half_open);
    EXPECT_EQ(breaker.stats(at(62s)).late, 100U);
    breaker.record_result(true, at(63s));
    EXPECT_EQ(breaker.state(at(63s)), CircuitState::closed) << "the hundred and first is the probe's";
    EXPECT_EQ(breaker.stats(at(63s)).success, 101U);
    expect_reconciled(breaker.stats(at(63s)));
}

TEST(CircuitBreakerTwoStep, late_failures_do_not_reopen_it_either) {
    CircuitBreaker breaker{"two_step_test", {.success_threshold = 1, .timeout = 5s}};
    allowed(breaker, 3, at(0s));
    breaker.open(at(0s));
    ASSERT_TRUE(breaker.allow(at(5s)));
    recorded(breaker, 3, false, at(6s));
    EXPECT_EQ(breaker.state(at(6s)), CircuitState::half_open);
    breaker.record_result(false, at(6s));
    EXPECT_EQ(breaker.state(at(6s)), CircuitState::open);
}

TEST(CircuitBreakerTwoStep, what_a_change_of_state_left_behind_is_forgotten_after_a_lease) {
    CircuitBreaker breaker{"two_step_test", {.success_threshold = 1, .timeout = 60s, .probe_lease = 10s}};
    allowed(breaker, 3, at(0s));
    breaker.open(at(1s));
    EXPECT_EQ(breaker.next_deadline(), at(11s));
    breaker.tick(at(11s) - 1ns);
    EXPECT_EQ(breaker.stats(at(11s)).abandoned, 0U);
    breaker.tick(at(11s));
    const CircuitBreakerStats stats = breaker.stats(at(11s));
    EXPECT_EQ(stats.abandoned, 3U);
    EXPECT_EQ(stats.ignored, 3U);
    EXPECT_EQ(stats.in_flight, 0U);
    breaker.record_result(true, at(12s));
    EXPECT_EQ(breaker.stats(at(12s)).unpaired_results, 1U) << "nobody waits for it any more";
    expect_reconciled(breaker.stats(at(12s)));
}

TEST(CircuitBreakerTwoStep, results_that_never_come_cost_one_lease_and_not_the_breaker) {
    CircuitBreaker breaker{"two_step_test", {.success_threshold = 1, .timeout = 5s}};
    allowed(breaker, 50, at(0s));
    breaker.open(at(0s));
    TimePoint now = at(5s);
    while (breaker.state(now) != CircuitState::closed && now < at(1min)) {
        if (breaker.allow(now)) breaker.record_result(true, now);
        now += 1s;
    }
    EXPECT_LE(now, at(26s)) << "one lease for the fifty, one for the probe whose result went to them";
    expect_reconciled(breaker.stats(now));
}

TEST(CircuitBreakerTwoStep, an_anonymous_probe_that_never_reports_gives_its_slot_back) {
    CircuitBreaker breaker{"two_step_test", {.success_threshold = 1, .probe_lease = 10s}};
    breaker.half_open(at(0s));
    ASSERT_TRUE(breaker.allow(at(0s)));
    EXPECT_FALSE(breaker.allow(at(10s) - 1ns));
    ASSERT_TRUE(breaker.allow(at(10s)));
    EXPECT_EQ(breaker.stats(at(10s)).leases_reclaimed, 1U);
    EXPECT_EQ(breaker.stats(at(10s)).abandoned, 1U);
    breaker.record_result(true, at(11s));
    EXPECT_EQ(breaker.state(at(11s)), CircuitState::closed);
    expect_reconciled(breaker.stats(at(11s)));
}

TEST(CircuitBreakerTwoStep, does_not_settle_the_probe_of_a_permit) {
    CircuitBreaker breaker{"two_step_test", {.success_threshold = 2}};
    breaker.half_open(at(0s));
    auto permit = breaker.try_acquire(at(0s));
    ASSERT_TRUE(permit.has_value());
    ASSERT_TRUE(breaker.allow(at(0s)));
    recorded(breaker, 2, true, at(1s));
    EXPECT_EQ(breaker.stats(at(1s)).half_open.successes, 1U);
    EXPECT_EQ(breaker.stats(at(1s)).unpaired_results, 1U);
    permit->settle(Outcome::success, at(2s));
    EXPECT_EQ(breaker.state(at(2s)), CircuitState::closed);
}

TEST(CircuitBreakerTwoStep, a_result_without_allow_is_a_health_signal_while_closed) {
    CircuitBreaker breaker{"two_step_test", {.min_requests = 4}};
    recorded(breaker, 4, false, at(0s));
    const CircuitBreakerStats stats = breaker.stats(at(0s));
    EXPECT_EQ(stats.state, CircuitState::open);
    EXPECT_EQ(stats.admitted, 4U);
    EXPECT_EQ(stats.failure, 4U);
    EXPECT_EQ(stats.unpaired_results, 0U);
    expect_reconciled(stats);
}

TEST(CircuitBreakerTwoStep, a_result_without_allow_counts_in_totals_only_otherwise) {
    for (const auto state :
         {CircuitState::open, CircuitState::half_open, CircuitState::forced_open, CircuitState::forced_closed}) {
        CircuitBreaker breaker{"two_step_test", {.success_threshold = 1}};
        if (state == CircuitState::open) breaker.open(at(0s));
        if (state == CircuitState::half_open) breaker.half_open(at(0s));
        if (state == CircuitState::forced_open) breaker.force_open(at(0s));
        if (state == CircuitState::forced_closed) breaker.force_closed(at(0s));
        recorded(breaker, 2, true, at(1s));
        recorded(breaker, 1, false, at(1s));
        const CircuitBreakerStats stats = breaker.stats(at(1s));
        EXPECT_EQ(stats.state, state);
        EXPECT_EQ(stats.unpaired_results, 3U) << state;
        EXPECT_EQ(stats.success, 2U);
        EXPECT_EQ(stats.failure, 1U);
        EXPECT_EQ(stats.late, 0U);
        expect_reconciled(stats);
    }
}

TEST(CircuitBreakerTwoStep, results_of_forced_closed_pair_up_and_change_nothing) {
    CircuitBreaker breaker{"two_step_test", {.min_requests = 1}};
    breaker.force_closed(at(0s));
    allowed(breaker, 5, at(0s));
    recorded(breaker, 4, false, at(0s));
    breaker.reset(at(1s));
    breaker.record_result(false, at(1s));
    const CircuitBreakerStats stats = breaker.stats(at(1s));
    EXPECT_EQ(stats.state, CircuitState::closed);
    EXPECT_EQ(stats.failure, 5U);
    EXPECT_EQ(stats.late, 1U);
    EXPECT_EQ(stats.unpaired_results, 0U);
    EXPECT_EQ(stats.window.requests, 0U);
    expect_reconciled(stats);
}

TEST(CircuitBreakerTwoStep, settles_the_oldest_generation_first_over_several_changes) {
    CircuitBreaker breaker{"two_step_test", {.success_threshold = 2, .timeout = 5s}};
    allowed(breaker, 2, at(0s));  // closed
    breaker.open(at(0s));
    allowed(breaker, 1, at(5s));  // half-open
    breaker.open(at(6s));
    breaker.half_open(at(7s));
    allowed(breaker, 1, at(7s));  // half-open again
    breaker.reset(at(8s));
    allowed(breaker, 1, at(8s));  // closed again
    recorded(breaker, 4, false, at(9s));
    EXPECT_EQ(breaker.stats(at(9s)).late, 4U);
    EXPECT_EQ(breaker.stats(at(9s)).window.requests, 0U);
    recorded(breaker, 1, false, at(9s));
    EXPECT_EQ(breaker.stats(at(9s)).window.requests, 1U);
    EXPECT_EQ(breaker.stats(at(9s)).in_flight, 0U);
    expect_reconciled(breaker.stats(at(9s)));
}

}  // namespace circuit_breaker_two_step_test
