// One breaker with a classifier of its own: what it hears, and that nobody else does.

#include <gtest/gtest.h>

#include <expected>
#include <for_tests/origin.hpp>
#include <memory>
#include <resilience/pipeline/manual_time.hpp>
#include <resilience/pipeline/pipeline.hpp>
#include <resilience/pipeline/virtual_time.hpp>
#include <stdexcept>
#include <string>

namespace resilience::inline v1 {
namespace judged_gate_test {

using namespace std::chrono_literals;

struct ServerErrorsOnly {
    Outcome operator()(int status) const { return status < 500 ? Outcome::success : Outcome::failure; }
};

class JudgedGate : public testing::Test {
  public:
    template <class Pipeline, class Function>
    auto execute(const Pipeline& pipeline, Function&& function, CallOptions options = {},
                 const std::stop_token& stop = {}) {
        options.report = &report;
        return pipeline.execute_in(time, options, stop, std::forward<Function>(function));
    }
    [[nodiscard]] CircuitBreakerStats own() const { return breaker.stats(time.now()); }
    [[nodiscard]] CircuitBreakerStats others() const { return plain.stats(time.now()); }

    ManualTime time{1, for_tests::origin()};
    CallReport report;
    CircuitBreaker breaker{"judging_breaker", {.min_requests = 100}};
    CircuitBreaker plain{"plain_breaker", {.min_requests = 100}};
    RetryConfig twice{.max_attempts = 2, .base_delay = 10ms, .jitter = false};
};

TEST_F(JudgedGate, only_the_one_policy_hears_its_verdict) {
    Pipeline guarded{twice, plain, breaker.with(ServerErrorsOnly{})};
    EXPECT_EQ(execute(guarded, [] { return 503; }), 503);
    EXPECT_EQ(own().failure, 1U);
    EXPECT_EQ(others().success, 1U);
    EXPECT_EQ(report.attempts, 1U) << "the retry goes by the pipeline's classifier: a value is a success";
    EXPECT_EQ(execute(guarded, [] { return 200; }), 200);
    EXPECT_EQ(own().success, 1U);
}

TEST_F(JudgedGate, stands_beside_a_classifier_of_the_pipeline) {
    Pipeline guarded{classify([](int) { return Outcome::failure; }), twice, breaker.with(ServerErrorsOnly{}), plain};
    EXPECT_EQ(execute(guarded, [] { return 404; }), 404);
    EXPECT_EQ(own().success, 2U);
    EXPECT_EQ(others().failure, 2U);
    EXPECT_EQ(report.attempts, 2U);
}

TEST_F(JudgedGate, reads_the_value_inside_an_expected_and_exceptions_if_it_wants_to) {
    struct Lenient {
        Outcome operator()(int) const { return Outcome::success; }
        Outcome operator()(const std::exception_ptr&) const { return Outcome::ignored; }
    };
    Pipeline guarded{breaker.with(Lenient{}), plain};
    EXPECT_TRUE(execute(guarded, []() -> std::expected<int, std::string> { return 1; }));
    EXPECT_EQ(own().success, 1U);
    (void)execute(guarded, []() -> std::expected<int, std::string> { return std::unexpected("down"); });
    EXPECT_EQ(own().failure, 1U) << "without a value it stays a failure";
    EXPECT_THROW((void)execute(guarded, []() -> int { throw std::runtime_error("down"); }), std::runtime_error);
    EXPECT_EQ(own().ignored, 1U);
    EXPECT_EQ(others().failure, 2U);
}

TEST_F(JudgedGate, sees_the_last_answer_of_a_retry_inside_it) {
    Pipeline guarded{breaker.with(ServerErrorsOnly{}), classify([](int) { return Outcome::failure; }), twice};
    int status = 503;
    EXPECT_EQ(execute(guarded, [&] { return std::exchange(status, 200); }), 200);
    EXPECT_EQ(own().success, 1U);
    EXPECT_EQ(own().requests, 1U);
    EXPECT_EQ(report.attempts, 2U);
}

TEST_F(JudgedGate, a_classifier_that_throws_counts_as_failure_and_the_caller_gets_the_answer) {
    struct Broken {
        Outcome operator()(int) const { throw std::logic_error("classifier"); }
    };
    Pipeline guarded{plain, breaker.with(Broken{})};
    EXPECT_EQ(execute(guarded, [] { return 200; }), 200);
    EXPECT_EQ(own().failure, 1U);
    EXPECT_EQ(own().classifier_errors, 1U);
    EXPECT_EQ(others().success, 1U);
    EXPECT_EQ(others().classifier_errors, 0U);
}

TEST_F(JudgedGate, one_that_throws_in_the_pipeline_is_not_counted_where_another_judged) {
    struct Broken {
        Outcome operator()(int) const { throw std::logic_error("classifier"); }
    };
    Pipeline guarded{classify(Broken{}), plain, breaker.with(ServerErrorsOnly{})};
    EXPECT_EQ(execute(guarded, [] { return 200; }), 200);
    EXPECT_EQ(own().success, 1U);
    EXPECT_EQ(own().classifier_errors, 0U);
    EXPECT_EQ(others().classifier_errors, 1U);
}

TEST_F(JudgedGate, what_is_no_answer_of_the_callee_is_not_judged) {
    Bulkhead bulkhead("judged_bulkhead", 1);
    struct Always {
        Outcome operator()(int) const { return Outcome::success; }
    };
    Pipeline guarded{breaker.with(Always{}), bulkhead};
    {
        const auto occupied = bulkhead.try_acquire();
        EXPECT_FALSE(execute(guarded, [] { return 200; }));
        EXPECT_EQ(own().ignored, 1U) << "refused further in";
    }
    const auto late = [&] {
        time.advance(2s);
        return 200;
    };
    EXPECT_FALSE(execute(guarded, late, {.timeout = 1s}));
    EXPECT_EQ(own().failure, 1U) << "late, whatever the classifier would say";
}

TEST_F(JudgedGate, an_attempt_that_the_caller_gave_up_is_nobodys_fault) {
    Pipeline guarded{breaker.with(ServerErrorsOnly{})};
    std::stop_source stop;
    const auto given_up = [&] {
        stop.request_stop();
        return 503;
    };
    EXPECT_EQ(execute(guarded, given_up, {}, stop.get_token()), 503);
    EXPECT_EQ(own().failure, 0U);
    EXPECT_EQ(own().cancelled, 1U);
}

TEST_F(JudgedGate, opens_by_its_own_verdicts_also_in_virtual_time) {
    VirtualTime virtual_time{1, for_tests::origin()};
    CircuitBreaker quick{"quick_judging", {.min_requests = 3}};
    Pipeline guarded{quick.with(ServerErrorsOnly{})};
    for (int call = 0; call < 3; ++call) {
        EXPECT_EQ(virtual_time.execute(guarded,
                                       [&] {
                                           virtual_time.take(10ms);
                                           return 503;
                                       }),
                  503);
    }
    EXPECT_EQ(virtual_time.execute(guarded, [] { return 200; }).error().reason, RejectionReason::circuit_open);
}

TEST_F(JudgedGate, a_shared_breaker_is_kept_alive_and_a_null_one_refused) {
    auto shared = std::make_shared<CircuitBreaker>("shared_judging");
    std::weak_ptr<CircuitBreaker> watched = shared;
    {
        Pipeline guarded{with_classifier(std::move(shared), ServerErrorsOnly{})};
        Pipeline copy{guarded};
        EXPECT_EQ(execute(copy, [] { return 503; }), 503);
        EXPECT_EQ(watched.lock()->stats(time.now()).failure, 1U);
    }
    EXPECT_TRUE(watched.expired());
    EXPECT_THROW((Pipeline{with_classifier(std::shared_ptr<CircuitBreaker>{}, ServerErrorsOnly{})}), ConfigError);
}

}  // namespace judged_gate_test
}  // namespace resilience::inline v1
