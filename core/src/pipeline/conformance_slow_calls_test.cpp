// Conformance rows of slow calls: SL.

#include "conformance_breaker.hpp"

namespace conformance {
namespace conformance_slow_calls_test {

constexpr CircuitBreakerConfig base{.failure_threshold = 0.5,
                                    .success_threshold = 4,
                                    .min_requests = 5,
                                    .window_size = 20s,
                                    .slow_call_duration = 4s,
                                    .slow_call_ratio = 0.5,
                                    .half_open_verdict = HalfOpenVerdict::rate_after_all};

constexpr CircuitBreakerConfig by_count(CircuitBreakerConfig config) {
    config.window_calls = 100;
    return config;
}

constexpr CircuitBreakerConfig in_flight(std::uint32_t window_calls) {
    return {.failure_threshold = 0.5,
            .min_requests = 10,
            .window_size = 20s,
            .window_calls = window_calls,
            .slow_call_duration = 2s,
            .slow_call_ratio = 0.5,
            .judge_in_flight = true};
}

void slow_calls_open(Scenario& s) {
    TransitionCause cause{};
    const auto listening = s.breaker().on_event([&](const Event& event) { cause = event.cause; });
    s.take('F', 5s).take('S', 5s).take('F', 100ms).take('S', 100ms);
    EXPECT_EQ(s.state(), CircuitState::closed);
    s.take('S', 5s);
    EXPECT_EQ(s.state(), CircuitState::open);
    EXPECT_EQ(cause, TransitionCause::slow_ratio);
    EXPECT_EQ(s.stats().window.slow, 3U);
    EXPECT_EQ(s.stats().window.slow_ratio, 0.6);
    EXPECT_EQ(s.stats().window.failure_ratio, 0.4);
}

void at_the_limit_is_not_slow(Scenario& s) {
    EXPECT_EQ(s.take('S', 100ms).stats().window.slow, 0U);
    EXPECT_EQ(s.take('S', 100ms + 1ns).stats().window.slow, 1U);
}

void counts_in_both_ratios_and_once_as_a_call(Scenario& s) {
    const CircuitBreakerStats stats = s.take('F', 5s).stats();
    EXPECT_EQ(stats.window.failures, 1U);
    EXPECT_EQ(stats.window.slow, 1U);
    EXPECT_EQ(stats.window.requests, 1U);
    EXPECT_EQ(stats.slow, 1U);
}

void sums_up_durations_in_buckets_of_time(Scenario& s) {
    s.advance(5s - s.now().time_since_epoch() % 5s - 200ms);
    const Subject::Call slow = s.begin();
    s.advance(100ms);
    EXPECT_EQ(s.take('F', 100ms).stats().window.requests, 1U) << "at a bucket's edge";
    EXPECT_EQ(s.take('S', 100ms).stats().window.requests, 2U);
    s.advance(700ms).finish(slow, 'F');
    for (const Duration later : {Duration{0s}, Duration{4s}}) {
        const CircuitBreakerStats::Window window = s.advance(later).stats().window;
        EXPECT_EQ(window.requests, 3U);
        EXPECT_EQ(window.failures, 2U);
        EXPECT_EQ(window.slow, 1U);
        EXPECT_EQ(window.slow_failures, 1U);
        EXPECT_EQ(window.total_duration, 1'200ms);
        EXPECT_EQ(window.average_duration, 400ms);
    }
    EXPECT_EQ(s.advance(1s).stats().window.total_duration, 0s);
    EXPECT_FALSE(s.stats().window.average_duration);
    EXPECT_EQ(s.take('S', 100ms).stats().window.total_duration, 100ms);
    EXPECT_EQ(s.advance(4'900ms).take('S', 100ms).stats().window.total_duration, 100ms);
}

const std::vector<Row> rows{
    {"TW_1",
     {.min_requests = 10, .window_size = 5s, .buckets = 5, .slow_call_duration = 500ms},
     sums_up_durations_in_buckets_of_time},
    {"SL_1", base, slow_calls_open},
    {"SL_1_by_count", by_count(base), slow_calls_open},
    {"SL_4", {.slow_call_duration = 100ms}, at_the_limit_is_not_slow},
    {"SL_4_by_count", {.window_calls = 10, .slow_call_duration = 100ms}, at_the_limit_is_not_slow},
    {"SL_6", base, counts_in_both_ratios_and_once_as_a_call},
    {"SL_6_by_count", by_count(base), counts_in_both_ratios_and_once_as_a_call},
    {"SL_7",
     {.failure_threshold = 0.5,
      .min_requests = 10,
      .window_size = 20s,
      .slow_call_duration = 100ms,
      .slow_call_ratio = 0.5},
     [](Scenario& s) {
         TransitionCause cause{};
         const auto listening = s.breaker().on_event([&](const Event& event) { cause = event.cause; });
         s.run("FF SS");
         for (int call = 0; call < 6; ++call) {
             EXPECT_EQ(s.state(), CircuitState::closed);
             s.take('S', 101ms);
         }
         EXPECT_EQ(s.state(), CircuitState::open);
         EXPECT_EQ(cause, TransitionCause::slow_ratio);
         EXPECT_EQ(s.stats().window.failure_ratio, 0.2);
         EXPECT_EQ(s.stats().window.slow_ratio, 0.6);
     }},
    {"SL_11",
     {.failure_threshold = 0.5,
      .min_requests = 5,
      .slow_call_duration = 4s,
      .slow_call_ratio = 0.5,
      .initial_state = CircuitState::metrics_only},
     [](Scenario& s) {
         std::vector<Event> seen;
         const auto listening = s.breaker().on_event([&](const Event& event) { seen.push_back(event); });
         for (int call = 0; call < 5; ++call) s.take('F', 5s);
         s.take('F', 5s);
         ASSERT_EQ(seen.size(), 2U) << "each limit is told of once";
         EXPECT_EQ(seen[0].kind, EventKind::threshold_reached);
         EXPECT_EQ(seen[0].cause, TransitionCause::failure_ratio);
         EXPECT_EQ(seen[0].requests, 5U);
         EXPECT_EQ(seen[1].cause, TransitionCause::slow_ratio);
         EXPECT_EQ(s.state(), CircuitState::metrics_only);
     }},
    {"SL_8", in_flight(100),
     [](Scenario& s) {
         const auto calls = s.begin(20);
         s.advance(2s).admitted();
         EXPECT_EQ(s.state(), CircuitState::closed) << "none of them is overdue yet";
         s.advance(1ns).refused(RejectionReason::circuit_open);
         EXPECT_EQ(s.state(), CircuitState::open) << "and no call has finished";
         s.finish(calls, 'S');
     }},
    {"SL_8_in_time", in_flight(0),
     [](Scenario& s) {
         const auto calls = s.begin(20);
         s.advance(2s).admitted();
         s.advance(1ns).refused(RejectionReason::circuit_open);
         EXPECT_EQ(s.stats().rejected.circuit_open, 1U);
         s.finish(calls, 'S');
     }},
    {"SL_8_by_tick", in_flight(0),
     [](Scenario& s) {
         const auto calls = s.begin(20);
         s.advance(2s + 1ns).tick();
         EXPECT_EQ(s.state(), CircuitState::open) << "no call is needed";
         s.finish(calls, 'S');
     }},
    {"SL_9", in_flight(100),
     [](Scenario& s) {
         for (int call = 0; call < 30; ++call) s.run("S");
         const auto calls = s.begin(20);
         s.advance(2s + 1ns).admitted();
         EXPECT_EQ(s.state(), CircuitState::closed) << "20 of 50 is not half";
         const auto more = s.begin(10);
         s.advance(2s).admitted();
         s.advance(1ns).refused(RejectionReason::circuit_open);
         EXPECT_EQ(s.state(), CircuitState::open) << "30 of 60 is";
         s.finish(calls, 'S');
         s.finish(more, 'S');
     }},
    {"SL_10", in_flight(100),
     [](Scenario& s) {
         for (int call = 0; call < 12; ++call) s.run("S");
         const auto calls = s.begin(10);
         s.advance(3s);
         s.finish({calls[0], calls[1], calls[2], calls[3]}, 'S');
         EXPECT_EQ(s.stats().window.requests, 16U);
         EXPECT_EQ(s.stats().window.slow, 4U);
         s.admitted();
         EXPECT_EQ(s.state(), CircuitState::closed) << "4 slow and 6 overdue of 22: counted once each";
         s.finish(std::vector(calls.begin() + 4, calls.end()), 'C');
         EXPECT_EQ(s.stats().window.requests, 16U);
     }},
    // A slow probe is no recovery.
    {"SL_early",
     {.success_threshold = 2, .timeout = 1s, .half_open_calls = 3, .slow_call_duration = 100ms, .slow_call_ratio = 0.5},
     [](Scenario& s) {
         s.open();
         s.advance(1s).run("S").take('S', 101ms);
         EXPECT_EQ(s.state(), CircuitState::half_open);
         EXPECT_EQ(s.take('S', 101ms).state(), CircuitState::open);
     }},
    {"SL_rate_after_all", base, [](Scenario& s) {
         s.open();
         s.half_open();
         s.take('S', 5s).run("SS");
         EXPECT_EQ(s.state(), CircuitState::half_open);
         EXPECT_EQ(s.take('S', 5s).state(), CircuitState::open) << "2 of 4 are slow";
     }}};

CONFORMANCE_ROWS(SlowCalls, rows);

}  // namespace conformance_slow_calls_test
}  // namespace conformance
