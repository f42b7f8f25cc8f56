// Pipelines inside pipelines: as entries of a list, and as calls inside a guarded function.

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
namespace nested_pipelines_test {

using namespace std::chrono_literals;

constexpr RetryConfig three_attempts{.max_attempts = 3, .base_delay = 10ms, .multiplier = 1.0, .jitter = false};

std::expected<int, std::string> fails() { return std::unexpected("down"); }

class NestedPipelines : public testing::Test {
  public:
    template <class Pipeline, class Function>
    auto execute(const Pipeline& pipeline, Function&& function, CallOptions options = {}) {
        options.report = &report;
        return pipeline.execute_in(time, options, {}, std::forward<Function>(function));
    }
    [[nodiscard]] CircuitBreakerStats seen() const { return breaker.stats(time.now()); }

    ManualTime time{1, for_tests::origin()};
    CallReport report;
    CircuitBreaker breaker{"nested_breaker", {.min_requests = 100}};
    RateLimiter limiter{"nested_limiter", {.capacity = 10, .refill_rate = 0.001}};
    Bulkhead bulkhead{"nested_bulkhead", 1};
    Retry retry{"nested_retry", three_attempts};
};

TEST_F(NestedPipelines, the_stages_of_an_entry_stand_in_its_place) {
    Pipeline inner{breaker, limiter};
    Pipeline outer{retry, inner, bulkhead};
    EXPECT_EQ(execute(outer, fails)->error(), "down");
    EXPECT_EQ(seen().failure, 3U) << "the retry is around the breaker";
    EXPECT_EQ(limiter.stats(time.now()).available_tokens, 7U);
    EXPECT_EQ(bulkhead.stats().settled, 3U);
    EXPECT_EQ(report.attempts, 3U) << "one call, one report";

    const auto occupied = bulkhead.try_acquire();
    EXPECT_EQ(execute(outer, fails).error().policy, "nested_bulkhead") << "the third of the four, inside the entry";
    EXPECT_EQ(seen().ignored, 3U);
}

TEST_F(NestedPipelines, nest_more_than_once_and_in_any_place) {
    Pipeline innermost{limiter, bulkhead};
    Pipeline middle{retry, innermost};
    Pipeline outer{breaker, middle};
    EXPECT_EQ(execute(outer, [&] { return bulkhead.stats().in_use; }), 1U);
    (void)execute(outer, fails);
    EXPECT_EQ(seen().failure, 1U) << "the breaker is around the retry";
    EXPECT_EQ(limiter.stats(time.now()).available_tokens, 6U);
    EXPECT_EQ(outer.notes().size(), 1U);
}

TEST_F(NestedPipelines, an_entry_may_be_a_temporary_and_keeps_what_it_shares) {
    auto shared = std::make_shared<Bulkhead>("nested_shared", 1U);
    std::weak_ptr<Bulkhead> watched = shared;
    {
        Pipeline outer{breaker, Pipeline{three_attempts, std::move(shared)}};
        EXPECT_EQ(execute(outer, [&] { return watched.lock()->stats().in_use; }), 1U);
        EXPECT_FALSE(watched.expired());
    }
    EXPECT_TRUE(watched.expired());
}

TEST_F(NestedPipelines, a_pipeline_of_one_pipeline_is_a_copy) {
    Pipeline guarded{breaker};
    Pipeline copy{guarded};
    static_assert(std::same_as<decltype(copy), Pipeline<CircuitBreaker>>);
    EXPECT_EQ(execute(copy, [] { return 200; }), 200);
    EXPECT_EQ(seen().success, 1U);
}

TEST_F(NestedPipelines, the_classifier_of_an_entry_judges_for_all) {
    Pipeline inner{classify([](int status) { return status < 500 ? Outcome::success : Outcome::failure; }), limiter};
    Pipeline outer{breaker, inner};
    EXPECT_EQ(execute(outer, [] { return 503; }), 503);
    EXPECT_EQ(seen().failure, 1U);
}

TEST_F(NestedPipelines, two_retries_need_saying_so_once) {
    Pipeline twice{allow_nested_retry, retry, three_attempts};
    Pipeline outer{breaker, twice};
    int calls = 0;
    (void)execute(outer, [&] {
        ++calls;
        return fails();
    });
    EXPECT_EQ(calls, 9) << "the entry said it; what is around it adds no retry";

    Pipeline thrice{allow_nested_retry, RetryConfig{.max_attempts = 2, .base_delay = 0ns}, twice};
    calls = 0;
    (void)execute(thrice, [&] {
        ++calls;
        return fails();
    });
    EXPECT_EQ(calls, 18);
}

TEST_F(NestedPipelines, stages_of_an_entry_are_counted_when_a_null_policy_is_refused) {
    Pipeline inner{breaker, limiter};
    try {
        Pipeline outer{retry, inner, std::shared_ptr<Bulkhead>{}};
        FAIL() << "it was accepted";
    } catch (const ConfigError& error) {
        ASSERT_EQ(error.problems().size(), 1U);
        EXPECT_EQ(error.problems()[0].field, "stage 4");
        EXPECT_EQ(error.problems()[0].message, "null bulkhead");
    }
}

TEST_F(NestedPipelines, work_in_virtual_time) {
    VirtualTime virtual_time{1, for_tests::origin()};
    Pipeline inner{breaker, limiter};
    Pipeline outer{retry, inner};
    EXPECT_EQ(virtual_time.execute(outer, fails)->error(), "down");
    EXPECT_EQ(seen().failure, 3U);
    EXPECT_EQ(virtual_time.elapsed(), 20ms);
}

// ---- a call inside a guarded function
TEST_F(NestedPipelines, a_call_inside_inherits_deadline_and_priority) {
    Pipeline outer{breaker};
    Pipeline inner{limiter};
    const CallOptions options{.timeout = 2s, .priority = Priority::critical, .tokens = 5};
    EXPECT_TRUE(execute(
        outer,
        [&](CallContext& call) {
            const CallOptions inherited = call.options();
            EXPECT_EQ(inherited.deadline, time.now() + 2s);
            EXPECT_EQ(inherited.timeout, std::nullopt);
            EXPECT_EQ(inherited.priority, Priority::critical);
            EXPECT_EQ(inherited.tokens, 1U) << "what the inner call costs is its own affair";
            EXPECT_EQ(inherited.report, nullptr);
            return inner.execute_in(time, inherited, call.stop_token(), [&](CallContext& within) {
                EXPECT_EQ(within.deadline(), call.deadline());
                return 200;
            });
        },
        options));
}

TEST_F(NestedPipelines, a_call_without_a_deadline_hands_on_none) {
    Pipeline outer{breaker};
    EXPECT_TRUE(execute(outer, [&](CallContext& call) {
        EXPECT_EQ(call.options().deadline, std::nullopt);
        return 200;
    }));
}

TEST_F(NestedPipelines, the_earliest_deadline_wins) {
    struct Row {
        Duration outer;
        Duration inner;
        Duration wins;
    };
    for (const Row& row : {Row{5s, 2s, 2s}, Row{2s, 5s, 2s}, Row{3s, 3s, 3s}}) {
        Pipeline outer{breaker};
        Pipeline inner{limiter};
        const auto answer = execute(outer,
                                    [&](CallContext& call) {
                                        CallOptions options = call.options();
                                        options.timeout = row.inner;
                                        return inner.execute_in(
                                            time, options, {}, [&](CallContext& within) { return within.remaining(); });
                                    },
                                    {.timeout = row.outer});
        EXPECT_EQ(answer, row.wins);
    }
}

TEST_F(NestedPipelines, an_inner_call_that_has_no_time_left_is_a_rejection_and_ends_the_outer_retry) {
    Pipeline outer{retry, breaker};
    Pipeline inner{limiter};
    int calls = 0;
    const auto answer = execute(outer,
                                [&](CallContext& call) {
                                    ++calls;
                                    CallOptions options = call.options();
                                    options.timeout = 0s;
                                    return inner.execute_in(time, options, {}, [] { return 200; });
                                },
                                {.timeout = 2s});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().reason, RejectionReason::deadline_exceeded);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(seen().ignored, 1U);
    EXPECT_EQ(report.retry_stopped, RetryStop::deadline);
}

TEST_F(NestedPipelines, an_inner_answer_after_the_outer_deadline_is_late_for_both) {
    Pipeline outer{breaker};
    CircuitBreaker inside{"nested_inside"};
    Pipeline inner{inside};
    const auto answer = execute(outer,
                                [&](CallContext& call) {
                                    return inner.execute_in(time, call.options(), {}, [&] {
                                        time.advance(3s);
                                        return 200;
                                    });
                                },
                                {.timeout = 2s});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().reason, RejectionReason::deadline_exceeded);
    EXPECT_EQ(inside.stats(time.now()).failure, 1U);
    EXPECT_EQ(seen().failure, 1U);
}

}  // namespace nested_pipelines_test
}  // namespace resilience::inline v1
