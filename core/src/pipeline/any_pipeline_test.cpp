// AnyPipeline: the same answers as the pipeline inside it, whatever the function returns.

#include <gtest/gtest.h>

#include <expected>
#include <for_tests/origin.hpp>
#include <map>
#include <memory>
#include <resilience/pipeline/any_pipeline.hpp>
#include <resilience/pipeline/virtual_pipeline.hpp>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace resilience::inline v1 {
namespace any_pipeline_test {

using namespace std::chrono_literals;

constexpr RetryConfig three_at_once{.max_attempts = 3, .base_delay = 0ns, .jitter = false};

class AnyPipelineTest : public testing::Test {
  public:
    CircuitBreaker breaker{"any_breaker", {.min_requests = 100}};
    Bulkhead bulkhead{"any_bulkhead", 1};
    AnyPipeline guarded{Pipeline{three_at_once, breaker, bulkhead}};
    CallReport report;
};

int plain_function() { return 42; }

TEST_F(AnyPipelineTest, runs_functions_of_every_result) {
    EXPECT_EQ(guarded.execute(plain_function), 42);
    EXPECT_EQ(guarded.execute([] { return std::string("page"); }), "page");
    EXPECT_EQ(**guarded.execute([] { return std::make_unique<int>(3); }), 3) << "what only moves";
    bool ran = false;
    const std::expected<void, Rejection> nothing = guarded.execute([&] { ran = true; });
    EXPECT_TRUE(nothing && ran);
    EXPECT_EQ(guarded.execute([](CallContext& call) { return call.attempt(); }), 1U);
    static_assert(std::same_as<decltype(guarded.execute(plain_function)), std::expected<int, Rejection>>);
}

TEST_F(AnyPipelineTest, keeps_the_types_of_answers) {
    const auto inner = guarded.execute([]() -> std::expected<int, Rejection> { return 1; });
    static_assert(std::same_as<decltype(inner), const std::expected<int, Rejection>>);
    const auto code = guarded.execute(
        []() -> std::expected<int, std::error_code> { return std::unexpected(make_error_code(std::errc::io_error)); });
    static_assert(std::same_as<decltype(code), const std::expected<int, std::error_code>>);
    EXPECT_EQ(code.error(), std::errc::io_error);
    const auto text = guarded.execute([]() -> std::expected<int, std::string> { return std::unexpected("down"); });
    EXPECT_EQ(text->error(), "down") << "the last attempt's own answer";
}

TEST_F(AnyPipelineTest, judges_by_the_default_classification) {
    int calls = 0;
    (void)guarded.execute(CallOptions{.report = &report}, [&]() -> std::expected<int, std::string> {
        if (++calls < 3) return std::unexpected("down");
        return calls;
    });
    EXPECT_EQ(report.attempts, 3U);
    EXPECT_EQ(breaker.stats().failure, 2U);
    EXPECT_EQ(breaker.stats().success, 1U);
}

TEST_F(AnyPipelineTest, an_attempt_that_follows_another_leaves_only_its_own_answer) {
    int calls = 0;
    EXPECT_THROW((void)guarded.execute([&]() -> std::expected<std::string, std::string> {
        if (++calls < 3) return std::unexpected(std::string(100, 'x'));
        throw std::runtime_error("down");
    }),
                 std::runtime_error);
    EXPECT_EQ(calls, 3);
}

TEST_F(AnyPipelineTest, an_exception_is_thrown_on_unchanged) {
    EXPECT_THROW((void)guarded.execute([]() -> int { throw std::out_of_range("7"); }), std::out_of_range);
    EXPECT_EQ(breaker.stats().failure, 3U);
}

TEST_F(AnyPipelineTest, a_rejection_comes_out_whole) {
    const auto occupied = bulkhead.try_acquire();
    const auto answer = guarded.execute(CallOptions{.report = &report}, plain_function);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().reason, RejectionReason::bulkhead_full);
    EXPECT_EQ(answer.error().policy, "any_bulkhead");
    EXPECT_EQ(report.refused, answer.error());
    const auto code = guarded.execute([]() -> std::expected<int, std::error_code> { return 1; });
    EXPECT_EQ(code.error(), RejectionReason::bulkhead_full);
    EXPECT_FALSE(guarded.execute([] {}));
}

TEST_F(AnyPipelineTest, a_rejection_inside_the_result_is_not_a_failure) {
    const Rejection inside{.reason = RejectionReason::shutting_down, .kind = PolicyKind::bulkhead, .policy = "inside"};
    const auto answer = guarded.execute([&]() -> std::expected<int, Rejection> { return std::unexpected(inside); });
    EXPECT_EQ(answer.error(), inside);
    EXPECT_EQ(breaker.stats().ignored, 1U);
}

TEST_F(AnyPipelineTest, obeys_options_and_stop_tokens) {
    EXPECT_EQ(guarded.execute(CallOptions{.timeout = 0s}, plain_function).error().reason,
              RejectionReason::deadline_exceeded);
    std::stop_source stop;
    const auto seen =
        guarded.execute(CallOptions{.priority = Priority::bulk}, stop.get_token(), [&](CallContext& call) {
            stop.request_stop();
            return call.stop_token().stop_requested() && call.priority() == Priority::bulk;
        });
    EXPECT_EQ(seen, true);
    EXPECT_EQ(guarded.execute({}, stop.get_token(), plain_function).error().reason, RejectionReason::cancelled);
}

TEST_F(AnyPipelineTest, falls_back) {
    const auto fallback = [](const Rejection&) { return -1; };
    EXPECT_EQ(guarded.execute_or(plain_function, fallback), 42);
    breaker.force_open();
    EXPECT_EQ(guarded.execute_or(plain_function, fallback), -1);
    EXPECT_EQ(guarded.execute_or(CallOptions{.report = &report}, plain_function, fallback), -1);
    EXPECT_EQ(report.served_by, "fallback");
    EXPECT_EQ(guarded.execute_or({}, {}, plain_function, fallback), -1);
    const std::expected<int, std::error_code> merged =
        guarded.execute_or([]() -> std::expected<int, std::error_code> { return 1; }, fallback);
    EXPECT_EQ(merged, -1);
}

TEST_F(AnyPipelineTest, copies_share_and_containers_hold_them) {
    std::map<std::string, AnyPipeline> by_name;
    by_name["full"] = guarded;
    by_name["small"] = Pipeline{RateLimiterConfig{.capacity = 1, .refill_rate = 0.001}};
    const AnyPipeline copy = by_name["small"];
    EXPECT_TRUE(copy.execute(plain_function));
    EXPECT_FALSE(by_name["small"].execute(plain_function)) << "the token was taken through the copy";
    EXPECT_TRUE(by_name["full"].execute(plain_function));
}

TEST_F(AnyPipelineTest, an_empty_one_refuses_clearly) {
    AnyPipeline empty;
    EXPECT_FALSE(empty);
    bool ran = false;
    EXPECT_THROW((void)empty.execute([&] { ran = true; }), std::logic_error);
    EXPECT_THROW((void)empty.execute_or([&] { ran = true; }, [&](const Rejection&) { ran = true; }), std::logic_error);
    EXPECT_THROW((void)empty.notes(), std::logic_error);
    EXPECT_FALSE(ran);
    const AnyPipeline moved = std::move(guarded);
    EXPECT_TRUE(moved);
    EXPECT_FALSE(guarded);  // NOLINT: that a moved-from one is empty is promised
}

// ---- classifiers
struct StatusJudge {
    Outcome operator()(int status) const { return status < 500 ? Outcome::success : Outcome::failure; }
    Outcome operator()(const std::string& text) const { return text.empty() ? Outcome::failure : Outcome::success; }
    Outcome operator()(const std::exception_ptr&) const { return Outcome::ignored; }
};

TEST_F(AnyPipelineTest, a_classifier_judges_the_results_it_was_told_of) {
    const AnyPipeline judged{Pipeline{classify(StatusJudge{}), breaker},
                             judging<int, std::string, std::expected<int, Rejection>>};
    EXPECT_EQ(judged.execute([] { return 503; }), 503);
    EXPECT_EQ(breaker.stats().failure, 1U);
    EXPECT_EQ(judged.execute([] { return 404; }), 404);
    EXPECT_EQ(breaker.stats().success, 1U);
    EXPECT_EQ(judged.execute([] { return std::string(); }), "");
    EXPECT_EQ(breaker.stats().failure, 2U);
    EXPECT_THROW((void)judged.execute([]() -> int { throw std::runtime_error("down"); }), std::runtime_error);
    EXPECT_EQ(breaker.stats().ignored, 1U);
    EXPECT_TRUE(judged.execute([] {})) << "nothing to judge";
    EXPECT_EQ(breaker.stats().success, 2U);
    (void)judged.execute([]() -> std::expected<int, Rejection> { return std::unexpected(Rejection{}); });
    EXPECT_EQ(breaker.stats().ignored, 2U) << "a rejection inside stays one";
}

TEST_F(AnyPipelineTest, a_result_that_nobody_can_judge_is_refused_before_anything_is_asked) {
    const AnyPipeline judged{Pipeline{classify(StatusJudge{}), breaker}, judging<int>};
    bool ran = false;
    EXPECT_THROW((void)judged.execute([&] { return ran = true; }), std::logic_error);
    EXPECT_FALSE(ran);
    EXPECT_EQ(breaker.stats().requests, 0U);
}

TEST_F(AnyPipelineTest, a_breaker_with_its_own_classifier_judges_too) {
    CircuitBreaker own{"any_own", {.min_requests = 100}};
    const AnyPipeline judged{Pipeline{breaker, own.with(StatusJudge{})}, judging<int>};
    EXPECT_EQ(judged.execute([] { return 503; }), 503);
    EXPECT_EQ(own.stats().failure, 1U);
    EXPECT_EQ(breaker.stats().success, 1U);
    EXPECT_EQ(judged.execute_or([] { return 503; }, [](const Rejection&) { return 0; }), 503);
    EXPECT_EQ(own.stats().failure, 2U);
}

// ---- virtual time
TEST_F(AnyPipelineTest, runs_in_virtual_time_when_made_so) {
    VirtualTime time{1, for_tests::origin()};
    CircuitBreaker timed{"any_timed", {.timeout = 10s, .min_requests = 2}};
    const AnyPipeline any =
        in_virtual_time(time, Pipeline{RetryConfig{.max_attempts = 2, .base_delay = 100ms, .jitter = false}, timed});
    EXPECT_THROW((void)any.execute([]() -> int { throw std::runtime_error("down"); }), std::runtime_error);
    EXPECT_EQ(time.elapsed(), 100ms);
    const auto refused = any.execute(plain_function);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().retry_after, 10s);
    time.advance(10s);
    EXPECT_EQ(any.execute_or(
                  [&] {
                      time.take(5s);
                      return 200;
                  },
                  [](const Rejection&) { return 0; }),
              200);
    EXPECT_EQ(time.elapsed(), 15s + 100ms);
    const AnyPipeline judged = in_virtual_time(time, Pipeline{classify(StatusJudge{}), breaker}, judging<int>);
    EXPECT_EQ(judged.execute([] { return 503; }), 503);
    EXPECT_EQ(breaker.stats(time.now()).failure, 1U);
}

TEST_F(AnyPipelineTest, is_executed_by_many_threads_at_once) {
    Bulkhead wide{"any_wide", 64};
    const AnyPipeline shared{Pipeline{breaker, wide}};
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&] {
            for (int call = 0; call < 500; ++call) EXPECT_EQ(shared.execute([&] { return call; }), call);
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(breaker.stats().success, 2000U);
    EXPECT_EQ(wide.stats().in_use, 0U);
}

}  // namespace any_pipeline_test
}  // namespace resilience::inline v1
