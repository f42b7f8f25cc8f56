// A breaker's configuration is changed while it runs: what stays, what changes at once, what is judged by what.

#include <gtest/gtest.h>

#include <chrono>
#include <for_tests/origin.hpp>
#include <optional>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <string>
#include <utility>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace circuit_breaker_reconfigure_test {

TimePoint at(Duration since_start) { return for_tests::origin() + 1h + since_start; }

void call(CircuitBreaker& breaker, Outcome outcome, TimePoint now, Duration took = 0s) {
    auto permit = breaker.try_acquire(now - took);
    ASSERT_TRUE(permit.has_value());
    permit->settle(outcome, now);
}
void calls(CircuitBreaker& breaker, int count, Outcome outcome, TimePoint now, Duration took = 0s) {
    for (int i = 0; i < count; ++i) call(breaker, outcome, now, took);
}
void expect_reconciled(const CircuitBreakerStats& stats) {
    EXPECT_EQ(stats.requests, stats.admitted + stats.rejected.total());
    EXPECT_EQ(stats.admitted, stats.success + stats.failure + stats.ignored + stats.in_flight);
}

constexpr CircuitBreakerConfig base{.failure_threshold = 0.5,
                                    .success_threshold = 2,
                                    .timeout = 10s,
                                    .min_requests = 10,
                                    .window_size = 10s,
                                    .buckets = 10};

template <class Change>
CircuitBreakerConfig with(Change change, CircuitBreakerConfig config = base) {
    change(config);
    return config;
}

TEST(CircuitBreakerReconfigure, a_bad_configuration_is_refused_with_every_problem_and_changes_nothing) {
    CircuitBreaker breaker("card_host", base);
    calls(breaker, 4, Outcome::failure, at(0s));
    const auto bad = with([](auto& config) { config.failure_threshold = 2, config.buckets = 0, config.timeout = -1s; });
    try {
        breaker.reconfigure(bad, at(1s));
        FAIL() << "it was taken";
    } catch (const ConfigError& error) {
        EXPECT_EQ(error.problems().size(), 3U);
        EXPECT_NE(std::string(error.what()).find("card_host"), std::string::npos) << error.what();
    }
    EXPECT_EQ(breaker.config(), base);
    EXPECT_EQ(breaker.stats(at(1s)).window.requests, 4U);
}

TEST(CircuitBreakerReconfigure, thresholds_change_at_once_and_the_next_result_is_judged_by_them) {
    CircuitBreaker breaker("breaker", base);
    calls(breaker, 14, Outcome::success, at(0s));
    calls(breaker, 6, Outcome::failure, at(0s));
    const auto strict = with([](auto& config) { config.failure_threshold = 0.25; });
    breaker.reconfigure(strict, at(1s));
    EXPECT_EQ(breaker.config(), strict);
    EXPECT_EQ(breaker.state(at(1s)), CircuitState::closed) << "the change itself judges nothing";
    EXPECT_EQ(breaker.stats(at(1s)).window.failures, 6U);
    call(breaker, Outcome::success, at(1s));
    EXPECT_EQ(breaker.state(at(1s)), CircuitState::open) << "6 of 21: also a success is judged";
}

TEST(CircuitBreakerReconfigure, fewer_calls_are_enough_at_the_next_result) {
    CircuitBreaker breaker("breaker", base);
    calls(breaker, 5, Outcome::failure, at(0s));
    breaker.reconfigure(with([](auto& config) { config.min_requests = 3; }), at(0s));
    EXPECT_EQ(breaker.stats(at(0s)).window.min_requests, 3U);
    call(breaker, Outcome::success, at(0s));
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::open);
}

TEST(CircuitBreakerReconfigure, an_open_period_keeps_its_end_and_the_next_one_has_the_new_length) {
    CircuitBreaker breaker("breaker", base);
    breaker.open(at(0s));
    const CircuitBreakerStats before = breaker.stats(at(1s));
    breaker.reconfigure(with([](auto& config) { config.timeout = 1s, config.timeout_multiplier = 2; }), at(1s));
    const CircuitBreakerStats after = breaker.stats(at(1s));
    EXPECT_EQ(after.state, CircuitState::open);
    EXPECT_EQ(after.generation, before.generation);
    EXPECT_EQ(after.retry_after, 9s);
    EXPECT_EQ(after.in_state, before.in_state);
    EXPECT_EQ(breaker.state(at(9999ms)), CircuitState::open);
    call(breaker, Outcome::failure, at(10s));
    EXPECT_EQ(breaker.stats(at(10s)).retry_after, 2s) << "the second since it was closed";
}

TEST(CircuitBreakerReconfigure, permits_that_are_out_count_in_the_window_as_it_is_then) {
    CircuitBreaker breaker("breaker", base);
    std::vector<CircuitBreaker::Permit> out;
    for (int i = 0; i < 4; ++i) out.push_back(*breaker.try_acquire(at(0s)));
    const auto kinds = {with([](auto& config) { config.window_size = 5s, config.buckets = 5; }),
                        with([](auto& config) { config.window_calls = 20; }),
                        with([](auto& config) { config.slow_call_duration = 1s; }), base};
    std::uint64_t counted = 0;
    for (const CircuitBreakerConfig& kind : kinds) {
        breaker.reconfigure(kind, at(1s));
        out.back().settle(Outcome::failure, at(1s));
        out.pop_back();
        const CircuitBreakerStats stats = breaker.stats(at(1s));
        // What a window of calls held is of no known time: a window of time begins empty.
        counted = kind.slow_call_duration != 0s ? 1 : counted + 1;
        EXPECT_EQ(stats.window.failures, counted);
        EXPECT_EQ(stats.late, 0U);
        expect_reconciled(stats);
    }
    EXPECT_EQ(breaker.stats(at(1s)).failure, 4U);
}

TEST(CircuitBreakerReconfigure, a_window_of_time_becomes_one_of_calls_with_its_newest_results) {
    CircuitBreaker breaker("breaker", base);
    calls(breaker, 3, Outcome::success, at(0s));
    calls(breaker, 5, Outcome::failure, at(1200ms));
    const auto by_calls = with([](auto& config) { config.window_calls = 10; });
    breaker.reconfigure(by_calls, at(2s));
    EXPECT_EQ(breaker.stats(at(2h)).window.requests, 8U) << "whatever the time";
    EXPECT_EQ(breaker.stats(at(2h)).window.failures, 5U);
    breaker.reconfigure(with([](auto& config) { config.window_calls = 12; }), at(2h));
    EXPECT_EQ(breaker.stats(at(2h)).window.requests, 8U);
    calls(breaker, 1, Outcome::success, at(2h));
    EXPECT_EQ(breaker.state(at(2h)), CircuitState::closed) << "nine are too few";
    calls(breaker, 1, Outcome::success, at(2h));
    EXPECT_EQ(breaker.state(at(2h)), CircuitState::open) << "five of ten";
}

TEST(CircuitBreakerReconfigure, what_opened_it_stays_to_be_seen) {
    CircuitBreaker breaker("breaker", base);
    calls(breaker, 10, Outcome::failure, at(0s));
    breaker.reconfigure(with([](auto& config) { config.window_size = 20s; }), at(9s));
    EXPECT_EQ(breaker.stats(at(9s)).window.failures, 10U);
    breaker.reconfigure(with([](auto& config) { config.window_calls = 20; }), at(9s));
    EXPECT_EQ(breaker.stats(at(9s)).window.failures, 10U);
}

TEST(CircuitBreakerReconfigure, half_open_numbers_change_at_once_and_probes_keep_their_slots) {
    CircuitBreaker breaker("breaker", base);
    breaker.half_open(at(0s));
    auto first = breaker.try_acquire(at(0s));
    auto second = breaker.try_acquire(at(0s));
    EXPECT_FALSE(breaker.try_acquire(at(0s)).has_value());
    breaker.reconfigure(with([](auto& config) { config.success_threshold = 3, config.half_open_calls = 100; }), at(0s));
    std::vector<CircuitBreaker::Permit> more;
    for (int i = 0; i < 98; ++i) more.push_back(*breaker.try_acquire(at(0s)));
    EXPECT_FALSE(breaker.try_acquire(at(0s)).has_value());
    breaker.reconfigure(with([](auto& config) { config.half_open_max_calls = 1; }), at(0s));
    EXPECT_EQ(breaker.stats(at(0s)).half_open.in_flight, 100U);
    more.clear();
    EXPECT_EQ(breaker.stats(at(0s)).half_open.in_flight, 2U);
    EXPECT_FALSE(breaker.try_acquire(at(0s)).has_value()) << "one at once, and two are out";
    first->settle(Outcome::success, at(0s));
    second->settle(Outcome::success, at(0s));
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::closed);
}

TEST(CircuitBreakerReconfigure, probes_that_have_decided_by_the_new_numbers_are_heard_at_the_next_call) {
    for (const bool ticked : {false, true}) {
        CircuitBreaker breaker("breaker", with([](auto& config) { config.success_threshold = 5; }));
        breaker.half_open(at(0s));
        calls(breaker, 2, Outcome::success, at(0s));
        breaker.reconfigure(base, at(0s));
        EXPECT_EQ(breaker.state(at(0s)), CircuitState::half_open);
        if (ticked) {
            breaker.tick(at(0s));
            EXPECT_EQ(breaker.state(at(0s)), CircuitState::closed);
        }
        EXPECT_TRUE(breaker.try_acquire(at(0s)).has_value());
        EXPECT_EQ(breaker.state(at(0s)), CircuitState::closed);
    }
}

TEST(CircuitBreakerReconfigure, options_come_and_go) {
    CircuitBreaker breaker("breaker", base);
    breaker.reconfigure(with([](auto& config) { config.consecutive_failures = 3, config.record_latency = true; }),
                        at(0s));
    calls(breaker, 2, Outcome::failure, at(0s), 1s);
    EXPECT_EQ(breaker.stats(at(0s)).latency->count, 2U);
    breaker.reconfigure(base, at(0s));
    EXPECT_FALSE(breaker.stats(at(0s)).latency.has_value());
    calls(breaker, 8, Outcome::success, at(0s));
    breaker.reconfigure(with([](auto& config) { config.consecutive_failures = 3, config.record_latency = true; }),
                        at(0s));
    EXPECT_EQ(breaker.stats(at(0s)).latency->count, 2U) << "what was counted before";
    calls(breaker, 2, Outcome::failure, at(0s));
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::closed) << "eight successes that nobody counted were between";
    call(breaker, Outcome::failure, at(0s));
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::open);
}

TEST(CircuitBreakerReconfigure, a_row_of_failures_is_shown_only_while_it_is_counted) {
    std::uint64_t seen_in_a_row = 99;
    CircuitBreaker breaker("payment_api", with([](auto& config) { config.consecutive_failures = 5; }),
                           {.trips = [&](const ClosedPeriod& seen) {
                               seen_in_a_row = seen.consecutive_failures;
                               return false;
                           }});
    calls(breaker, 3, Outcome::failure, at(0s));
    EXPECT_EQ(breaker.stats(at(0s)).window.consecutive_failures, 3U);
    EXPECT_EQ(seen_in_a_row, 3U);
    breaker.reconfigure(base, at(0s));
    EXPECT_EQ(breaker.stats(at(0s)).window.consecutive_failures, 0U);
    call(breaker, Outcome::failure, at(0s));
    EXPECT_EQ(seen_in_a_row, 0U);
}

TEST(CircuitBreakerReconfigure, slow_calls_are_counted_from_the_change_on) {
    const auto slow = with([](auto& config) { config.slow_call_duration = 1s, config.slow_call_ratio = 0.5; });
    CircuitBreaker breaker("breaker", base);
    calls(breaker, 20, Outcome::success, at(0s), 2s);
    breaker.reconfigure(slow, at(0s));
    EXPECT_EQ(breaker.stats(at(0s)).window.slow, 0U);
    calls(breaker, 4, Outcome::success, at(0s), 2s);
    breaker.reconfigure(with([](auto& config) { config.window_size = 5s, config.buckets = 5; }, slow), at(0s));
    EXPECT_EQ(breaker.stats(at(0s)).window.slow, 4U) << "a shorter window keeps them";
    breaker.reconfigure(base, at(0s));
    calls(breaker, 5, Outcome::success, at(0s), 2s);
    breaker.reconfigure(slow, at(0s));
    EXPECT_EQ(breaker.stats(at(0s)).window.slow, 0U);
    breaker.reconfigure(with([](auto& config) { config.window_calls = 30; }, slow), at(0s));
    calls(breaker, 9, Outcome::success, at(0s), 2s);
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::closed) << "of 29 that were never slow before, and 9 more";
    calls(breaker, 6, Outcome::success, at(0s), 2s);
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::open);
}

TEST(CircuitBreakerReconfigure, calls_that_run_during_it_are_judged_when_they_end) {
    const auto running = with([](auto& config) {
        config.slow_call_duration = 1s;
        config.slow_call_ratio = 0.5;
        config.judge_in_flight = true;
        config.min_requests = 2;
    });
    CircuitBreaker breaker("breaker", base);
    auto before = breaker.try_acquire(at(0s));
    breaker.reconfigure(running, at(0s));
    auto first = breaker.try_acquire(at(0s));
    breaker.reconfigure(with([](auto& config) { config.slow_call_duration = 2s; }, running), at(0s));
    auto second = breaker.try_acquire(at(0s));
    breaker.tick(at(9s));
    EXPECT_EQ(breaker.state(at(9s)), CircuitState::closed) << "one of them is known to be overdue";
    before->settle(Outcome::success, at(9s));
    EXPECT_EQ(breaker.state(at(9s)), CircuitState::open) << "one ended slow, one is overdue";
    first->settle(Outcome::success, at(9s));
    second->settle(Outcome::success, at(9s));
    expect_reconciled(breaker.stats(at(9s)));
}

TEST(CircuitBreakerReconfigure, what_is_learned_is_kept_while_its_buckets_are_the_same) {
    const auto adaptive = with([](auto& config) { config.adaptive_threshold = AdaptiveThreshold{}; });
    CircuitBreaker breaker("breaker", adaptive);
    Duration now{};
    const auto learn = [&] {
        for (int each = 0; each < 4000; ++each) {
            call(breaker, each % 100 == 0 ? Outcome::failure : Outcome::success, at(now += 10ms));
        }
    };
    learn();
    EXPECT_NEAR(breaker.stats(at(now)).window.failure_threshold, 0.11, 0.001);
    breaker.reconfigure(with([](auto& config) { config.adaptive_threshold->min_rise = 0.2; }, adaptive), at(now));
    EXPECT_NEAR(breaker.stats(at(now)).window.failure_threshold, 0.21, 0.001);
    breaker.reconfigure(with([](auto& config) { config.buckets = 5; }, adaptive), at(now));
    EXPECT_EQ(breaker.stats(at(now)).window.failure_threshold, 0.5) << "as before anything is learned";
    learn();
    EXPECT_NEAR(breaker.stats(at(now)).window.failure_threshold, 0.11, 0.001);
}

TEST(CircuitBreakerReconfigure, the_initial_state_has_had_its_effect) {
    CircuitBreaker breaker("breaker", base);
    breaker.reconfigure(with([](auto& config) { config.initial_state = CircuitState::open; }), at(0s));
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::closed);
    EXPECT_EQ(breaker.config().initial_state, CircuitState::open);
}

}  // namespace circuit_breaker_reconfigure_test
