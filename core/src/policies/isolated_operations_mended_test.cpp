// What isolated operations promise beside another event: a new configuration, a lever, a ramp, the breaker's own
// change.

#include <gtest/gtest.h>

#include <chrono>
#include <resilience/policies/circuit_breaker.hpp>
#include <utility>

#include "operations_rig.hpp"

using namespace resilience;
using namespace std::chrono_literals;

namespace isolated_operations_mended_test {

TEST(IsolatedOperations, stay_away_for_one_window_of_the_new_length) {
    CircuitBreaker breaker{"card_host", isolating};
    auto charge = breaker.operation("charge");
    calls(charge, 4, Outcome::failure, at(0s));
    calls(charge, 1, Outcome::success, at(10s));
    ASSERT_EQ(charge.state(at(10s)), CircuitState::closed);
    CircuitBreakerConfig longer = isolating;
    longer.window_size = 3600s;
    breaker.reconfigure(longer, at(20s));
    EXPECT_EQ(breaker.stats(at(80s)).window.failures, 0U) << "what it left is not judged, though the window keeps it";
    calls(charge, 1, Outcome::success, at(3609s));
    EXPECT_EQ(breaker.stats(at(3609s)).window.requests, 0U);
    calls(charge, 1, Outcome::success, at(3610s));
    EXPECT_EQ(breaker.stats(at(3610s)).window.requests, 1U);
}

TEST(IsolatedOperations, that_a_reset_closes_are_told_of_by_the_breaker) {
    CircuitBreakerConfig patient = isolating;
    patient.timeout = 3600s;
    CircuitBreaker breaker{"card_host", patient};
    auto charge = breaker.operation("charge");
    int resets = 0;
    const Subscription listening = breaker.on_event([&](const Event&) { ++resets; }, only(EventKind::lever));
    calls(charge, 4, Outcome::failure, at(0s));
    breaker.reset(at(100s));
    ASSERT_EQ(charge.state(at(100s)), CircuitState::closed);
    EXPECT_EQ(resets, 1) << "the breaker's window had been empty for long";
    breaker.reset(at(100s));
    EXPECT_EQ(resets, 1) << "nothing was left to reset";
}

TEST(IsolatedOperations, come_back_after_one_window_where_it_became_shorter) {
    CircuitBreaker breaker{"card_host", isolating};
    auto charge = breaker.operation("charge");
    calls(charge, 4, Outcome::failure, at(0s));
    calls(charge, 1, Outcome::success, at(10s));
    CircuitBreakerConfig shorter = isolating;
    shorter.window_size = 20s;
    breaker.reconfigure(shorter, at(11s));
    calls(charge, 1, Outcome::success, at(29s));
    EXPECT_EQ(breaker.stats(at(29s)).window.requests, 0U);
    calls(charge, 1, Outcome::success, at(30s));
    EXPECT_EQ(breaker.stats(at(30s)).window.requests, 1U);
}

TEST(IsolatedOperations, do_not_leave_again_where_the_window_becomes_longer) {
    CircuitBreaker breaker{"card_host", isolating};
    auto charge = breaker.operation("charge");
    calls(charge, 4, Outcome::failure, at(0s));
    calls(charge, 1, Outcome::success, at(10s));
    calls(charge, 3, Outcome::success, at(75s));
    CircuitBreakerConfig longer = isolating;
    longer.window_size = 3600s;
    breaker.reconfigure(longer, at(80s));
    calls(charge, 1, Outcome::success, at(81s));
    EXPECT_EQ(breaker.stats(at(81s)).window.requests, 4U);
    EXPECT_EQ(breaker.stats(at(81s)).window.failures, 0U);
}

TEST(OperationReconfigure, what_an_operation_has_in_the_window_leaves_with_a_window_of_calls) {
    CircuitBreakerConfig by_calls{.min_requests = 10, .window_calls = 20};
    CircuitBreaker breaker{"card_host", by_calls};
    auto charge = breaker.operation("charge");
    calls(charge, 3, Outcome::success, at(0s));
    calls(charge, 2, Outcome::failure, at(0s));
    by_calls.window_calls = 0;
    breaker.reconfigure(by_calls, at(0s));
    calls(charge, 1, Outcome::success, at(0s));
    const CircuitBreakerStats stats = breaker.stats(at(0s));
    EXPECT_EQ(stats.window.requests, 1U);
    EXPECT_EQ(stats.operations.at(0).window.requests, 1U) << "what it has there is not more than all";
    EXPECT_EQ(stats.operations.at(0).window.failures, 0U);
    EXPECT_EQ(stats.operations.at(0).success, 4U);
    EXPECT_EQ(stats.operations.at(0).failure, 2U);
}

TEST(IsolatedOperations, probe_where_their_own_call_closes_the_breaker) {
    CircuitBreakerConfig config = isolating;
    config.success_threshold = 3;
    CircuitBreaker breaker{"card_host", config};
    auto charge = breaker.operation("charge");
    calls(charge, 4, Outcome::failure, at(0s));
    breaker.half_open(at(20s));
    calls(breaker, 2, Outcome::success, at(20s));
    config.success_threshold = 2;
    breaker.reconfigure(config, at(20s));
    ASSERT_EQ(breaker.state(at(20s)), CircuitState::half_open) << "nobody has noticed yet";
    EXPECT_EQ(calls(charge, 1, Outcome::failure, at(20s)), 1);
    const CircuitBreakerStats stats = breaker.stats(at(20s));
    EXPECT_EQ(stats.state, CircuitState::closed);
    EXPECT_EQ(stats.window.failures, 0U) << "it is a probe of its own, and counts for nobody else";
    EXPECT_EQ(charge.state(at(20s)), CircuitState::open) << "which has failed";
}

TEST(IsolatedOperations, are_refused_while_open_where_their_own_call_closes_the_breaker) {
    CircuitBreakerConfig config = isolating;
    config.success_threshold = 3;
    CircuitBreaker breaker{"card_host", config};
    auto charge = breaker.operation("charge");
    calls(charge, 4, Outcome::failure, at(0s));
    breaker.half_open(at(5s));
    calls(breaker, 2, Outcome::success, at(5s));
    config.success_threshold = 2;
    breaker.reconfigure(config, at(5s));
    EXPECT_EQ(calls(charge, 1, Outcome::failure, at(5s)), 0);
    EXPECT_EQ(breaker.stats(at(5s)).rejected.circuit_open, 1U);
}

constexpr CircuitBreakerConfig ramping{.success_threshold = 1,
                                       .timeout = 100s,
                                       .min_requests = 4,
                                       .window_size = 60s,
                                       .recovery_ramp = 1000s,
                                       .ramp_from = 0.5,
                                       .operation_mode = OperationMode::isolate};

TEST(IsolatedOperations, take_nothing_of_the_breakers_ramp_for_calls_that_they_refuse) {
    CircuitBreaker breaker{"card_host", ramping};
    auto charge = breaker.operation("charge");
    auto refund = breaker.operation("refund");
    calls(charge, 4, Outcome::failure, at(0s));
    breaker.half_open(at(1s));
    calls(refund, 1, Outcome::success, at(1s));
    ASSERT_EQ(breaker.state(at(1s)), CircuitState::closed);
    int admitted = 0;
    for (int each = 0; each < 100; ++each) {
        admitted += calls(refund, 1, Outcome::success, at(1s));
        EXPECT_EQ(calls(charge, 1, Outcome::success, at(1s)), 0);
    }
    EXPECT_EQ(admitted, 50) << "half of those that come, whatever open operations are asked";
    EXPECT_EQ(breaker.stats(at(1s)).rejected.throttled, 50U);
    EXPECT_EQ(breaker.stats(at(1s)).rejected.circuit_open, 100U);
}

TEST(IsolatedOperations, keep_their_probes_where_the_breakers_ramp_refuses_one) {
    CircuitBreaker breaker{"card_host", ramping};
    auto charge = breaker.operation("charge");
    auto refund = breaker.operation("refund");
    calls(charge, 4, Outcome::failure, at(0s));
    breaker.half_open(at(99s));
    calls(refund, 1, Outcome::success, at(99s));
    ASSERT_EQ(breaker.state(at(100s)), CircuitState::closed);
    const auto throttled = charge.try_acquire(at(100s));
    ASSERT_FALSE(throttled.has_value());
    EXPECT_EQ(throttled.error().reason, RejectionReason::throttled);
    EXPECT_EQ(throttled.error().policy, "card_host");
    EXPECT_EQ(charge.state(at(100s)), CircuitState::half_open);
    EXPECT_EQ(calls(charge, 1, Outcome::success, at(100s)), 1) << "the place of the probe is free";
    EXPECT_EQ(charge.state(at(100s)), CircuitState::closed);
    const CircuitBreakerStats stats = breaker.stats(at(100s));
    EXPECT_EQ(stats.operations.at(0).requests, stats.operations.at(0).admitted + stats.operations.at(0).rejected);
    EXPECT_EQ(stats.in_flight, 0U);
}

struct Heard {
    int reached = 0;
    int opened = 0;
};

// One operation that works, and two that fail in turn. Each of those opens alone while the breaker is closed.
Heard heard_of_two_that_fail(CircuitBreaker& breaker) {
    Heard heard;
    const Subscription listening = breaker.on_event([&](const Event& event) {
        heard.reached += event.kind == EventKind::threshold_reached ? 1 : 0;
        heard.opened += event.kind == EventKind::transition && event.to == CircuitState::open ? 1 : 0;
    });
    auto cancel = breaker.operation("cancel");
    auto charge = breaker.operation("charge");
    auto refund = breaker.operation("refund");
    calls(cancel, 20, Outcome::success, at(1s));
    for (int each = 0; each < 20; ++each) {
        calls(charge, 1, Outcome::failure, at(1s));
        calls(refund, 1, Outcome::failure, at(1s));
    }
    return heard;
}

TEST(IsolatedOperations, that_measure_let_the_breaker_tell_only_of_what_closed_would_reach) {
    CircuitBreaker closed{"card_host", isolating};
    EXPECT_EQ(heard_of_two_that_fail(closed).opened, 0);
    CircuitBreaker measuring{"card_host", isolating};
    measuring.metrics_only(at(0s));
    EXPECT_EQ(heard_of_two_that_fail(measuring).reached, 0);
    EXPECT_EQ(measuring.stats(at(1s)).window.requests, 20U) << "as while closed, less those that would be open";
    EXPECT_EQ(measuring.stats(at(1s)).failure, 40U);
    // What others do still counts.
    int reached = 0;
    const Subscription listening =
        measuring.on_event([&](const Event& event) { reached += event.kind == EventKind::threshold_reached ? 1 : 0; });
    calls(measuring, 19, Outcome::failure, at(2s));
    EXPECT_EQ(reached, 0);
    calls(measuring, 1, Outcome::failure, at(2s));
    EXPECT_EQ(reached, 1) << "half of forty, and not by one operation";
}

TEST(IsolatedOperations, that_measure_count_again_one_window_after_they_would_last_have_opened) {
    CircuitBreaker breaker{"card_host", isolating};
    auto charge = breaker.operation("charge");
    breaker.metrics_only(at(0s));
    calls(charge, 4, Outcome::failure, at(0s));
    calls(charge, 1, Outcome::failure, at(10s));
    calls(charge, 1, Outcome::success, at(69s));
    EXPECT_EQ(breaker.stats(at(69s)).window.requests, 0U);
    calls(charge, 1, Outcome::success, at(70s));
    EXPECT_EQ(breaker.stats(at(70s)).window.requests, 1U);
    breaker.reset(at(71s));
    calls(charge, 1, Outcome::failure, at(71s));
    EXPECT_EQ(breaker.stats(at(71s)).window.requests, 1U);
}

}  // namespace isolated_operations_mended_test
