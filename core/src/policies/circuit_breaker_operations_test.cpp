#include <gtest/gtest.h>

#include <chrono>
#include <for_tests/origin.hpp>
#include <optional>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace circuit_breaker_operations_test {

using Operation = CircuitBreaker::Operation;
using OperationStats = CircuitBreakerStats::Operation;

TimePoint at(Duration since_start) { return for_tests::origin() + 1h + since_start; }

constexpr CircuitBreakerConfig tracking{.success_threshold = 2, .timeout = 10s, .min_requests = 4};

// Whether it was admitted.
template <class Admitting>
bool call(Admitting& admitting, Outcome outcome, TimePoint now) {
    auto permit = admitting.try_acquire(now);
    if (permit) permit->settle(outcome, now);
    return permit.has_value();
}

void expect_to_reconcile(const OperationStats& stats) {
    EXPECT_EQ(stats.requests, stats.admitted + stats.rejected) << stats.name;
    EXPECT_EQ(stats.admitted, stats.success + stats.failure + stats.ignored + stats.in_flight) << stats.name;
}

TEST(CircuitBreakerOperation, is_looked_up_by_name_once_and_copies_like_a_pointer) {
    static_assert(sizeof(Operation) == sizeof(void*));
    static_assert(std::is_trivially_copyable_v<Operation>);
    CircuitBreaker breaker{"operations_test"};
    const Operation charge = breaker.operation("charge");
    EXPECT_EQ(charge.name(), "charge");
    EXPECT_EQ(breaker.operation("charge"), charge);
    EXPECT_NE(breaker.operation("refund"), charge);
    EXPECT_THROW(static_cast<void>(breaker.operation("")), ConfigError);
    EXPECT_EQ(breaker.stats(at(0s)).operations.size(), 2U);
    EXPECT_FALSE(breaker.stats(at(0s)).operations[0].state.has_value());
}

TEST(CircuitBreakerOperation, has_counters_and_a_part_of_the_window_and_the_breaker_decides_on_all) {
    CircuitBreaker breaker{"operations_test", tracking};
    const Operation charge = breaker.operation("charge");
    const Operation refund = breaker.operation("refund");
    EXPECT_TRUE(call(charge, Outcome::failure, at(0s)));
    EXPECT_TRUE(call(charge, Outcome::ignored, at(0s)));
    EXPECT_TRUE(call(refund, Outcome::success, at(0s)));
    EXPECT_TRUE(call(breaker, Outcome::success, at(0s)));
    auto running = refund.try_acquire(at(0s));
    {
        const CircuitBreakerStats stats = breaker.stats(at(0s));
        ASSERT_EQ(stats.operations.size(), 2U);
        const OperationStats& of_charge = stats.operations[0];
        EXPECT_EQ(of_charge.name, "charge");
        EXPECT_EQ(of_charge.requests, 2U);
        EXPECT_EQ(of_charge.failure, 1U);
        EXPECT_EQ(of_charge.ignored, 1U);
        EXPECT_EQ(of_charge.window.requests, 1U);
        EXPECT_EQ(of_charge.window.failures, 1U);
        EXPECT_EQ(of_charge.window.failure_ratio, 1.0);
        EXPECT_EQ(stats.operations[1].in_flight, 1U);
        EXPECT_EQ(stats.operations[1].window.requests, 1U);
        EXPECT_EQ(stats.window.requests, 3U);
        EXPECT_EQ(stats.requests, 5U);
        for (const OperationStats& each : stats.operations) expect_to_reconcile(each);
    }
    // Two of four: the one that fails opens the circuit for everybody.
    EXPECT_EQ(charge.state(at(0s)), CircuitState::closed);
    EXPECT_TRUE(call(charge, Outcome::failure, at(1s)));
    EXPECT_EQ(charge.state(at(1s)), CircuitState::open);
    EXPECT_FALSE(call(refund, Outcome::success, at(1s)));
    EXPECT_FALSE(call(breaker, Outcome::success, at(1s)));
    running->settle(Outcome::success, at(2s));

    const CircuitBreakerStats stats = breaker.stats(at(2s));
    EXPECT_EQ(stats.late, 1U);
    EXPECT_EQ(stats.operations[1].rejected, 1U);
    EXPECT_EQ(stats.operations[1].success, 2U);
    EXPECT_EQ(stats.operations[1].window.requests, 1U) << "a late result counts in no window";
    EXPECT_EQ(stats.rejected.circuit_open, 2U);
    for (const OperationStats& each : stats.operations) expect_to_reconcile(each);
}

TEST(CircuitBreakerOperation, probes_with_the_breaker_and_begins_with_an_empty_window) {
    CircuitBreaker breaker{"operations_test", tracking};
    const Operation charge = breaker.operation("charge");
    for (int failure = 0; failure < 4; ++failure) call(charge, Outcome::failure, at(0s));
    ASSERT_EQ(breaker.state(at(0s)), CircuitState::open);
    EXPECT_EQ(breaker.stats(at(1s)).operations[0].window.failures, 4U) << "as it stood when the circuit opened";
    auto first = charge.try_acquire(at(10s));
    auto second = charge.try_acquire(at(10s + 1ms));
    ASSERT_TRUE(first.has_value() && second.has_value());
    const auto refused = charge.try_acquire(at(10s + 1ms));
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().reason, RejectionReason::half_open_full);
    EXPECT_EQ(refused.error().policy, "operations_test");
    second->settle(Outcome::success, at(11s));
    first->settle(Outcome::success, at(11s));
    EXPECT_EQ(breaker.state(at(11s)), CircuitState::closed);
    const CircuitBreakerStats stats = breaker.stats(at(11s));
    EXPECT_EQ(stats.operations[0].window.requests, 0U);
    EXPECT_EQ(stats.operations[0].success, 2U);
    EXPECT_EQ(stats.operations[0].rejected, 1U);
    EXPECT_EQ(stats.late, 0U);
    expect_to_reconcile(stats.operations[0]);
}

TEST(CircuitBreakerOperation, counts_a_dropped_permit_as_ignored_and_moves_like_any) {
    CircuitBreaker breaker{"operations_test", tracking};
    const Operation charge = breaker.operation("charge");
    {
        auto dropped = charge.try_acquire(at(0s));
        CircuitBreaker::Permit moved = std::move(*dropped);
        EXPECT_TRUE(moved.held());
        EXPECT_FALSE(dropped->held());
        EXPECT_EQ(moved.admitted_at(), at(0s));
    }
    const CircuitBreakerStats stats = breaker.stats(at(0s));
    EXPECT_EQ(stats.operations[0].ignored, 1U);
    EXPECT_EQ(stats.cancelled, 1U);
    EXPECT_EQ(stats.in_flight, 0U);
    expect_to_reconcile(stats.operations[0]);
}

TEST(CircuitBreakerOperation, beyond_max_operations_is_one_that_all_others_share) {
    CircuitBreaker breaker{"operations_test", {.max_operations = 2}};
    const Operation first = breaker.operation("first");
    const Operation second = breaker.operation("second");
    const Operation third = breaker.operation("third");
    EXPECT_EQ(third.name(), "other");
    EXPECT_EQ(breaker.operation("fourth"), third);
    EXPECT_EQ(breaker.operation("other"), third);
    EXPECT_EQ(breaker.operation("first"), first);
    EXPECT_EQ(breaker.operation("second"), second);
    EXPECT_THROW(static_cast<void>(breaker.operation(std::string(200, 'x'))), ConfigError);
    call(third, Outcome::failure, at(0s));
    ASSERT_EQ(breaker.stats(at(0s)).operations.size(), 3U);
    EXPECT_EQ(breaker.stats(at(0s)).operations[2].failure, 1U);
}

TEST(CircuitBreakerOperation, may_be_the_last_of_as_many_as_there_can_be) {
    CircuitBreaker breaker{"operations_test", {.max_operations = 126}};
    std::vector<Operation> all;
    for (int number = 0; number < 126; ++number) all.push_back(breaker.operation("o" + std::to_string(number)));
    all.push_back(breaker.operation("one more"));
    EXPECT_EQ(all.back().name(), "other");
    for (const Operation each : all) EXPECT_TRUE(call(each, Outcome::success, at(0s)));
    const CircuitBreakerStats stats = breaker.stats(at(0s));
    ASSERT_EQ(stats.operations.size(), 127U);
    for (const OperationStats& each : stats.operations) EXPECT_EQ(each.success, 1U) << each.name;
}

TEST(CircuitBreakerOperation, follows_the_breaker_through_its_levers) {
    CircuitBreaker breaker{"operations_test", tracking};
    const Operation charge = breaker.operation("charge");
    breaker.force_open(at(0s));
    const auto refused = charge.try_acquire(at(0s));
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().reason, RejectionReason::forced_open);
    breaker.metrics_only(at(1s));
    for (int failure = 0; failure < 9; ++failure) EXPECT_TRUE(call(charge, Outcome::failure, at(1s)));
    EXPECT_EQ(breaker.stats(at(1s)).operations[0].window.failures, 9U);
    breaker.force_closed(at(2s));
    EXPECT_TRUE(call(charge, Outcome::failure, at(2s)));
    EXPECT_EQ(breaker.stats(at(2s)).operations[0].window.failures, 0U);
    breaker.reset(at(3s));
    EXPECT_TRUE(call(charge, Outcome::failure, at(3s)));
    EXPECT_EQ(breaker.stats(at(3s)).operations[0].window.failures, 1U);
    breaker.reset(at(4s));
    EXPECT_EQ(breaker.stats(at(4s)).operations[0].window.requests, 0U);
    EXPECT_EQ(breaker.stats(at(4s)).operations[0].failure, 11U);
    expect_to_reconcile(breaker.stats(at(4s)).operations[0]);
}

TEST(CircuitBreakerOperation, opens_the_breaker_when_its_verdict_asks_for_it) {
    CircuitBreaker breaker{"operations_test", tracking};
    const Operation charge = breaker.operation("charge");
    Verdict asks = Verdict::of(Outcome::failure);
    asks.open_for = 7s;
    charge.try_acquire(at(0s))->settle(asks, at(0s));
    EXPECT_EQ(breaker.stats(at(0s)).retry_after, 7s);
    EXPECT_EQ(breaker.stats(at(0s)).operations[0].failure, 1U);
}

TEST(CircuitBreakerOperation, works_with_every_way_of_judging) {
    const CircuitBreakerConfig in_a_row{.consecutive_failures = 3};
    const CircuitBreakerConfig of_calls{.min_requests = 3, .window_calls = 5};
    const CircuitBreakerConfig slow{.min_requests = 3, .slow_call_duration = 1s, .judge_in_flight = true};
    for (const CircuitBreakerConfig& config : {in_a_row, of_calls, slow}) {
        CircuitBreaker breaker{"operations_test", config};
        const Operation charge = breaker.operation("charge");
        for (int number = 0; number < 3; ++number) {
            EXPECT_EQ(breaker.state(at(0s)), CircuitState::closed);
            auto permit = charge.try_acquire(at(0s));
            ASSERT_TRUE(permit.has_value());
            permit->settle(Outcome::failure, at(2s));
        }
        EXPECT_EQ(breaker.state(at(2s)), CircuitState::open);
        EXPECT_EQ(breaker.stats(at(2s)).operations[0].failure, 3U);
    }
}

TEST(CircuitBreakerOperation, changes_nothing_else_about_a_breaker_without_options) {
    CircuitBreaker breaker{"operations_test", tracking};
    for (int failure = 0; failure < 4; ++failure) call(breaker, Outcome::failure, at(0s));
    const Operation charge = breaker.operation("charge");  // while it is open
    EXPECT_EQ(breaker.config(), tracking);
    EXPECT_EQ(breaker.stats(at(1s)).retry_after, 9s);
    EXPECT_TRUE(call(charge, Outcome::failure, at(10s)));
    EXPECT_EQ(breaker.stats(at(10s)).retry_after, 10s);
    EXPECT_TRUE(call(charge, Outcome::success, at(20s)));
    EXPECT_TRUE(call(breaker, Outcome::success, at(20s)));
    EXPECT_EQ(breaker.state(at(20s)), CircuitState::closed);
}

}  // namespace circuit_breaker_operations_test
