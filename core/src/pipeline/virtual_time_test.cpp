// The pieces that tests are made of: virtual and manual time, scripted callees; and the retry on its own.

#include <gtest/gtest.h>

#include <for_tests/origin.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <resilience/pipeline/manual_time.hpp>
#include <resilience/pipeline/retry_executor.hpp>
#include <resilience/pipeline/scripted_call.hpp>
#include <resilience/pipeline/virtual_time.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace resilience::inline v1 {
namespace virtual_time_test {

using namespace std::chrono_literals;
using namespace resilience::scripted;

constexpr RetryConfig every_second{.max_attempts = 5, .base_delay = 1s, .multiplier = 1.0, .jitter = false};

TEST(VirtualTime, stands_still_until_it_is_moved) {
    VirtualTime time{1, for_tests::origin()};
    EXPECT_EQ(time.now(), for_tests::origin());
    EXPECT_FALSE(time.run_one());
    time.advance(5s);
    EXPECT_EQ(time.elapsed(), 5s);
    time.advance(0s);
    EXPECT_EQ(time.elapsed(), 5s);
    VirtualTime elsewhere(1, for_tests::origin() + 100h);
    EXPECT_EQ(elsewhere.now(), for_tests::origin() + 100h);
    EXPECT_EQ(elsewhere.elapsed(), 0s);
}

TEST(VirtualTime, runs_what_is_planned_in_order_of_time_and_then_of_planning) {
    VirtualTime time{1, for_tests::origin()};
    std::string order;
    std::vector<Duration> moments;
    const auto write = [&](char letter) {
        return [&, letter] {
            order += letter;
            moments.push_back(time.elapsed());
        };
    };
    time.at(for_tests::origin() + 2s, write('c'));
    time.at(for_tests::origin() + 1s, write('a'));
    time.at(for_tests::origin() + 1s, write('b'));
    time.at(for_tests::origin() + 3s, write('d'));
    EXPECT_TRUE(time.run_one());
    EXPECT_EQ(order, "a");
    time.advance(1s);
    EXPECT_EQ(order, "abc") << "what is due at the end of an advance runs";
    time.at(for_tests::origin(), write('p'));
    time.run();
    EXPECT_EQ(order, "abcpd") << "a moment that has passed counts as now";
    EXPECT_EQ(moments, (std::vector<Duration>{1s, 1s, 2s, 2s, 3s}));
}

TEST(VirtualTime, jumps_over_back_offs) {
    VirtualTime time{1, for_tests::origin()};
    ScriptedCall callee{fail, fail, ok};
    EXPECT_EQ(time.execute(Pipeline{every_second}, std::ref(callee)), 3);
    EXPECT_EQ(time.elapsed(), 2s);
}

TEST(VirtualTime, lets_calls_overlap_on_one_thread) {
    VirtualTime time{1, for_tests::origin()};
    Bulkhead bulkhead("virtual_bulkhead", 1);
    Pipeline guarded{bulkhead};
    auto slow_one = time.start(guarded, [&] {
        time.take(2s);
        return 200;
    });
    EXPECT_FALSE(slow_one.done());
    const auto meanwhile = time.execute(guarded, [] { return 200; });
    ASSERT_FALSE(meanwhile);
    EXPECT_EQ(meanwhile.error().reason, RejectionReason::bulkhead_full);
    time.advance(2s);
    EXPECT_EQ(slow_one.answer(), 200);
    EXPECT_EQ(time.execute(guarded, [] { return 201; }), 201);
}

TEST(VirtualTime, an_attempt_on_hold_lasts_until_it_is_ended) {
    VirtualTime time{1, for_tests::origin()};
    std::optional<VirtualHold> hold;
    auto call = time.start(Pipeline{BulkheadConfig{1}}, [&] {
        hold = time.hold();
        return 200;
    });
    time.advance(1h);
    EXPECT_FALSE(call.done());
    hold->end();
    hold->end();
    EXPECT_FALSE(call.done()) << "nothing happens inside of end";
    time.advance(0s);
    EXPECT_EQ(call.answer(), 200);
}

TEST(VirtualTime, says_so_when_nothing_will_end_a_call) {
    VirtualTime time{1, for_tests::origin()};
    std::optional<VirtualHold> hold;
    EXPECT_THROW((void)time.execute(Pipeline{BulkheadConfig{1}}, [&] { hold = time.hold(); }), std::logic_error);
}

TEST(VirtualTime, has_no_answer_before_the_end) {
    VirtualTime time{1, for_tests::origin()};
    auto call = time.start(Pipeline{every_second}, [] { return 200; });
    EXPECT_THROW((void)call.answer(), std::logic_error);
    time.run();
    EXPECT_EQ(call.answer(), 200);
}

TEST(VirtualTime, calls_and_holds_may_outlive_it) {
    auto time = std::make_unique<VirtualTime>(1, for_tests::origin());
    std::optional<VirtualHold> hold;
    auto call = time->start(Pipeline{every_second}, [&] {
        hold = time->hold();
        return 200;
    });
    time.reset();
    hold->end();
    call.cancel();
    EXPECT_TRUE(call.done());
    EXPECT_THROW((void)call.answer(), std::logic_error);
}

TEST(VirtualTime, take_and_hold_belong_into_a_function) {
    VirtualTime time{1, for_tests::origin()};
    EXPECT_THROW(time.take(1s), std::logic_error);
    EXPECT_THROW((void)time.hold(), std::logic_error);
    EXPECT_EQ(VirtualTime::running(), nullptr);
    VirtualTime other{1, for_tests::origin()};
    const auto answer = time.execute(Pipeline{every_second}, [&] {
        EXPECT_THROW(other.take(1s), std::logic_error) << "of the other time nothing runs";
        return VirtualTime::running();
    });
    EXPECT_EQ(answer, &time);
    EXPECT_EQ(VirtualTime::running(), nullptr);
}

TEST(VirtualTime, a_call_inside_a_function_takes_its_own_time) {
    VirtualTime time{1, for_tests::origin()};
    const auto answer = time.execute(Pipeline{every_second}, [&] {
        time.take(1s);
        const auto inner = time.execute(Pipeline{every_second}, [&] {
            time.take(5s);
            return time.elapsed();
        });
        return std::pair(*inner, time.elapsed());
    });
    EXPECT_EQ(answer->first, 0s);
    EXPECT_EQ(answer->second, 5s);
    EXPECT_EQ(time.elapsed(), 6s);
}

TEST(VirtualTime, throws_what_the_function_threw) {
    VirtualTime time{1, for_tests::origin()};
    ScriptedCall callee{fail};
    EXPECT_THROW((void)time.execute(Pipeline{BulkheadConfig{1}}, std::ref(callee)), ScriptedFailure);
    auto call = time.start(Pipeline{BulkheadConfig{1}}, std::ref(callee));
    time.run();
    EXPECT_TRUE(call.done());
    EXPECT_THROW((void)call.answer(), ScriptedFailure);
}

TEST(VirtualTime, cancelling_before_the_first_step_and_after_the_last_is_harmless) {
    VirtualTime time{1, for_tests::origin()};
    auto call = time.start(Pipeline{every_second}, [] { return 200; });
    call.cancel();
    time.run();
    EXPECT_EQ(call.answer(), 200) << "the answer was there already";
    call.cancel();
    time.run();
    EXPECT_EQ(call.answer(), 200);
}

// ---- manual time
TEST(ManualTime, moves_by_hand_and_by_waiting_but_never_back) {
    ManualTime time(1, for_tests::origin() + 1h);
    EXPECT_EQ(time.now(), for_tests::origin() + 1h);
    time.advance(1s);
    time.advance(-5s);
    EXPECT_EQ(time.now(), for_tests::origin() + 1h + 1s);
    Parker parker;
    time.wait_until(for_tests::origin() + 2h, {}, parker);
    EXPECT_EQ(time.now(), for_tests::origin() + 2h);
    time.wait_until(for_tests::origin(), {}, parker);
    EXPECT_EQ(time.now(), for_tests::origin() + 2h);
    time.advance(Duration::max());
    EXPECT_EQ(time.now(), TimePoint::max());
}

TEST(ManualTime, does_not_wait_for_who_was_stopped) {
    ManualTime time{1, for_tests::origin()};
    std::stop_source source;
    source.request_stop();
    Parker parker;
    time.wait_until(for_tests::origin() + 1h, source.get_token(), parker);
    EXPECT_EQ(time.now(), for_tests::origin());
}

// ---- scripted calls
TEST(ScriptedCall, follows_its_script_and_then_repeats_the_last_step) {
    ScriptedCall callee{ok, fail, ok};
    EXPECT_EQ(callee(), 1);
    try {
        (void)callee();
        FAIL() << "the second step fails";
    } catch (const ScriptedFailure& failure) {
        EXPECT_STREQ(failure.what(), "scripted failure of call 2");
    }
    EXPECT_EQ(callee(), 3);
    EXPECT_EQ(callee(), 4);
    EXPECT_EQ(callee.calls(), 4U);
}

TEST(ScriptedCall, needs_a_script) { EXPECT_THROW(ScriptedCall{}, std::invalid_argument); }

TEST(ScriptedCall, takes_its_time_only_in_virtual_time) {
    ScriptedCall callee{slow(2s), slow_fail(3s), ok};
    VirtualTime time{1, for_tests::origin()};
    EXPECT_EQ(time.execute(Pipeline{every_second}, std::ref(callee)), 1);
    EXPECT_EQ(time.elapsed(), 2s);
    EXPECT_EQ(time.execute(Pipeline{every_second}, std::ref(callee)), 3);
    EXPECT_EQ(time.elapsed(), 2s + 3s + 1s);
    ScriptedCall outside{slow(1s)};
    EXPECT_THROW((void)outside(), std::logic_error);
}

// ---- a retry on its own
TEST(RetryExecutor, is_a_pipeline_of_one_retry) {
    RetryExecutor retry{{.max_attempts = 3, .base_delay = 0s, .jitter = false}};
    ScriptedCall callee{fail, fail, ok};
    EXPECT_EQ(retry.execute(std::ref(callee)), 3);
    ScriptedCall broken{fail};
    CallReport report;
    EXPECT_THROW((void)retry.execute(CallOptions{.report = &report}, std::ref(broken)), ScriptedFailure);
    EXPECT_EQ(report.attempts, 3U);
    EXPECT_EQ(report.retry_stopped, RetryStop::exhausted);
    EXPECT_EQ(retry.policy()->stats().calls, 2U);

    std::stop_source source;
    source.request_stop();
    EXPECT_EQ(retry.execute(CallOptions{}, source.get_token(), [] { return 200; }).error().reason,
              RejectionReason::cancelled);
}

TEST(RetryExecutor, may_have_a_name_or_share_its_policy) {
    RetryExecutor named("executor_retry", every_second);
    EXPECT_EQ(named.policy()->name(), "executor_retry");
    const auto policy = std::make_shared<Retry>("executor_shared");
    RetryExecutor shared(policy);
    EXPECT_EQ(shared.execute([] { return 200; }), 200);
    EXPECT_EQ(policy->stats().success_first, 1U);
    EXPECT_THROW(RetryExecutor{RetryConfig{.max_attempts = 0}}, ConfigError);
}

TEST(RetryExecutor, stands_in_a_pipeline_for_its_policy) {
    RetryExecutor retry{"executor_in_pipeline", every_second};
    Bulkhead bulkhead("executor_bulkhead", 1);
    Pipeline guarded{retry, bulkhead};
    VirtualTime time{1, for_tests::origin()};
    ScriptedCall callee{fail, ok};
    EXPECT_EQ(time.execute(guarded, std::ref(callee)), 2);
    EXPECT_EQ(retry.policy()->stats().success_retried, 1U);
}

}  // namespace virtual_time_test
}  // namespace resilience::inline v1
