// The rows of the behaviour table about delay functions and what is called before a retry, blocking and in virtual
// time.

#include <gtest/gtest.h>

#include <for_tests/origin.hpp>
#include <functional>
#include <resilience/pipeline/pipeline.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "conformance_drivers.hpp"

namespace resilience::inline v1 {
namespace conformance_retry_hooks_test {

using namespace std::chrono_literals;

struct Down : std::runtime_error {
    using std::runtime_error::runtime_error;
};

constexpr RetryConfig attempts_of(std::uint32_t attempts, Duration delay = 500ms) {
    return {.max_attempts = attempts, .base_delay = delay, .max_delay = 24h, .multiplier = 1, .jitter = false};
}

struct Announced {
    std::uint32_t attempt;
    Duration delay;
    Duration took;
    friend bool operator==(const Announced&, const Announced&) = default;
};

// What an event says of a retry.
struct Told {
    std::uint32_t attempt;
    Duration delay;
    friend bool operator==(const Told&, const Told&) = default;
};

template <class Driver>
class RetryHooksConformance : public testing::Test {
  public:
    // Runs a call that always fails, `takes` an attempt. Hooks are told of in `announced`.
    CallReport fail_all(const RetryConfig& config, std::function<Duration(const AttemptEnd&)> delay,
                        Duration takes = 0ms) {
        Retry retry("conformance_hooks", config,
                    RetryHooks{.delay = std::move(delay), .before_retry = [this](const auto& end, const auto& next) {
                                   announced.push_back({end.attempt, next.delay, end.took});
                               }});
        const Subscription listening = retry.on_event(
            [this](const Event& event) { told.push_back({event.attempt, event.retry_after.value_or(-1ns)}); },
            EventKinds::all);
        CallReport report;
        Pipeline guarded{retry};
        try {
            (void)run.execute(guarded, CallOptions{.report = &report}, {}, [&]() -> int {
                started.push_back(run.now());
                run.take(takes);
                throw Down("number " + std::to_string(started.size()));
            });
            ADD_FAILURE() << "the exception did not propagate";
        } catch (const Down& down) {
            thrown = down.what();
        }
        EXPECT_EQ(retry.stats().sleeping, 0U);
        return report;
    }
    [[nodiscard]] std::vector<Duration> delays() const {
        std::vector<Duration> all;
        for (const Announced& one : announced) all.push_back(one.delay);
        return all;
    }

    Driver run;
    std::vector<TimePoint> started;
    std::string thrown;
    std::vector<Announced> announced;
    std::vector<Told> told;
};
TYPED_TEST_SUITE(RetryHooksConformance, Runs, RunNames);

TYPED_TEST(RetryHooksConformance, RT_9_each_delay_from_the_one_before) {
    this->fail_all(attempts_of(3), [](const AttemptEnd& end) -> Duration {
        const auto before = end.previous_delay / 1ms;
        return before == 0 ? 500ms : before * before * 1ms;
    });
    ASSERT_EQ(this->started.size(), 3U);
    EXPECT_EQ(this->started[1] - this->started[0], 500ms);
    EXPECT_EQ(this->started[2] - this->started[1], 250'000ms);
}

TYPED_TEST(RetryHooksConformance, RT_11_a_delay_that_the_value_decides) {
    struct Judge {
        Verdict operator()(const std::string& text) const {
            if (text == "ok") return {};
            return {.result = CallResult::failure, .retry_after = text == "Await 100" ? 100ms : 200ms};
        }
    };
    Retry retry(attempts_of(3),
                RetryHooks{.delay = [](const AttemptEnd& end) { return end.retry_after.value_or(1h); }});
    Pipeline guarded{classify(Judge{}), retry};
    std::vector<TimePoint> at;
    auto answer = this->run.execute(guarded, {}, {}, [&]() -> std::string {
        static const std::vector<std::string> replies{"Await 100", "Await 200", "ok"};
        at.push_back(this->run.now());
        return replies[at.size() - 1];
    });
    ASSERT_EQ(at.size(), 3U);
    EXPECT_EQ(at[1] - at[0], 100ms);
    EXPECT_EQ(at[2] - at[1], 200ms);
    EXPECT_EQ(answer.value(), "ok");
}

TYPED_TEST(RetryHooksConformance, RT_14_nothing_then_no_further) {
    const CallReport report =
        this->fail_all(attempts_of(3), [](const AttemptEnd& end) { return end.attempt == 1 ? 0ms : -1ms; });
    EXPECT_EQ(this->started.size(), 2U);
    EXPECT_EQ(this->thrown, "number 2") << "the last one";
    EXPECT_EQ(this->told, (std::vector<Told>{{1, 0ms}})) << "no retry is told of that will not be";
    EXPECT_EQ(report.attempts, 2U);
    EXPECT_EQ(report.retry_stopped, RetryStop::not_retryable);
}

TYPED_TEST(RetryHooksConformance, RT_14_no_further_at_once) {
    this->fail_all(attempts_of(3), [](const AttemptEnd&) { return Duration::min(); });
    EXPECT_EQ(this->started.size(), 1U);
    EXPECT_EQ(this->told, std::vector<Told>{});
}

TYPED_TEST(RetryHooksConformance, RT_24_asked_once_for_each_retry) {
    int asked = 0;
    this->fail_all(attempts_of(4), [&](const AttemptEnd&) {
        ++asked;
        return 120ms;
    });
    EXPECT_EQ(asked, 3);
    EXPECT_EQ(this->delays(), (std::vector<Duration>{120ms, 120ms, 120ms}));
    EXPECT_EQ(this->told, (std::vector<Told>{{1, 120ms}, {2, 120ms}, {3, 120ms}}));
}

TYPED_TEST(RetryHooksConformance, RT_26_linear_delays_with_their_attempts) {
    RetryConfig config = attempts_of(4, 2s);
    config.backoff_kind = BackoffKind::linear;
    this->fail_all(config, {});
    EXPECT_EQ(this->announced, (std::vector<Announced>{{1, 2s, 0s}, {2, 4s, 0s}, {3, 6s, 0s}}));
}

TYPED_TEST(RetryHooksConformance, RT_27_a_function_is_cut_at_the_longest_delay) {
    RetryConfig config = attempts_of(4, 0ms);
    config.max_delay = 123ms;
    this->fail_all(config, [](const AttemptEnd& end) { return end.attempt * 2s; });
    EXPECT_EQ(this->delays(), (std::vector<Duration>{123ms, 123ms, 123ms}));
}

TYPED_TEST(RetryHooksConformance, RT_28_is_told_how_long_the_attempt_took) {
    this->fail_all(attempts_of(3, 0ms), {}, 1min);
    EXPECT_EQ(this->announced, (std::vector<Announced>{{1, 0s, 1min}, {2, 0s, 1min}}));
}

TYPED_TEST(RetryHooksConformance, RT_44_is_told_of_each_attempt_but_the_last) {
    this->fail_all(attempts_of(3), {});
    EXPECT_EQ(this->announced, (std::vector<Announced>{{1, 500ms, 0s}, {2, 500ms, 0s}}));
    EXPECT_EQ(this->started.size(), 3U);
}

TYPED_TEST(RetryHooksConformance, a_hook_that_throws_is_counted_and_loses_no_result) {
    Retry retry(attempts_of(3), RetryHooks{.delay = [](const AttemptEnd&) -> Duration { throw Down("delay"); },
                                           .before_retry = [](const auto&, const auto&) { throw Down("before"); }});
    Pipeline guarded{retry};
    int attempts = 0;
    const TimePoint began = this->run.now();
    auto answer = this->run.execute(guarded, {}, {}, [&] {
        if (++attempts < 3) throw Down("call");
        return 7;
    });
    EXPECT_EQ(answer.value(), 7);
    EXPECT_EQ(this->run.now() - began, 1s) << "the configured delay stands in";
    EXPECT_EQ(retry.stats().hook_exceptions, 4U);
    EXPECT_EQ(retry.stats().success_retried, 1U);
}

TYPED_TEST(RetryHooksConformance, a_function_shortens_no_pause_that_the_callee_asked_for) {
    Retry retry(attempts_of(2), RetryHooks{.delay = [](const AttemptEnd&) { return 10ms; }});
    Pipeline guarded{classify([](int) { return Verdict{.result = CallResult::failure, .retry_after = 1s}; }), retry};
    const TimePoint began = this->run.now();
    EXPECT_EQ(this->run.execute(guarded, {}, {}, [] { return 3; }).value(), 3);
    EXPECT_EQ(this->run.now() - began, 1s);
}

// A time whose waits are counted: the timers of a blocking call.
struct TimeOfTimers {
    ManualTime time{1, for_tests::origin()};
    int timers = 0;
    [[nodiscard]] TimePoint now() const noexcept { return time.now(); }
    void wait_until(TimePoint until, const std::stop_token& stop, Parker& parker) {
        ++timers;
        time.wait_until(until, stop, parker);
    }
    [[nodiscard]] Random& random() noexcept { return time.random(); }
};

TEST(RetryHooksConformance, RT_25_no_delay_makes_no_timer) {
    for (const Duration delay : {0ms, 1ms}) {
        Retry retry(attempts_of(4), RetryHooks{.delay = [delay](const AttemptEnd&) { return delay; }});
        Pipeline guarded{retry};
        TimeOfTimers time;
        int attempts = 0;
        EXPECT_THROW((void)guarded.execute_in(time, CallOptions{}, {},
                                              [&]() -> int {
                                                  ++attempts;
                                                  throw Down("down");
                                              }),
                     Down);
        EXPECT_EQ(attempts, 4);
        EXPECT_EQ(time.timers, delay == 0ms ? 0 : 3);
    }
}

TEST(RetryHooksConformance, RT_25_no_delay_lets_no_virtual_moment_pass) {
    Retry retry(attempts_of(4), RetryHooks{.delay = [](const AttemptEnd&) { return 0ms; }});
    Pipeline guarded{retry};
    VirtualTime time{1, for_tests::origin()};
    auto call = time.start(guarded, []() -> int { throw Down("down"); });
    time.advance(0ms);
    EXPECT_TRUE(call.done());
    EXPECT_EQ(retry.stats().attempts, 4U);
}

}  // namespace conformance_retry_hooks_test
}  // namespace resilience::inline v1
