#include <gtest/gtest.h>

#include <chrono>
#include <for_tests/origin.hpp>
#include <optional>
#include <resilience/policies/circuit_breaker.hpp>
#include <string>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace circuit_breaker_levers_test {

TimePoint at(Duration since_start) { return for_tests::origin() + 1h + since_start; }

constexpr CircuitBreakerConfig config{.success_threshold = 2, .timeout = 10s, .min_requests = 2};

void call(CircuitBreaker& breaker, Outcome outcome, TimePoint now) {
    auto permit = breaker.try_acquire(now);
    ASSERT_TRUE(permit.has_value());
    permit->settle(outcome, now);
}

struct Lever {
    CircuitState to;
    void (CircuitBreaker::*pull)(TimePoint) noexcept;
    void (CircuitBreaker::*pull_for)(Duration, TimePoint) noexcept;
};
const std::vector<Lever> levers{
    {CircuitState::closed, &CircuitBreaker::reset, &CircuitBreaker::reset},
    {CircuitState::open, &CircuitBreaker::open, &CircuitBreaker::open},
    {CircuitState::half_open, &CircuitBreaker::half_open, &CircuitBreaker::half_open},
    {CircuitState::forced_open, &CircuitBreaker::force_open, &CircuitBreaker::force_open},
    {CircuitState::forced_closed, &CircuitBreaker::force_closed, &CircuitBreaker::force_closed}};

TEST(CircuitBreakerLevers, lead_from_every_state_to_every_state) {
    for (const Lever& first : levers) {
        for (const Lever& second : levers) {
            CircuitBreaker breaker{"levers_test", config};
            (breaker.*first.pull)(at(0s));
            EXPECT_EQ(breaker.state(at(0s)), first.to);
            (breaker.*second.pull)(at(1s));
            EXPECT_EQ(breaker.state(at(1s)), second.to) << "from " << first.to;
            const bool manual = second.to == CircuitState::forced_open || second.to == CircuitState::forced_closed;
            EXPECT_EQ(breaker.stats(at(1s)).manual, manual);
        }
    }
}

TEST(CircuitBreakerLevers, with_an_end_bring_back_what_was_before) {
    for (const Lever& first : levers) {
        for (const Lever& second : levers) {
            CircuitBreaker breaker{"levers_test", {.success_threshold = 2, .timeout = 1h, .min_requests = 2}};
            (breaker.*first.pull)(at(0s));
            (breaker.*second.pull_for)(5min, at(1s));
            EXPECT_EQ(breaker.state(at(1s)), second.to);
            EXPECT_TRUE(breaker.stats(at(1s)).manual);
            EXPECT_EQ(breaker.stats(at(61s)).lever_expires, 4min);
            EXPECT_EQ(breaker.next_deadline(), at(5min + 1s));
            EXPECT_EQ(breaker.state(at(5min + 1s) - 1ns), second.to);
            const bool forced = first.to == CircuitState::forced_open || first.to == CircuitState::forced_closed;
            const CircuitState back = forced && first.to == second.to ? CircuitState::closed : first.to;
            EXPECT_EQ(breaker.state(at(5min + 1s)), back) << first.to << " under " << second.to;
            EXPECT_EQ(breaker.stats(at(5min + 1s)).state, back);
            EXPECT_FALSE(breaker.stats(at(5min + 1s)).lever_expires.has_value());
            breaker.tick(at(5min + 1s));
            EXPECT_EQ(breaker.state(at(5min + 1s)), back) << first.to << " under " << second.to;
        }
    }
}

TEST(CircuitBreakerLevers, bring_back_an_open_period_with_its_own_end) {
    CircuitBreaker breaker{"levers_test", config};
    breaker.open(at(0s));
    breaker.force_closed(4s, at(2s));
    EXPECT_TRUE(breaker.try_acquire(at(5s)).has_value());
    const auto refused = breaker.try_acquire(at(7s));
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().retry_after, 3s);

    breaker.force_open(1min, at(8s));
    EXPECT_EQ(breaker.state(at(68s)), CircuitState::half_open) << "both ends have passed";
    EXPECT_TRUE(breaker.try_acquire(at(68s)).has_value());
}

TEST(CircuitBreakerLevers, expire_by_the_passing_of_time_alone_and_say_so) {
    CircuitBreaker breaker{"levers_test", config};
    std::vector<Event> seen;
    const auto listening = breaker.on_event([&](const Event& event) { seen.push_back(event); });
    breaker.force_open(5s, at(0s));
    EXPECT_FALSE(breaker.try_acquire(at(5s) - 1ns).error().retry_after.has_value());
    EXPECT_TRUE(breaker.try_acquire(at(7s)).has_value());
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen[0].cause, TransitionCause::lever);
    EXPECT_EQ(seen[1].cause, TransitionCause::lever_expired);
    EXPECT_EQ(seen[1].to, CircuitState::closed);
    EXPECT_EQ(seen[1].due, at(5s));
    EXPECT_EQ(seen[1].at, at(7s));
}

TEST(CircuitBreakerLevers, one_over_another_with_an_end_takes_over_what_it_brings_back) {
    CircuitBreaker breaker{"levers_test", config};
    breaker.force_open(1min, at(0s));
    breaker.force_closed(10s, at(5s));
    EXPECT_EQ(breaker.state(at(15s)), CircuitState::closed) << "not the forced state that was to end anyway";
    breaker.force_open(at(20s));
    breaker.force_closed(10s, at(21s));
    EXPECT_EQ(breaker.state(at(31s)), CircuitState::forced_open) << "that one had no end";
    breaker.force_open(1s, at(32s));
    breaker.force_open(at(32s));
    EXPECT_EQ(breaker.state(at(1h)), CircuitState::forced_open) << "now without an end";
}

TEST(CircuitBreakerLevers, an_open_one_with_an_end_outlasts_the_open_time) {
    CircuitBreaker breaker{"levers_test", config};
    breaker.open(1min, at(0s));
    EXPECT_EQ(breaker.state(at(59s)), CircuitState::open);
    EXPECT_EQ(breaker.try_acquire(at(20s)).error().retry_after, 40s);
    EXPECT_TRUE(breaker.try_acquire(at(60s)).has_value());
    EXPECT_EQ(breaker.state(at(60s)), CircuitState::closed);
}

TEST(CircuitBreakerLevers, verdicts_end_a_held_reset_or_half_open) {
    CircuitBreaker breaker{"levers_test", config};
    breaker.force_open(at(0s));
    breaker.reset(1min, at(0s));
    call(breaker, Outcome::failure, at(1s));
    call(breaker, Outcome::failure, at(2s));
    EXPECT_EQ(breaker.state(at(2s)), CircuitState::open) << "judged as ever";
    EXPECT_EQ(breaker.state(at(1min)), CircuitState::half_open) << "and the lever is over";

    breaker.force_open(at(2min));
    breaker.half_open(1min, at(2min));
    call(breaker, Outcome::success, at(2min));
    call(breaker, Outcome::success, at(2min));
    EXPECT_EQ(breaker.state(at(10min)), CircuitState::closed);
}

TEST(CircuitBreakerLevers, a_probe_that_settles_after_a_held_half_open_ended_is_late) {
    CircuitBreaker breaker{"levers_test", {.success_threshold = 1}};
    breaker.force_open(at(0s));
    breaker.half_open(10s, at(0s));
    auto probe = breaker.try_acquire(at(1s));
    ASSERT_TRUE(probe.has_value());
    probe->settle(Outcome::success, at(10s));
    EXPECT_EQ(breaker.state(at(10s)), CircuitState::forced_open);
    EXPECT_EQ(breaker.stats(at(10s)).late, 1U);
}

TEST(CircuitBreakerLevers, a_verdict_after_a_held_reset_ended_is_late) {
    CircuitBreaker breaker{"levers_test", {.min_requests = 1}};
    breaker.force_open(at(0s));
    breaker.reset(10s, at(0s));
    auto permit = breaker.try_acquire(at(1s));
    ASSERT_TRUE(permit.has_value());
    permit->settle(Outcome::failure, at(10s));
    EXPECT_EQ(breaker.state(at(10s)), CircuitState::forced_open);
    EXPECT_EQ(breaker.stats(at(10s)).late, 1U);
    EXPECT_EQ(breaker.stats(at(10s)).failure, 1U);
}

TEST(CircuitBreakerLevers, bad_durations_end_at_once_or_never) {
    CircuitBreaker breaker{"levers_test", config};
    breaker.force_open(-5s, at(0s));
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::closed);
    breaker.force_open(0s, at(1s));
    EXPECT_TRUE(breaker.try_acquire(at(1s)).has_value());
    breaker.force_open(Duration::max(), at(2s));
    EXPECT_EQ(breaker.state(TimePoint::max()), CircuitState::forced_open);
    EXPECT_FALSE(breaker.next_deadline().has_value());
}

TEST(CircuitBreakerLevers, repeats_are_silent_and_move_the_end) {
    CircuitBreaker breaker{"levers_test", config};
    int events = 0;
    const auto listening = breaker.on_event([&](const Event&) { ++events; }, EventKinds::changes);
    TimePoint now = at(0s);
    for (const Lever& lever : levers) {
        if (lever.to == CircuitState::closed) continue;
        (breaker.*lever.pull)(now);
        const std::uint64_t generation = breaker.stats(now).generation;
        events = 0;
        (breaker.*lever.pull)(now + 1s);
        (breaker.*lever.pull_for)(3s, now + 2s);
        EXPECT_EQ(events, 0) << lever.to;
        EXPECT_EQ(breaker.stats(now + 2s).generation, generation) << lever.to;
        EXPECT_EQ(breaker.next_deadline(), now + 5s) << lever.to;
        now += 1min;
        breaker.reset(now);
    }
    breaker.open(now);
    breaker.open(now + 4s);
    EXPECT_EQ(breaker.next_deadline(), now + 14s) << "open again means open from now";
}

TEST(CircuitBreakerLevers, reset_of_a_closed_breaker_empties_its_window_and_reports_that) {
    CircuitBreaker breaker{"levers_test", config};
    std::vector<EventKind> kinds;
    const auto listening = breaker.on_event([&](const Event& event) { kinds.push_back(event.kind); });
    breaker.reset(at(0s));
    EXPECT_TRUE(kinds.empty()) << "there was nothing to empty";
    call(breaker, Outcome::failure, at(0s));
    breaker.reset(at(1s));
    EXPECT_EQ(kinds, std::vector{EventKind::lever});
    EXPECT_EQ(breaker.stats(at(1s)).window.requests, 0U);
    EXPECT_EQ(breaker.stats(at(1s)).failure, 1U);
    call(breaker, Outcome::failure, at(2s));
    EXPECT_EQ(breaker.state(at(2s)), CircuitState::closed);
}

TEST(CircuitBreakerLevers, reset_reports_that_it_emptied_a_window_of_calls_too) {
    CircuitBreaker breaker("levers", {.window_calls = 20});
    int emptied = 0;
    const Subscription listening =
        breaker.on_event([&](const Event& event) { emptied += event.kind == EventKind::lever ? 1 : 0; });
    breaker.record_result(false, for_tests::origin());
    breaker.reset(for_tests::origin());
    EXPECT_EQ(emptied, 1);
    EXPECT_EQ(breaker.stats(for_tests::origin()).window.requests, 0U);
    breaker.reset(for_tests::origin());
    EXPECT_EQ(emptied, 1) << "it was empty";
}

TEST(CircuitBreakerLevers, forced_closed_admits_all_and_judges_nothing) {
    CircuitBreaker breaker{"levers_test", config};
    breaker.force_closed(at(0s));
    for (int i = 0; i < 50; ++i) call(breaker, Outcome::failure, at(0s));
    const CircuitBreakerStats stats = breaker.stats(at(0s));
    EXPECT_EQ(stats.state, CircuitState::forced_closed);
    EXPECT_EQ(stats.failure, 50U);
    EXPECT_EQ(stats.window.requests, 0U);
    EXPECT_EQ(stats.late, 0U);
}

TEST(CircuitBreakerLevers, forced_closed_admits_where_running_calls_are_judged_too) {
    CircuitBreaker breaker{"levers_test", {.slow_call_duration = 1s, .judge_in_flight = true}};
    breaker.force_closed(at(0s));
    auto slow = breaker.try_acquire(at(0s));
    ASSERT_TRUE(slow.has_value());
    EXPECT_TRUE(breaker.try_acquire(at(10s)).has_value());
    slow->settle(Outcome::success, at(10s));
    EXPECT_EQ(breaker.state(at(10s)), CircuitState::forced_closed);
}

}  // namespace circuit_breaker_levers_test
