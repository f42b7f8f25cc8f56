// When health probes are due and what their answers decide, in explicit time.

#include <gtest/gtest.h>

#include <for_tests/origin.hpp>
#include <functional>
#include <resilience/base/config_error.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "health_probes_rig.hpp"

namespace resilience::inline v1 {
namespace health_probes_test {

using namespace std::chrono_literals;

enum class Answer { not_due, success, failure, ignored, throws_away };

struct Step {
    Duration at;
    Answer answer;
    CircuitState after;
};
struct Row {
    std::string name;
    CircuitBreakerConfig breaker;
    HealthProbeConfig probe;
    std::vector<Step> steps;
};

constexpr CircuitState open = CircuitState::open;
constexpr CircuitState half_open = CircuitState::half_open;
constexpr CircuitState closed = CircuitState::closed;
constexpr CircuitBreakerConfig two{.success_threshold = 2, .min_requests = 1};
constexpr CircuitBreakerConfig two_of_three{.success_threshold = 2, .min_requests = 1, .half_open_calls = 3};
constexpr CircuitBreakerConfig all_of_three{.success_threshold = 2,
                                            .min_requests = 1,
                                            .half_open_calls = 3,
                                            .half_open_verdict = HalfOpenVerdict::rate_after_all};

// The breaker opens at 0, for a minute.
const std::vector<Row> rows{
    {"enough in a row end the open period, and then decide",
     two,
     {},
     {{4999ms, Answer::not_due, open},
      {5s, Answer::success, open},
      {9999ms, Answer::not_due, open},
      {10s, Answer::success, half_open},
      {10s, Answer::not_due, half_open},
      {15s, Answer::success, half_open},
      {20s, Answer::success, closed},
      {25s, Answer::not_due, closed}}},
    {"a failure begins the row anew",
     two,
     {},
     {{5s, Answer::success, open},
      {10s, Answer::failure, open},
      {15s, Answer::success, open},
      {20s, Answer::success, half_open}}},
    {"one without a verdict does not",
     two,
     {},
     {{5s, Answer::success, open},
      {10s, Answer::ignored, open},
      {15s, Answer::throws_away, open},
      {20s, Answer::success, half_open}}},
    {"a row ends with its open period",
     two,
     {.interval = 35s},
     {{35s, Answer::success, open},
      {70s, Answer::failure, open},
      {105s, Answer::success, open},
      {140s, Answer::success, half_open}}},
    {"half-open asks at once, and a failure opens again",
     two,
     {.while_open = false},
     {{5s, Answer::not_due, open},
      {59s, Answer::not_due, open},
      {60s, Answer::failure, open},
      {119s, Answer::not_due, open},
      {120s, Answer::success, half_open},
      {125s, Answer::success, closed}}},
    {"half-open waits for its turn after one while open",
     two,
     {.interval = 7s},
     {{7s, Answer::success, open},
      {58s, Answer::failure, open},
      {60s, Answer::not_due, half_open},
      {65s, Answer::success, half_open}}},
    {"with probes_only those that ended the open period close it",
     two,
     {.probes_only = true},
     {{5s, Answer::success, open}, {10s, Answer::success, closed}}},
    {"unless more verdicts are asked for",
     all_of_three,
     {.probes_only = true},
     {{5s, Answer::success, open}, {10s, Answer::success, half_open}, {15s, Answer::success, closed}}},
    {"half_open_calls leaves room for a failure",
     two_of_three,
     {.while_open = false},
     {{60s, Answer::failure, half_open}, {65s, Answer::success, half_open}, {70s, Answer::success, closed}}},
};

TEST(HealthProbes, are_due_and_decide_as_the_table_says) {
    for (const Row& row : rows) {
        HealthProbesRig rig(row.breaker, row.probe);
        for (const Step& step : row.steps) {
            const std::string where = row.name + ", at " + std::to_string(step.at / 1ms) + " ms";
            auto permit = rig.send(step.at);
            EXPECT_EQ(permit.has_value(), step.answer != Answer::not_due) << where;
            if (permit && step.answer != Answer::throws_away) {
                const Outcome outcome = step.answer == Answer::success   ? Outcome::success
                                        : step.answer == Answer::failure ? Outcome::failure
                                                                         : Outcome::ignored;
                permit->settle(outcome, rig.at(step.at));
            }
            permit.reset();
            EXPECT_EQ(rig.state(step.at), step.after) << where;
        }
        rig.expect_reconciled();
    }
}

TEST(HealthProbes, name_the_next_moment_to_ask_at) {
    HealthProbesRig rig(two, {.interval = 20s, .timeout = 2s});
    EXPECT_EQ(rig.next(), 20s);
    auto permit = rig.send(20s);
    EXPECT_EQ(rig.next(), 22s) << "its timeout";
    permit->settle(Outcome::failure, rig.at(21s));
    EXPECT_EQ(rig.next(), 40s);
    EXPECT_TRUE(rig.probe(Outcome::failure, 50s));
    EXPECT_EQ(rig.next(), 60s) << "the end of the open period, though a probe is due only at 70 s";
    EXPECT_FALSE(rig.probe(Outcome::failure, 60s));
    EXPECT_EQ(rig.next(), 70s);
    rig.breaker.reset(rig.at(61s));
    EXPECT_EQ(rig.next(), std::nullopt);
    rig.breaker.force_closed(5s, rig.at(62s));
    EXPECT_EQ(rig.next(), 67s);
}

TEST(HealthProbes, are_told_as_the_cause_of_an_early_end) {
    HealthProbesRig rig(two, {.probes_only = true});
    std::vector<Event> seen;
    const auto hears = rig.breaker.on_event([&](const Event& event) { seen.push_back(event); });
    EXPECT_TRUE(rig.probe(Outcome::success, 5s));
    EXPECT_TRUE(rig.probe(Outcome::success, 10s));
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen[0].to, half_open);
    EXPECT_EQ(seen[0].cause, TransitionCause::health_probes);
    EXPECT_EQ(seen[0].requests, 2U);
    EXPECT_EQ(seen[0].due, rig.at(10s));
    EXPECT_EQ(seen[1].to, closed);
    EXPECT_EQ(seen[1].cause, TransitionCause::probes_succeeded);
    EXPECT_EQ(seen[1].requests, 2U);
}

TEST(HealthProbes, that_are_slow_do_not_count_as_well) {
    HealthProbesRig rig({.success_threshold = 2, .min_requests = 1, .slow_call_duration = 100ms}, {});
    EXPECT_TRUE(rig.probe(Outcome::success, 5s));
    auto slow = rig.send(10s);
    slow->settle(Outcome::success, rig.at(10s + 200ms));
    EXPECT_EQ(rig.state(11s), open);
    EXPECT_TRUE(rig.probe(Outcome::success, 15s));
    EXPECT_EQ(rig.state(15s), open) << "the row began anew";
    EXPECT_TRUE(rig.probe(Outcome::success, 20s));
    EXPECT_EQ(rig.state(20s), half_open);
}

TEST(HealthProbes, refuse_a_bad_configuration_with_all_that_is_wrong) {
    CircuitBreaker breaker{"health_probes_test"};
    const auto fields = [&](const HealthProbeConfig& config) {
        std::string named;
        try {
            breaker.set_probe(config, [] { return true; });
        } catch (const ConfigError& error) {
            for (const ConfigProblem& problem : error.problems()) named += problem.field + " ";
        }
        return named;
    };
    EXPECT_EQ(fields({}), "");
    EXPECT_EQ(fields({.interval = 1ms, .timeout = 1ms}), "");
    EXPECT_EQ(fields({.interval = std::chrono::days(7), .timeout = std::chrono::days(7)}), "");
    EXPECT_EQ(fields({.interval = 1ms - 1ns, .timeout = 1ms}), "interval ");
    EXPECT_EQ(fields({.interval = std::chrono::days(7) + 1ns}), "interval ");
    EXPECT_EQ(fields({.timeout = 1ms - 1ns}), "timeout ");
    EXPECT_EQ(fields({.interval = 1s, .timeout = 1s + 1ns}), "timeout ");
    EXPECT_EQ(fields({.interval = 0ns, .timeout = -1ns}), "interval timeout ");
    EXPECT_EQ(fields({.interval = Duration::max(), .timeout = Duration::max()}), "interval timeout ");
}

TEST(HealthProbe, is_made_of_either_kind_of_function_and_fails_where_one_throws_or_is_none) {
    TimePoint deadline;
    CircuitBreaker breaker{"health_probes_test"};
    const auto answer = [&](const HealthProbe& probe) {
        breaker.set_probe({.interval = 3s, .timeout = 2s}, probe);
        return breaker.probe().succeeds(for_tests::origin() + 10s);
    };
    EXPECT_TRUE(answer([] { return true; }));
    EXPECT_FALSE(answer([] { return false; }));
    EXPECT_TRUE(answer([&](TimePoint given) { return (deadline = given) != never; }));
    EXPECT_EQ(deadline, for_tests::origin() + 12s);
    EXPECT_FALSE(answer([]() -> bool { throw std::runtime_error("connection refused"); }));
    EXPECT_FALSE(answer({}));
    EXPECT_FALSE(HealthProbe(std::function<bool()>{}));
    EXPECT_FALSE(HealthProbe(std::function<bool(TimePoint)>{}));
}

}  // namespace health_probes_test
}  // namespace resilience::inline v1
