// What a pipeline builds and owns, what it shares, and what it refuses to be made of.

#include <gtest/gtest.h>

#include <for_tests/origin.hpp>
#include <memory>
#include <optional>
#include <resilience/pipeline/manual_time.hpp>
#include <resilience/pipeline/pipeline.hpp>
#include <resilience/pipeline/retry_executor.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace resilience::inline v1 {
namespace owned_policies_test {

using namespace std::chrono_literals;

// Makes a pipeline; what it says of the problems it was refused for, "stage 1: null circuit breaker" a line.
template <class Make>
std::vector<std::string> problems_of(Make&& make) {
    std::vector<std::string> lines;
    try {
        make();
    } catch (const ConfigError& error) {
        for (const ConfigProblem& problem : error.problems()) lines.push_back(problem.field + ": " + problem.message);
    }
    return lines;
}

TEST(OwnedPolicies, every_null_pointer_is_named_with_its_stage) {
    CircuitBreaker breaker{"present"};
    EXPECT_EQ(problems_of([] { Pipeline{std::shared_ptr<CircuitBreaker>{}}; }),
              std::vector<std::string>{"stage 1: null circuit breaker"});
    EXPECT_EQ(problems_of([&] {
                  Pipeline{std::shared_ptr<Retry>{}, breaker, classify([](int) { return Outcome::success; }),
                           std::shared_ptr<RateLimiter>{}, std::shared_ptr<Bulkhead>{}};
              }),
              (std::vector<std::string>{"stage 1: null retry", "stage 3: null rate limiter", "stage 4: null bulkhead"}))
        << "all of them at once, counting stages only";
}

TEST(OwnedPolicies, a_bad_config_is_refused_with_every_bad_field) {
    EXPECT_EQ(problems_of([] { Pipeline{CircuitBreakerConfig{.failure_threshold = 2.0, .buckets = 0}}; }).size(), 2U);
    EXPECT_EQ(problems_of([] { Pipeline{RateLimiterConfig{.capacity = 0, .refill_rate = -1.0}}; }).size(), 2U);
    EXPECT_EQ(problems_of([] { Pipeline{BulkheadConfig{.max_concurrent = 0}}; }).size(), 1U);
    EXPECT_EQ(problems_of([] { Pipeline{RetryConfig{.max_attempts = 0, .multiplier = 0.5}}; }).size(), 2U);
}

// One kind of policy, built from its config: its first call does something that a second one feels.
struct OwnedRow {
    std::string name;
    std::optional<Rejection> (*second_call_of_a_copy)(ManualTime&);
};

template <class PipelineType, class First>
std::optional<Rejection> second_call(ManualTime& time, const PipelineType& guarded, First&& first) {
    const PipelineType copy = guarded;
    std::optional<Rejection> refused;
    try {
        (void)guarded.execute_in(time, {}, {}, [&] { return first(copy, refused); });
    } catch (const std::runtime_error&) {
    }
    if (refused) return refused;
    const auto answer = copy.execute_in(time, {}, {}, [] { return 200; });
    if (!answer) refused = answer.error();
    return refused;
}

TEST(OwnedPolicies, copies_of_a_pipeline_share_what_it_built) {
    const std::vector<OwnedRow> rows{
        {"circuit breaker",
         [](ManualTime& time) {
             return second_call(time, Pipeline{CircuitBreakerConfig{.min_requests = 1}},
                                [](const auto&, auto&) -> int { throw std::runtime_error("down"); });
         }},
        {"rate limiter",
         [](ManualTime& time) {
             return second_call(time, Pipeline{RateLimiterConfig{.capacity = 1, .refill_rate = 0.001}},
                                [](const auto&, auto&) { return 200; });
         }},
        {"bulkhead", [](ManualTime& time) {
             return second_call(time, Pipeline{BulkheadConfig{.max_concurrent = 1}},
                                [&](const auto& copy, auto& refused) {
                                    const auto inner = copy.execute_in(time, {}, {}, [] { return 200; });
                                    if (!inner) refused = inner.error();
                                    return 200;
                                });
         }}};
    for (const OwnedRow& row : rows) {
        ManualTime time{1, for_tests::origin()};
        const auto refused = row.second_call_of_a_copy(time);
        ASSERT_TRUE(refused) << row.name << ": the copy knew nothing of the first call";
        EXPECT_EQ(refused->policy, "") << row.name << ": owned policies are unnamed";
    }
}

TEST(OwnedPolicies, a_retry_is_built_from_its_config) {
    ManualTime time{1, for_tests::origin()};
    Pipeline guarded{RetryConfig{.max_attempts = 4, .base_delay = 1ms, .jitter = false}};
    const auto copy = guarded;
    int calls = 0;
    EXPECT_EQ(copy.execute_in(time, {}, {}, [&] { return ++calls < 4 ? throw std::runtime_error("down") : calls; }), 4);
}

TEST(OwnedPolicies, two_pipelines_from_one_config_share_nothing) {
    ManualTime time{1, for_tests::origin()};
    const RateLimiterConfig config{.capacity = 1, .refill_rate = 0.001};
    Pipeline one{config};
    Pipeline other{config};
    EXPECT_TRUE(one.execute_in(time, {}, {}, [] { return 200; }));
    EXPECT_TRUE(other.execute_in(time, {}, {}, [] { return 200; }));
    EXPECT_FALSE(one.execute_in(time, {}, {}, [] { return 200; }));
}

TEST(OwnedPolicies, a_shared_policy_lives_as_long_as_the_last_copy) {
    ManualTime time{1, for_tests::origin()};
    auto breaker = std::make_shared<CircuitBreaker>("kept");
    const std::weak_ptr<CircuitBreaker> watched = breaker;
    auto guarded = std::make_unique<Pipeline<CircuitBreaker>>(std::move(breaker));
    const auto copy = std::make_unique<Pipeline<CircuitBreaker>>(*guarded);
    guarded.reset();
    EXPECT_FALSE(watched.expired());
    EXPECT_EQ(copy->execute_in(time, {}, {}, [] { return 200; }), 200);
    EXPECT_EQ(watched.lock()->stats(time.now()).success, 1U);
}

}  // namespace owned_policies_test
}  // namespace resilience::inline v1
