#include <gtest/gtest.h>

#include <chrono>
#include <for_tests/origin.hpp>
#include <optional>
#include <resilience/policies/circuit_breaker.hpp>
#include <utility>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace circuit_breaker_permit_test {

TimePoint at(Duration since_start) { return for_tests::origin() + 1h + since_start; }

CircuitBreaker::Permit admitted(CircuitBreaker& breaker, TimePoint now) {
    auto permit = breaker.try_acquire(now);
    EXPECT_TRUE(permit.has_value());
    return std::move(permit).value();
}

TEST(CircuitBreakerPermit, settled_twice_counts_once) {
    CircuitBreaker breaker{"permit_test"};
    auto permit = admitted(breaker, at(0s));
    EXPECT_TRUE(permit.held());
    permit.settle(Outcome::success, at(0s));
    EXPECT_FALSE(permit.held());
    permit.settle(Outcome::failure, at(0s));
    permit.settle(Verdict{.result = CallResult::failure}, at(0s));
    permit.settle(CallResult::cancelled, at(0s), true);
    const CircuitBreakerStats stats = breaker.stats(at(0s));
    EXPECT_EQ(stats.success, 1U);
    EXPECT_EQ(stats.failure + stats.ignored + stats.in_flight + stats.classifier_errors, 0U);
}

TEST(CircuitBreakerPermit, dropped_is_ignored_and_gives_its_slot_back) {
    CircuitBreaker breaker{"permit_test", {.success_threshold = 1}};
    breaker.half_open(at(0s));
    {
        const auto probe = admitted(breaker, at(1s));
    }
    EXPECT_EQ(breaker.state(at(1s)), CircuitState::half_open);
    EXPECT_EQ(breaker.stats(at(1s)).half_open.in_flight, 0U);
    EXPECT_EQ(breaker.stats(at(1s)).cancelled, 1U);
    EXPECT_EQ(breaker.stats(at(1s)).ignored, 1U);
    EXPECT_TRUE(breaker.try_acquire(at(1s)).has_value());
}

TEST(CircuitBreakerPermit, moved_leaves_an_empty_one_behind) {
    CircuitBreaker breaker{"permit_test"};
    auto first = admitted(breaker, at(0s));
    CircuitBreaker::Permit second = std::move(first);
    first.settle(Outcome::failure, at(0s));
    EXPECT_FALSE(first.held());
    EXPECT_TRUE(second.held());
    auto third = admitted(breaker, at(0s));
    second = std::move(third);
    EXPECT_EQ(breaker.stats(at(0s)).ignored, 1U) << "what it held before was dropped";
    auto& itself = second;
    second = std::move(itself);
    EXPECT_TRUE(second.held());
    second.settle(Outcome::success, at(0s));
    EXPECT_EQ(breaker.stats(at(0s)).success, 1U);
    EXPECT_EQ(breaker.stats(at(0s)).failure, 0U);
    CircuitBreaker::Permit().settle(Outcome::failure, at(0s));
}

TEST(CircuitBreakerPermit, each_result_counts_as_its_outcome) {
    struct Row {
        CallResult result;
        std::uint64_t success, failure, ignored, cancelled;
    };
    for (const auto& [result, success, failure, ignored, cancelled] :
         std::vector<Row>{{CallResult::success, 1, 0, 0, 0},
                          {CallResult::application_error, 1, 0, 0, 0},
                          {CallResult::failure, 0, 1, 0, 0},
                          {CallResult::timed_out, 0, 1, 0, 0},
                          {CallResult::overloaded, 0, 0, 1, 0},
                          {CallResult::cancelled, 0, 0, 1, 1},
                          {CallResult::ignored, 0, 0, 1, 0}}) {
        CircuitBreaker breaker{"permit_test"};
        admitted(breaker, at(0s)).settle(Verdict{.result = result}, at(0s));
        const CircuitBreakerStats stats = breaker.stats(at(0s));
        EXPECT_EQ(stats.success, success) << result;
        EXPECT_EQ(stats.failure, failure) << result;
        EXPECT_EQ(stats.ignored, ignored) << result;
        EXPECT_EQ(stats.cancelled, cancelled) << result;
        EXPECT_EQ(stats.window.requests, success + failure) << result;
        EXPECT_EQ(stats.in_flight, 0U) << result;
    }
}

TEST(CircuitBreakerPermit, a_classifier_that_threw_is_counted_beside_the_failure) {
    CircuitBreaker breaker{"permit_test"};
    admitted(breaker, at(0s)).settle(CallResult::failure, at(0s), true);
    EXPECT_EQ(breaker.stats(at(0s)).classifier_errors, 1U);
    EXPECT_EQ(breaker.stats(at(0s)).failure, 1U);
}

TEST(CircuitBreakerPermit, that_outlives_its_state_counts_in_totals_only) {
    struct Row {
        CircuitState later;
        Outcome outcome;
    };
    for (const auto& [later, outcome] : std::vector<Row>{{CircuitState::open, Outcome::success},
                                                         {CircuitState::open, Outcome::failure},
                                                         {CircuitState::half_open, Outcome::success},
                                                         {CircuitState::half_open, Outcome::failure},
                                                         {CircuitState::half_open, Outcome::ignored},
                                                         {CircuitState::closed, Outcome::failure},
                                                         {CircuitState::forced_open, Outcome::success},
                                                         {CircuitState::forced_closed, Outcome::failure}}) {
        CircuitBreaker breaker{"permit_test", {.success_threshold = 1, .min_requests = 1}};
        auto late = admitted(breaker, at(0s));
        switch (later) {
            case CircuitState::open:
                breaker.open(at(1s));
                break;
            case CircuitState::half_open:
                breaker.half_open(at(1s));
                break;
            case CircuitState::forced_open:
                breaker.force_open(at(1s));
                break;
            case CircuitState::forced_closed:
                breaker.force_closed(at(1s));
                break;
            default:
                breaker.reset(at(1s));
        }
        late.settle(outcome, at(2s));
        const CircuitBreakerStats stats = breaker.stats(at(2s));
        EXPECT_EQ(stats.state, later) << outcome;
        EXPECT_EQ(stats.late, 1U) << later << outcome;
        EXPECT_EQ(stats.window.requests, 0U) << later << outcome;
        EXPECT_EQ(stats.half_open.successes + stats.half_open.failures, 0U) << later << outcome;
        EXPECT_EQ(stats.success, outcome == Outcome::success ? 1U : 0U);
        EXPECT_EQ(stats.failure, outcome == Outcome::failure ? 1U : 0U);
        EXPECT_EQ(stats.in_flight, 0U);
    }
}

TEST(CircuitBreakerPermit, of_an_earlier_closed_period_with_the_same_window_is_late) {
    CircuitBreaker breaker{"permit_test", {.min_requests = 1}};
    auto late = admitted(breaker, at(0s));
    breaker.reset(at(1s));
    breaker.reset(at(2s));
    late.settle(Outcome::failure, at(3s));
    EXPECT_EQ(breaker.state(at(3s)), CircuitState::closed);
    EXPECT_EQ(breaker.stats(at(3s)).window.requests, 0U);
    EXPECT_EQ(breaker.stats(at(3s)).late, 1U);
}

TEST(CircuitBreakerPermit, of_a_probe_counts_after_its_lease_only_while_nobody_took_the_slot) {
    CircuitBreaker breaker{"permit_test", {.success_threshold = 1, .probe_lease = 10s}};
    breaker.half_open(at(0s));
    auto probe = admitted(breaker, at(0s));
    probe.settle(Outcome::success, at(30s));
    EXPECT_EQ(breaker.state(at(30s)), CircuitState::closed);
    EXPECT_EQ(breaker.stats(at(30s)).late, 0U);

    breaker.half_open(at(40s));
    auto hung = admitted(breaker, at(40s));
    breaker.tick(at(50s));
    EXPECT_EQ(breaker.stats(at(50s)).leases_reclaimed, 1U);
    EXPECT_EQ(breaker.stats(at(50s)).in_flight, 1U) << "the call itself is still out";
    hung.settle(Outcome::success, at(51s));
    EXPECT_EQ(breaker.state(at(51s)), CircuitState::half_open);
    EXPECT_EQ(breaker.stats(at(51s)).late, 1U);
    EXPECT_EQ(breaker.stats(at(51s)).in_flight, 0U);
}

TEST(CircuitBreakerPermit, an_old_probe_cannot_give_back_the_slot_of_a_newer_one) {
    CircuitBreaker breaker{"permit_test", {.success_threshold = 1, .probe_lease = 10s}};
    breaker.half_open(at(0s));
    auto hung = admitted(breaker, at(0s));
    auto fresh = admitted(breaker, at(10s));
    hung.settle(Outcome::ignored, at(11s));
    EXPECT_EQ(breaker.stats(at(11s)).half_open.in_flight, 1U);
    EXPECT_FALSE(breaker.try_acquire(at(11s)).has_value());
    fresh.settle(Outcome::success, at(12s));
    EXPECT_EQ(breaker.state(at(12s)), CircuitState::closed);
}

}  // namespace circuit_breaker_permit_test
