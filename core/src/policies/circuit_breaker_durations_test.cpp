// What a breaker's window says of how long its calls took: with slow_call_duration, for windows of time and of calls.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <for_tests/origin.hpp>
#include <optional>
#include <resilience/policies/circuit_breaker.hpp>
#include <thread>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace circuit_breaker_durations_test {

TimePoint at(Duration since_start) { return for_tests::origin() + 1h + since_start; }

void call(CircuitBreaker& breaker, Outcome outcome, TimePoint now, Duration took) {
    auto permit = breaker.try_acquire(now - took);
    ASSERT_TRUE(permit.has_value());
    permit->settle(outcome, now);
}

constexpr CircuitBreakerConfig base{.failure_threshold = 1,
                                    .success_threshold = 1,
                                    .timeout = 10s,
                                    .min_requests = 5,
                                    .window_size = 10s,
                                    .buckets = 10,
                                    .slow_call_duration = 1s};

template <class Change>
CircuitBreakerConfig with(Change change) {
    CircuitBreakerConfig config = base;
    change(config);
    return config;
}

const CircuitBreakerConfig by_calls = with([](auto& config) { config.window_calls = 20; });
const CircuitBreakerConfig off = with([](auto& config) { config.slow_call_duration = {}; });

CircuitBreakerStats::Window window_of(const CircuitBreaker& breaker, TimePoint now) {
    return breaker.stats(now).window;
}

TEST(CircuitBreakerDurations, are_summed_however_results_are_recorded) {
    const CircuitBreakerConfig kinds[] = {
        base,
        by_calls,
        with([](auto& config) { config.judge_in_flight = true; }),
        with([](auto& config) { config.consecutive_failures = 10; }),
        with([](auto& config) { config.initial_state = CircuitState::metrics_only; }),
    };
    for (const CircuitBreakerConfig& kind : kinds) {
        CircuitBreaker breaker("breaker", kind);
        if (kind.initial_state != CircuitState::metrics_only) {
            EXPECT_EQ(window_of(breaker, at(0s)).total_duration, 0s);
            EXPECT_FALSE(window_of(breaker, at(0s)).average_duration);
        }
        call(breaker, Outcome::success, at(2s), 2s);
        call(breaker, Outcome::failure, at(5s), 3s);
        call(breaker, Outcome::failure, at(6s), 1s);
        call(breaker, Outcome::ignored, at(8s), 2s);
        ASSERT_TRUE(breaker.allow(at(8s)));
        breaker.record_result(true, 2s, at(8s));
        ASSERT_TRUE(breaker.allow(at(8s)));
        breaker.record_result(true, at(8s));
        const CircuitBreakerStats::Window window = window_of(breaker, at(8s));
        EXPECT_EQ(window.requests, 5U);
        EXPECT_EQ(window.slow, 3U);
        EXPECT_EQ(window.slow_failures, 1U);
        EXPECT_EQ(window.total_duration, 8s);
        EXPECT_EQ(window.average_duration, 1600ms);
    }
}

TEST(CircuitBreakerDurations, are_not_there_without_slow_call_duration) {
    for (const CircuitBreakerConfig& kind : {off, CircuitBreakerConfig{.window_calls = 20}}) {
        CircuitBreaker breaker("breaker", kind);
        call(breaker, Outcome::failure, at(0s), 2s);
        const CircuitBreakerStats::Window window = window_of(breaker, at(0s));
        EXPECT_EQ(window.requests, 1U);
        EXPECT_EQ(window.total_duration, 0s);
        EXPECT_FALSE(window.average_duration);
    }
}

TEST(CircuitBreakerDurations, stay_to_be_seen_while_open_and_a_new_closed_period_begins_without) {
    for (const CircuitBreakerConfig& kind : {base, by_calls}) {
        CircuitBreaker breaker("breaker", kind);
        auto late = breaker.try_acquire(at(0s));
        for (int failure = 0; failure < 5; ++failure) call(breaker, Outcome::failure, at(1s), 2s);
        for (const Duration now : {Duration{1s}, Duration{11s}}) {
            const CircuitBreakerStats::Window window = window_of(breaker, at(now));
            EXPECT_EQ(window.total_duration, 10s) << "as it stood when it opened";
            EXPECT_EQ(window.average_duration, 2s);
            EXPECT_EQ(window.slow_failures, 5U);
        }
        call(breaker, Outcome::success, at(11s), 0s);
        ASSERT_EQ(breaker.state(at(11s)), CircuitState::closed);
        late->settle(Outcome::failure, at(12s));
        EXPECT_EQ(breaker.stats(at(12s)).late, 1U);
        const CircuitBreakerStats::Window window = window_of(breaker, at(12s));
        EXPECT_EQ(window.total_duration, 0s) << "neither the old ones nor a late verdict";
        EXPECT_EQ(window.slow_failures, 0U);
        EXPECT_FALSE(window.average_duration);
        call(breaker, Outcome::success, at(12s), 3s);
        EXPECT_EQ(window_of(breaker, at(12s)).average_duration, 3s);
    }
}

TEST(CircuitBreakerDurations, of_the_closed_period_before_the_last_do_not_come_back_with_its_window) {
    for (const CircuitBreakerConfig& kind : {base, by_calls}) {
        CircuitBreaker breaker("breaker", kind);
        for (int period = 0; period < 4; ++period) {
            EXPECT_EQ(window_of(breaker, at(3s)).total_duration, 0s) << period;
            breaker.record_result(false, 2s, at(3s));
            EXPECT_EQ(window_of(breaker, at(3s)).total_duration, 2s);
            breaker.open(at(3s));
            breaker.reset(at(3s));
        }
    }
}

TEST(CircuitBreakerDurations, of_a_window_of_time_are_kept_by_another_length_as_far_as_it_reaches) {
    CircuitBreaker breaker("breaker", base);
    call(breaker, Outcome::success, at(1s), 2s);
    call(breaker, Outcome::failure, at(6s), 4s);
    call(breaker, Outcome::success, at(8s), 3s);
    breaker.reconfigure(with([](auto& config) { config.window_size = 4s, config.buckets = 4; }), at(8s));
    EXPECT_EQ(window_of(breaker, at(8s)).requests, 2U);
    EXPECT_EQ(window_of(breaker, at(8s)).total_duration, 7s);
    EXPECT_EQ(window_of(breaker, at(8s)).slow_failures, 1U);
    breaker.reconfigure(with([](auto& config) { config.window_size = 30s, config.buckets = 3; }), at(8s));
    EXPECT_EQ(window_of(breaker, at(8s)).total_duration, 7s) << "and nothing comes back";
    EXPECT_EQ(window_of(breaker, at(8s)).average_duration, 3500ms);
    call(breaker, Outcome::success, at(8s), 2s);
    EXPECT_EQ(window_of(breaker, at(8s)).average_duration, 3s);
    EXPECT_EQ(window_of(breaker, at(1min)).total_duration, 0s);
}

TEST(CircuitBreakerDurations, begin_empty_where_a_change_brings_another_kind_of_window) {
    CircuitBreaker breaker("breaker", base);
    call(breaker, Outcome::failure, at(0s), 2s);
    breaker.reconfigure(by_calls, at(0s));
    EXPECT_EQ(window_of(breaker, at(0s)).total_duration, 0s) << "who took how long nobody knows";
    call(breaker, Outcome::success, at(0s), 4s);
    EXPECT_EQ(window_of(breaker, at(0s)).total_duration, 4s);
    EXPECT_EQ(window_of(breaker, at(0s)).average_duration, 2s);
    breaker.reconfigure(with([](auto& config) { config.window_calls = 5; }), at(0s));
    EXPECT_EQ(window_of(breaker, at(0s)).total_duration, 4s) << "calls to calls keeps the newest";
    breaker.reconfigure(base, at(0s));
    EXPECT_EQ(window_of(breaker, at(0s)).total_duration, 0s);
    EXPECT_FALSE(window_of(breaker, at(0s)).average_duration);
    call(breaker, Outcome::success, at(0s), 3s);
    EXPECT_EQ(window_of(breaker, at(0s)).total_duration, 3s);
    breaker.reconfigure(off, at(0s));
    EXPECT_FALSE(window_of(breaker, at(0s)).average_duration);
    call(breaker, Outcome::success, at(0s), 5s);
    breaker.reconfigure(base, at(0s));
    EXPECT_EQ(window_of(breaker, at(0s)).total_duration, 0s) << "what is summed begins with the change";
    EXPECT_EQ(window_of(breaker, at(0s)).requests, 2U);
    EXPECT_FALSE(window_of(breaker, at(0s)).average_duration) << "the two of before are left out";
}

// Time goes on by 40 ms in all, so nothing leaves; the lengths are whole multiples, so no change loses anything.
TEST(CircuitBreakerDurations, lose_no_call_of_any_thread_beside_turns_pictures_and_changes) {
    constexpr int calls = 4'000;
    CircuitBreakerConfig fine = with([](auto& config) { config.window_size = 1s, config.buckets = 200; });
    fine.min_requests = 4 * calls;  // nothing is judged
    CircuitBreakerConfig coarse = fine;
    coarse.window_size = 4s;
    CircuitBreaker breaker("breaker", fine);
    std::atomic<std::int64_t> time{0};
    std::atomic<int> running{3};
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < 3; ++caller) {
        callers.emplace_back([&, caller] {
            for (int i = 0; i < calls; ++i) {
                const Duration took = caller == 0 ? Duration{2s} : Duration{7us};
                const TimePoint now = at(Duration{time.fetch_add(3'333)});
                const Outcome outcome = i % 2 == 0 ? Outcome::success : Outcome::failure;
                if (auto permit = breaker.try_acquire(now - took)) permit->settle(outcome, now);
            }
            --running;
        });
    }
    Duration before{};
    for (int picture = 0; (running > 0 || picture < 200) && !HasFailure(); ++picture) {
        const TimePoint now = at(Duration{time.load()});
        if (picture % 4 == 3) breaker.reconfigure(picture % 8 == 3 ? coarse : fine, now);
        const CircuitBreakerStats::Window window = window_of(breaker, now);
        EXPECT_LE(window.slow_failures, window.slow);
        EXPECT_LE(before, window.total_duration);
        before = window.total_duration;
        std::this_thread::yield();
    }
    callers.clear();
    const CircuitBreakerStats::Window window = window_of(breaker, at(Duration{time.load()}));
    EXPECT_EQ(window.requests, 3U * calls);
    EXPECT_EQ(window.slow_failures, calls / 2U);
    EXPECT_EQ(window.total_duration, calls * 2s + 2 * calls * 7us);
    EXPECT_EQ(window.average_duration, window.total_duration / (3 * calls));
}

}  // namespace circuit_breaker_durations_test
