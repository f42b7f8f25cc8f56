// What `execute` returns for every kind of function, and how a pipeline holds its policies.

#include <gtest/gtest.h>

#include <atomic>
#include <concepts>
#include <expected>
#include <for_tests/origin.hpp>
#include <memory>
#include <resilience/pipeline/manual_time.hpp>
#include <resilience/pipeline/pipeline.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace resilience::inline v1 {
namespace pipeline_test {

using namespace std::chrono_literals;

struct PaymentError {
    std::string text;
};

}  // namespace pipeline_test

template <>
struct rejection_to<pipeline_test::PaymentError> {
    static pipeline_test::PaymentError convert(const Rejection& rejection) { return {to_string(rejection)}; }
};

namespace pipeline_test {

constexpr CircuitBreakerConfig opens_at_once{.success_threshold = 1, .timeout = 10s, .min_requests = 1};

// A breaker and a bulkhead around one function.
class PipelineAnswer : public testing::Test {
  public:
    template <class Function>
    auto execute(Function&& function) {
        return guarded.execute_in(time, CallOptions{}, {}, std::forward<Function>(function));
    }
    void expect_at_rest() {
        EXPECT_EQ(bulkhead.stats().in_use, 0U);
        EXPECT_EQ(breaker.stats(time.now()).in_flight, 0U);
    }

    ManualTime time{1, for_tests::origin()};
    CircuitBreaker breaker{"answer_breaker", opens_at_once};
    Bulkhead bulkhead{"answer_bulkhead", 1};
    Pipeline<CircuitBreaker, Bulkhead> guarded{breaker, bulkhead};
};

TEST_F(PipelineAnswer, of_a_value_is_an_expected_of_it) {
    std::expected<int, Rejection> answer = execute([] { return 200; });
    EXPECT_EQ(answer, 200);
    breaker.force_open(time.now());
    answer = execute([] { return 200; });
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().reason, RejectionReason::forced_open);
    EXPECT_EQ(answer.error().policy, "answer_breaker");
}

TEST_F(PipelineAnswer, of_void_is_an_expected_of_void) {
    int calls = 0;
    std::expected<void, Rejection> answer = execute([&] { ++calls; });
    EXPECT_TRUE(answer);
    EXPECT_EQ(calls, 1);
    breaker.force_open(time.now());
    EXPECT_FALSE(execute([&] { ++calls; }));
    EXPECT_EQ(calls, 1);
}

TEST_F(PipelineAnswer, may_be_a_type_that_only_moves) {
    auto answer = execute([] { return std::make_unique<std::string>("only one"); });
    ASSERT_TRUE(answer);
    EXPECT_EQ(**answer, "only one");
    expect_at_rest();
}

TEST_F(PipelineAnswer, nests_an_expected_whose_error_cannot_hold_a_rejection) {
    using Charged = std::expected<int, std::string>;
    auto answer = execute([]() -> Charged { return std::unexpected("card declined"); });
    static_assert(std::same_as<decltype(answer), std::expected<Charged, Rejection>>);
    ASSERT_TRUE(answer);
    ASSERT_FALSE(*answer);
    EXPECT_EQ(answer->error(), "card declined");
    EXPECT_EQ(breaker.stats(time.now()).failure, 1U) << "an expected without value is a failure by default";
    answer = execute([]() -> Charged { return 1; });
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().reason, RejectionReason::circuit_open);
}

TEST_F(PipelineAnswer, merges_an_expected_of_a_rejection) {
    using Charged = std::expected<std::string, Rejection>;
    auto answer = execute([]() -> Charged { return "charged"; });
    static_assert(std::same_as<decltype(answer), Charged>);
    EXPECT_EQ(answer, "charged");
    breaker.force_open(time.now());
    answer = execute([]() -> Charged { return "charged"; });
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().reason, RejectionReason::forced_open);
}

TEST_F(PipelineAnswer, turns_a_rejection_into_the_callers_own_error) {
    using Charged = std::expected<int, PaymentError>;
    breaker.force_open(time.now());
    auto answer = execute([]() -> Charged { return 1; });
    static_assert(std::same_as<decltype(answer), Charged>);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().text, "rejected by circuit breaker \"answer_breaker\": forced open");
}

TEST_F(PipelineAnswer, is_the_exception_itself_when_the_function_throws) {
    const void* thrown = nullptr;
    try {
        (void)execute([&] {
            try {
                throw std::runtime_error("card declined");
            } catch (const std::runtime_error& declined) {
                thrown = &declined;
                throw;
            }
        });
        FAIL() << "nothing was thrown";
    } catch (const std::runtime_error& caught) {
        EXPECT_EQ(&caught, thrown) << "the object itself, not a copy";
    }
    EXPECT_EQ(breaker.stats(time.now()).failure, 1U);
    expect_at_rest();
}

TEST_F(PipelineAnswer, whose_move_throws_leaves_no_permit_behind) {
    struct Stubborn {
        Stubborn() = default;
        Stubborn(const Stubborn&) = delete;
        Stubborn(Stubborn&&) noexcept(false) { throw std::runtime_error("does not move"); }
    };
    EXPECT_THROW((void)execute([] { return Stubborn(); }), std::runtime_error);
    expect_at_rest();
    EXPECT_EQ(breaker.stats(time.now()).success, 1U) << "the callee did its work";
    EXPECT_EQ(execute([] { return 200; }), 200);
}

int answer_of_a_plain_function() { return 42; }

TEST_F(PipelineAnswer, comes_from_any_callable_where_it_stands) {
    struct Counting {
        Counting() = default;
        Counting(const Counting&) = delete;
        int operator()() { return ++calls; }
        int calls = 0;
    } counting;
    EXPECT_EQ(execute(counting), 1);
    EXPECT_EQ(execute(counting), 2);
    EXPECT_EQ(counting.calls, 2);
    EXPECT_EQ(execute(answer_of_a_plain_function), 42);
    EXPECT_EQ(execute(&answer_of_a_plain_function), 42);
    EXPECT_EQ(execute([calls = 0]() mutable { return ++calls; }), 1);
    EXPECT_EQ(execute([](CallContext& call) { return call.attempt(); }), 1U);
}

TEST(Pipeline, refuses_a_null_pointer_by_stage_and_kind) {
    const std::shared_ptr<CircuitBreaker> breaker;
    const std::shared_ptr<RateLimiter> limiter;
    try {
        Pipeline guarded{breaker, RetryConfig{}, limiter};
        FAIL() << "two null pointers were accepted";
    } catch (const ConfigError& error) {
        const std::string text = error.what();
        EXPECT_NE(text.find("stage 1"), std::string::npos) << text;
        EXPECT_NE(text.find("null circuit breaker"), std::string::npos) << text;
        EXPECT_NE(text.find("stage 3"), std::string::npos) << text;
        EXPECT_NE(text.find("null rate limiter"), std::string::npos) << text;
        EXPECT_EQ(text.find("stage 2"), std::string::npos) << text;
    }
}

TEST(Pipeline, refuses_a_bad_config) {
    EXPECT_THROW((Pipeline{RetryConfig{.max_attempts = 0}}), ConfigError);
    EXPECT_THROW((Pipeline{BulkheadConfig{}}), ConfigError);
}

TEST(Pipeline, copies_share_the_policies_they_own) {
    ManualTime time{1, for_tests::origin()};
    Pipeline guarded{opens_at_once};
    const Pipeline copy = guarded;
    EXPECT_THROW((void)guarded.execute_in(time, {}, {}, []() -> int { throw std::runtime_error("down"); }),
                 std::runtime_error);
    const auto answer = copy.execute_in(time, {}, {}, [] { return 200; });
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().reason, RejectionReason::circuit_open);
    EXPECT_EQ(answer.error().policy, "") << "what a pipeline builds for itself has no name";
}

TEST(Pipeline, keeps_a_shared_policy_alive) {
    auto bulkhead = std::make_shared<Bulkhead>("shared_bulkhead", 1);
    Pipeline guarded{bulkhead};
    const std::weak_ptr<Bulkhead> watch = bulkhead;
    bulkhead.reset();
    ASSERT_FALSE(watch.expired());
    EXPECT_EQ(guarded.execute([&] { return watch.lock()->stats().in_use; }), 1U);
}

TEST(Pipeline, serves_many_threads_at_once_and_its_counters_add_up) {
    CircuitBreaker breaker("threads_breaker", {.failure_threshold = 1.0});
    RateLimiter limiter("threads_limiter", {.capacity = 500, .refill_rate = 1.0});
    Bulkhead bulkhead("threads_bulkhead", 2);
    Retry retry("threads_retry", {.max_attempts = 2, .base_delay = 0ms, .jitter = false});
    Pipeline guarded{retry, breaker, limiter, bulkhead};
    constexpr std::uint64_t threads = 4, calls = 300;
    std::atomic<std::uint64_t> began{0};
    std::vector<std::jthread> crowd;
    for (std::uint64_t thread = 0; thread < threads; ++thread) {
        crowd.emplace_back([&] {
            for (std::uint64_t call = 0; call < calls; ++call) {
                (void)guarded.execute([&]() -> std::expected<int, std::string> {
                    began.fetch_add(1);
                    if (call % 3 == 0) return std::unexpected("third");
                    return 1;
                });
            }
        });
    }
    crowd.clear();
    const auto of_breaker = breaker.stats();
    const auto of_limiter = limiter.stats();
    const auto of_bulkhead = bulkhead.stats();
    const auto of_retry = retry.stats();
    EXPECT_EQ(of_retry.calls, threads * calls);
    EXPECT_EQ(of_retry.attempts, of_breaker.requests);
    EXPECT_EQ(of_breaker.admitted, of_limiter.requests);
    EXPECT_EQ(of_limiter.admitted, of_bulkhead.requests);
    EXPECT_EQ(of_bulkhead.admitted, began.load());
    EXPECT_EQ(of_breaker.admitted, of_breaker.success + of_breaker.failure + of_breaker.ignored);
    EXPECT_EQ(of_breaker.in_flight + of_bulkhead.in_use + of_retry.sleeping, 0U);
}

}  // namespace pipeline_test
}  // namespace resilience::inline v1
