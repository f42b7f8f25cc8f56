// execute_or: which ends of a call the fallback replaces, and which pass through.

#include <gtest/gtest.h>

#include <expected>
#include <for_tests/origin.hpp>
#include <memory>
#include <resilience/pipeline/manual_time.hpp>
#include <resilience/pipeline/pipeline.hpp>
#include <resilience/pipeline/virtual_time.hpp>
#include <stdexcept>
#include <string>
#include <system_error>

namespace resilience::inline v1 {
namespace execute_or_test {

using namespace std::chrono_literals;

class ExecuteOr : public testing::Test {
  public:
    template <class Function, class Fallback>
    auto execute_or(Function&& function, Fallback&& fallback, CallOptions options = {}) {
        options.report = &report;
        return guarded.execute_or_in(time, options, {}, function, fallback);
    }
    void open() { breaker.force_open(time.now()); }

    ManualTime time{1, for_tests::origin()};
    CallReport report;
    CircuitBreaker breaker{"fallback_breaker", {.min_requests = 100}};
    Bulkhead bulkhead{"fallback_bulkhead", 1};
    Pipeline<CircuitBreaker, Bulkhead> guarded{breaker, bulkhead};
};

TEST_F(ExecuteOr, an_answer_is_the_functions_own) {
    const std::string answer =
        execute_or([] { return std::string("page"); }, [](const Rejection&) { return std::string("cached"); });
    EXPECT_EQ(answer, "page");
    EXPECT_EQ(report.served_by, "");
    EXPECT_EQ(report.attempts, 1U);
}

TEST_F(ExecuteOr, a_rejection_is_handed_to_the_fallback) {
    open();
    Rejection seen;
    const std::string answer = execute_or([]() -> std::string { throw std::logic_error("it does not run"); },
                                          [&](const Rejection& why) {
                                              seen = why;
                                              return "cached";  // what converts will do
                                          });
    EXPECT_EQ(answer, "cached");
    EXPECT_EQ(seen.reason, RejectionReason::forced_open);
    EXPECT_EQ(seen.policy, "fallback_breaker");
    EXPECT_EQ(report.served_by, "fallback");
    EXPECT_EQ(report.refused, seen);
}

TEST_F(ExecuteOr, an_exception_is_the_callees_answer) {
    const auto throws = []() -> int { throw std::runtime_error("down"); };
    EXPECT_THROW((void)execute_or(throws, [](const Rejection&) { return 0; }), std::runtime_error);
    EXPECT_EQ(report.served_by, "");
}

TEST_F(ExecuteOr, an_error_of_the_functions_own_is_its_answer_and_a_rejection_is_not) {
    using Reply = std::expected<int, std::error_code>;
    const auto fails = []() -> Reply { return std::unexpected(make_error_code(std::errc::io_error)); };
    const auto fallback = [](const Rejection&) { return 7; };
    EXPECT_EQ(execute_or(fails, fallback), Reply(std::unexpected(make_error_code(std::errc::io_error))));
    open();
    EXPECT_EQ(execute_or(fails, fallback), Reply(7)) << "and the type is the function's, not nested";
}

TEST_F(ExecuteOr, a_rejection_inside_the_result_falls_back) {
    using Reply = std::expected<int, Rejection>;
    const Rejection inner{.reason = RejectionReason::rate_limited, .kind = PolicyKind::rate_limiter, .policy = "inner"};
    const Reply answer = execute_or([&]() -> Reply { return std::unexpected(inner); },
                                    [&](const Rejection& why) {
                                        EXPECT_EQ(why, inner);
                                        return Reply(7);
                                    });
    EXPECT_EQ(answer, Reply(7));
    EXPECT_EQ(breaker.stats(time.now()).ignored, 1U);
}

TEST_F(ExecuteOr, a_late_answer_falls_back) {
    const int answer = execute_or(
        [&] {
            time.advance(2s);
            return 200;
        },
        [](const Rejection& why) { return why.reason == RejectionReason::deadline_exceeded ? 504 : 0; },
        {.timeout = 1s});
    EXPECT_EQ(answer, 504);
}

TEST_F(ExecuteOr, nothing_is_held_while_the_fallback_runs_and_its_exception_is_the_callers) {
    open();
    const auto fallback = [&](const Rejection&) -> int {
        EXPECT_EQ(bulkhead.stats().in_use, 0U);
        throw std::runtime_error("no cache either");
    };
    EXPECT_THROW((void)execute_or([] { return 200; }, fallback), std::runtime_error);
    EXPECT_EQ(report.served_by, "fallback");
}

TEST_F(ExecuteOr, works_for_functions_that_return_nothing_and_for_what_only_moves) {
    bool fell_back = false;
    execute_or([] {}, [&](const Rejection&) { fell_back = true; });
    EXPECT_FALSE(fell_back);
    const std::unique_ptr<int> moved =
        execute_or([] { return std::make_unique<int>(3); }, [](const Rejection&) { return std::make_unique<int>(4); });
    EXPECT_EQ(*moved, 3);
    open();
    execute_or([] {}, [&](const Rejection&) { fell_back = true; });
    EXPECT_TRUE(fell_back);
}

TEST_F(ExecuteOr, the_classifier_judges_what_the_function_returned) {
    Pipeline judged{classify([](int status) { return status < 500 ? Outcome::success : Outcome::failure; }), breaker};
    EXPECT_EQ(judged.execute_or_in(time, {}, {}, [] { return 503; }, [](const Rejection&) { return 0; }), 503);
    EXPECT_EQ(breaker.stats(time.now()).failure, 1U);
}

TEST_F(ExecuteOr, has_the_three_forms_in_real_and_in_virtual_time) {
    const auto function = [](CallContext& call) { return call.priority() == Priority::bulk ? 2 : 1; };
    const auto fallback = [](const Rejection& why) { return why.reason == RejectionReason::cancelled ? -2 : -1; };
    const CallOptions bulk{.priority = Priority::bulk};
    std::stop_source stopped;
    stopped.request_stop();
    EXPECT_EQ(guarded.execute_or(function, fallback), 1);
    EXPECT_EQ(guarded.execute_or(bulk, function, fallback), 2);
    EXPECT_EQ(guarded.execute_or(bulk, stopped.get_token(), function, fallback), -2);

    VirtualTime virtual_time{1, for_tests::origin()};
    EXPECT_EQ(virtual_time.execute_or(guarded, function, fallback), 1);
    EXPECT_EQ(virtual_time.execute_or(guarded, bulk, function, fallback), 2);
    EXPECT_EQ(virtual_time.execute_or(guarded, bulk, stopped.get_token(), function, fallback), -2);
    open();
    CallReport served;
    EXPECT_EQ(virtual_time.execute_or(guarded, CallOptions{.report = &served}, function, fallback), -1);
    EXPECT_EQ(served.served_by, "fallback");
}

}  // namespace execute_or_test
}  // namespace resilience::inline v1
