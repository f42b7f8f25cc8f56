#include <gtest/gtest.h>

#include <chrono>
#include <limits>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <string>
#include <utility>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace circuit_breaker_config_test {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double smallest = std::numeric_limits<double>::denorm_min();
constexpr double above_one = 1.0000000000000002;
constexpr std::uint32_t most = std::numeric_limits<std::uint32_t>::max();

struct Field {
    std::string name;
    std::vector<CircuitBreakerConfig> inside, outside;
};

// Every field at its minimum and maximum, and just outside both.
std::vector<Field> fields() {
    return {
        {"failure_threshold",
         {{.failure_threshold = smallest}, {.failure_threshold = 1.0}},
         {{.failure_threshold = 0.0},
          {.failure_threshold = -0.0},
          {.failure_threshold = -smallest},
          {.failure_threshold = above_one},
          {.failure_threshold = infinity},
          {.failure_threshold = -infinity},
          {.failure_threshold = std::numeric_limits<double>::quiet_NaN()}}},
        {"success_threshold",
         {{.success_threshold = 1}, {.success_threshold = 1000}},
         {{.success_threshold = 0}, {.success_threshold = 1001}, {.success_threshold = most}}},
        {"timeout",
         {{.timeout = 0ns}, {.timeout = Duration::max()}},
         {{.timeout = -1ns}, {.timeout = Duration::min()}}},
        {"min_requests",
         {{.min_requests = 1}, {.min_requests = 2'147'483'647}},
         {{.min_requests = 0}, {.min_requests = 2'147'483'648}, {.min_requests = most}}},
        {"window_size",
         {{.window_size = 1ms}, {.window_size = std::chrono::days(7)}},
         {{.window_size = 1ms - 1ns}, {.window_size = std::chrono::days(7) + 1ns}, {.window_size = Duration::min()}}},
        {"buckets",
         {{.buckets = 1}, {.buckets = 240}, {.window_size = 24ms, .buckets = 240}},
         {{.buckets = 0}, {.buckets = 241}, {.window_size = 24ms - 1ns, .buckets = 240}, {.buckets = most}}},
        {"half_open_calls",
         {{.half_open_calls = 0}, {.half_open_calls = 5}, {.half_open_calls = 1000}},
         {{.half_open_calls = 4}, {.half_open_calls = 1001}, {.half_open_calls = most}}},
        {"half_open_max_calls",
         {{.half_open_max_calls = 0},
          {.half_open_max_calls = 1},
          {.half_open_max_calls = 5},
          {.half_open_calls = 1000, .half_open_max_calls = 1000}},
         {{.half_open_max_calls = 6},
          {.half_open_calls = 8, .half_open_max_calls = 9},
          {.half_open_calls = 1000, .half_open_max_calls = 1001}}},
        {"probe_lease",
         {{.probe_lease = 0ns}, {.probe_lease = 1ns}, {.probe_lease = Duration::max()}},
         {{.probe_lease = -1ns}, {.probe_lease = Duration::min()}}},
    };
}

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

std::vector<Field> options_of_judging() {
    return {
        {"window_calls",
         {{.window_calls = 0}, {.window_calls = 10}, {.min_requests = 1, .window_calls = 1}, {.window_calls = 1000000}},
         {{.window_calls = 9}, {.window_calls = 1000001}, {.window_calls = most}}},
        {"consecutive_failures",
         {{.consecutive_failures = 1}, {.consecutive_failures = 100000}},
         {{.consecutive_failures = 100001}, {.consecutive_failures = most}}},
        {"slow_call_duration",
         {{.slow_call_duration = 1ns}, {.slow_call_duration = Duration::max()}},
         {{.slow_call_duration = -1ns}, {.slow_call_duration = Duration::min()}}},
        {"slow_call_ratio",
         {{.slow_call_ratio = smallest}, {.slow_call_ratio = 1}},
         {{.slow_call_ratio = 0}, {.slow_call_ratio = -0.0}, {.slow_call_ratio = above_one}, {.slow_call_ratio = nan}}},
        {"judge_in_flight",
         {{.slow_call_duration = 1ns, .judge_in_flight = true}},
         {{.judge_in_flight = true}, {.slow_call_ratio = 0.5, .judge_in_flight = true}}},
        {"adaptive_threshold.min_rise",
         {{.adaptive_threshold = AdaptiveThreshold{.min_rise = smallest}},
          {.adaptive_threshold = AdaptiveThreshold{.min_rise = 1}}},
         {{.adaptive_threshold = AdaptiveThreshold{.min_rise = 0}},
          {.adaptive_threshold = AdaptiveThreshold{.min_rise = above_one}},
          {.adaptive_threshold = AdaptiveThreshold{.min_rise = nan}}}},
        {"adaptive_threshold.confidence",
         {{.adaptive_threshold = AdaptiveThreshold{.confidence = smallest}},
          {.adaptive_threshold = AdaptiveThreshold{.confidence = 1000}}},
         {{.adaptive_threshold = AdaptiveThreshold{.confidence = 0}},
          {.adaptive_threshold = AdaptiveThreshold{.confidence = 1000.1}},
          {.adaptive_threshold = AdaptiveThreshold{.confidence = nan}}}},
        {"adaptive_threshold.max_threshold",
         {{.adaptive_threshold = AdaptiveThreshold{.max_threshold = smallest}},
          {.adaptive_threshold = AdaptiveThreshold{.max_threshold = 1}}},
         {{.adaptive_threshold = AdaptiveThreshold{.max_threshold = 0}},
          {.adaptive_threshold = AdaptiveThreshold{.max_threshold = above_one}},
          {.adaptive_threshold = AdaptiveThreshold{.max_threshold = nan}}}},
        {"adaptive_threshold",
         {{.adaptive_threshold = AdaptiveThreshold{}}},
         {{.window_calls = 10, .adaptive_threshold = AdaptiveThreshold{}},
          {.consecutive_failures = 1, .adaptive_threshold = AdaptiveThreshold{}}}},
    };
}

std::vector<Field> options_of_time() {
    return {
        {"half_open_verdict",
         {{.half_open_verdict = HalfOpenVerdict::rate_after_all}},
         {{.half_open_verdict = static_cast<HalfOpenVerdict>(2)}}},
        {"half_open_limit",
         {{.half_open_limit = 1ns}, {.half_open_limit = Duration::max()}},
         {{.half_open_limit = -1ns}, {.half_open_limit = Duration::min()}}},
        {"timeout_multiplier",
         {{.timeout_multiplier = 1}, {.timeout_multiplier = 1000}},
         {{.timeout_multiplier = 0.9999999}, {.timeout_multiplier = 1000.0001}, {.timeout_multiplier = nan}}},
        {"max_timeout",
         {{.max_timeout = 60s}, {.timeout = 0s, .max_timeout = 0s}},
         {{.max_timeout = 60s - 1ns}, {.timeout = 0s, .max_timeout = -1ns}}},
        {"timeout_jitter",
         {{.timeout_jitter = 0}, {.timeout_jitter = 1}},
         {{.timeout_jitter = -smallest}, {.timeout_jitter = above_one}, {.timeout_jitter = nan}}},
        {"recovery_ramp",
         {{.recovery_ramp = 1ns}, {.recovery_ramp = Duration::max()}},
         {{.recovery_ramp = -1ns}, {.recovery_ramp = Duration::min()}}},
        {"ramp_from",
         {{.ramp_from = smallest}, {.ramp_from = 1}},
         {{.ramp_from = 0}, {.ramp_from = above_one}, {.ramp_from = infinity}, {.ramp_from = nan}}},
        {"initial_state",
         {{.initial_state = CircuitState::open}, {.initial_state = CircuitState::metrics_only}},
         {{.initial_state = CircuitState::half_open},
          {.initial_state = CircuitState::forced_open},
          {.initial_state = CircuitState::forced_closed}}},
    };
}

std::vector<Field> options_of_operations() {
    constexpr OperationMode isolate = OperationMode::isolate;
    return {
        {"max_operations",
         {{.max_operations = 1}, {.max_operations = 126}},
         {{.max_operations = 0}, {.max_operations = 127}, {.max_operations = most}}},
        {"operation_mode",
         {{.operation_mode = isolate}, {.recovery_ramp = 1s, .operation_mode = isolate}},
         {{.operation_mode = static_cast<OperationMode>(2)},
          {.window_calls = 10, .operation_mode = isolate},
          {.consecutive_failures = 1, .operation_mode = isolate},
          {.slow_call_duration = 1s, .operation_mode = isolate},
          {.adaptive_threshold = AdaptiveThreshold{}, .operation_mode = isolate}}},
    };
}

std::vector<Field> all_fields() {
    std::vector<Field> all = fields();
    for (Field& option : options_of_judging()) all.push_back(std::move(option));
    for (Field& option : options_of_time()) all.push_back(std::move(option));
    for (Field& option : options_of_operations()) all.push_back(std::move(option));
    return all;
}

// What a breaker says of itself is what it was given, whether it keeps the fields itself or beside it.
TEST(CircuitBreakerConfig, comes_back_as_it_was_given) {
    for (const Field& field : all_fields()) {
        for (const CircuitBreakerConfig& config : field.inside) {
            EXPECT_EQ(CircuitBreaker("config_test", config).config(), config) << field.name;
        }
    }
    for (const CircuitBreakerConfig& config :
         {CircuitBreakerConfig{.window_size = 1s + 6ns, .buckets = 7}, CircuitBreakerConfig{.record_latency = true}}) {
        EXPECT_EQ(CircuitBreaker("config_test", config).config(), config);
    }
}

TEST(CircuitBreakerConfig, takes_every_field_from_its_minimum_to_its_maximum) {
    for (const Field& field : all_fields()) {
        for (std::size_t row = 0; row < field.inside.size(); ++row) {
            EXPECT_NO_THROW(CircuitBreaker("config_test", field.inside[row])) << field.name << " row " << row;
        }
    }
}

TEST(CircuitBreakerConfig, refuses_every_field_just_outside_its_range) {
    for (const Field& field : all_fields()) {
        for (std::size_t row = 0; row < field.outside.size(); ++row) {
            try {
                const CircuitBreaker breaker("config_test", field.outside[row]);
                ADD_FAILURE() << field.name << " row " << row << " was taken";
            } catch (const ConfigError& error) {
                ASSERT_EQ(error.problems().size(), 1U) << error.what();
                EXPECT_EQ(error.problems().front().field, field.name) << row;
                EXPECT_NE(error.problems().front().message.find("; use "), std::string::npos) << error.what();
            }
        }
    }
}

TEST(CircuitBreakerConfig, lists_all_problems_at_once_the_name_included) {
    const CircuitBreakerConfig wrong{.failure_threshold = 2,
                                     .success_threshold = 0,
                                     .timeout = -5s,
                                     .min_requests = 0,
                                     .window_size = 0s,
                                     .buckets = 0,
                                     .half_open_calls = 1001,
                                     .half_open_max_calls = 1001,
                                     .probe_lease = -1s};
    try {
        const CircuitBreaker breaker("", wrong);
        ADD_FAILURE() << "taken";
    } catch (const ConfigError& error) {
        std::vector<std::string> named;
        for (const ConfigProblem& problem : error.problems()) named.push_back(problem.field);
        EXPECT_EQ(named, (std::vector<std::string>{"name", "failure_threshold", "timeout", "min_requests",
                                                   "window_size", "buckets", "success_threshold", "half_open_calls",
                                                   "half_open_max_calls", "probe_lease"}))
            << error.what();
    }
}

TEST(CircuitBreakerConfig, says_what_is_wrong_in_a_sentence) {
    try {
        const CircuitBreaker breaker("card\nhost", {.failure_threshold = 50});
        ADD_FAILURE() << "taken";
    } catch (const ConfigError& error) {
        EXPECT_STREQ(error.what(),
                     "circuit breaker \"card\\nhost\":\n  failure_threshold is 50; use more than 0, up to 1");
    }
}

// What a sentence advises is taken: rounded, it would be refused with the same words.
TEST(CircuitBreakerConfig, advises_limits_that_it_takes) {
    const auto advice = [](auto&& refused) {
        try {
            refused();
        } catch (const ConfigError& error) {
            return error.problems().at(0).message;
        }
        return std::string("taken");
    };
    const CircuitBreakerConfig below{.timeout = 90'400ms, .max_timeout = 90s};
    EXPECT_EQ(advice([&] { const CircuitBreaker breaker(below); }),
              "is 1 min 30 s; use at least timeout, which is 90400 ms");
    CircuitBreaker probed("probed");
    EXPECT_EQ(advice([&] { probed.set_probe({.interval = 90'400ms, .timeout = 91s}, [] { return true; }); }),
              "is 1 min 31 s; use at most interval, which is 90400 ms");
}

TEST(CircuitBreakerConfig, names_are_any_text_that_is_one) {
    for (const std::string& name :
         {std::string("\"; DROP TABLE\n\\"), std::string(128, 'n'), std::string("gr\xc3\xbc\xc3\x9f"),
          std::string("../../etc/passwd"), std::string("%s%n")}) {
        EXPECT_EQ(CircuitBreaker(name).name(), name);
    }
    for (const std::string& name : {std::string(), std::string(129, 'n'), std::string("a\0b", 3), std::string("\xff"),
                                    std::string("\xc0\xaf"), std::string("\xed\xa0\x80")}) {
        EXPECT_THROW(CircuitBreaker{name}, ConfigError);
    }
}

TEST(CircuitBreakerConfig, profiles_are_valid) {
    EXPECT_NO_THROW(CircuitBreaker("config_test", CircuitBreakerConfig::fast_failing()));
    EXPECT_NO_THROW(CircuitBreaker("config_test", CircuitBreakerConfig::slow_api()));
}

}  // namespace circuit_breaker_config_test
