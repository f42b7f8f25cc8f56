// Health probes that hang, overlap, come too late or are taken away, and those that keep calls out.

#include <gtest/gtest.h>

#include <for_tests/origin.hpp>
#include <memory>

#include "health_probes_rig.hpp"

namespace resilience::inline v1 {
namespace health_probes_late_test {

using namespace std::chrono_literals;

constexpr CircuitBreakerConfig two{.success_threshold = 2, .min_requests = 1};
constexpr HealthProbeConfig half_open_only{.while_open = false};

TEST(HealthProbes, that_hang_fail_at_their_timeout_and_answer_nobody_later) {
    HealthProbesRig rig(two, half_open_only);
    auto hung = rig.send(60s);
    ASSERT_TRUE(hung.has_value());
    rig.breaker.tick(rig.at(61s - 1ns));
    EXPECT_EQ(rig.state(61s), CircuitState::half_open);
    EXPECT_EQ(rig.breaker.next_deadline(), rig.at(61s));
    rig.breaker.tick(rig.at(61s));
    EXPECT_EQ(rig.state(61s), CircuitState::open) << "the one failure that half-open allows none of";
    EXPECT_EQ(rig.counts().timed_out, 1U);
    rig.expect_reconciled(1);
    hung->settle(Outcome::success, rig.at(62s));
    EXPECT_EQ(rig.counts().succeeded, 0U);
    EXPECT_EQ(rig.breaker.stats(rig.at(62s)).success, 1U) << "as a call it counts";
    EXPECT_EQ(rig.breaker.stats(rig.at(62s)).late, 1U);
    EXPECT_EQ(rig.state(62s), CircuitState::open);
    rig.expect_reconciled();
}

TEST(HealthProbes, that_answer_at_their_timeout_are_too_late_and_just_before_it_are_not) {
    for (const Duration took : {1s - 1ns, Duration(1s)}) {
        HealthProbesRig rig({.success_threshold = 1, .min_requests = 1}, half_open_only);
        auto probe = rig.send(60s);
        probe->settle(Outcome::success, rig.at(60s + took));
        EXPECT_EQ(rig.state(62s), took < 1s ? CircuitState::closed : CircuitState::open);
        EXPECT_EQ(rig.counts().timed_out, took < 1s ? 0U : 1U);
        rig.expect_reconciled();
    }
}

TEST(HealthProbes, that_hang_are_noticed_by_the_next_call_too) {
    HealthProbesRig rig(two, half_open_only);
    auto hung = rig.send(60s);
    EXPECT_EQ(rig.refused(62s).reason, RejectionReason::circuit_open);
    EXPECT_EQ(rig.counts().timed_out, 1U);
}

TEST(HealthProbes, fail_at_each_turn_while_one_before_them_still_runs_with_probes_only) {
    HealthProbesRig rig({.success_threshold = 2, .min_requests = 1, .half_open_calls = 4},
                        {.while_open = false, .probes_only = true});
    {
        auto hung = rig.send(60s);
        EXPECT_FALSE(rig.send(61s)) << "it is judged";
        EXPECT_FALSE(rig.send(65s)) << "a turn that is missed";
        EXPECT_EQ(rig.state(65s), CircuitState::half_open);
        EXPECT_FALSE(rig.send(66s));
        EXPECT_FALSE(rig.send(70s));
        EXPECT_EQ(rig.state(70s), CircuitState::open) << "the third failure of four verdicts";
        EXPECT_EQ(rig.counts().sent, 1U);
        EXPECT_EQ(rig.counts().timed_out, 1U);
        EXPECT_EQ(rig.counts().overlapped, 2U);
    }
    EXPECT_FALSE(rig.send(129s));
    EXPECT_TRUE(rig.send(130s)) << "it has returned";
    rig.expect_reconciled();
}

TEST(HealthProbes, that_outlast_their_state_decide_nothing) {
    HealthProbesRig rig({.success_threshold = 1, .min_requests = 1}, {});
    auto late = rig.send(59s + 500ms);
    EXPECT_EQ(rig.state(60s), CircuitState::half_open);
    late->settle(Outcome::success, rig.at(60s + 100ms));
    EXPECT_EQ(rig.state(60s + 100ms), CircuitState::half_open);
    EXPECT_EQ(rig.counts().undecided, 1U);
    EXPECT_EQ(rig.breaker.stats(rig.at(61s)).late, 1U);
    rig.expect_reconciled();
}

TEST(HealthProbes, that_hang_across_a_change_of_state_fail_nothing_in_the_new_one) {
    HealthProbesRig rig({.success_threshold = 1, .min_requests = 1}, {});
    auto hung = rig.send(59s + 500ms);
    rig.breaker.tick(rig.at(61s));
    EXPECT_EQ(rig.counts().timed_out, 1U);
    EXPECT_EQ(rig.state(61s), CircuitState::half_open);
    EXPECT_FALSE(rig.send(65s));
    EXPECT_EQ(rig.counts().overlapped, 1U);
    EXPECT_EQ(rig.state(65s), CircuitState::half_open) << "a turn of the new one, which is skipped";
    rig.call(Outcome::success, 65s);
    EXPECT_EQ(rig.state(65s), CircuitState::closed);
}

TEST(HealthProbes, that_were_replaced_or_removed_while_out_decide_nothing) {
    HealthProbesRig rig({.success_threshold = 1, .min_requests = 1}, half_open_only);
    auto replaced = rig.send(60s);
    rig.breaker.set_probe(half_open_only, [] { return false; });
    auto removed = rig.send(65s);
    ASSERT_TRUE(removed.has_value()) << "the new one need not wait for the old one's end";
    replaced->settle(Outcome::success, rig.at(65s));
    EXPECT_EQ(rig.state(65s), CircuitState::half_open);
    rig.breaker.set_probe({}, {});
    removed->settle(Outcome::success, rig.at(65s));
    EXPECT_EQ(rig.state(65s), CircuitState::half_open);
    EXPECT_EQ(rig.counts().undecided, 2U);
    EXPECT_EQ(rig.next(), std::nullopt);
    EXPECT_FALSE(rig.send(70s));
    rig.call(Outcome::success, 70s);
    EXPECT_EQ(rig.state(70s), CircuitState::closed) << "calls decide again";
    rig.expect_reconciled();
}

TEST(HealthProbes, take_a_half_open_place_and_skip_their_turn_where_there_is_none) {
    HealthProbesRig rig({.success_threshold = 2, .min_requests = 1, .half_open_max_calls = 1}, half_open_only);
    {
        auto probe = rig.send(60s);
        EXPECT_EQ(rig.refused(60s + 400ms).reason, RejectionReason::half_open_full);
        EXPECT_EQ(rig.refused(60s + 400ms).retry_after, 600ms) << "by then the probe has answered or failed";
        const CircuitBreakerStats stats = rig.breaker.stats(rig.at(60s + 400ms));
        EXPECT_EQ(stats.half_open.in_flight, 1U);
        EXPECT_EQ(stats.half_open.oldest_probe, 400ms);
        EXPECT_EQ(stats.retry_after, 600ms);
        probe->settle(Outcome::success, rig.at(60s + 500ms));
    }
    {
        auto call = rig.breaker.try_acquire(rig.at(61s));
        ASSERT_TRUE(call.has_value());
        EXPECT_FALSE(rig.send(65s));
        EXPECT_EQ(rig.next(), 70s);
        call->settle(Outcome::ignored, rig.at(66s));
    }
    EXPECT_TRUE(rig.probe(Outcome::success, 70s));
    EXPECT_EQ(rig.state(70s), CircuitState::closed) << "its own verdict and the other one's";
    rig.expect_reconciled();
}

TEST(HealthProbes, with_probes_only_keep_every_call_out_until_they_have_closed_it) {
    HealthProbesRig rig({.success_threshold = 3, .min_requests = 1}, {.while_open = false, .probes_only = true});
    EXPECT_EQ(rig.refused(59s).reason, RejectionReason::circuit_open);
    EXPECT_EQ(rig.refused(60s).reason, RejectionReason::half_open_full);
    EXPECT_EQ(rig.refused(60s).retry_after, 11s) << "three probes five seconds apart, and the last one's timeout";
    EXPECT_FALSE(rig.breaker.allow(rig.at(60s)));
    auto first = rig.send(60s + 500ms);
    EXPECT_EQ(rig.refused(61s).retry_after, 10s + 500ms);
    first->settle(Outcome::success, rig.at(61s));
    EXPECT_EQ(rig.refused(61s).retry_after, 10s + 500ms) << "the second is due at 65.5 s";
    EXPECT_EQ(rig.breaker.stats(rig.at(61s)).retry_after, 10s + 500ms);
    EXPECT_TRUE(rig.probe(Outcome::success, 65s + 500ms));
    const Rejection why = rig.refused(66s);
    EXPECT_TRUE(rig.probe(Outcome::success, 70s + 500ms));
    EXPECT_EQ(rig.state(70s + 500ms), CircuitState::closed);
    rig.call(Outcome::success, 66s + *why.retry_after);
    EXPECT_EQ(rig.breaker.stats(rig.at(80s)).rejected.half_open_full, 6U);
    rig.expect_reconciled();
}

TEST(HealthProbes, leave_alone_what_a_lever_holds) {
    HealthProbesRig rig({.success_threshold = 1, .min_requests = 1}, {});
    const auto none_due = [&](Duration when) { return !rig.send(when).has_value(); };
    rig.breaker.force_open(rig.at(1s));
    EXPECT_TRUE(none_due(10s));
    rig.breaker.force_closed(rig.at(11s));
    EXPECT_TRUE(none_due(20s));
    rig.breaker.metrics_only(rig.at(21s));
    EXPECT_TRUE(none_due(30s));
    rig.breaker.open(10s, rig.at(31s));
    EXPECT_TRUE(none_due(39s)) << "an open period with the operator's own end";
    EXPECT_EQ(rig.next(), 41s);
    rig.breaker.half_open(1h, rig.at(40s));
    EXPECT_TRUE(rig.probe(Outcome::success, 40s));
    EXPECT_EQ(rig.state(40s), CircuitState::closed) << "as any probe may end a held half-open";
    rig.breaker.open(rig.at(50s));
    {
        auto probe = rig.send(55s);
        ASSERT_TRUE(probe.has_value()) << "an open period like any other";
        rig.breaker.open(1h, rig.at(55s));
        probe->settle(Outcome::success, rig.at(55s));
    }
    EXPECT_EQ(rig.state(55s), CircuitState::open) << "held since the probe was sent";
    rig.expect_reconciled();
}

TEST(HealthProbes, end_an_open_period_that_would_not_end_by_itself) {
    HealthProbesRig rig({.success_threshold = 1, .timeout = Duration::max(), .min_requests = 1}, {});
    EXPECT_EQ(rig.refused(1h).retry_after, std::nullopt);
    EXPECT_TRUE(rig.probe(Outcome::success, 1h));
    EXPECT_EQ(rig.state(1h), CircuitState::half_open);
}

TEST(HealthProbes, may_be_set_while_a_half_open_call_is_out) {
    CircuitBreaker breaker{"health_probes_test", {.success_threshold = 1, .min_requests = 1}};
    breaker.record_result(false, for_tests::origin() + 1h);
    auto call = breaker.try_acquire(for_tests::origin() + 1h + 60s);
    breaker.set_probe({}, [] { return true; });
    EXPECT_EQ(breaker.stats(for_tests::origin() + 1h + 61s).half_open.oldest_probe, 1s);
    call->settle(Outcome::success, for_tests::origin() + 1h + 61s);
    EXPECT_EQ(breaker.state(for_tests::origin() + 1h + 61s), CircuitState::closed);
}

TEST(HealthProbes, go_when_they_are_replaced_or_their_breaker_goes) {
    const auto used = std::make_shared<int>();
    {
        CircuitBreaker breaker{"health_probes_test"};
        breaker.set_probe({}, [used] { return used != nullptr; });
        EXPECT_EQ(used.use_count(), 2);
        breaker.set_probe({}, [used] { return used == nullptr; });
        EXPECT_EQ(used.use_count(), 2);
    }
    EXPECT_EQ(used.use_count(), 1);
}

TEST(HealthProbes, are_asked_for_and_removed_where_there_are_none) {
    CircuitBreaker breaker{"health_probes_test"};
    EXPECT_FALSE(breaker.stats().health_probes.has_value());
    EXPECT_FALSE(breaker.probe());
    EXPECT_FALSE(breaker.probe_due().has_value());
    EXPECT_FALSE(breaker.next_probe().has_value());
    breaker.set_probe({}, {});
    EXPECT_FALSE(breaker.probe());
    EXPECT_FALSE(breaker.probe_due().has_value());
    EXPECT_FALSE(breaker.next_probe().has_value());
}

TEST(HealthProbes, outlive_another_configuration_with_more_places) {
    HealthProbesRig rig;
    auto out = rig.send(5s);
    ASSERT_TRUE(out.has_value());
    CircuitBreakerConfig roomier = rig.breaker.config();
    roomier.half_open_calls = 200;
    roomier.half_open_max_calls = 200;
    rig.breaker.reconfigure(roomier, rig.at(5500ms));
    out->settle(Outcome::success, rig.at(5600ms));
    EXPECT_EQ(rig.counts().succeeded, 1U);
    EXPECT_EQ(rig.next(), 10s);
    EXPECT_TRUE(rig.probe(Outcome::success, 10s));
    EXPECT_EQ(rig.state(10s), CircuitState::half_open);
    rig.expect_reconciled();
}

}  // namespace health_probes_late_test
}  // namespace resilience::inline v1
