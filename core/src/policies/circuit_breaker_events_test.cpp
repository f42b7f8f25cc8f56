#include <gtest/gtest.h>

#include <chrono>
#include <for_tests/origin.hpp>
#include <memory>
#include <resilience/policies/circuit_breaker.hpp>
#include <stdexcept>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace circuit_breaker_events_test {

TimePoint at(Duration since_start) { return for_tests::origin() + 1h + since_start; }

constexpr CircuitBreakerConfig config{.success_threshold = 2, .timeout = 10s, .min_requests = 2};

void call(CircuitBreaker& breaker, Outcome outcome, TimePoint now) {
    auto permit = breaker.try_acquire(now);
    if (permit) permit->settle(outcome, now);
}
void trip(CircuitBreaker& breaker, TimePoint now) {
    call(breaker, Outcome::failure, now);
    call(breaker, Outcome::failure, now);
}

TEST(CircuitBreakerEvents, tell_what_changed_when_and_why) {
    CircuitBreaker breaker{"events_test", config};
    std::vector<Event> seen;
    const auto listening = breaker.on_event([&](const Event& event) { seen.push_back(event); });
    call(breaker, Outcome::success, at(0s));
    call(breaker, Outcome::failure, at(1s));
    call(breaker, Outcome::success, at(12s));
    call(breaker, Outcome::success, at(13s));
    ASSERT_EQ(seen.size(), 3U);

    EXPECT_EQ(seen[0].name, "events_test");
    EXPECT_EQ(seen[0].from, CircuitState::closed);
    EXPECT_EQ(seen[0].to, CircuitState::open);
    EXPECT_EQ(seen[0].cause, TransitionCause::failure_ratio);
    EXPECT_EQ(seen[0].value, 0.5);
    EXPECT_EQ(seen[0].threshold, 0.5);
    EXPECT_EQ(seen[0].requests, 2U);
    EXPECT_EQ(seen[0].retry_after, 10s);

    EXPECT_EQ(seen[1].to, CircuitState::half_open);
    EXPECT_EQ(seen[1].cause, TransitionCause::open_time_over);
    EXPECT_EQ(seen[1].due, at(11s));
    EXPECT_EQ(seen[1].at, at(12s));

    EXPECT_EQ(seen[2].to, CircuitState::closed);
    EXPECT_EQ(seen[2].cause, TransitionCause::probes_succeeded);
    EXPECT_EQ(seen[2].requests, 2U);
    EXPECT_EQ(seen[2].value, 0.0);
    EXPECT_EQ(seen[2].generation, seen[1].generation + 1);
}

TEST(CircuitBreakerEvents, of_every_call_come_only_when_asked_for) {
    CircuitBreaker breaker{"events_test", config};
    std::vector<EventKind> kinds;
    std::vector<Event> all;
    {
        const auto listening = breaker.on_event(
            [&](const Event& event) {
                kinds.push_back(event.kind);
                all.push_back(event);
            },
            EventKinds::all);
        auto permit = breaker.try_acquire(at(0s));
        permit->settle(CallResult::timed_out, at(3s));
        EXPECT_TRUE(breaker.allow(at(3s)));
        breaker.record_result(false, at(4s));
        EXPECT_FALSE(breaker.try_acquire(at(5s)).has_value());
        EXPECT_FALSE(breaker.allow(at(5s)));
    }
    using enum EventKind;
    EXPECT_EQ(kinds, (std::vector{permitted, finished, permitted, finished, transition, refused, refused}));
    EXPECT_EQ(all[1].result, CallResult::timed_out);
    EXPECT_EQ(all[1].took, 3s);
    EXPECT_EQ(all[5].reason, RejectionReason::circuit_open);
    EXPECT_EQ(all[5].retry_after, 9s);
    call(breaker, Outcome::success, at(20s));
    EXPECT_EQ(kinds.size(), 7U) << "the subscription has ended";
}

TEST(CircuitBreakerEvents, a_reclaimed_lease_says_how_old_the_probe_was) {
    CircuitBreaker breaker{"events_test", {.success_threshold = 1, .probe_lease = 10s}};
    std::vector<Event> seen;
    breaker.half_open(at(0s));
    const auto listening = breaker.on_event([&](const Event& event) { seen.push_back(event); });
    auto hung = breaker.try_acquire(at(1s));
    EXPECT_EQ(breaker.next_deadline(), at(11s));
    breaker.tick(at(14s));
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen[0].kind, EventKind::lease_reclaimed);
    EXPECT_EQ(seen[0].took, 13s);
    EXPECT_EQ(seen[0].due, at(11s));
}

TEST(CircuitBreakerEvents, a_listener_that_throws_is_counted_and_harms_nobody) {
    CircuitBreaker breaker{"events_test", config};
    int after = 0;
    const auto throwing = breaker.on_event([](const Event&) { throw std::runtime_error("listener"); }, EventKinds::all);
    const auto counting = breaker.on_event([&](const Event&) { ++after; });
    trip(breaker, at(0s));
    EXPECT_EQ(after, 1);
    const CircuitBreakerStats stats = breaker.stats(at(0s));
    EXPECT_EQ(stats.state, CircuitState::open);
    EXPECT_EQ(stats.listener_exceptions, 5U) << "two permitted, two finished, one transition";
    EXPECT_EQ(stats.failure, 2U);
}

TEST(CircuitBreakerEvents, a_listener_may_read_the_breaker_and_pull_its_levers) {
    CircuitBreaker breaker{"events_test", config};
    std::vector<CircuitState> to;
    int depth = 0;
    const auto listening = breaker.on_event([&](const Event& event) {
        EXPECT_EQ(++depth, 1) << "what a listener causes is delivered after it";
        to.push_back(event.to);
        EXPECT_EQ(breaker.stats(at(0s)).failure, 2U);
        if (event.to == CircuitState::open) {
            EXPECT_EQ(breaker.state(at(0s)), CircuitState::open);
            breaker.reset(at(0s));
            EXPECT_TRUE(breaker.try_acquire(at(0s)).has_value());
        }
        --depth;
    });
    trip(breaker, at(0s));
    EXPECT_EQ(to, (std::vector{CircuitState::open, CircuitState::closed}));
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::closed);
}

TEST(CircuitBreakerEvents, a_listener_that_always_answers_a_change_with_another_does_not_recurse) {
    CircuitBreaker breaker{"events_test", config};
    int changes = 0;
    const auto listening = breaker.on_event([&](const Event& event) {
        if (++changes >= 100'000) return;
        if (event.to == CircuitState::forced_open) {
            breaker.reset(at(0s));
        } else {
            breaker.force_open(at(0s));
        }
    });
    breaker.force_open(at(0s));
    EXPECT_EQ(changes, 100'000);
}

TEST(CircuitBreakerEvents, a_subscription_may_outlive_its_breaker) {
    Subscription listening;
    {
        CircuitBreaker breaker{"events_test", config};
        listening = breaker.on_event([](const Event&) {});
        breaker.open(at(0s));
    }
    listening.reset();
    EXPECT_FALSE(static_cast<bool>(listening));
}

}  // namespace circuit_breaker_events_test
