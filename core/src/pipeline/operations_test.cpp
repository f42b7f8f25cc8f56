// Operations of a circuit breaker through a pipeline, blocking and in virtual time from one text.

#include <gtest/gtest.h>

#include <chrono>
#include <resilience/pipeline/any_pipeline.hpp>
#include <resilience/pipeline/pipeline.hpp>
#include <stdexcept>
#include <stop_token>

#include "conformance_drivers.hpp"

namespace resilience::inline v1 {
namespace operations_test {

using namespace std::chrono_literals;

constexpr CircuitBreakerConfig isolating{
    .success_threshold = 1, .timeout = 10s, .min_requests = 2, .operation_mode = OperationMode::isolate};

template <class Driver>
class OperationOn : public testing::Test {
  public:
    template <class Pipeline, class Function>
    auto call(const Pipeline& pipeline, OperationHandle operation, Function function) {
        return run.execute(pipeline, CallOptions{.operation = operation}, std::stop_token{}, function);
    }
    template <class Pipeline>
    void fail(const Pipeline& pipeline, OperationHandle operation) {
        EXPECT_THROW((void)call(pipeline, operation, []() -> int { throw std::runtime_error("down"); }),
                     std::runtime_error);
    }

    Driver run;
    CircuitBreaker breaker{"cards", isolating};
    CircuitBreaker::Operation charge = breaker.operation("charge");
    CircuitBreaker::Operation refund = breaker.operation("refund");
};
TYPED_TEST_SUITE(OperationOn, Runs);

constexpr auto answer = [] { return 1; };

TYPED_TEST(OperationOn, is_what_the_breaker_counts_the_call_as) {
    Pipeline guarded{this->breaker};
    for (int failure = 0; failure < 2; ++failure) this->fail(guarded, this->charge);
    const auto refused = this->call(guarded, this->charge, answer);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().reason, RejectionReason::circuit_open);
    EXPECT_EQ(refused.error().policy, "cards");
    EXPECT_EQ(refused.error().retry_after, 10s);
    EXPECT_TRUE(this->call(guarded, this->refund, answer).has_value());
    EXPECT_TRUE(this->call(guarded, OperationHandle{}, answer).has_value());
    this->run.advance(10s);
    EXPECT_TRUE(this->call(guarded, this->charge, answer).has_value());

    const CircuitBreakerStats stats = this->breaker.stats(this->run.now());
    EXPECT_EQ(stats.state, CircuitState::closed);
    EXPECT_EQ(stats.requests, 6U);
    ASSERT_EQ(stats.operations.size(), 2U);
    EXPECT_EQ(stats.operations[0].failure, 2U);
    EXPECT_EQ(stats.operations[0].rejected, 1U);
    EXPECT_EQ(stats.operations[0].success, 1U);
    EXPECT_EQ(stats.operations[0].state, CircuitState::closed);
    EXPECT_EQ(stats.operations[1].success, 1U);
}

TYPED_TEST(OperationOn, is_nothing_to_another_breaker) {
    CircuitBreaker host{"host"};
    Pipeline guarded{host, this->breaker};
    EXPECT_TRUE(this->call(guarded, this->charge, answer).has_value());
    CircuitBreaker foreign{"foreign"};
    EXPECT_TRUE(this->call(guarded, foreign.operation("charge"), answer).has_value());
    EXPECT_EQ(host.stats(this->run.now()).success, 2U);
    EXPECT_TRUE(host.stats(this->run.now()).operations.empty());
    const CircuitBreakerStats stats = this->breaker.stats(this->run.now());
    EXPECT_EQ(stats.success, 2U);
    EXPECT_EQ(stats.operations[0].success, 1U);
    EXPECT_EQ(foreign.stats(this->run.now()).requests, 0U);
}

TYPED_TEST(OperationOn, is_one_for_every_attempt_of_the_call) {
    Pipeline guarded{RetryConfig{.max_attempts = 3, .base_delay = 1s, .jitter = false}, this->breaker};
    const auto refused = this->call(guarded, this->charge, []() -> int { throw std::runtime_error("down"); });
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().reason, RejectionReason::circuit_open) << "the third attempt";
    const CircuitBreakerStats stats = this->breaker.stats(this->run.now());
    EXPECT_EQ(stats.operations[0].failure, 2U);
    EXPECT_EQ(stats.operations[0].rejected, 1U);
}

TYPED_TEST(OperationOn, is_judged_by_a_classifier_of_the_breakers_own) {
    const auto odd_is_bad = [](int number) { return number % 2 == 0 ? Outcome::success : Outcome::failure; };
    Pipeline guarded{this->breaker.with(odd_is_bad)};
    EXPECT_TRUE(this->call(guarded, this->charge, answer).has_value());
    EXPECT_EQ(this->breaker.stats(this->run.now()).operations[0].failure, 1U);
}

TYPED_TEST(OperationOn, is_not_that_of_a_call_inside) {
    CallOptions inside;
    Pipeline guarded{this->breaker};
    EXPECT_TRUE(this->call(guarded, this->charge,
                           [&](CallContext& context) {
                               EXPECT_EQ(context.operation(), this->charge);
                               inside = context.options();
                               return 1;
                           })
                    .has_value());
    EXPECT_EQ(inside.operation, OperationHandle{});
}

TEST(Operation, travels_through_a_pipeline_whose_type_is_erased) {
    CircuitBreaker breaker{"cards"};
    const CircuitBreaker::Operation charge = breaker.operation("charge");
    AnyPipeline guarded{Pipeline{breaker}};
    EXPECT_TRUE(guarded.execute(CallOptions{.operation = charge}, answer).has_value());
    EXPECT_EQ(breaker.stats().operations[0].success, 1U);
}

}  // namespace operations_test
}  // namespace resilience::inline v1
