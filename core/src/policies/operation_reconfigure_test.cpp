// Operations of a breaker whose configuration is changed.

#include <gtest/gtest.h>

#include <chrono>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/circuit_breaker.hpp>

#include "operations_rig.hpp"

using namespace resilience;
using namespace std::chrono_literals;

namespace operation_reconfigure_test {

TEST(OperationReconfigure, what_an_operation_has_in_the_window_leaves_with_the_windows_new_length) {
    CircuitBreaker breaker{"card_host", tracking};
    auto charge = breaker.operation("charge");
    EXPECT_EQ(calls(charge, 2, Outcome::failure, at(0s)), 2);
    EXPECT_EQ(calls(charge, 1, Outcome::success, at(20s)), 1);
    CircuitBreakerConfig shorter = tracking;
    shorter.window_size = 10s;
    breaker.reconfigure(shorter, at(20s));
    const CircuitBreakerStats stats = breaker.stats(at(20s));
    EXPECT_EQ(stats.operations.at(0).window.requests, stats.window.requests);
    EXPECT_EQ(stats.operations.at(0).window.failures, stats.window.failures);
    EXPECT_EQ(stats.operations.at(0).window.failures, 0U);
    EXPECT_EQ(stats.operations.at(0).failure, 2U);
}

TEST(OperationReconfigure, an_operation_alone_opens_by_the_new_threshold_and_for_the_new_time) {
    CircuitBreaker breaker{"card_host", isolating};
    auto charge = breaker.operation("charge");
    auto refund = breaker.operation("refund");
    EXPECT_EQ(calls(refund, 40, Outcome::success, at(0s)), 40);
    EXPECT_EQ(calls(charge, 3, Outcome::success, at(0s)), 3);
    EXPECT_EQ(calls(charge, 1, Outcome::failure, at(0s)), 1);
    ASSERT_EQ(charge.state(at(0s)), CircuitState::closed);
    CircuitBreakerConfig stricter = isolating;
    stricter.failure_threshold = 0.25;
    stricter.timeout = 3s;
    breaker.reconfigure(stricter, at(1s));
    EXPECT_EQ(calls(charge, 1, Outcome::failure, at(1s)), 1);
    EXPECT_EQ(charge.state(at(1s)), CircuitState::open);
    EXPECT_EQ(charge.state(at(4s)), CircuitState::half_open);
    EXPECT_EQ(breaker.state(at(4s)), CircuitState::closed);
    EXPECT_EQ(refund.state(at(4s)), CircuitState::closed);
}

TEST(OperationReconfigure, an_operation_that_is_open_stays_open_and_its_calls_stay_out_of_the_window) {
    CircuitBreaker breaker{"card_host", isolating};
    auto charge = breaker.operation("charge");
    auto refund = breaker.operation("refund");
    EXPECT_EQ(calls(charge, 4, Outcome::failure, at(0s)), 4);
    ASSERT_EQ(charge.state(at(0s)), CircuitState::open);
    CircuitBreakerConfig longer = isolating;
    longer.window_size = 120s;
    breaker.reconfigure(longer, at(1s));
    EXPECT_EQ(charge.state(at(1s)), CircuitState::open);
    EXPECT_FALSE(charge.try_acquire(at(1s)).has_value());
    EXPECT_EQ(calls(refund, 3, Outcome::success, at(1s)), 3);
    EXPECT_EQ(calls(refund, 1, Outcome::failure, at(1s)), 1);
    EXPECT_EQ(breaker.state(at(1s)), CircuitState::closed);
    EXPECT_EQ(breaker.stats(at(1s)).window.requests, 4U);
}

TEST(OperationReconfigure, the_mode_is_decided_before_the_first_operation) {
    CircuitBreaker breaker{"card_host", tracking};
    breaker.reconfigure(isolating, at(0s));
    auto charge = breaker.operation("charge");
    EXPECT_EQ(calls(charge, 4, Outcome::failure, at(0s)), 4);
    EXPECT_EQ(charge.state(at(0s)), CircuitState::open);
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::closed);
    try {
        breaker.reconfigure(tracking, at(0s));
        FAIL() << "no error";
    } catch (const ConfigError& error) {
        EXPECT_STREQ(error.what(),
                     "circuit breaker \"card_host\":\n"
                     "  operation_mode cannot change once the breaker has been asked for operations");
    }
    EXPECT_EQ(breaker.config(), isolating);
}

}  // namespace operation_reconfigure_test
