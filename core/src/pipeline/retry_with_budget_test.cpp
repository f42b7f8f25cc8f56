// Retries that share a budget, and retries that wait for a circuit, blocking and in virtual time.

#include <gtest/gtest.h>

#include <for_tests/origin.hpp>
#include <memory>
#include <resilience/pipeline/pipeline.hpp>
#include <resilience/pipeline/retry_executor.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "conformance_drivers.hpp"

namespace resilience::inline v1 {
namespace retry_with_budget_test {

using namespace std::chrono_literals;

struct Down : std::runtime_error {
    using std::runtime_error::runtime_error;
};

constexpr RetryConfig attempts_of(std::uint32_t attempts, Duration delay = 0ms) {
    return {.max_attempts = attempts, .base_delay = delay, .multiplier = 1, .jitter = false};
}

struct JudgeResult {
    Verdict operator()(CallResult result) const { return {.result = result}; }
};

template <class Driver>
class RetryWithBudget : public testing::Test {
  public:
    // One call whose attempts end as `results` say, the last one repeated.
    std::expected<CallResult, Rejection> call(Retry& retry, std::vector<CallResult> results, Duration timeout = 1h) {
        attempts = 0;
        Pipeline guarded{classify(JudgeResult{}), retry};
        return run.execute(guarded, CallOptions{.timeout = timeout, .report = &report}, {},
                           [&] { return results[std::min(attempts++, results.size() - 1)]; });
    }
    void expect_at_rest(const ConcurrentRetryBudget& budget) {
        EXPECT_EQ(budget.stats().calls, 0U);
        EXPECT_EQ(budget.stats().retries, 0U);
    }

    Driver run;
    std::size_t attempts = 0;
    CallReport report;
};
TYPED_TEST_SUITE(RetryWithBudget, Runs, RunNames);

TYPED_TEST(RetryWithBudget, BU_4_a_spent_budget_leaves_the_original_failure) {
    auto budget = std::make_shared<ConcurrentRetryBudget>(ConcurrentRetryBudgetConfig{.rate = 0.5, .minimum = 1});
    for (int other = 0; other < 4; ++other) budget->begin_call();
    for (int other = 0; other < 2; ++other) EXPECT_TRUE(budget->begin_retry());
    Retry retry("budgeted", attempts_of(3), budget);
    std::vector<Event> refusals;
    const Subscription listening = retry.on_event([&](const Event& event) { refusals.push_back(event); },
                                                  only(EventKind::refused) | only(EventKind::retry));
    Pipeline guarded{retry};
    try {
        (void)this->run.execute(guarded, CallOptions{.report = &this->report}, {}, [&]() -> int {
            ++this->attempts;
            throw Down("the original");
        });
        FAIL() << "the failure did not propagate";
    } catch (const Down& down) {
        EXPECT_STREQ(down.what(), "the original");
    }
    EXPECT_EQ(this->attempts, 1U);
    EXPECT_EQ(this->report.retry_stopped, RetryStop::budget);
    EXPECT_FALSE(this->report.refused) << "no policy refused the call";
    ASSERT_EQ(refusals.size(), 1U);
    EXPECT_EQ(refusals[0].kind, EventKind::refused);
    EXPECT_EQ(refusals[0].policy, PolicyKind::retry);
    EXPECT_EQ(refusals[0].name, "budgeted");
    EXPECT_EQ(refusals[0].reason, RejectionReason::retry_budget_exhausted);
    EXPECT_EQ(retry.stats().gave_up, 1U);
    EXPECT_EQ(budget->stats().calls, 4U);
    EXPECT_EQ(budget->stats().retries, 2U);
    EXPECT_EQ(budget->stats().rejected, 1U);
}

TYPED_TEST(RetryWithBudget, pays_for_each_retry_and_earns_by_what_a_working_callee_says) {
    using enum CallResult;
    struct Row {
        std::vector<CallResult> results;
        std::size_t attempts;
        double balance;  // of 4 before
        RetryStop stop;
    };
    const std::vector<Row> rows{
        {{success}, 1, 4.5, RetryStop::not_needed},
        {{application_error}, 1, 4.5, RetryStop::not_needed},
        {{CallResult::ignored}, 1, 4, RetryStop::not_needed},
        {{overloaded}, 1, 4, RetryStop::not_retryable},
        {{failure, success}, 2, 3.5, RetryStop::succeeded},
        {{failure, timed_out, application_error}, 3, 2.5, RetryStop::succeeded},
        {{failure}, 3, 2, RetryStop::exhausted},
    };
    for (const Row& row : rows) {
        auto budget = std::make_shared<RetryBudget>(RetryBudgetConfig{.ratio = 0.5, .capacity = 5, .trickle = 0});
        EXPECT_TRUE(budget->withdraw(this->run.now()));
        Retry retry(attempts_of(3), budget);
        EXPECT_EQ(this->call(retry, row.results).value(), row.results.back());
        EXPECT_EQ(this->attempts, row.attempts);
        EXPECT_EQ(budget->stats(this->run.now()).balance, row.balance) << row.results.back();
        EXPECT_EQ(this->report.retry_stopped, row.stop);
    }
}

TYPED_TEST(RetryWithBudget, is_shared_by_the_retries_of_one_dependency) {
    auto budget = std::make_shared<RetryBudget>(RetryBudgetConfig{.ratio = 0.1, .capacity = 3, .trickle = 0});
    Retry reads("reads", attempts_of(3), budget);
    RetryExecutor writes("writes", attempts_of(3), budget);
    EXPECT_EQ(this->call(reads, {CallResult::failure}).value(), CallResult::failure);
    EXPECT_EQ(this->attempts, 3U);
    (void)this->call(*writes.policy(), {CallResult::failure});
    EXPECT_EQ(this->attempts, 2U);
    EXPECT_EQ(this->report.retry_stopped, RetryStop::budget);
    (void)this->call(reads, {CallResult::failure});
    EXPECT_EQ(this->attempts, 1U);
    for (int success = 0; success < 10; ++success) (void)this->call(reads, {CallResult::success});
    (void)this->call(reads, {CallResult::failure});
    EXPECT_EQ(this->attempts, 2U) << "ten successes have earned one";
    EXPECT_EQ(reads.stats().calls, 13U);
    EXPECT_EQ(reads.stats().success_first, 10U);
}

TYPED_TEST(RetryWithBudget, is_not_asked_for_a_retry_that_would_not_begin_anyway) {
    auto budget = std::make_shared<RetryBudget>(RetryBudgetConfig{.capacity = 1, .trickle = 0});
    Retry retry(attempts_of(3, 1s), budget);
    (void)this->call(retry, {CallResult::failure}, 500ms);
    EXPECT_EQ(this->report.retry_stopped, RetryStop::deadline);
    EXPECT_EQ(budget->stats(this->run.now()).spent, 0U);
}

TYPED_TEST(RetryWithBudget, a_call_cancelled_in_the_delay_gives_back_what_it_had_paid) {
    auto tokens = std::make_shared<RetryBudget>(RetryBudgetConfig{.capacity = 5, .trickle = 0});
    auto places = std::make_shared<ConcurrentRetryBudget>();
    for (const SharedRetryBudget& budget : {SharedRetryBudget{tokens}, SharedRetryBudget{places}}) {
        TypeParam fresh;
        Retry retry(attempts_of(3, 500ms), budget);
        Pipeline guarded{classify(JudgeResult{}), retry};
        auto answer = fresh.execute_and_stop_in_backoff(guarded, [] { return CallResult::failure; });
        ASSERT_FALSE(answer);
        EXPECT_EQ(answer.error().reason, RejectionReason::cancelled);
    }
    EXPECT_EQ(tokens->stats(for_tests::origin()).balance, 5);
    EXPECT_EQ(tokens->stats(for_tests::origin()).given_back, 1U);
    this->expect_at_rest(*places);
}

TYPED_TEST(RetryWithBudget, a_place_is_held_from_the_decision_until_the_attempt_has_ended) {
    auto budget = std::make_shared<ConcurrentRetryBudget>();
    std::vector<std::uint32_t> in_flight;
    const auto look = [&] { in_flight.push_back(budget->stats().retries); };
    Retry retry(attempts_of(3), RetryHooks{.before_retry = [&](const auto&, const auto&) { look(); }}, budget);
    Pipeline guarded{retry};
    EXPECT_THROW((void)this->run.execute(guarded, {}, {},
                                         [&]() -> int {
                                             look();
                                             EXPECT_EQ(budget->stats().calls, 1U);
                                             throw Down("down");
                                         }),
                 Down);
    EXPECT_EQ(in_flight, (std::vector<std::uint32_t>{0, 1, 1, 1, 1}));
    this->expect_at_rest(*budget);
}

TYPED_TEST(RetryWithBudget, a_null_budget_is_none) {
    Retry retry(attempts_of(3), std::shared_ptr<RetryBudget>{});
    EXPECT_FALSE(retry.has_extras());
    EXPECT_EQ(this->call(retry, {CallResult::failure}).value(), CallResult::failure);
    EXPECT_EQ(this->attempts, 3U);
}

// ---- waiting for a circuit
TYPED_TEST(RetryWithBudget, an_open_circuit_is_waited_for_where_that_is_asked) {
    struct Row {
        bool waits;
        Duration timeout;
        Duration max_duration;
        std::size_t attempts;
        RetryStop stop;
    };
    for (const Row& row : std::vector<Row>{
             {true, 1h, Duration::max(), 1, RetryStop::succeeded},
             {false, 1h, Duration::max(), 0, RetryStop::circuit_open},
             {true, 60s, Duration::max(), 0, RetryStop::deadline},
             {true, 60s + 1ns, Duration::max(), 1, RetryStop::succeeded},
             {true, 1h, 60s, 0, RetryStop::max_duration},
             {true, 1h, 60s + 1ns, 1, RetryStop::succeeded},
         }) {
        TypeParam fresh;
        CircuitBreaker breaker("waited_for", {.success_threshold = 1, .timeout = 60s});
        breaker.open(fresh.now());
        RetryConfig config = attempts_of(3, 10ms);
        config.max_duration = row.max_duration;
        config.wait_for_circuit = row.waits;
        Pipeline guarded{config, breaker};
        this->attempts = 0;
        const TimePoint began = fresh.now();
        auto answer = fresh.execute(guarded, CallOptions{.timeout = row.timeout, .report = &this->report}, {}, [&] {
            ++this->attempts;
            EXPECT_EQ(fresh.now() - began, 60s) << "longer than max_delay, and not a nanosecond more";
            return 1;
        });
        EXPECT_EQ(this->attempts, row.attempts);
        EXPECT_EQ(answer.has_value(), row.attempts == 1);
        EXPECT_EQ(this->report.retry_stopped, row.stop);
        if (!answer) {
            EXPECT_EQ(answer.error().reason, RejectionReason::circuit_open);
            EXPECT_EQ(fresh.now(), began) << "stopped at once";
        }
    }
}

TYPED_TEST(RetryWithBudget, callers_that_wait_for_a_circuit_come_back_spread) {
    RetryConfig config{.max_attempts = 2, .base_delay = 10ms, .wait_for_circuit = true};
    Retry retry(config);
    Random random(3);
    AttemptEnd end{.refused = true, .retry_after = 60s, .reason = RejectionReason::circuit_open};
    Duration longest{};
    for (int draw = 0; draw < 1'000; ++draw) {
        const Next next = retry.next(end, random);
        ASSERT_TRUE(next.resume);
        ASSERT_GE(next.delay, 60s);
        ASSERT_LE(next.delay, 75s);
        longest = std::max(longest, next.delay);
    }
    EXPECT_GT(longest, 74s);
    end.reason = RejectionReason::rate_limited;
    EXPECT_EQ(retry.next(end, random).stop, RetryStop::circuit_open) << "a limiter is no circuit";
    end.reason = RejectionReason::forced_open;
    end.retry_after.reset();
    EXPECT_EQ(retry.next(end, random).stop, RetryStop::circuit_open) << "it names no time";
}

TEST(RetryWithBudget, who_stood_in_line_for_longer_than_max_duration_has_one_attempt) {
    RateLimiter limiter{"line", {.capacity = 1, .refill_rate = 1, .max_wait = 5s}};
    RetryConfig config = attempts_of(3, 0ms);
    config.max_duration = 500ms;
    Retry retry(config);
    Pipeline guarded{classify(JudgeResult{}), limiter, retry};
    VirtualTime time{1, for_tests::origin()};
    ASSERT_TRUE(limiter.acquire(1, time.now()));
    CallReport report;
    int attempts = 0;
    const auto answer = time.execute(guarded, CallOptions{.report = &report}, [&] {
        ++attempts;
        return CallResult::failure;
    });
    EXPECT_EQ(time.elapsed(), 1s);
    EXPECT_EQ(answer.value(), CallResult::failure);
    EXPECT_EQ(attempts, 1);
    EXPECT_EQ(report.retry_stopped, RetryStop::max_duration);
}

// A machine so busy that a thread wakes a second late.
struct LateTime {
    ManualTime time{1, for_tests::origin()};
    [[nodiscard]] TimePoint now() const noexcept { return time.now(); }
    void wait_until(TimePoint until, const std::stop_token& stop, Parker& parker) {
        time.wait_until(until, stop, parker);
        time.advance(1s);
    }
    [[nodiscard]] Random& random() noexcept { return time.random(); }
};

TEST(RetryWithBudget, who_wakes_too_late_begins_nothing_and_gives_back_what_it_had_paid) {
    for (const RetryStop limit : {RetryStop::deadline, RetryStop::max_duration, RetryStop::exhausted}) {
        auto budget = std::make_shared<RetryBudget>(RetryBudgetConfig{.capacity = 5, .trickle = 0});
        RetryConfig config = attempts_of(2, 100ms);
        if (limit == RetryStop::max_duration) config.max_duration = 1s;
        Retry retry(config, budget);
        Pipeline guarded{classify(JudgeResult{}), retry};
        CallReport report;
        const CallOptions options{.timeout = limit == RetryStop::deadline ? 1s : 1h, .report = &report};
        LateTime late;
        int attempts = 0;
        const auto answer = guarded.execute_in(late, options, {}, [&] {
            ++attempts;
            return CallResult::failure;
        });
        const bool begins = limit == RetryStop::exhausted;
        EXPECT_EQ(answer.value(), CallResult::failure);
        EXPECT_EQ(attempts, begins ? 2 : 1) << limit;
        EXPECT_EQ(report.retry_stopped, limit);
        EXPECT_EQ(budget->stats(late.now()).balance, begins ? 4 : 5) << limit;
    }
}

TEST(RetryWithBudget, an_abandoned_call_returns_what_it_held) {
    auto tokens = std::make_shared<RetryBudget>(RetryBudgetConfig{.capacity = 5, .trickle = 0});
    auto places = std::make_shared<ConcurrentRetryBudget>();
    for (const SharedRetryBudget& budget : {SharedRetryBudget{tokens}, SharedRetryBudget{places}}) {
        for (const bool in_delay : {true, false}) {
            Retry retry(attempts_of(3, in_delay ? 1s : 0s), budget);
            Pipeline guarded{classify(JudgeResult{}), retry};
            VirtualTime time{1, for_tests::origin()};
            int attempts = 0;
            std::vector<VirtualHold> holds;
            auto call = time.start(guarded, [&] {
                if (++attempts == 2) holds.push_back(time.hold());
                return CallResult::failure;
            });
            time.advance(1ms);
            EXPECT_FALSE(call.done());
            EXPECT_EQ(attempts, in_delay ? 1 : 2);
        }
    }
    EXPECT_EQ(tokens->stats(for_tests::origin()).spent, 2U);
    EXPECT_EQ(tokens->stats(for_tests::origin()).given_back, 1U) << "the other attempt had begun";
    EXPECT_EQ(places->stats().calls, 0U);
    EXPECT_EQ(places->stats().retries, 0U);
}

TEST(RetryWithBudget, from_many_threads_is_at_rest_when_they_are) {
    auto tokens = std::make_shared<RetryBudget>(RetryBudgetConfig{.ratio = 0.5, .capacity = 50, .trickle = 0});
    auto places =
        std::make_shared<ConcurrentRetryBudget>(ConcurrentRetryBudgetConfig{.rate = 0.5, .minimum = 1, .maximum = 2});
    Retry first(attempts_of(3), tokens);
    Retry second(attempts_of(3), places);
    Pipeline guarded{allow_nested_retry, classify(JudgeResult{}), first, second};
    std::vector<std::thread> threads;
    for (int worker = 0; worker < 4; ++worker) {
        threads.emplace_back([&guarded, worker] {
            for (int call = 0; call < 2'000; ++call) {
                (void)guarded.execute(
                    [&] { return (call + worker) % 3 == 0 ? CallResult::failure : CallResult::success; });
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(places->stats().calls, 0U);
    EXPECT_EQ(places->stats().retries, 0U);
    EXPECT_EQ(first.stats().calls, 8'000U);
    EXPECT_EQ(tokens->stats().spent, first.stats().retries);
    EXPECT_GT(tokens->stats().rejected, 0U);
}

}  // namespace retry_with_budget_test
}  // namespace resilience::inline v1
