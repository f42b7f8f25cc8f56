// Everything a caller may say of one call, blocking and in virtual time from one text.

#include <gtest/gtest.h>

#include <for_tests/origin.hpp>
#include <optional>
#include <resilience/pipeline/pipeline.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "conformance_drivers.hpp"

namespace resilience::inline v1 {
namespace call_options_test {

using namespace std::chrono_literals;

constexpr Duration unlimited = Duration::max();

struct TimeLimit {
    const char* name;
    std::optional<Duration> timeout{};
    std::optional<Duration> deadline{};  // from the start of the call
    Duration takes{};
    Duration remaining = unlimited;  // as the function sees it when it begins; below 0: it never begins
    bool answered = true;
};
constexpr Duration never_begins{-1};

std::vector<TimeLimit> time_limits() {
    return {
        {.name = "none", .takes = 24h},
        {.name = "the_longest_timeout", .timeout = unlimited, .takes = 24h},
        {.name = "in_time", .timeout = 2s, .takes = 1s, .remaining = 2s},
        {.name = "at_the_deadline_itself", .timeout = 2s, .takes = 2s, .remaining = 2s},
        {.name = "a_nanosecond_late", .timeout = 2s, .takes = 2s + 1ns, .remaining = 2s, .answered = false},
        {.name = "after_the_deadline", .deadline = 2s, .takes = 3s, .remaining = 2s, .answered = false},
        {.name = "the_deadline_is_earlier",
         .timeout = 5s,
         .deadline = 2s,
         .takes = 3s,
         .remaining = 2s,
         .answered = false},
        {.name = "the_timeout_is_earlier",
         .timeout = 2s,
         .deadline = 5s,
         .takes = 3s,
         .remaining = 2s,
         .answered = false},
        {.name = "a_timeout_of_zero", .timeout = 0s, .remaining = never_begins, .answered = false},
        {.name = "a_negative_timeout", .timeout = -1s, .remaining = never_begins, .answered = false},
        {.name = "the_most_negative_timeout", .timeout = Duration::min(), .remaining = never_begins, .answered = false},
        {.name = "a_deadline_of_now", .deadline = 0s, .remaining = never_begins, .answered = false},
        {.name = "a_past_deadline", .deadline = -1ns, .remaining = never_begins, .answered = false},
        {.name = "a_past_deadline_beside_a_timeout",
         .timeout = 1s,
         .deadline = -1s,
         .remaining = never_begins,
         .answered = false},
    };
}

template <class Run>
void obeys(const TimeLimit& limit, bool by_exception) {
    Run run;
    run.advance(1h);
    CircuitBreaker breaker("limited_breaker");
    RateLimiter limiter("limited_limiter", {.capacity = 5, .refill_rate = 1});
    Bulkhead bulkhead("limited_bulkhead", 1);
    Pipeline guarded{breaker, limiter, bulkhead};
    CallReport report;
    CallOptions options{.timeout = limit.timeout, .report = &report};
    if (limit.deadline) options.deadline = run.now() + *limit.deadline;

    std::optional<Duration> remaining;
    bool threw = false;
    std::optional<std::expected<int, Rejection>> answer;
    try {
        answer = run.execute(guarded, options, {}, [&](CallContext& call) {
            remaining = call.remaining();
            run.take(limit.takes);
            if (by_exception) throw std::runtime_error("down");
            return 200;
        });
    } catch (const std::runtime_error&) {
        threw = true;
    }
    const bool began = limit.remaining >= Duration::zero();
    EXPECT_EQ(remaining, began ? std::optional(limit.remaining) : std::nullopt);
    EXPECT_EQ(report.attempts, began ? 1U : 0U);
    EXPECT_EQ(threw, limit.answered && by_exception) << "a late exception is dropped like a late answer";
    if (limit.answered) {
        EXPECT_EQ(answer.has_value(), !by_exception);
        EXPECT_FALSE(report.refused);
    } else {
        ASSERT_TRUE(answer);
        ASSERT_FALSE(*answer);
        EXPECT_EQ(answer->error().reason, RejectionReason::deadline_exceeded);
        EXPECT_EQ(answer->error().kind, PolicyKind::timeout);
        EXPECT_EQ(report.refused, answer->error());
    }
    const auto stats = breaker.stats(run.now());
    EXPECT_EQ(stats.requests, began ? 1U : 0U);
    EXPECT_EQ(stats.failure, began && (by_exception || !limit.answered) ? 1U : 0U);
    EXPECT_EQ(stats.success, limit.answered && !by_exception ? 1U : 0U);
    EXPECT_EQ(limiter.stats(run.now()).requests, began ? 1U : 0U);
    EXPECT_EQ(bulkhead.stats().requests, began ? 1U : 0U);
    EXPECT_EQ(bulkhead.stats().in_use, 0U);
}

class TimeLimits : public testing::TestWithParam<TimeLimit> {};
std::string name_of(const testing::TestParamInfo<TimeLimit>& info) { return info.param.name; }

TEST_P(TimeLimits, are_obeyed_blocking) {
    obeys<BlockingRun>(GetParam(), false);
    obeys<BlockingRun>(GetParam(), true);
}
TEST_P(TimeLimits, are_obeyed_in_virtual_time) {
    obeys<VirtualRun>(GetParam(), false);
    obeys<VirtualRun>(GetParam(), true);
}
INSTANTIATE_TEST_SUITE_P(CallOptions, TimeLimits, testing::ValuesIn(time_limits()), name_of);

// ---- the rest of the options
template <class Driver>
class CallOptionsOn : public testing::Test {
  public:
    Driver run;
    CallReport report;
};
TYPED_TEST_SUITE(CallOptionsOn, Runs, RunNames);

constexpr RetryConfig every_600_ms{.max_attempts = 9, .base_delay = 600ms, .multiplier = 1.0, .jitter = false};

TYPED_TEST(CallOptionsOn, a_call_never_sleeps_past_its_deadline) {
    Pipeline guarded{every_600_ms};
    const TimePoint began = this->run.now();
    EXPECT_THROW((void)this->run.execute(guarded, CallOptions{.timeout = 1s, .report = &this->report}, {},
                                         []() -> int { throw std::runtime_error("down"); }),
                 std::runtime_error)
        << "the last outcome is the answer";
    EXPECT_EQ(this->run.now() - began, 600ms);
    EXPECT_EQ(this->report.attempts, 2U);
    EXPECT_EQ(this->report.retry_stopped, RetryStop::deadline);
}

TYPED_TEST(CallOptionsOn, a_late_attempt_is_not_followed_by_another) {
    CircuitBreaker breaker("late_breaker");
    Pipeline guarded{every_600_ms, breaker};
    int calls = 0;
    const auto answer = this->run.execute(guarded, CallOptions{.timeout = 1s, .report = &this->report}, {}, [&] {
        this->run.take(++calls == 1 ? 0s : 2s);
        if (calls == 1) throw std::runtime_error("down");
        return 200;
    });
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().reason, RejectionReason::deadline_exceeded);
    EXPECT_EQ(calls, 2);
    EXPECT_EQ(this->report.retry_stopped, RetryStop::deadline);
    EXPECT_EQ(breaker.stats(this->run.now()).failure, 2U);
}

TYPED_TEST(CallOptionsOn, tokens_are_asked_of_every_limiter_on_the_way) {
    RateLimiter outer("outer_limiter", {.capacity = 100, .refill_rate = 0.001});
    RateLimiter inner("inner_limiter", {.capacity = 50, .refill_rate = 0.001});
    Pipeline guarded{outer, inner};
    EXPECT_EQ(this->run.execute(guarded, CallOptions{.tokens = 30}, {}, [] { return 200; }), 200);
    EXPECT_EQ(outer.stats(this->run.now()).available_tokens, 70U);
    EXPECT_EQ(inner.stats(this->run.now()).available_tokens, 20U);
    EXPECT_FALSE(this->run.execute(guarded, CallOptions{.tokens = 30}, {}, [] { return 200; }));
    EXPECT_EQ(outer.stats(this->run.now()).available_tokens, 40U);
    EXPECT_EQ(inner.stats(this->run.now()).available_tokens, 20U);
}

TYPED_TEST(CallOptionsOn, the_report_is_written_also_when_the_function_throws) {
    Pipeline guarded{RetryConfig{.max_attempts = 3, .base_delay = 100ms, .jitter = false}};
    this->report.attempts = 77;
    this->report.served_by = "an earlier call";
    EXPECT_THROW((void)this->run.execute(guarded, CallOptions{.report = &this->report}, {},
                                         []() -> int { throw std::runtime_error("down"); }),
                 std::runtime_error);
    EXPECT_EQ(this->report.attempts, 3U);
    EXPECT_EQ(this->report.waited_in_backoff, 300ms);
    EXPECT_EQ(this->report.retry_stopped, RetryStop::exhausted);
    EXPECT_FALSE(this->report.refused);
    EXPECT_EQ(this->report.served_by, "");
}

TYPED_TEST(CallOptionsOn, the_context_tells_the_function_about_its_call) {
    this->run.advance(1h);
    const TimePoint began = this->run.now();
    Pipeline guarded{RetryConfig{.max_attempts = 2, .base_delay = 500ms, .jitter = false}};
    std::uint32_t calls = 0;
    const CallOptions options{.timeout = 10s, .priority = Priority::bulk, .tokens = 7};
    const auto answer = this->run.execute(guarded, options, {}, [&](CallContext& call) {
        EXPECT_EQ(call.attempt(), ++calls);
        EXPECT_EQ(call.started(), began);
        EXPECT_EQ(call.deadline(), began + 10s);
        EXPECT_EQ(call.priority(), Priority::bulk);
        EXPECT_EQ(call.tokens(), 7U);
        EXPECT_FALSE(call.stop_token().stop_requested());
        const Duration before = calls == 1 ? 0s : 1500ms;
        EXPECT_EQ(call.now() - began, before);
        this->run.take(1s);
        EXPECT_EQ(call.now() - began, before + 1s) << "its own work is part of its time";
        EXPECT_EQ(call.remaining(), 9s - before);
        if (calls == 1) throw std::runtime_error("down");
        return 200;
    });
    EXPECT_EQ(answer, 200);
    EXPECT_EQ(calls, 2U);
}

TYPED_TEST(CallOptionsOn, a_stop_already_requested_is_refused_before_anything_is_asked) {
    std::stop_source source;
    source.request_stop();
    RateLimiter limiter("stopped_limiter", {.capacity = 1, .refill_rate = 1});
    Retry retry("stopped_retry", every_600_ms);
    Pipeline guarded{retry, limiter};
    bool called = false;
    const auto answer =
        this->run.execute(guarded, CallOptions{.report = &this->report}, source.get_token(), [&] { called = true; });
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().reason, RejectionReason::cancelled);
    EXPECT_EQ(answer.error().kind, PolicyKind::pipeline);
    EXPECT_FALSE(called);
    EXPECT_EQ(limiter.stats(this->run.now()).requests, 0U);
    EXPECT_EQ(retry.stats().calls, 0U);
    EXPECT_EQ(this->report.attempts, 0U);
    EXPECT_EQ(this->report.refused, answer.error());
}

// A sleep may end late. What has no time left then begins no attempt.
TEST(CallOptions, an_overslept_back_off_makes_no_attempt_after_the_deadline) {
    struct Oversleeping {
        ManualTime time{1, for_tests::origin()};
        [[nodiscard]] TimePoint now() const noexcept { return time.now(); }
        void wait_until(TimePoint until, const std::stop_token& stop, Parker& parker) {
            time.wait_until(until + 1s, stop, parker);
        }
        [[nodiscard]] Random& random() noexcept { return time.random(); }
    } oversleeping;
    CallReport report;
    Pipeline guarded{every_600_ms};
    EXPECT_THROW((void)guarded.execute_in(oversleeping, CallOptions{.timeout = 1s, .report = &report}, {},
                                          []() -> int { throw std::runtime_error("down"); }),
                 std::runtime_error);
    EXPECT_EQ(report.attempts, 1U);
    EXPECT_EQ(report.retry_stopped, RetryStop::deadline);
    EXPECT_EQ(report.waited_in_backoff, 1600ms);
}

}  // namespace call_options_test
}  // namespace resilience::inline v1
