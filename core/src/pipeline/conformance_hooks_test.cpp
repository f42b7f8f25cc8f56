// Conformance rows in which functions of the user decide, or a lever over several breakers: CB, TW, OH, MN, NL.

#include <gtest/gtest.h>

#include <for_tests/origin.hpp>
#include <memory>
#include <resilience/pipeline/pipeline.hpp>
#include <resilience/pipeline/virtual_time.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/manual_control.hpp>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace resilience::inline v1 {
namespace conformance_hooks_test {

using namespace std::chrono_literals;

// A breaker and the time it is asked at. S and F are calls that are admitted and end at once.
struct Asked {
    Asked(const CircuitBreakerConfig& config, CircuitBreakerHooks hooks) : breaker("hooks", config, std::move(hooks)) {}

    CircuitState run(std::string_view outcomes) {
        for (const char outcome : outcomes) {
            auto permit = breaker.try_acquire(now);
            EXPECT_TRUE(permit.has_value()) << outcome;
            if (permit) permit->settle(outcome == 'S' ? Outcome::success : Outcome::failure, now);
        }
        return breaker.state(now);
    }
    bool refuses() { return !breaker.try_acquire(now).has_value(); }

    TimePoint now = for_tests::origin();
    CircuitBreaker breaker;
};

TEST(Conformance, TW_9_two_failures_within_a_short_window_open_and_two_of_two_probes_re_open) {
    Asked asked({.success_threshold = 1, .timeout = 0s, .window_size = 200ms, .half_open_calls = 2},
                {.trips = [](const ClosedPeriod& seen) { return seen.failures >= 2; }});
    std::vector<CircuitState> to;
    const auto listening = asked.breaker.on_event([&](const Event& event) { to.push_back(event.to); });
    asked.run("FS");
    asked.now += 210ms;
    asked.run("FS");
    asked.now += 50ms;
    EXPECT_EQ(asked.breaker.state(asked.now), CircuitState::closed) << "the first failure has left";
    asked.run("F");
    EXPECT_EQ(to, (std::vector{CircuitState::open}));
    EXPECT_EQ(asked.run("F"), CircuitState::half_open);
    asked.run("F");
    EXPECT_EQ(to, (std::vector{CircuitState::open, CircuitState::half_open, CircuitState::open}));
    EXPECT_EQ(asked.run("F"), CircuitState::half_open);
    EXPECT_EQ(asked.run("S"), CircuitState::closed) << "two failures of two cannot be reached any more";
}

TEST(Conformance, OH_7_an_open_time_function_sees_how_often_the_breaker_has_opened) {
    std::vector<std::uint32_t> seen;
    Asked asked({.success_threshold = 1, .consecutive_failures = 1}, {.open_time = [&](const Opening& opening) {
                    seen.push_back(opening.reopened);
                    return Duration(1s);
                }});
    for (const int times : {5, 3}) {
        for (int opened = 0; opened < times; ++opened) {
            EXPECT_EQ(asked.run("F"), CircuitState::open);
            asked.now += 1s;
            EXPECT_EQ(asked.breaker.state(asked.now), CircuitState::half_open);
        }
        EXPECT_EQ(asked.run("S"), CircuitState::closed);
    }
    EXPECT_EQ(seen, (std::vector<std::uint32_t>{0, 1, 2, 3, 4, 0, 1, 2}));
}

TEST(Conformance, OH_31_the_open_time_function_wins_everywhere) {
    Asked asked({.success_threshold = 1, .timeout = 30s, .consecutive_failures = 1},
                {.open_time = [](const Opening&) { return Duration(1s); }});
    asked.run("F");
    EXPECT_EQ(asked.breaker.try_acquire(asked.now).error().retry_after, 1s);
    asked.now += 1s - 1ns;
    EXPECT_TRUE(asked.refuses());
    asked.now += 1ns;
    auto probe = asked.breaker.try_acquire(asked.now);
    ASSERT_TRUE(probe);
    EXPECT_EQ(asked.breaker.try_acquire(asked.now).error().retry_after, 1s) << "also while half-open";
    probe->settle(Outcome::success, asked.now);
    EXPECT_EQ(asked.breaker.state(asked.now), CircuitState::closed);
}

TEST(Conformance, MN_10_one_manual_control_isolates_several_breakers_and_those_that_come_later) {
    const auto control = std::make_shared<ManualControl>();
    Asked first({}, {.manual_control = control}), second({}, {.manual_control = control});
    EXPECT_FALSE(control->isolated());
    control->isolate(first.now);
    EXPECT_TRUE(control->isolated());
    EXPECT_TRUE(first.refuses());
    EXPECT_TRUE(second.refuses());
    Asked third({}, {.manual_control = control});
    EXPECT_EQ(third.breaker.try_acquire(third.now).error().reason, RejectionReason::forced_open);
    control->close(first.now);
    EXPECT_EQ(first.run("S"), CircuitState::closed);
    EXPECT_EQ(second.run("S"), CircuitState::closed);
    EXPECT_EQ(third.run("S"), CircuitState::closed);
}

TEST(Conformance, MN_12_an_open_time_function_does_not_end_an_isolation) {
    Asked asked({}, {.open_time = [](const Opening&) { return Duration(1s); }});
    asked.breaker.force_open(asked.now);
    asked.now += 1s;
    EXPECT_TRUE(asked.refuses());
    EXPECT_EQ(asked.breaker.state(asked.now), CircuitState::forced_open);
}

// The caller gets its answer, the breaker opens, and stays usable.
TEST(Conformance, MN_14_a_success_that_asks_to_be_left_alone_opens_and_is_returned) {
    struct LeaveMeAlone {
        Verdict operator()(int value) const { return value == 429 ? Verdict{.open_for = 3s} : Verdict{}; }
    };
    CircuitBreaker breaker("MN-14", {.success_threshold = 1});
    Pipeline guarded{classify(LeaveMeAlone{}), breaker};
    VirtualTime time{1, for_tests::origin()};
    EXPECT_EQ(time.execute(guarded, [] { return 429; }).value(), 429);
    EXPECT_EQ(breaker.state(time.now()), CircuitState::open);
    EXPECT_EQ(breaker.stats(time.now()).success, 1U);
    EXPECT_EQ(time.execute(guarded, [] { return 1; }).error().retry_after, 3s);
    time.advance(3s);
    EXPECT_EQ(time.execute(guarded, [] { return 1; }).value(), 1);
    EXPECT_EQ(breaker.state(time.now()), CircuitState::closed);
}

TEST(Conformance, NL_8_where_everything_counts_as_a_success_nothing_opens) {
    struct Everything {
        Outcome operator()(int) const { return Outcome::success; }
    };
    struct Negative {
        Outcome operator()(int value) const { return value < 0 ? Outcome::failure : Outcome::success; }
    };
    VirtualTime time{1, for_tests::origin()};
    CircuitBreaker breaker("NL-8", {.consecutive_failures = 6});
    Pipeline lenient{classify(Everything{}), breaker};
    for (int call = 0; call < 5; ++call) EXPECT_EQ(time.execute(lenient, [] { return -1; }).value(), -1);
    EXPECT_EQ(breaker.state(time.now()), CircuitState::closed);
    EXPECT_EQ(breaker.stats(time.now()).success, 5U);
    Pipeline strict{classify(Negative{}), breaker};
    for (int call = 0; call < 6; ++call) EXPECT_EQ(time.execute(strict, [] { return -1; }).value(), -1);
    EXPECT_EQ(breaker.state(time.now()), CircuitState::open);
}

TEST(CircuitBreakerHooks, a_trip_predicate_is_asked_after_every_result_with_that_result_in_its_picture) {
    std::vector<std::uint64_t> requests;
    Asked asked({.min_requests = 1, .slow_call_duration = 1s}, {.trips = [&](const ClosedPeriod& seen) {
                    requests.push_back(seen.requests * 10 + seen.failures);
                    return seen.failures == 3;
                }});
    EXPECT_EQ(asked.run("FSF"), CircuitState::closed) << "the thresholds have no say";
    EXPECT_EQ(asked.run("F"), CircuitState::open);
    EXPECT_EQ(requests, (std::vector<std::uint64_t>{11, 21, 32, 43}));
}

TEST(CircuitBreakerHooks, a_trip_predicate_judges_two_step_results_and_windows_of_calls_as_well) {
    Asked asked({.min_requests = 1, .window_calls = 3},
                {.trips = [](const ClosedPeriod& seen) { return seen.requests == 3 && seen.failures == 1; }});
    for (const bool success : {true, true, false}) {
        EXPECT_TRUE(asked.breaker.allow(asked.now));
        asked.breaker.record_result(success, asked.now);
    }
    EXPECT_EQ(asked.breaker.state(asked.now), CircuitState::open);
}

TEST(CircuitBreakerHooks, functions_that_throw_decide_nothing_and_are_counted) {
    Asked asked({.timeout = 7s}, {.trips = [](const ClosedPeriod&) -> bool { throw std::runtime_error("no"); },
                                  .open_time = [](const Opening&) -> Duration { throw std::runtime_error("no"); }});
    EXPECT_EQ(asked.run("FFFFFFFFFFFF"), CircuitState::closed);
    EXPECT_EQ(asked.breaker.stats(asked.now).hook_exceptions, 12U);
    EXPECT_EQ(asked.breaker.stats(asked.now).failure, 12U) << "no result is lost";
    asked.breaker.open(asked.now);
    EXPECT_EQ(asked.breaker.stats(asked.now).hook_exceptions, 13U);
    EXPECT_EQ(asked.breaker.try_acquire(asked.now).error().retry_after, 7s) << "the plain timeout";
}

TEST(CircuitBreakerHooks, functions_may_use_the_breaker_they_decide_for) {
    CircuitBreaker* itself = nullptr;
    Asked asked({.timeout = 7s}, {.trips =
                                      [&](const ClosedPeriod&) {
                                          itself->reset(for_tests::origin());
                                          return itself->stats(for_tests::origin()).failure == 1;
                                      },
                                  .open_time =
                                      [&](const Opening&) {
                                          itself->tick(for_tests::origin());
                                          return Duration(1s);
                                      }});
    itself = &asked.breaker;
    EXPECT_EQ(asked.run("F"), CircuitState::closed) << "its own reset ended the period it judged";
    asked.breaker.open(asked.now);
    EXPECT_EQ(asked.breaker.try_acquire(asked.now).error().retry_after, 1s);
}

TEST(CircuitBreakerHooks, a_lever_pulled_while_the_open_time_is_asked_for_wins) {
    CircuitBreaker* itself = nullptr;
    Asked asked({}, {.open_time = [&](const Opening&) {
                    itself->open(30s, for_tests::origin());
                    return Duration(1s);
                }});
    itself = &asked.breaker;
    asked.breaker.open(asked.now);
    EXPECT_EQ(asked.breaker.stats(asked.now).retry_after, 30s);
}

TEST(CircuitBreakerHooks, an_open_time_outside_its_range_is_brought_into_it) {
    const struct {
        Duration answer, used;
    } rows[] = {{-1s, 0s}, {0s, 0s}, {5s, 5s}, {20s, 10s}, {Duration::max(), 10s}};
    for (const auto& row : rows) {
        Asked asked({.timeout = 2s, .max_timeout = 10s}, {.open_time = [&](const Opening&) { return row.answer; }});
        asked.breaker.open(asked.now);
        EXPECT_EQ(asked.breaker.stats(asked.now).retry_after.value_or(0s), row.used);
    }
}

TEST(CircuitBreaker, is_asked_to_open_only_by_calls_of_its_present_state) {
    Asked asked({.success_threshold = 1, .timeout = 5s, .min_requests = 1}, {});
    auto early = asked.breaker.try_acquire(asked.now);
    auto other = asked.breaker.try_acquire(asked.now);
    other->settle(Verdict{.result = CallResult::failure, .open_for = 20s}, asked.now);
    EXPECT_EQ(asked.breaker.stats(asked.now).retry_after, 20s) << "it opened by itself, and longer than by itself";
    asked.now += 20s;
    EXPECT_EQ(asked.run("S"), CircuitState::closed);
    early->settle(Verdict{.open_for = 1h}, asked.now);
    EXPECT_EQ(asked.breaker.state(asked.now), CircuitState::closed) << "too late to say so";
}

TEST(CircuitBreaker, draws_each_open_time_around_its_length) {
    Duration least = Duration::max(), most{};
    Asked asked({.timeout = 10s, .timeout_jitter = 0.2}, {});
    for (int opened = 0; opened < 200; ++opened) {
        asked.breaker.reset(asked.now);
        asked.breaker.open(asked.now);
        const Duration time = *asked.breaker.stats(asked.now).retry_after;
        least = std::min(least, time);
        most = std::max(most, time);
    }
    EXPECT_GE(least, 8s);
    EXPECT_LE(most, 12s);
    EXPECT_LT(least, 9s);
    EXPECT_GT(most, 11s);
}

TEST(ManualControl, forgets_a_breaker_that_is_gone) {
    const auto control = std::make_shared<ManualControl>();
    {
        const Asked gone({}, {.manual_control = control});
    }
    control->isolate();
    EXPECT_TRUE(control->isolated());
}

TEST(ManualControl, may_be_used_by_the_listeners_it_causes) {
    const auto control = std::make_shared<ManualControl>();
    Asked first({}, {.manual_control = control}), second({}, {.manual_control = control});
    const auto listening = first.breaker.on_event([&](const Event& event) {
        if (event.to == CircuitState::forced_open) control->close();
    });
    control->isolate();
    EXPECT_EQ(first.breaker.state(), CircuitState::closed) << "the wish that came last stays";
    EXPECT_EQ(second.breaker.state(), CircuitState::closed);
}

}  // namespace conformance_hooks_test
}  // namespace resilience::inline v1
