#include <gtest/gtest.h>

#include <atomic>
#include <for_tests/origin.hpp>
#include <resilience/base/random.hpp>
#include <resilience/policies/retry.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace resilience::inline v1 {
namespace retry_test {

using namespace std::chrono_literals;

const TimePoint at = for_tests::origin() + 1h;

// 100 ms, 200 ms, 400 ms … up to 1 s, unless told otherwise.
RetryConfig steady(std::uint32_t attempts = 3) {
    return {.max_attempts = attempts, .base_delay = 100ms, .max_delay = 1s, .jitter = false};
}

AttemptEnd failed(std::uint32_t attempt = 1) { return {.attempt = attempt, .at = at, .result = CallResult::failure}; }

AttemptEnd refused(RejectionReason reason, std::optional<Duration> retry_after = {}) {
    return {.attempt = 1, .at = at, .refused = true, .retry_after = retry_after, .reason = reason};
}

Next decide(const RetryConfig& config, const AttemptEnd& end) {
    const Retry retry(config);
    Random random(7);
    return retry.next(end, random);
}

TEST(Retry, waits_longer_from_attempt_to_attempt_until_all_are_made) {
    EXPECT_EQ(decide(steady(), failed(1)).resume, at + 100ms);
    EXPECT_EQ(decide(steady(), failed(1)).delay, 100ms);
    EXPECT_EQ(decide(steady(), failed(2)).resume, at + 200ms);
    const Next last = decide(steady(), failed(3));
    EXPECT_FALSE(last.resume);
    EXPECT_EQ(last.stop, RetryStop::exhausted);
    EXPECT_EQ(decide(steady(1), failed(1)).stop, RetryStop::exhausted);
}

TEST(Retry, follows_only_what_is_worth_another_attempt) {
    struct Row {
        CallResult result;
        bool retryable;
        std::optional<Duration> retry_after;
        std::optional<RetryStop> first;  // absent: another attempt follows
        std::optional<RetryStop> second;
    };
    const std::vector<Row> rows{
        {CallResult::success, true, {}, RetryStop::not_needed, RetryStop::succeeded},
        {CallResult::application_error, true, {}, RetryStop::not_needed, RetryStop::succeeded},
        {CallResult::ignored, true, {}, RetryStop::not_needed, RetryStop::succeeded},
        {CallResult::cancelled, true, {}, RetryStop::cancelled, RetryStop::cancelled},
        {CallResult::cancelled, true, 1ms, RetryStop::cancelled, RetryStop::cancelled},
        {CallResult::failure, true, {}, {}, {}},
        {CallResult::failure, false, {}, RetryStop::not_retryable, RetryStop::not_retryable},
        {CallResult::timed_out, true, {}, {}, {}},
        {CallResult::timed_out, false, {}, RetryStop::not_retryable, RetryStop::not_retryable},
        {CallResult::overloaded, true, {}, RetryStop::not_retryable, RetryStop::not_retryable},
        {CallResult::overloaded, true, 50ms, {}, {}},
        {CallResult::overloaded, false, 50ms, RetryStop::not_retryable, RetryStop::not_retryable},
    };
    for (const Row& row : rows) {
        for (const std::uint32_t attempt : {1U, 2U}) {
            AttemptEnd end = failed(attempt);
            end.result = row.result;
            end.retryable = row.retryable;
            end.retry_after = row.retry_after;
            const Next next = decide(steady(), end);
            const std::optional<RetryStop> expected = attempt == 1 ? row.first : row.second;
            EXPECT_EQ(next.resume.has_value(), !expected) << row.result << attempt;
            if (expected) {
                EXPECT_EQ(next.stop, *expected) << row.result << attempt;
            }
        }
    }
}

TEST(Retry, what_must_not_be_repeated_is_not_called_exhausted) {
    AttemptEnd end = failed(3);
    end.retryable = false;
    EXPECT_EQ(decide(steady(), end).stop, RetryStop::not_retryable);
}

TEST(Retry, honours_the_callees_time_or_stops) {
    const auto wishing = [](Duration wish) {
        AttemptEnd end = failed();
        end.retry_after = wish;
        return end;
    };
    EXPECT_EQ(decide(steady(), wishing(30ms)).delay, 100ms);
    EXPECT_EQ(decide(steady(), wishing(700ms)).delay, 700ms);
    EXPECT_EQ(decide(steady(), wishing(1s)).delay, 1s);
    EXPECT_EQ(decide(steady(), wishing(1s + 1ns)).stop, RetryStop::max_delay);
    EXPECT_FALSE(decide(steady(), wishing(1s + 1ns)).resume);
    EXPECT_EQ(decide(steady(), wishing(-5s)).delay, 100ms);
    AttemptEnd late = wishing(700ms);
    late.deadline = at + 700ms;
    EXPECT_EQ(decide(steady(), late).stop, RetryStop::deadline);
    late.deadline = at + 700ms + 1ns;
    EXPECT_EQ(decide(steady(), late).resume, at + 700ms);
}

TEST(Retry, never_comes_back_before_a_time_it_was_told) {
    for (const JitterKind kind :
         {JitterKind::proportional, JitterKind::full, JitterKind::equal, JitterKind::decorrelated}) {
        const RetryConfig config{.base_delay = 100ms, .max_delay = 1s, .jitter_kind = kind};
        const Retry retry(config);
        Random random(5);
        Duration longest{};
        for (int draw = 0; draw < 2000; ++draw) {
            for (const Duration told : {80ms, 99ms, 100ms, 400ms, 900ms}) {
                AttemptEnd end = failed();
                end.retry_after = told;
                const Next next = retry.next(end, random);
                ASSERT_GE(next.delay, told) << kind;
                ASSERT_LE(next.delay, 1s) << kind;
                if (told == 400ms) longest = std::max(longest, next.delay);
            }
        }
        EXPECT_LE(longest, 500ms) << kind;
        EXPECT_GT(longest, 495ms) << kind;  // told the same time, they do not all come at once
    }
}

TEST(Retry, a_time_that_fits_the_deadline_is_not_jittered_past_it) {
    const Retry retry(RetryConfig{.base_delay = 1ms, .max_delay = 10s});
    Random random(3);
    AttemptEnd end = failed();
    end.retry_after = 1s;
    end.deadline = at + 1001ms;
    for (int draw = 0; draw < 200; ++draw) {
        const Next next = retry.next(end, random);
        ASSERT_TRUE(next.resume);
        ASSERT_GE(*next.resume, at + 1s);
        ASSERT_LT(*next.resume, end.deadline);
    }
}

TEST(Retry, starts_nothing_at_or_after_the_deadline_and_shortens_nothing) {
    struct Row {
        TimePoint deadline;
        Duration base;
        bool resumes;
    };
    const std::vector<Row> rows{
        {at + 100ms, 100ms, false}, {at + 100ms + 1ns, 100ms, true}, {at, 0ms, false},     {at + 1ns, 0ms, true},
        {at - 1s, 0ms, false},      {TimePoint::min(), 0ms, false},  {never, 100ms, true},
    };
    for (const Row& row : rows) {
        RetryConfig config = steady();
        config.base_delay = row.base;
        AttemptEnd end = failed();
        end.deadline = row.deadline;
        const Next next = decide(config, end);
        EXPECT_EQ(next.resume.has_value(), row.resumes) << row.deadline.time_since_epoch().count();
        if (next.resume) {
            EXPECT_EQ(next.delay, row.base);
        } else {
            EXPECT_EQ(next.stop, RetryStop::deadline);
        }
    }
}

TEST(Retry, a_delay_of_zero_is_another_attempt_at_once) {
    RetryConfig config = steady();
    config.base_delay = 0ns;
    EXPECT_EQ(decide(config, failed()).resume, at);
}

TEST(Retry, a_wait_without_end_is_not_begun) {
    const RetryConfig config{.base_delay = Duration::max(), .max_delay = Duration::max(), .jitter = false};
    EXPECT_FALSE(decide(config, failed()).resume);
}

TEST(Retry, after_a_refusal_inside_it_waits_no_longer_than_it_would_anyway) {
    struct Row {
        RejectionReason reason;
        std::optional<Duration> retry_after;
        std::optional<Duration> delay;  // absent: stops
        RetryStop stop = RetryStop::not_needed;
    };
    using enum RejectionReason;
    const std::vector<Row> rows{
        {circuit_open, 15ms, 100ms},
        {circuit_open, 100ms, 100ms},
        {circuit_open, 100ms + 1ns, {}, RetryStop::circuit_open},
        {circuit_open, 60s, {}, RetryStop::circuit_open},
        {circuit_open, {}, {}, RetryStop::circuit_open},
        {half_open_full, 20ms, 100ms},
        {half_open_full, 10s, {}, RetryStop::circuit_open},
        {forced_open, {}, {}, RetryStop::circuit_open},
        {rate_limited, 60ms, 100ms},
        {rate_limited, 5s, {}, RetryStop::circuit_open},
        {exceeds_capacity, {}, {}, RetryStop::not_retryable},
        {bulkhead_full, {}, 100ms},
        {queue_full, {}, 100ms},
        {queue_timeout, {}, 100ms},
        {load_shed, {}, 100ms},
        {throttled, {}, 100ms},
        {deadline_exceeded, {}, {}, RetryStop::deadline},
        {retry_budget_exhausted, {}, {}, RetryStop::budget},
        {RejectionReason::cancelled, {}, {}, RetryStop::cancelled},
        {shutting_down, {}, {}, RetryStop::not_retryable},
    };
    for (const Row& row : rows) {
        const Next next = decide(steady(), refused(row.reason, row.retry_after));
        EXPECT_EQ(next.resume.has_value(), row.delay.has_value()) << row.reason;
        if (row.delay) {
            EXPECT_EQ(next.delay, *row.delay) << row.reason;
        } else {
            EXPECT_EQ(next.stop, row.stop) << row.reason;
        }
    }
}

TEST(Retry, a_refusal_counts_as_an_attempt_and_may_be_the_last) {
    AttemptEnd end = refused(RejectionReason::bulkhead_full);
    end.attempt = 3;
    EXPECT_EQ(decide(steady(), end).stop, RetryStop::exhausted);
    end.attempt = 2;
    end.retryable = false;
    EXPECT_EQ(decide(steady(), end).stop, RetryStop::not_retryable);
}

TEST(Retry, judges_an_open_circuit_by_the_delay_before_jitter) {
    const Retry retry(RetryConfig{.base_delay = 100ms, .max_delay = 1s, .jitter_kind = JitterKind::full});
    Random random(9);
    for (int draw = 0; draw < 500; ++draw) {
        const Next next = retry.next(refused(RejectionReason::circuit_open, 90ms), random);
        ASSERT_TRUE(next.resume);
        ASSERT_GE(next.delay, 90ms);
    }
}

TEST(Retry, tells_listeners_of_each_retry) {
    Retry retry("heard", steady());
    EXPECT_FALSE(retry.wants_retry_events());
    std::vector<Event> events;
    const Subscription hearing =
        retry.on_event([&](const Event& event) { events.push_back(event); }, only(EventKind::retry));
    EXPECT_TRUE(retry.wants_retry_events());
    Random random(1);
    const AttemptEnd end = failed(2);
    retry.publish_retry(end, retry.next(end, random));
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].kind, EventKind::retry);
    EXPECT_EQ(events[0].policy, PolicyKind::retry);
    EXPECT_EQ(events[0].name, "heard");
    EXPECT_EQ(events[0].at, at);
    EXPECT_EQ(events[0].attempt, 2U);
    EXPECT_EQ(events[0].result, CallResult::failure);
    EXPECT_EQ(events[0].retry_after, 200ms);
}

TEST(Retry, counts_calls_by_how_they_ended) {
    Retry retry(steady());
    retry.count_first_success();
    retry.count_end(true, RetryStop::not_needed, 1);
    retry.count_end(true, RetryStop::succeeded, 2);
    retry.count_end(false, RetryStop::exhausted, 3);
    retry.count_end(false, RetryStop::not_retryable, 1);
    retry.count_end(false, RetryStop::deadline, 2);
    retry.count_end(false, RetryStop::max_delay, 1);
    retry.count_end(false, RetryStop::circuit_open, 1);
    retry.count_end(false, RetryStop::cancelled, 1);
    retry.count_end(false, RetryStop::budget, 1);
    retry.count_end(false, RetryStop::not_needed, 1);  // the classifier took no side: answered
    const RetryStats stats = retry.stats();
    EXPECT_EQ(stats.success_first, 3U);
    EXPECT_EQ(stats.success_retried, 1U);
    EXPECT_EQ(stats.exhausted, 1U);
    EXPECT_EQ(stats.not_retryable, 1U);
    EXPECT_EQ(stats.gave_up, 5U);
    EXPECT_EQ(stats.calls, 11U);
    EXPECT_EQ(stats.retries, 4U);
    EXPECT_EQ(stats.attempts, 15U);
}

TEST(Retry, an_exhausted_call_of_three_attempts_is_one_call_and_two_retries) {
    Retry retry(steady());
    retry.count_end(false, RetryStop::exhausted, 3);
    EXPECT_EQ(retry.stats().calls, 1U);
    EXPECT_EQ(retry.stats().attempts, 3U);
    EXPECT_EQ(retry.stats().retries, 2U);
    EXPECT_EQ(retry.stats().exhausted, 1U);
}

TEST(Retry, shows_who_sleeps_and_adds_up_in_every_picture) {
    Retry retry(steady());
    std::atomic<bool> done{false};
    std::vector<std::thread> threads;
    for (int worker = 0; worker < 3; ++worker) {
        threads.emplace_back([&] {
            for (int call = 0; call < 2000; ++call) {
                retry.begin_sleep();
                retry.end_sleep();
                if (call % 2 == 0) retry.count_first_success();
                if (call % 2 != 0) retry.count_end(false, RetryStop::exhausted, 3);
            }
        });
    }
    std::thread reader([&] {
        RetryStats before = retry.stats();
        while (!done) {
            const RetryStats now = retry.stats();
            // Begun since the ends were read, plus the three that can be between: never negative, hence never huge.
            EXPECT_LE(now.sleeping, 6000U);
            EXPECT_EQ(now.attempts, now.calls + now.retries);
            EXPECT_GE(now.calls, before.calls);
            EXPECT_GE(now.attempts, before.attempts);
            before = now;
        }
    });
    for (std::thread& thread : threads) thread.join();
    done = true;
    reader.join();
    EXPECT_EQ(retry.stats().sleeping, 0U);
    EXPECT_EQ(retry.stats().calls, 6000U);
    EXPECT_EQ(retry.stats().retries, 6000U);
    retry.begin_sleep();
    EXPECT_EQ(retry.stats().sleeping, 1U);
}

TEST(Retry, fits_in_256_bytes_with_two_stripes) { EXPECT_LE(sizeof(Retry) + 2 * cache_line, 256U); }

}  // namespace retry_test
}  // namespace resilience::inline v1
