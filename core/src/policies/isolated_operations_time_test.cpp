// What the passing of time brings to isolated operations, and what a lever of the breaker with an end brings back.

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <resilience/policies/circuit_breaker.hpp>

#include "operations_rig.hpp"

using namespace resilience;
using namespace std::chrono_literals;

namespace isolated_operations_time_test {

struct IsolatedOperationInTime : IsolatedOperationsRig {};

TEST_F(IsolatedOperationInTime, has_its_open_periods_and_leases_in_the_breakers_next_deadline) {
    EXPECT_EQ(breaker.next_deadline(), std::nullopt);
    open_charge(at(0s));
    EXPECT_EQ(breaker.next_deadline(), at(10s));
    breaker.force_open(2s, at(1s));
    EXPECT_EQ(breaker.next_deadline(), at(3s)) << "the first of both";
    breaker.tick(at(3s));
    EXPECT_EQ(breaker.next_deadline(), at(10s));
    breaker.tick(at(10s));
    EXPECT_EQ(breaker.next_deadline(), std::nullopt);
    auto probe = charge.try_acquire(at(11s));
    ASSERT_TRUE(probe.has_value());
    EXPECT_EQ(breaker.next_deadline(), at(21s)) << "its lease, one open time";
    breaker.tick(at(21s));
    EXPECT_EQ(breaker.next_deadline(), std::nullopt);
    probe->settle(Outcome::ignored, at(21s));
}

TEST_F(IsolatedOperationInTime, is_open_again_after_a_time_of_measuring) {
    open_charge(at(0s));
    breaker.metrics_only(1s, at(1s));
    EXPECT_EQ(charge.state(at(1s)), CircuitState::metrics_only);
    EXPECT_TRUE(call(charge, Outcome::success, at(1s)));
    EXPECT_EQ(charge.state(at(2s)), CircuitState::open) << "whether or not anybody has noticed";
    EXPECT_EQ(own_state(at(2s)), CircuitState::open);
    breaker.tick(at(2s));
    EXPECT_EQ(charge.state(at(2s)), CircuitState::open);
    EXPECT_EQ(breaker.state(at(2s)), CircuitState::closed);
    EXPECT_FALSE(call(charge, Outcome::success, at(9s)));
    EXPECT_TRUE(call(refund, Outcome::success, at(9s)));
    EXPECT_EQ(charge.state(at(10s)), CircuitState::half_open) << "at its own end";
    EXPECT_TRUE(call(charge, Outcome::success, at(10s)));
    EXPECT_EQ(charge.state(at(10s)), CircuitState::closed);
}

TEST_F(IsolatedOperationInTime, is_open_again_after_a_reset_with_an_end) {
    open_charge(at(0s));
    breaker.reset(3s, at(1s));
    EXPECT_EQ(charge.state(at(1s)), CircuitState::closed);
    EXPECT_TRUE(call(charge, Outcome::failure, at(1s)));
    EXPECT_EQ(breaker.stats(at(1s)).window.failures, 1U) << "it counts for all";
    EXPECT_FALSE(call(charge, Outcome::success, at(4s)));
    EXPECT_EQ(charge.state(at(4s)), CircuitState::open);
    EXPECT_EQ(breaker.state(at(4s)), CircuitState::closed);
    EXPECT_EQ(breaker.stats(at(4s)).window.failures, 0U) << "it is away again";
}

TEST_F(IsolatedOperationInTime, that_was_closed_begins_with_an_empty_window_after_a_time_of_measuring) {
    breaker.metrics_only(5s, at(0s));
    for (int failure = 0; failure < 6; ++failure) EXPECT_TRUE(call(charge, Outcome::failure, at(1s)));
    EXPECT_EQ(charge.state(at(5s)), CircuitState::closed);
    EXPECT_TRUE(call(charge, Outcome::failure, at(5s)));
    EXPECT_EQ(charge.state(at(5s)), CircuitState::closed);
    const CircuitBreakerStats stats = breaker.stats(at(5s));
    EXPECT_EQ(stats.operations.at(0).window.requests, 1U);
    EXPECT_EQ(stats.window.requests, 1U) << "nor is it away";
}

TEST_F(IsolatedOperationInTime, measures_until_the_end_that_was_given_last) {
    open_charge(at(0s));
    breaker.metrics_only(1s, at(1s));
    breaker.metrics_only(at(1s));
    EXPECT_EQ(own_state(at(5s)), CircuitState::metrics_only) << "without an end now";
    EXPECT_TRUE(call(charge, Outcome::success, at(5s)));
    breaker.metrics_only(2s, at(6s));
    EXPECT_EQ(own_state(at(7s)), CircuitState::metrics_only);
    EXPECT_EQ(charge.state(at(8s)), CircuitState::open);
    EXPECT_EQ(own_state(at(8s)), CircuitState::open);
}

TEST_F(IsolatedOperationInTime, is_what_it_was_where_another_lever_ends_the_first) {
    open_charge(at(0s));
    breaker.metrics_only(100s, at(1s));
    breaker.force_closed(2s, at(2s));
    EXPECT_TRUE(call(charge, Outcome::success, at(3s)));
    EXPECT_FALSE(call(charge, Outcome::success, at(4s))) << "closed again, and charge open";
    EXPECT_EQ(charge.state(at(4s)), CircuitState::open);
    EXPECT_EQ(breaker.state(at(4s)), CircuitState::closed);
    breaker.metrics_only(100s, at(4s));
    breaker.reset(at(5s));
    EXPECT_EQ(charge.state(at(5s)), CircuitState::closed) << "a reset without an end closes all";
    EXPECT_EQ(charge.state(at(200s)), CircuitState::closed);
}

TEST_F(IsolatedOperationInTime, that_is_asked_for_while_measuring_measures_as_long) {
    breaker.metrics_only(5s, at(0s));
    const auto cancel = breaker.operation("cancel");
    EXPECT_EQ(cancel.state(at(1s)), CircuitState::metrics_only);
    for (int failure = 0; failure < 6; ++failure) EXPECT_TRUE(call(cancel, Outcome::failure, at(1s)));
    EXPECT_EQ(cancel.state(at(5s)), CircuitState::closed);
}

}  // namespace isolated_operations_time_test
