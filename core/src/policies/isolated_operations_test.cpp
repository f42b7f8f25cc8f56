#include <gtest/gtest.h>

#include <chrono>
#include <resilience/policies/circuit_breaker.hpp>
#include <utility>
#include <vector>

#include "operations_rig.hpp"

using namespace resilience;
using namespace std::chrono_literals;

namespace isolated_operations_test {

using Operation = CircuitBreaker::Operation;

constexpr CircuitBreakerConfig two_probes = [] {
    CircuitBreakerConfig config = isolating;
    config.success_threshold = 2;
    return config;
}();

struct IsolatedOperation : IsolatedOperationsRig {
    IsolatedOperation() : IsolatedOperationsRig(two_probes) {}
};

TEST_F(IsolatedOperation, opens_alone_and_all_others_pass) {
    open_charge(at(0s));
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::closed);
    const auto refused = charge.try_acquire(at(4s));
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().reason, RejectionReason::circuit_open);
    EXPECT_EQ(refused.error().policy, "card_host");
    EXPECT_EQ(refused.error().kind, PolicyKind::circuit_breaker);
    EXPECT_EQ(refused.error().retry_after, 6s);
    EXPECT_TRUE(call(refund, Outcome::success, at(4s)));
    EXPECT_TRUE(call(breaker, Outcome::success, at(4s)));
    EXPECT_TRUE(breaker.allow(at(4s))) << "the two-step form is the breaker's";
    breaker.record_result(true, at(4s));

    const CircuitBreakerStats stats = breaker.stats(at(4s));
    EXPECT_EQ(stats.operations[0].state, CircuitState::open);
    EXPECT_EQ(stats.operations[1].state, CircuitState::closed);
    EXPECT_EQ(stats.operations[0].rejected, 1U);
    EXPECT_EQ(stats.operations[0].failure, 4U);
    EXPECT_EQ(stats.operations[0].window.failures, 4U);
    EXPECT_EQ(stats.rejected.circuit_open, 1U);
    EXPECT_EQ(stats.failure, 4U);
    EXPECT_EQ(stats.window.requests, 3U) << "its calls have left the breaker's window";
    EXPECT_EQ(stats.window.failures, 0U);
    expect_to_reconcile(at(4s));
}

TEST_F(IsolatedOperation, tells_what_it_does_by_itself_as_an_event_of_the_breaker) {
    std::vector<Event> heard;
    const Subscription listening = breaker.on_event([&](const Event& event) { heard.push_back(event); });
    open_charge(at(0s));
    breaker.tick(at(11s));
    EXPECT_EQ(calls(charge, 2, Outcome::success, at(12s)), 2);
    ASSERT_EQ(heard.size(), 3U) << "and none of the breaker, which stayed closed";
    for (const Event& event : heard) {
        EXPECT_EQ(event.kind, EventKind::operation_transition);
        EXPECT_EQ(event.name, "card_host");
        EXPECT_EQ(event.operation, "charge");
    }
    EXPECT_EQ(heard[0].from, CircuitState::closed);
    EXPECT_EQ(heard[0].to, CircuitState::open);
    EXPECT_EQ(heard[0].cause, TransitionCause::failure_ratio);
    EXPECT_EQ(heard[0].value, 1.0);
    EXPECT_EQ(heard[0].requests, 4U);
    EXPECT_EQ(heard[0].retry_after, 10s);
    EXPECT_EQ(heard[1].to, CircuitState::half_open);
    EXPECT_EQ(heard[1].due, at(10s));
    EXPECT_EQ(heard[1].at, at(11s));
    EXPECT_EQ(heard[2].to, CircuitState::closed);
    EXPECT_EQ(heard[2].cause, TransitionCause::probes_succeeded);
    EXPECT_LT(heard[1].sequence, heard[2].sequence);
}

TEST_F(IsolatedOperation, tells_nothing_of_what_the_breaker_or_a_lever_does_with_it) {
    open_charge(at(0s));
    int told = 0;
    const Subscription listening =
        breaker.on_event([&](const Event&) { ++told; }, only(EventKind::operation_transition));
    breaker.metrics_only(2s, at(1s));
    breaker.tick(at(3s));
    ASSERT_EQ(charge.state(at(3s)), CircuitState::open);
    breaker.reset(at(4s));
    ASSERT_EQ(charge.state(at(4s)), CircuitState::closed);
    EXPECT_EQ(told, 0);
}

TEST_F(IsolatedOperation, does_not_open_the_breaker_before_it_has_enough_calls_to_open_alone) {
    for (int each = 0; each < 3; ++each) {
        EXPECT_TRUE(call(charge, Outcome::failure, at(0s)));
        EXPECT_TRUE(call(refund, Outcome::success, at(0s)));
    }
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::closed) << "three of six, none of three without it";
    EXPECT_EQ(charge.state(at(0s)), CircuitState::closed) << "three calls are too few";
    EXPECT_TRUE(call(charge, Outcome::failure, at(0s)));
    EXPECT_EQ(charge.state(at(0s)), CircuitState::open);
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::closed);
}

TEST_F(IsolatedOperation, does_not_open_the_breaker_later_by_what_it_left_there) {
    for (int success = 0; success < 4; ++success) call(refund, Outcome::success, at(0s));
    open_charge(at(0s));  // four of eight
    for (int failure = 0; failure < 3; ++failure) EXPECT_TRUE(call(refund, Outcome::failure, at(1s)));
    EXPECT_EQ(breaker.state(at(1s)), CircuitState::closed) << "seven of eleven with it, three of seven without";
    EXPECT_EQ(breaker.stats(at(1s)).window.requests, 7U);
    EXPECT_EQ(breaker.stats(at(1s)).window.failures, 3U);
    // Also once it is closed again, until what it left has expired.
    EXPECT_TRUE(call(charge, Outcome::success, at(10s)));
    EXPECT_TRUE(call(charge, Outcome::success, at(10s)));
    ASSERT_EQ(charge.state(at(10s)), CircuitState::closed);
    for (const Outcome outcome : {Outcome::success, Outcome::success, Outcome::failure, Outcome::failure}) {
        EXPECT_TRUE(call(breaker, outcome, at(11s)));
    }
    EXPECT_EQ(breaker.state(at(11s)), CircuitState::closed) << "five of eleven, nine of fifteen with it";
    EXPECT_TRUE(call(breaker, Outcome::failure, at(11s)));
    EXPECT_EQ(breaker.state(at(11s)), CircuitState::open) << "six of twelve, three of five without refund";
    expect_to_reconcile(at(11s));
}

TEST_F(IsolatedOperation, counts_for_the_breaker_again_one_window_after_it_has_closed) {
    open_charge(at(0s));
    call(charge, Outcome::success, at(10s));
    call(charge, Outcome::success, at(10s));
    ASSERT_EQ(charge.state(at(10s)), CircuitState::closed);
    call(charge, Outcome::success, at(69s));
    EXPECT_EQ(breaker.stats(at(69s)).window.requests, 0U);
    call(charge, Outcome::success, at(70s));
    EXPECT_EQ(breaker.stats(at(70s)).window.requests, 1U);
    expect_to_reconcile(at(70s));
}

TEST_F(IsolatedOperation, probes_alone) {
    open_charge(at(0s));
    EXPECT_EQ(charge.state(at(10s)), CircuitState::half_open);
    auto first = charge.try_acquire(at(10s));
    auto second = charge.try_acquire(at(10s));
    ASSERT_TRUE(first.has_value() && second.has_value());
    const auto third = charge.try_acquire(at(10s));
    ASSERT_FALSE(third.has_value());
    EXPECT_EQ(third.error().reason, RejectionReason::half_open_full);
    EXPECT_EQ(breaker.stats(at(10s)).rejected.half_open_full, 1U);
    EXPECT_TRUE(call(refund, Outcome::success, at(10s)));
    first->settle(Outcome::failure, at(11s));
    EXPECT_EQ(charge.state(at(11s)), CircuitState::open);
    second->settle(Outcome::success, at(11s));
    EXPECT_EQ(charge.state(at(20s)), CircuitState::open);
    EXPECT_EQ(charge.state(at(21s)), CircuitState::half_open);
    EXPECT_EQ(breaker.state(at(21s)), CircuitState::closed);
    {
        const auto dropped = charge.try_acquire(at(21s));
        ASSERT_TRUE(dropped.has_value());
    }
    first = charge.try_acquire(at(21s));
    second = charge.try_acquire(at(21s + 1ms));
    ASSERT_TRUE(first.has_value() && second.has_value());
    second->settle(Outcome::success, at(22s));
    first->settle(Outcome::success, at(22s));
    EXPECT_EQ(charge.state(at(22s)), CircuitState::closed);
    expect_to_reconcile(at(22s));
}

TEST_F(IsolatedOperation, decides_nothing_by_a_verdict_that_comes_late) {
    auto late = charge.try_acquire(at(0s));
    auto later = charge.try_acquire(at(0s));
    open_charge(at(0s));
    ASSERT_TRUE(call(charge, Outcome::success, at(10s)));
    late->settle(Outcome::failure, at(10s));
    EXPECT_EQ(charge.state(at(10s)), CircuitState::half_open) << "no probe has failed";
    EXPECT_TRUE(call(charge, Outcome::success, at(10s)));
    EXPECT_EQ(charge.state(at(10s)), CircuitState::closed);
    later->settle(Outcome::failure, at(10s));
    EXPECT_EQ(breaker.stats(at(10s)).operations[0].window.requests, 0U) << "it is not of this closed period";
    expect_to_reconcile(at(10s));
}

TEST_F(IsolatedOperation, leaves_it_to_the_breaker_where_everything_fails) {
    // None has the four calls to open alone. Without any one of them they are four.
    Operation cancel = breaker.operation("cancel");
    for (int failure = 0; failure < 2; ++failure) {
        EXPECT_EQ(breaker.state(at(0s)), CircuitState::closed);
        for (Operation* each : {&charge, &refund, &cancel}) call(*each, Outcome::failure, at(0s));
    }
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::open);
    EXPECT_FALSE(call(charge, Outcome::success, at(0s)));
    EXPECT_FALSE(call(refund, Outcome::success, at(0s)));
    EXPECT_EQ(breaker.stats(at(0s)).operations[0].state, CircuitState::closed);
    EXPECT_EQ(charge.state(at(0s)), CircuitState::open);
    // Probes of the breaker; then both begin with an empty window.
    EXPECT_TRUE(call(charge, Outcome::success, at(10s)));
    EXPECT_TRUE(call(charge, Outcome::success, at(10s)));
    EXPECT_EQ(breaker.state(at(10s)), CircuitState::closed);
    EXPECT_EQ(breaker.stats(at(10s)).operations[0].window.requests, 0U);
    EXPECT_TRUE(call(charge, Outcome::failure, at(11s)));
    EXPECT_EQ(charge.state(at(11s)), CircuitState::closed);
    expect_to_reconcile(at(11s));
}

TEST_F(IsolatedOperation, stays_open_while_the_breaker_probes_with_the_others) {
    open_charge(at(0s));
    for (int failure = 0; failure < 4; ++failure) call(breaker, Outcome::failure, at(1s));
    ASSERT_EQ(breaker.state(at(1s)), CircuitState::open);
    breaker.half_open(at(2s));
    EXPECT_EQ(charge.state(at(2s)), CircuitState::open);
    const auto refused = charge.try_acquire(at(2s));
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().retry_after, 8s);
    EXPECT_EQ(breaker.stats(at(2s)).half_open.in_flight, 0U) << "it took no probe slot";
    EXPECT_TRUE(call(refund, Outcome::success, at(3s)));
    EXPECT_TRUE(call(refund, Outcome::success, at(3s)));
    EXPECT_EQ(breaker.state(at(3s)), CircuitState::closed);
    EXPECT_EQ(charge.state(at(3s)), CircuitState::open);
    expect_to_reconcile(at(3s));
}

TEST_F(IsolatedOperation, probes_for_the_breaker_only_once_its_own_time_is_over) {
    open_charge(at(0s));
    breaker.open(at(5s));
    auto probe = charge.try_acquire(at(15s));
    ASSERT_TRUE(probe.has_value());
    EXPECT_EQ(breaker.stats(at(15s)).half_open.in_flight, 1U);
    probe->settle(Outcome::success, at(15s));
    EXPECT_TRUE(call(charge, Outcome::success, at(15s)));
    EXPECT_EQ(breaker.state(at(15s)), CircuitState::closed);
    EXPECT_EQ(charge.state(at(15s)), CircuitState::half_open) << "its own probes are still to come";
    EXPECT_TRUE(call(charge, Outcome::failure, at(16s)));
    EXPECT_EQ(charge.state(at(16s)), CircuitState::open);
    EXPECT_EQ(breaker.state(at(16s)), CircuitState::closed);
    expect_to_reconcile(at(16s));
}

TEST_F(IsolatedOperation, obeys_the_levers_of_the_breaker) {
    open_charge(at(0s));
    breaker.force_closed(at(1s));
    EXPECT_TRUE(call(charge, Outcome::failure, at(1s)));
    breaker.force_open(at(2s));
    EXPECT_FALSE(call(refund, Outcome::success, at(2s)));
    breaker.reset(at(3s));
    EXPECT_EQ(charge.state(at(3s)), CircuitState::closed);
    EXPECT_TRUE(call(charge, Outcome::failure, at(3s)));
    EXPECT_EQ(breaker.stats(at(3s)).window.requests, 1U) << "it counts for all again at once";
    breaker.metrics_only(at(4s));
    for (int failure = 0; failure < 9; ++failure) EXPECT_TRUE(call(charge, Outcome::failure, at(4s)));
    EXPECT_EQ(charge.state(at(4s)), CircuitState::metrics_only);
    breaker.reset(at(5s));
    open_charge(at(5s));
    breaker.reset(at(5s));
    EXPECT_EQ(charge.state(at(5s)), CircuitState::closed) << "a closed breaker resets its operations as well";
    EXPECT_TRUE(call(charge, Outcome::success, at(5s)));
    expect_to_reconcile(at(5s));
}

TEST_F(IsolatedOperation, opens_alone_where_its_verdict_asks_for_it) {
    Verdict asks = Verdict::of(Outcome::failure);
    asks.open_for = 30s;
    charge.try_acquire(at(0s))->settle(asks, at(0s));
    EXPECT_EQ(charge.state(at(29s)), CircuitState::open);
    EXPECT_EQ(charge.state(at(30s)), CircuitState::half_open);
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::closed);
    EXPECT_EQ(breaker.stats(at(0s)).failure, 1U);
    expect_to_reconcile(at(0s));
}

TEST_F(IsolatedOperation, is_told_apart_from_a_probe_of_the_breaker_admitted_at_the_same_moment) {
    open_charge(at(0s));
    auto own = charge.try_acquire(at(10s));  // slot 0 of the operation
    breaker.half_open(at(10s));
    auto of_whole = charge.try_acquire(at(10s));  // slot 0 of the breaker, at the same moment
    ASSERT_TRUE(own.has_value() && of_whole.has_value());
    of_whole->settle(Outcome::failure, at(10s));
    EXPECT_EQ(breaker.state(at(10s)), CircuitState::open);
    EXPECT_EQ(breaker.stats(at(10s)).operations[0].state, CircuitState::half_open);
    own->settle(Outcome::failure, at(10s));
    EXPECT_EQ(breaker.stats(at(10s)).operations[0].state, CircuitState::open);
    expect_to_reconcile(at(10s));
}

}  // namespace isolated_operations_test
