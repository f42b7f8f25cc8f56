// Conformance rows of count windows and failures in a row: CB and OH-13.

#include <resilience/base/config_error.hpp>

#include "conformance_breaker.hpp"

namespace conformance {
namespace conformance_call_window_test {

std::string times(int count, const std::string& outcomes) {
    std::string all;
    for (int i = 0; i < count; ++i) all += outcomes;
    return all;
}

// "n failures of the last m": the ratio that only n of m reach, judged once m are there.
constexpr CircuitBreakerConfig failures_of_last(std::uint32_t failures, std::uint32_t calls) {
    return {.failure_threshold = static_cast<double>(failures) / calls, .min_requests = calls, .window_calls = calls};
}

const std::vector<Row> rows{
    {"CB_4", failures_of_last(3, 4),
     [](Scenario& s) {
         for (int step = 0; step < 20; ++step) {
             s.run("S");
             EXPECT_EQ(s.state(), CircuitState::closed);
             s.run("F");
             EXPECT_EQ(s.state(), CircuitState::closed);
         }
     }},
    {"CB_5",
     {.consecutive_failures = 2},
     [](Scenario& s) {
         for (int step = 0; step < 20; ++step) {
             s.run("S");
             EXPECT_EQ(s.state(), CircuitState::closed);
             s.run("F");
             EXPECT_EQ(s.state(), CircuitState::closed);
         }
     }},
    {"CB_7",
     {.failure_threshold = 0.99, .min_requests = 1000, .window_calls = 1000, .consecutive_failures = 2},
     [](Scenario& s) {
         s.run("F");
         EXPECT_EQ(s.state(), CircuitState::closed);
         s.run("F");
         EXPECT_EQ(s.state(), CircuitState::open) << "the ratio has no say";
     }},
    {"CB_8",
     {.consecutive_failures = 6},
     [](Scenario& s) {
         s.run("FFFFF");
         EXPECT_EQ(s.state(), CircuitState::closed);
         EXPECT_EQ(s.stats().window.requests, 5U);
         EXPECT_EQ(s.stats().window.failures, 5U);
         EXPECT_EQ(s.stats().window.consecutive_failures, 5U);
         s.run("S");
         EXPECT_EQ(s.stats().window.requests, 6U);
         EXPECT_EQ(s.stats().success, 1U);
         EXPECT_EQ(s.stats().window.consecutive_failures, 0U);
         s.run("F");
         EXPECT_EQ(s.stats().window.requests, 7U);
         EXPECT_EQ(s.stats().window.failures, 6U);
         EXPECT_EQ(s.stats().window.consecutive_failures, 1U);
         s.run("FFFF");
         EXPECT_EQ(s.state(), CircuitState::closed);
         s.run("F");
         EXPECT_EQ(s.state(), CircuitState::open);
     }},
    {"CB_12",
     {.failure_threshold = 1, .min_requests = 5, .window_calls = 5, .slow_call_duration = 1s, .slow_call_ratio = 1},
     [](Scenario& s) {
         s.take('S', 10s).take('F', 10s).take('S', 100ms).take('S', 100ms).take('S', 100ms);
         const CircuitBreakerStats::Window window = s.stats().window;
         EXPECT_EQ(window.requests, 5U);
         EXPECT_EQ(window.failures, 1U);
         EXPECT_EQ(window.slow, 2U);
         EXPECT_EQ(window.slow_failures, 1U);
         EXPECT_EQ(window.slow_ratio, 0.4);
         EXPECT_EQ(window.total_duration, 20'300ms);
         EXPECT_EQ(window.average_duration, 4'060ms);
         EXPECT_EQ(s.take('S', 200ms).stats().window.total_duration, 10'500ms) << "the oldest has left";
     }},
    {"CB_14", failures_of_last(5, 10),
     [](Scenario& s) { EXPECT_EQ(s.run("FFFF SSSSSS").state(), CircuitState::closed); }},
    {"CB_18", failures_of_last(5, 10),
     [](Scenario& s) {
         s.run(times(1000, "S") + "FFFF");
         EXPECT_EQ(s.state(), CircuitState::closed);
         EXPECT_EQ(s.stats().window.failures, 4U);
         EXPECT_EQ(s.stats().window.requests, 10U);
         s.run("F");
         EXPECT_EQ(s.state(), CircuitState::open) << "five of the last ten, whatever came before";
     }},
    {"CB_26",
     {.consecutive_failures = 5},
     [](Scenario& s) {
         for (int failure = 1; failure < 5; ++failure) {
             s.run("F").advance(19s);
             EXPECT_EQ(s.state(), CircuitState::closed);
         }
         EXPECT_EQ(s.run("F").state(), CircuitState::open) << "time does not end a row";
     }},
    {"OH_13",
     {.failure_threshold = 0.5,
      .success_threshold = 10,
      .min_requests = 2,
      .window_calls = 10,
      .half_open_verdict = HalfOpenVerdict::rate_after_all},
     [](Scenario& s) {
         s.open();
         s.half_open();
         EXPECT_EQ(s.run("SS").state(), CircuitState::half_open) << "a minimum for the window is none for probes";
         EXPECT_EQ(s.run("SSSSSSS").state(), CircuitState::half_open);
         EXPECT_EQ(s.run("S").state(), CircuitState::closed);
     }},
    {"OH_13_early",
     {.success_threshold = 6, .min_requests = 2, .half_open_calls = 10, .window_calls = 10},
     [](Scenario& s) {
         s.open();
         s.half_open();
         EXPECT_EQ(s.run("SSSSS").state(), CircuitState::half_open);
         EXPECT_EQ(s.run("S").state(), CircuitState::closed) << "5 of 10 failures cannot be reached any more";
     }},
    {"OH_11",
     {.failure_threshold = 0.5,
      .success_threshold = 4,
      .window_calls = 10,
      .half_open_verdict = HalfOpenVerdict::rate_after_all},
     [](Scenario& s) {
         s.open();
         s.half_open();
         s.run("FSSS");
         EXPECT_EQ(s.state(), CircuitState::closed);
         EXPECT_EQ(s.stats().window.requests, 0U);
         EXPECT_EQ(s.run("S").stats().window.requests, 1U);
     }},
    {"OH_46",
     {.success_threshold = 1, .timeout = 1s, .recovery_ramp = 10s, .ramp_from = 0.1},
     [](Scenario& s) {
         s.open();
         s.advance(1s).run("S");
         ASSERT_EQ(s.state(), CircuitState::closed);
         // Of the thousand calls of each second, how many are let in: the share rises along the second.
         const auto let_in = [&s] {
             int admitted = 0;
             for (int call = 0; call < 1000; ++call) {
                 s.advance(1ms);
                 if (const auto asked = s.subject().admit()) {
                     ++admitted;
                     s.finish(*asked.call, 'S');
                 } else {
                     EXPECT_EQ(asked.why.reason, RejectionReason::throttled);
                 }
             }
             return admitted;
         };
         std::vector<int> each_second;
         for (int second = 0; second < 11; ++second) each_second.push_back(let_in());
         EXPECT_NEAR(each_second[0], 145, 2);  // 10 % rising to 19 %
         EXPECT_NEAR(each_second[4], 505, 2);
         EXPECT_NEAR(each_second[5], 595, 2);
         EXPECT_NEAR(each_second[9], 955, 2);
         EXPECT_EQ(each_second[10], 1000) << "then for all";
         EXPECT_EQ(s.stats().rejected.throttled, 4500U);
     }},
    {"OH_46_failing_again",
     {.success_threshold = 1, .timeout = 1s, .min_requests = 5, .recovery_ramp = 10s, .ramp_from = 0.5},
     [](Scenario& s) {
         s.open();
         s.advance(1s).run("S");
         for (int call = 0; call < 10 && s.state() == CircuitState::closed; ++call) {
             if (const auto asked = s.subject().admit()) s.finish(*asked.call, 'F');
         }
         EXPECT_EQ(s.state(), CircuitState::open) << "the ramp does not hide failures";
     }},
};

CONFORMANCE_ROWS(CallWindow, rows);

TEST(Conformance, CB_20_a_minimum_that_its_window_cannot_hold_is_refused_and_both_are_named) {
    try {
        const CircuitBreaker breaker("conformance", {.min_requests = 6, .window_calls = 5});
        ADD_FAILURE() << "taken";
    } catch (const ConfigError& error) {
        EXPECT_NE(std::string_view(error.what()).find("window_calls is 5; use at least min_requests, which is 6"),
                  std::string_view::npos)
            << error.what();
    }
}

}  // namespace conformance_call_window_test
}  // namespace conformance
