// What health probes once broke: open periods of no length, places that are never given back, other configurations,
// and a function that never returns.

#include <gtest/gtest.h>

#include <optional>

#include "health_probes_rig.hpp"

namespace resilience::inline v1 {
namespace health_probes_mended_test {

using namespace std::chrono_literals;

constexpr CircuitBreakerConfig one{.success_threshold = 1, .min_requests = 1};
constexpr HealthProbeConfig half_open_only{.while_open = false};

// Half-open at a minute with a probe that hangs: its failure, at 61 s, opens for no time.
std::optional<CircuitBreaker::Permit> hangs_and_opens_for_no_time(HealthProbesRig& rig) {
    CircuitBreakerConfig config = rig.breaker.config();
    auto hung = rig.send(60s);
    EXPECT_TRUE(hung.has_value());
    config.timeout = 0s;
    rig.breaker.reconfigure(config, rig.at(60s));
    return hung;
}

TEST(HealthProbes, that_are_overdue_and_open_for_no_time_leave_every_call_counted) {
    for (const bool ticks : {false, true}) {
        HealthProbesRig rig(one, half_open_only);
        auto hung = hangs_and_opens_for_no_time(rig);
        if (ticks) rig.breaker.tick(rig.at(61s));
        auto call = rig.breaker.try_acquire(rig.at(61s));
        ASSERT_TRUE(call.has_value());
        EXPECT_EQ(rig.counts().timed_out, 1U);
        rig.expect_reconciled(2);
        call->settle(Outcome::success, rig.at(61s));
        EXPECT_EQ(rig.state(61s), CircuitState::closed) << "it was a half-open call";
        hung->settle(Outcome::success, rig.at(62s));
        rig.expect_reconciled();
    }
}

TEST(HealthProbes, that_are_overdue_and_open_for_no_time_leave_both_steps_of_a_call_paired) {
    HealthProbesRig rig(one, half_open_only);
    auto hung = hangs_and_opens_for_no_time(rig);
    EXPECT_TRUE(rig.breaker.allow(rig.at(61s)));
    rig.expect_reconciled(2);
    rig.breaker.record_result(true, rig.at(61s));
    EXPECT_EQ(rig.breaker.stats(rig.at(61s)).unpaired_results, 0U);
    hung.reset();
    rig.expect_reconciled();
}

TEST(HealthProbes, that_are_overdue_and_open_for_no_time_leave_no_end_that_is_over) {
    HealthProbesRig rig(one, half_open_only);
    auto hung = hangs_and_opens_for_no_time(rig);
    EXPECT_FALSE(rig.send(61s)) << "its failure is judged";
    EXPECT_EQ(rig.next(), 65s) << "a turn, and not the end of the open period";
}

TEST(HealthProbes, of_which_fewer_are_asked_for_than_have_answered_decide_with_the_next_question) {
    for (const auto verdict : {HalfOpenVerdict::early, HalfOpenVerdict::rate_after_all}) {
        HealthProbesRig rig(
            {.success_threshold = 3, .min_requests = 1, .half_open_calls = 3, .half_open_verdict = verdict},
            {.while_open = false, .probes_only = true});
        EXPECT_TRUE(rig.probe(Outcome::success, 60s));
        EXPECT_TRUE(rig.probe(Outcome::success, 65s));
        CircuitBreakerConfig fewer = rig.breaker.config();
        fewer.success_threshold = fewer.half_open_calls = 1;
        rig.breaker.reconfigure(fewer, rig.at(66s));
        EXPECT_EQ(rig.breaker.stats(rig.at(66s)).retry_after, 0s) << "and no number of minus one probes";
        rig.call(Outcome::success, 66s);
        EXPECT_EQ(rig.state(66s), CircuitState::closed);
        rig.expect_reconciled();
    }
}

TEST(HealthProbes, alone_take_back_the_place_of_a_call_that_is_never_settled) {
    HealthProbesRig rig({.success_threshold = 2, .min_requests = 1, .half_open_max_calls = 1, .probe_lease = 7s},
                        half_open_only);
    auto leaked = rig.breaker.try_acquire(rig.at(60s));
    ASSERT_TRUE(leaked.has_value());
    EXPECT_FALSE(rig.send(60s));
    EXPECT_EQ(rig.next(), 65s);
    EXPECT_FALSE(rig.send(65s));
    EXPECT_EQ(rig.next(), 67s) << "the end of its lease";
    EXPECT_FALSE(rig.send(67s));
    EXPECT_EQ(rig.breaker.stats(rig.at(67s)).leases_reclaimed, 1U);
    EXPECT_EQ(rig.next(), 70s);
    EXPECT_TRUE(rig.probe(Outcome::success, 70s));
    EXPECT_TRUE(rig.probe(Outcome::success, 75s));
    EXPECT_EQ(rig.state(75s), CircuitState::closed);
    leaked->settle(Outcome::success, rig.at(76s));
    rig.expect_reconciled();
}

TEST(HealthProbes, alone_decide_by_the_numbers_of_another_configuration) {
    for (const Duration timeout : {60s, 0s}) {
        HealthProbesRig rig({.success_threshold = 3, .min_requests = 1, .half_open_calls = 4}, half_open_only);
        EXPECT_TRUE(rig.probe(Outcome::success, 60s));
        EXPECT_TRUE(rig.probe(timeout == 0s ? Outcome::failure : Outcome::success, 65s));
        CircuitBreakerConfig fewer = rig.breaker.config();
        fewer.timeout = timeout;
        fewer.success_threshold = fewer.half_open_calls = 2;
        rig.breaker.reconfigure(fewer, rig.at(66s));
        EXPECT_FALSE(rig.send(67s));
        EXPECT_EQ(rig.state(67s), timeout == 0s ? CircuitState::half_open : CircuitState::closed);
        EXPECT_EQ(rig.next(), timeout == 0s ? std::optional<Duration>(70s) : std::nullopt);
    }
}

// A call comes every three seconds, and five have to succeed: for longer than it is from one turn to the next.
TEST(HealthProbes, that_never_return_keep_calls_from_closing_it_with_probes_only_alone) {
    for (const bool probes_only : {false, true}) {
        HealthProbesRig rig({.success_threshold = 5, .timeout = 10s, .min_requests = 1}, {.probes_only = probes_only});
        auto hung = rig.send(5s);
        ASSERT_TRUE(hung.has_value());
        int served = 0;
        for (int second = 6; second < 60; ++second) {
            EXPECT_FALSE(rig.send(second * 1s));
            if (second % 3 != 0) continue;
            auto call = rig.breaker.try_acquire(rig.at(second * 1s));
            if (!call) continue;
            ++served;
            call->settle(Outcome::success, rig.at(second * 1s));
        }
        EXPECT_EQ(served, probes_only ? 0 : 16) << "all since ten seconds, or none";
        EXPECT_EQ(rig.state(60s) == CircuitState::closed, !probes_only);
        EXPECT_EQ(rig.counts().timed_out, 1U);
        EXPECT_GE(rig.counts().overlapped, probes_only ? 5U : 3U);
        hung.reset();
        rig.expect_reconciled();
    }
}

TEST(HealthProbes, that_never_return_begin_the_row_of_an_open_period_anew) {
    HealthProbesRig rig({.success_threshold = 2, .min_requests = 1}, {});
    EXPECT_TRUE(rig.probe(Outcome::success, 5s));
    auto hung = rig.send(10s);
    EXPECT_FALSE(rig.send(15s));
    EXPECT_FALSE(rig.send(20s));
    EXPECT_EQ(rig.counts().overlapped, 2U);
    hung.reset();
    EXPECT_TRUE(rig.probe(Outcome::success, 25s));
    EXPECT_EQ(rig.state(25s), CircuitState::open);
    EXPECT_TRUE(rig.probe(Outcome::success, 30s));
    EXPECT_EQ(rig.state(30s), CircuitState::half_open);
}

TEST(HealthProbes, that_are_set_anew_begin_the_row_of_an_open_period_anew) {
    HealthProbesRig rig({.success_threshold = 2, .timeout = 1h, .min_requests = 1}, {.interval = 1s, .timeout = 1s});
    EXPECT_TRUE(rig.probe(Outcome::success, 1s));
    rig.breaker.set_probe({.interval = 1s, .timeout = 1s}, [] { return true; });
    EXPECT_TRUE(rig.probe(Outcome::success, 2s));
    EXPECT_EQ(rig.state(2s), CircuitState::open) << "the first answer was another function's";
    EXPECT_TRUE(rig.probe(Outcome::success, 3s));
    EXPECT_EQ(rig.state(3s), CircuitState::half_open);
}

}  // namespace health_probes_mended_test
}  // namespace resilience::inline v1
