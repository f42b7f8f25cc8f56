// Rows of the behaviour table about composition, each run blocking and in virtual time from one text.

#include <gtest/gtest.h>

#include <cstddef>
#include <expected>
#include <resilience/pipeline/pipeline.hpp>
#include <string>
#include <type_traits>

#include "conformance_drivers.hpp"

namespace resilience::inline v1 {
namespace conformance_composition_test {

using namespace std::chrono_literals;

using Reply = std::expected<int, std::string>;

template <class Driver>
class CompositionConformance : public testing::Test {
  public:
    // Executes a callee that answers by the script, S or F, and repeats its last letter for ever.
    template <class Pipeline>
    auto execute(const Pipeline& pipeline, std::string script) {
        executions = 0;
        return run.execute(pipeline, CallOptions{.report = &report}, {}, [this, script]() -> Reply {
            const std::size_t letter = executions < script.size() ? executions : script.size() - 1;
            ++executions;
            if (script[letter] == 'S') return static_cast<int>(executions);
            return std::unexpected("down");
        });
    }

    Driver run;
    CallReport report{};
    std::size_t executions = 0;
};
TYPED_TEST_SUITE(CompositionConformance, Runs, RunNames);

constexpr RetryConfig retry_of(std::uint32_t attempts, Duration delay = 10ms) {
    return {.max_attempts = attempts, .base_delay = delay, .multiplier = 1.0, .jitter = false};
}
// Opens at the third failure when all before it failed too.
constexpr CircuitBreakerConfig three_failures{.failure_threshold = 1.0, .min_requests = 3};

TYPED_TEST(CompositionConformance, CO_1_a_retry_outside_brings_the_call_through_a_breaker_that_counts_each_attempt) {
    CircuitBreaker breaker("composition_breaker", three_failures);
    Pipeline guarded{retry_of(1'000'000), breaker};
    const auto answer = this->execute(guarded, "FFS");
    ASSERT_TRUE(answer);
    EXPECT_EQ(*answer, 3);
    const auto stats = breaker.stats(this->run.now());
    EXPECT_EQ(stats.success, 1U);
    EXPECT_EQ(stats.failure, 2U);
    EXPECT_EQ(stats.state, CircuitState::closed);
}

TYPED_TEST(CompositionConformance, CO_4_a_breaker_outside_counts_the_call_once) {
    CircuitBreaker breaker("composition_breaker", three_failures);
    Pipeline guarded{breaker, retry_of(3)};
    const auto answer = this->execute(guarded, "FFF");
    ASSERT_TRUE(answer) << answer.error();
    EXPECT_EQ(answer->error(), "down");
    EXPECT_EQ(this->executions, 3U);
    const auto stats = breaker.stats(this->run.now());
    EXPECT_EQ(stats.failure, 1U);
    EXPECT_EQ(stats.requests, 1U);
    EXPECT_EQ(stats.state, CircuitState::closed);
}

TYPED_TEST(CompositionConformance, CO_5_a_retry_stops_when_the_limiters_retry_after_does_not_fit) {
    RateLimiter limiter("composition_limiter", RateLimiterConfig::per(3, 1s, 3));
    Pipeline guarded{retry_of(7), limiter};
    const TimePoint began = this->run.now();
    const auto answer = this->execute(guarded, "F");
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().kind, PolicyKind::rate_limiter);
    EXPECT_EQ(answer.error().reason, RejectionReason::rate_limited);
    EXPECT_EQ(this->executions, 3U);
    EXPECT_EQ(this->report.attempts, 3U);
    EXPECT_EQ(this->report.retry_stopped, RetryStop::circuit_open) << "refused for longer than the pause";
    // A third of a second less the three pauses, rounded up: what a retry of 10 ms does not wait for.
    EXPECT_EQ(answer.error().retry_after, 303'333'334ns);
    EXPECT_EQ(this->run.now() - began, 30ms);
}

TYPED_TEST(CompositionConformance, CO_5_and_goes_on_when_it_fits) {
    RateLimiter limiter("composition_limiter", RateLimiterConfig::per(3, 1s, 3));
    Pipeline guarded{retry_of(7, 400ms), limiter};
    const TimePoint began = this->run.now();
    const auto answer = this->execute(guarded, "F");
    ASSERT_TRUE(answer) << answer.error();
    EXPECT_EQ(this->executions, 7U) << "each pause brings its token";
    EXPECT_EQ(this->run.now() - began, 6 * 400ms);
}

TYPED_TEST(CompositionConformance, CO_6_a_full_bulkhead_is_asked_by_every_attempt_and_nothing_runs) {
    Bulkhead bulkhead("composition_bulkhead", 1);
    const auto occupied = bulkhead.try_acquire();
    Retry retry("composition_retry", retry_of(7));
    Pipeline guarded{retry, bulkhead};
    const auto answer = this->execute(guarded, "S");
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().reason, RejectionReason::bulkhead_full);
    EXPECT_EQ(this->executions, 0U);
    EXPECT_EQ(this->report.attempts, 0U);
    EXPECT_EQ(this->report.retry_stopped, RetryStop::exhausted);
    EXPECT_EQ(retry.stats().attempts, 7U);
    EXPECT_EQ(bulkhead.stats().rejected.bulkhead_full, 7U);
}

TYPED_TEST(CompositionConformance, CO_14_a_full_bulkhead_is_no_failure_of_the_callee) {
    CircuitBreaker breaker("composition_breaker", three_failures);
    Bulkhead bulkhead("composition_bulkhead", 1);
    Pipeline guarded{breaker, bulkhead};
    {
        const auto occupied = bulkhead.try_acquire();
        for (int call = 0; call < 10; ++call) {
            const auto answer = this->execute(guarded, "S");
            ASSERT_FALSE(answer);
            EXPECT_EQ(answer.error().reason, RejectionReason::bulkhead_full);
        }
        EXPECT_EQ(this->executions, 0U);
    }
    auto stats = breaker.stats(this->run.now());
    EXPECT_EQ(stats.state, CircuitState::closed);
    EXPECT_EQ(stats.window.requests, 0U) << "neither failures nor successes";
    EXPECT_EQ(stats.ignored, 10U);
    EXPECT_TRUE(this->execute(guarded, "S"));
    stats = breaker.stats(this->run.now());
    EXPECT_EQ(stats.success, 1U);
    EXPECT_EQ(stats.window.requests, 1U);
}

}  // namespace conformance_composition_test
}  // namespace resilience::inline v1
