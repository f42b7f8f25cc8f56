#include <gtest/gtest.h>

#include <chrono>
#include <for_tests/origin.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <thread>
#include <utility>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace circuit_breaker_latency_test {

TimePoint at(Duration since_start) { return for_tests::origin() + 1h + since_start; }

TEST(CircuitBreakerLatency, is_kept_only_when_asked_for) {
    CircuitBreaker plain{"latency_test"};
    plain.try_acquire(at(0s))->settle(Outcome::success, at(1s));
    EXPECT_FALSE(plain.stats(at(1s)).latency.has_value());
    CircuitBreaker keeping{"latency_test", {.record_latency = true}};
    ASSERT_TRUE(keeping.stats(at(0s)).latency.has_value());
    EXPECT_EQ(keeping.stats(at(0s)).latency->count, 0U);
}

TEST(CircuitBreakerLatency, is_the_time_from_admission_to_settlement_of_every_settled_call) {
    CircuitBreaker breaker{"latency_test", {.timeout = 10s, .min_requests = 4, .record_latency = true}};
    breaker.try_acquire(at(0s))->settle(Outcome::success, at(5ms));
    breaker.try_acquire(at(0s))->settle(Outcome::ignored, at(10ms));
    auto late = breaker.try_acquire(at(0s));
    for (int call = 0; call < 3; ++call) breaker.try_acquire(at(0s))->settle(Outcome::failure, at(20ms));
    ASSERT_EQ(breaker.state(at(20ms)), CircuitState::open);
    EXPECT_FALSE(breaker.try_acquire(at(20ms)).has_value());
    late->settle(CallResult::success, at(1s));
    breaker.try_acquire(at(11s))->settle(Outcome::success, at(12s));  // a probe

    const LatencyPicture latency = breaker.stats(at(12s)).latency.value();
    EXPECT_EQ(latency.count, 7U);
    EXPECT_EQ(latency.sum, 5ms + 10ms + 3 * 20ms + 1s + 1s);
    EXPECT_EQ(latency.max, 1s);
    EXPECT_EQ(latency.at_most(5ms), 1U);
    EXPECT_EQ(latency.at_most(20ms), 5U);
    EXPECT_EQ(latency.quantile(0.5), 20ms);
    EXPECT_EQ(latency.quantile(0.99), 1s);
}

TEST(CircuitBreakerLatency, of_a_dropped_permit_is_nobodys_and_of_a_bare_result_unknown) {
    CircuitBreaker breaker{"latency_test", {.record_latency = true}};
    {
        const auto dropped = breaker.try_acquire(at(0s));
    }
    ASSERT_TRUE(breaker.allow(at(0s)));
    breaker.record_result(true, at(1s));
    EXPECT_EQ(breaker.stats(at(1s)).latency->count, 0U);
    ASSERT_TRUE(breaker.allow(at(1s)));
    breaker.record_result(false, 40ms, at(2s));
    const CircuitBreakerStats stats = breaker.stats(at(2s));
    EXPECT_EQ(stats.latency->count, 1U);
    EXPECT_EQ(stats.latency->sum, 40ms);
    EXPECT_EQ(stats.success, 1U);
    EXPECT_EQ(stats.failure, 1U);
}

TEST(CircuitBreakerLatency, counts_as_zero_when_the_clock_is_set_back) {
    CircuitBreaker breaker{"latency_test", {.record_latency = true}};
    breaker.try_acquire(at(1s))->settle(Outcome::success, at(0s));
    EXPECT_EQ(breaker.stats(at(1s)).latency->count, 1U);
    EXPECT_EQ(breaker.stats(at(1s)).latency->max, 0s);
}

TEST(CircuitBreakerLatency, has_every_call_once_all_threads_are_done) {
    CircuitBreaker breaker{"latency_test", {.failure_threshold = 1, .record_latency = true}};
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 3; ++thread) {
        threads.emplace_back([&breaker] {
            for (int call = 0; call < 5000; ++call) {
                auto permit = breaker.try_acquire(at(0s));
                if (permit) permit->settle(call % 2 == 0 ? Outcome::success : Outcome::failure, at(1us * call));
            }
        });
    }
    threads.clear();
    const CircuitBreakerStats stats = breaker.stats(at(1s));
    EXPECT_EQ(stats.latency->count, stats.success + stats.failure + stats.ignored);
    EXPECT_EQ(stats.latency->max, 4999us);
}

}  // namespace circuit_breaker_latency_test
