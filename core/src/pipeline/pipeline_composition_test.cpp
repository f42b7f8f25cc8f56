// How policies, classifiers and pipelines fit into each other: what each of them sees of a call.

#include <gtest/gtest.h>

#include <atomic>
#include <expected>
#include <for_tests/origin.hpp>
#include <resilience/pipeline/manual_time.hpp>
#include <resilience/pipeline/pipeline.hpp>
#include <stdexcept>
#include <string>

namespace resilience::inline v1 {
namespace pipeline_composition_test {

using namespace std::chrono_literals;

constexpr RetryConfig three_attempts{.max_attempts = 3, .base_delay = 10ms, .multiplier = 1.0, .jitter = false};

// All four policies, not yet in any order. The breaker does not open.
class PipelineComposition : public testing::Test {
  public:
    template <class Pipeline, class Function>
    auto execute(const Pipeline& pipeline, Function&& function, CallOptions options = {}) {
        options.report = &report;
        return pipeline.execute_in(time, options, {}, std::forward<Function>(function));
    }
    [[nodiscard]] CircuitBreakerStats seen() const { return breaker.stats(time.now()); }

    ManualTime time{1, for_tests::origin()};
    CallReport report;
    CircuitBreaker breaker{"composed_breaker", {.min_requests = 100}};
    RateLimiter limiter{"composed_limiter", {.capacity = 10, .refill_rate = 0.001}};
    Bulkhead bulkhead{"composed_bulkhead", 1};
    Retry retry{"composed_retry", three_attempts};
};

std::expected<int, std::string> fails() { return std::unexpected("down"); }

TEST_F(PipelineComposition, a_retry_outside_shows_the_breaker_every_attempt) {
    Pipeline guarded{retry, breaker};
    (void)execute(guarded, fails);
    EXPECT_EQ(seen().failure, 3U);
}

TEST_F(PipelineComposition, a_retry_inside_shows_the_breaker_one_outcome_per_call) {
    Pipeline guarded{breaker, retry};
    (void)execute(guarded, fails);
    EXPECT_EQ(seen().failure, 1U);
    EXPECT_EQ(seen().requests, 1U);
    EXPECT_EQ(report.attempts, 3U);
}

TEST_F(PipelineComposition, a_breaker_outside_ignores_what_the_bulkhead_refuses) {
    Pipeline guarded{breaker, bulkhead};
    const auto occupied = bulkhead.try_acquire();
    const auto answer = execute(guarded, [] { return 200; });
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().reason, RejectionReason::bulkhead_full);
    EXPECT_EQ(seen().requests, 1U);
    EXPECT_EQ(seen().ignored, 1U);
    EXPECT_EQ(seen().window.requests, 0U);
}

TEST_F(PipelineComposition, a_breaker_inside_never_hears_of_what_the_bulkhead_refuses) {
    Pipeline guarded{bulkhead, breaker};
    const auto occupied = bulkhead.try_acquire();
    EXPECT_FALSE(execute(guarded, [] { return 200; }));
    EXPECT_EQ(seen().requests, 0U);
}

TEST_F(PipelineComposition, a_refusal_half_way_drops_permits_but_gives_no_tokens_back) {
    Pipeline guarded{breaker, limiter, bulkhead};
    const auto occupied = bulkhead.try_acquire();
    bool called = false;
    const auto answer = execute(guarded, [&] { called = true; }, {.tokens = 4});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().reason, RejectionReason::bulkhead_full);
    EXPECT_EQ(answer.error().policy, "composed_bulkhead");
    EXPECT_FALSE(called);
    EXPECT_EQ(seen().ignored, 1U);
    EXPECT_EQ(seen().in_flight, 0U);
    EXPECT_EQ(limiter.stats(time.now()).available_tokens, 6U);
    EXPECT_EQ(bulkhead.stats().in_use, 1U) << "only the one held by hand";
    EXPECT_EQ(report.attempts, 0U) << "a refused attempt is not one";
    EXPECT_EQ(report.refused, answer.error());
}

TEST_F(PipelineComposition, a_refusal_between_two_failures_is_a_try_but_no_attempt) {
    Pipeline guarded{retry, bulkhead};
    Admission<Bulkhead::Permit> occupied = std::unexpected(Rejection{});
    struct Occupying {  // takes the place during the first back-off, gives it back during the second
        ManualTime& time;
        Bulkhead& bulkhead;
        Admission<Bulkhead::Permit>& occupied;
        int waits = 0;
        [[nodiscard]] TimePoint now() const noexcept { return time.now(); }
        void wait_until(TimePoint until, const std::stop_token& stop, Parker& parker) {
            if (++waits == 1) {
                occupied = bulkhead.try_acquire();
            } else {
                occupied->release();
            }
            time.wait_until(until, stop, parker);
        }
        [[nodiscard]] Random& random() noexcept { return time.random(); }
    } occupying{time, bulkhead, occupied};
    const auto answer = guarded.execute_in(occupying, CallOptions{.report = &report}, {}, fails);
    ASSERT_TRUE(answer) << answer.error();
    EXPECT_EQ(*answer, fails());
    EXPECT_EQ(report.attempts, 2U);
    EXPECT_EQ(retry.stats().attempts, 3U);
    ASSERT_TRUE(report.refused);
    EXPECT_EQ(report.refused->reason, RejectionReason::bulkhead_full);
}

TEST_F(PipelineComposition, nested_retries_multiply_attempts) {
    Pipeline guarded{allow_nested_retry, retry, three_attempts};
    std::uint32_t calls = 0;
    (void)execute(guarded, [&](CallContext& call) {
        EXPECT_EQ(call.attempt(), ++calls) << "numbered through the whole call";
        return fails();
    });
    EXPECT_EQ(calls, 9U);
    EXPECT_EQ(retry.stats().attempts, 3U) << "of its own";
    EXPECT_EQ(report.attempts, 9U);
    EXPECT_EQ(report.waited_in_backoff, 80ms);
}

TEST_F(PipelineComposition, a_rejection_inside_the_result_is_not_a_failure) {
    Pipeline guarded{breaker};
    const Rejection inner{.reason = RejectionReason::rate_limited, .kind = PolicyKind::rate_limiter};
    const auto answer = execute(guarded, [&]() -> std::expected<int, Rejection> { return std::unexpected(inner); });
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error(), inner);
    EXPECT_EQ(seen().failure, 0U);
    EXPECT_EQ(seen().ignored, 1U);
    EXPECT_EQ(report.refused, inner);
    EXPECT_EQ(report.attempts, 1U) << "the function began";
}

TEST_F(PipelineComposition, a_pipeline_may_run_inside_a_function_of_another) {
    Pipeline outer{retry, breaker};
    Pipeline inner{limiter, bulkhead};
    const auto occupied = bulkhead.try_acquire();
    const auto answer = execute(outer, [&] { return inner.execute_in(time, {}, {}, [] { return 200; }); });
    ASSERT_FALSE(answer) << "one expected, not two";
    EXPECT_EQ(answer.error().policy, "composed_bulkhead");
    EXPECT_EQ(seen().ignored, 3U) << "a full bulkhead may have room after a pause";
    EXPECT_EQ(seen().failure, 0U);
    EXPECT_EQ(limiter.stats(time.now()).available_tokens, 7U);
}

TEST_F(PipelineComposition, a_pipeline_may_call_itself) {
    Bulkhead nested{"composed_nested", 2};
    Pipeline guarded{nested};
    const auto inner = [&] { return guarded.execute_in(time, {}, {}, [&] { return nested.stats().in_use; }); };
    EXPECT_EQ(execute(guarded, inner), 2U);
    EXPECT_EQ(nested.stats().in_use, 0U);
}

// ---- a gate of one's own
class Maintenance {
  public:
    class Permit {
      public:
        Permit() = default;
        explicit Permit(Maintenance& owner) noexcept : owner_(&owner) {}
        void settle(const Step& step) noexcept {
            ++owner_->settled;
            owner_->last = step.result;
        }

      private:
        Maintenance* owner_ = nullptr;
    };
    std::expected<Permit, Rejection> try_acquire(TimePoint, const CallContext& call) noexcept {
        asked_tokens = call.tokens();
        if (!on) return Permit(*this);
        return std::unexpected(Rejection{
            .reason = RejectionReason::shutting_down, .kind = PolicyKind::load_shedder, .policy = "maintenance"});
    }

    std::atomic<bool> on{false};
    std::uint64_t asked_tokens = 0;
    int settled = 0;
    CallResult last = CallResult::ignored;
};

TEST_F(PipelineComposition, a_gate_of_ones_own_needs_no_stage) {
    Maintenance maintenance;
    Pipeline guarded{retry, breaker, maintenance};
    EXPECT_EQ(execute(guarded, [] { return 200; }, {.tokens = 3}), 200);
    EXPECT_EQ(maintenance.settled, 1);
    EXPECT_EQ(maintenance.last, CallResult::success);
    EXPECT_EQ(maintenance.asked_tokens, 3U);

    EXPECT_THROW((void)execute(guarded, []() -> int { throw std::runtime_error("down"); }), std::runtime_error);
    EXPECT_EQ(maintenance.settled, 4) << "once per attempt";
    EXPECT_EQ(maintenance.last, CallResult::failure);

    maintenance.on = true;
    const auto answer = execute(guarded, [] { return 200; });
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().policy, "maintenance");
    EXPECT_EQ(maintenance.settled, 4) << "nothing was admitted";
    EXPECT_EQ(seen().ignored, 1U) << "shutting down is not worth another attempt";
}

// ---- classifiers
TEST_F(PipelineComposition, a_classifier_may_return_an_outcome) {
    Pipeline guarded{retry, classify([](int status) { return status < 500 ? Outcome::success : Outcome::failure; }),
                     breaker};
    EXPECT_EQ(execute(guarded, [] { return 503; }), 503) << "the last answer itself";
    EXPECT_EQ(seen().failure, 3U);
    EXPECT_EQ(execute(guarded, [] { return 404; }), 404);
    EXPECT_EQ(seen().success, 1U);
}

TEST_F(PipelineComposition, a_classifier_may_judge_the_value_inside_an_expected) {
    struct JudgeStatus {
        Verdict operator()(int status) const {
            return {.result = status == 404 ? CallResult::application_error : CallResult::success};
        }
    };
    Pipeline guarded{classify(JudgeStatus{}), breaker};
    EXPECT_EQ(execute(guarded, []() -> std::expected<int, std::string> { return 404; })->value(), 404);
    EXPECT_EQ(seen().success, 1U);
    EXPECT_EQ(execute(guarded, fails)->error(), "down");
    EXPECT_EQ(seen().failure, 1U) << "the case without value stays a failure";
}

TEST_F(PipelineComposition, a_classifier_may_judge_a_function_that_returns_nothing) {
    Pipeline guarded{classify([] { return Outcome::ignored; }), breaker};
    EXPECT_TRUE(execute(guarded, [] {}));
    EXPECT_EQ(seen().ignored, 1U);
}

TEST_F(PipelineComposition, a_classifier_that_forbids_another_attempt_is_obeyed) {
    struct NeverAgain {
        Verdict operator()(int) const { return {.result = CallResult::failure, .retryable = false}; }
    };
    Pipeline guarded{classify(NeverAgain{}), retry};
    EXPECT_EQ(execute(guarded, [] { return 503; }), 503);
    EXPECT_EQ(report.attempts, 1U);
    EXPECT_EQ(report.retry_stopped, RetryStop::not_retryable);
}

TEST_F(PipelineComposition, a_classifier_that_throws_changes_nothing_for_the_caller) {
    struct Broken {
        Outcome operator()(int) const { throw std::logic_error("classifier of values"); }
        Outcome operator()(const std::exception_ptr&) const { throw 7; }
    };
    Pipeline guarded{classify(Broken{}), breaker};
    EXPECT_EQ(execute(guarded, [] { return 200; }), 200);
    EXPECT_THROW((void)execute(guarded, []() -> int { throw std::runtime_error("down"); }), std::runtime_error);
    EXPECT_EQ(seen().failure, 2U);
    EXPECT_EQ(seen().classifier_errors, 2U);
    EXPECT_EQ(seen().in_flight, 0U);
}

}  // namespace pipeline_composition_test
}  // namespace resilience::inline v1
