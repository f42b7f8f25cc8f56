// The rows of the behaviour table about retries, each run blocking and in virtual time from one table.

#include <gtest/gtest.h>

#include <for_tests/origin.hpp>
#include <resilience/pipeline/pipeline.hpp>
#include <string>
#include <vector>

#include "conformance_drivers.hpp"

namespace resilience::inline v1 {
namespace conformance_retry_test {

using namespace std::chrono_literals;

struct Reply {
    int value = 0;
    CallResult result = CallResult::success;
    bool retryable = true;
    std::optional<Duration> retry_after{};
};
constexpr Reply S{.value = 1};
constexpr Reply F{.result = CallResult::failure};
constexpr Reply final_failure{.value = 7, .result = CallResult::failure, .retryable = false};
constexpr Reply final_word{.value = 3, .result = CallResult::failure};
constexpr Reply come_back_after(Duration wait) { return {.result = CallResult::failure, .retry_after = wait}; }

struct JudgeReply {
    Verdict operator()(const Reply& reply) const {
        return {.result = reply.result, .retryable = reply.retryable, .retry_after = reply.retry_after};
    }
};

constexpr RetryConfig constant(std::uint32_t attempts, Duration delay) {
    return {.max_attempts = attempts, .base_delay = delay, .multiplier = 1.0, .jitter = false};
}
constexpr RetryConfig exponential(std::uint32_t attempts, Duration base, Duration cap = 30s) {
    return {.max_attempts = attempts, .base_delay = base, .max_delay = cap, .multiplier = 2.0, .jitter = false};
}

constexpr RetryConfig linear(std::uint32_t attempts, Duration base) {
    return {.max_attempts = attempts, .base_delay = base, .backoff_kind = BackoffKind::linear, .jitter = false};
}
constexpr RetryConfig limited(RetryConfig config, Duration max_duration) {
    config.max_duration = max_duration;
    return config;
}

struct Row {
    const char* id;
    RetryConfig config;
    std::vector<Reply> replies;  // the last one repeats
    CallOptions options{};
    std::size_t attempts;
    std::vector<Duration> sleeps;
    RetryStop stop;
};

// NAME, how the retry is configured, what the function answers, attempts, sleeps, why it stopped.
Row row(const char* id, RetryConfig config, std::vector<Reply> replies, std::size_t attempts,
        std::vector<Duration> sleeps, RetryStop stop, CallOptions options = {}) {
    return {id, config, std::move(replies), options, attempts, std::move(sleeps), stop};
}

std::vector<Row> rows() {
    using enum RetryStop;
    return {
        row("RT_1", constant(3, 500ms), {S}, 1, {}, not_needed),
        row("RT_2", constant(3, 500ms), {F, S}, 2, {500ms}, succeeded),
        row("RT_4", constant(3, 500ms), {F}, 3, {500ms, 500ms}, exhausted),
        row("RT_6", constant(3, 500ms), {final_failure}, 1, {}, not_retryable),
        row("RT_10", exponential(3, 500ms), {F}, 3, {500ms, 1000ms}, exhausted),
        row("RT_12", constant(3, 500ms), {{.value = 1, .result = CallResult::failure}, F, final_word}, 3,
            {500ms, 500ms}, exhausted),
        row("RT_17", constant(13, 500ms), {F}, 13, std::vector<Duration>(12, 500ms), exhausted),
        row("RT_26", linear(4, 2s), {F}, 4, {2s, 4s, 6s}, exhausted),
        row("RT_29", constant(RetryConfig::unlimited, 0ms), {F, F, F, F, F, S}, 6, std::vector<Duration>(5, 0ms),
            succeeded),
        row("RT_30", constant(4, 0ms), {F}, 4, {0ms, 0ms, 0ms}, exhausted),
        row("RT_31", exponential(7, 1ms, 10ms), {F}, 7, {1ms, 2ms, 4ms, 8ms, 10ms, 10ms}, exhausted),
        row("RT_32", exponential(6, 2s, 30s), {F}, 6, {2s, 4s, 8s, 16s, 30s}, exhausted),
        row("RT_34", limited(constant(9, 150ms), 200ms), {F}, 2, {150ms}, max_duration),
        row("RT_34_a_deadline_before_it", limited(constant(9, 150ms), 200ms), {F}, 1, {}, deadline, {.timeout = 150ms}),
        row("RT_34_exactly_at_it", limited(constant(9, 100ms), 200ms), {F}, 2, {100ms}, max_duration),
        row("RT_34_just_before_it", limited(constant(9, 100ms), 200ms + 1ns), {F}, 3, {100ms, 100ms}, max_duration),
        row("RT_35", constant(9, 600ms), {F}, 2, {600ms}, deadline, {.timeout = 1s}),
    };
}

// One call as the table describes it, with what could be seen of it.
template <class Run>
struct Observed {
    std::vector<TimePoint> started;
    std::vector<Duration> sleeps;
    CallReport report;
    RetryStats stats;
    std::optional<Reply> answer;
    TimePoint ended;

    explicit Observed(const Row& described) {
        Run run;
        Retry retry("conformance_retry", described.config);
        Pipeline guarded{classify(JudgeReply{}), retry};
        CallOptions options = described.options;
        options.report = &report;
        auto result = run.execute(guarded, options, {}, [&](CallContext& call) {
            EXPECT_EQ(call.attempt(), started.size() + 1);
            started.push_back(run.now());
            return described.replies[std::min(started.size(), described.replies.size()) - 1];
        });
        if (result) answer = *result;
        ended = run.now();
        for (std::size_t i = 1; i < started.size(); ++i) sleeps.push_back(started[i] - started[i - 1]);
        stats = retry.stats();
    }
};

bool gave_up(RetryStop stop) { return stop == RetryStop::deadline || stop == RetryStop::max_duration; }

template <class Run>
void holds(const Row& described) {
    const Observed<Run> seen(described);
    EXPECT_EQ(seen.started.size(), described.attempts);
    EXPECT_EQ(seen.sleeps, described.sleeps);
    EXPECT_EQ(seen.report.attempts, described.attempts);
    EXPECT_EQ(seen.report.retry_stopped, described.stop);
    ASSERT_TRUE(seen.answer.has_value()) << "an exhausted retry returns the last outcome itself";
    EXPECT_EQ(seen.answer->value, described.replies.back().value);
    Duration slept{};
    for (const Duration sleep : described.sleeps) slept += sleep;
    EXPECT_EQ(seen.report.waited_in_backoff, slept);
    EXPECT_EQ(seen.ended - for_tests::origin(), slept) << "nobody waits for an attempt that will not be";
    EXPECT_EQ(seen.stats.calls, 1U);
    EXPECT_EQ(seen.stats.attempts, described.attempts);
    EXPECT_EQ(seen.stats.retries, described.attempts - 1);
    EXPECT_EQ(seen.stats.sleeping, 0U);
    EXPECT_EQ(seen.stats.success_first, described.stop == RetryStop::not_needed ? 1U : 0U);
    EXPECT_EQ(seen.stats.success_retried, described.stop == RetryStop::succeeded ? 1U : 0U);
    EXPECT_EQ(seen.stats.exhausted, described.stop == RetryStop::exhausted ? 1U : 0U);
    EXPECT_EQ(seen.stats.not_retryable, described.stop == RetryStop::not_retryable ? 1U : 0U);
    EXPECT_EQ(seen.stats.gave_up, gave_up(described.stop) ? 1U : 0U);
}

class Conformance : public testing::TestWithParam<Row> {};
std::string id_of(const testing::TestParamInfo<Row>& info) { return info.param.id; }

TEST_P(Conformance, holds_blocking) { holds<BlockingRun>(GetParam()); }
TEST_P(Conformance, holds_in_virtual_time) { holds<VirtualRun>(GetParam()); }
INSTANTIATE_TEST_SUITE_P(Retry, Conformance, testing::ValuesIn(rows()), id_of);

// ---- rows that are not a line of that table
template <class Driver>
class RetryConformance : public testing::Test {
  public:
    Driver run;
};
TYPED_TEST_SUITE(RetryConformance, Runs, RunNames);

struct Down : std::runtime_error {
    using std::runtime_error::runtime_error;
};

TYPED_TEST(RetryConformance, RT_4_the_third_exception_itself_reaches_the_caller) {
    Pipeline guarded{constant(3, 500ms)};
    int attempts = 0;
    const TimePoint began = this->run.now();
    try {
        (void)this->run.execute(guarded, {}, {}, [&]() -> int { throw Down("number " + std::to_string(++attempts)); });
        FAIL() << "the exception did not propagate";
    } catch (const Down& down) {
        EXPECT_STREQ(down.what(), "number 3");
    }
    EXPECT_EQ(attempts, 3);
    EXPECT_EQ(this->run.now() - began, 1000ms);
}

TYPED_TEST(RetryConformance, RT_16_and_RT_23_cancelled_during_the_delay_ends_at_once) {
    for (const bool by_exception : {false, true}) {
        TypeParam fresh;
        Pipeline guarded{classify(JudgeReply{}), constant(3, 500ms)};
        int attempts = 0;
        auto answer = fresh.execute_and_stop_in_backoff(guarded, [&] {
            ++attempts;
            if (by_exception) throw Down("down");
            return F;
        });
        ASSERT_FALSE(answer);
        EXPECT_EQ(answer.error().reason, RejectionReason::cancelled);
        EXPECT_EQ(attempts, 1);
        EXPECT_LT(fresh.now() - for_tests::origin(), 500ms);
    }
}

TYPED_TEST(RetryConformance, RT_20_cancelled_while_running_an_acceptable_value_is_kept) {
    std::stop_source source;
    Retry retry("conformance_retry", constant(3, 500ms));
    Pipeline guarded{classify(JudgeReply{}), retry};
    int attempts = 0;
    auto answer = this->run.execute(guarded, {}, source.get_token(), [&] {
        ++attempts;
        source.request_stop();
        return S;
    });
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->value, S.value);
    EXPECT_EQ(attempts, 1);
}

TYPED_TEST(RetryConformance, RT_21_cancelled_while_running_a_retryable_value_is_cancelled) {
    std::stop_source source;
    CircuitBreaker breaker("conformance_breaker");
    Retry retry("conformance_retry", constant(3, 500ms));
    Pipeline guarded{classify(JudgeReply{}), retry, breaker};
    int attempts = 0;
    CallReport report;
    int told = 0;
    const auto listening = retry.on_event([&](const Event&) { ++told; }, EventKinds::all);
    auto answer = this->run.execute(guarded, CallOptions{.report = &report}, source.get_token(), [&] {
        ++attempts;
        source.request_stop();
        return F;
    });
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().reason, RejectionReason::cancelled);
    EXPECT_EQ(attempts, 1);
    EXPECT_EQ(told, 0) << "no retry is told of that will not be";
    EXPECT_EQ(retry.stats().retries, 0U);
    EXPECT_EQ(report.retry_stopped, RetryStop::cancelled);
    const auto stats = breaker.stats(this->run.now());
    EXPECT_EQ(stats.failure, 0U) << "a caller that gave up is nobody's failure";
    EXPECT_EQ(stats.cancelled, 1U);
}

TYPED_TEST(RetryConformance, RT_33_an_attempt_that_outlasts_the_duration_is_the_last) {
    Pipeline guarded{classify(JudgeReply{}), limited(constant(9, 0ms), 100ms)};
    int attempts = 0;
    CallReport report;
    auto answer = this->run.execute(guarded, CallOptions{.report = &report}, {}, [&] {
        if (++attempts == 2) this->run.take(120ms);
        return F;
    });
    ASSERT_TRUE(answer) << "the last failure itself";
    EXPECT_EQ(attempts, 2);
    EXPECT_EQ(report.retry_stopped, RetryStop::max_duration);
}

TYPED_TEST(RetryConformance, RT_37_never_earlier_than_the_callee_asked) {
    for (std::uint64_t round = 0; round < 200; ++round) {
        Pipeline guarded{classify(JudgeReply{}), RetryConfig{.base_delay = 1s}};
        std::vector<TimePoint> started;
        (void)this->run.execute(guarded, {}, {}, [&] {
            started.push_back(this->run.now());
            return started.size() == 1 ? come_back_after(5s) : S;
        });
        ASSERT_EQ(started.size(), 2U);
        EXPECT_GE(started[1] - started[0], 5s);
        EXPECT_LE(started[1] - started[0], 6250ms);
    }
}

TYPED_TEST(RetryConformance, RT_39_a_breaker_about_to_probe_is_waited_for) {
    CircuitBreaker breaker("conformance_breaker", {.success_threshold = 1, .timeout = 100ms, .min_requests = 1});
    Pipeline guarded{classify(JudgeReply{}), constant(3, 20ms), breaker};
    breaker.open(this->run.now());
    this->run.advance(85ms);  // 15 ms left, the retry would sleep 20
    std::vector<TimePoint> started;
    const TimePoint asked = this->run.now();
    auto answer = this->run.execute(guarded, CallOptions{.timeout = 10s}, {}, [&] {
        started.push_back(this->run.now());
        return S;
    });
    ASSERT_TRUE(answer);
    ASSERT_EQ(started.size(), 1U);
    EXPECT_GE(started[0] - asked, 15ms);
    EXPECT_LE(started[0] - asked, 20ms) << "one sleep, the retry's own";
    EXPECT_EQ(breaker.state(this->run.now()), CircuitState::closed);
}

TYPED_TEST(RetryConformance, RT_41_a_throwing_listener_changes_nothing) {
    Retry retry("conformance_retry", constant(3, 500ms));
    Pipeline guarded{retry};
    int heard = 0, attempts = 0;
    const Subscription listening = retry.on_event(
        [&](const Event&) {
            ++heard;
            throw std::logic_error("listener");
        },
        EventKinds::all);
    EXPECT_THROW((void)this->run.execute(guarded, {}, {},
                                         [&]() -> int {
                                             ++attempts;
                                             throw Down("down");
                                         }),
                 Down);
    EXPECT_EQ(attempts, 3);
    EXPECT_EQ(heard, 2);
    EXPECT_EQ(retry.stats().listener_exceptions, 2U);
}

TYPED_TEST(RetryConformance, RT_42_three_attempts_are_one_call_and_two_retries) {
    const Observed<TypeParam> seen(row("RT_42", constant(3, 500ms), {F}, 3, {500ms, 500ms}, RetryStop::exhausted));
    EXPECT_EQ(seen.stats.calls, 1U);
    EXPECT_EQ(seen.stats.attempts, 3U);
    EXPECT_EQ(seen.stats.retries, 2U);
}

}  // namespace conformance_retry_test
}  // namespace resilience::inline v1
