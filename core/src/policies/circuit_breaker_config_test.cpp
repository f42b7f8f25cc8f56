#include <gtest/gtest.h>

#include <chrono>
#include <limits>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <string>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace {

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

TEST(CircuitBreakerConfig, takes_every_field_from_its_minimum_to_its_maximum) {
    for (const Field& field : fields()) {
        for (std::size_t row = 0; row < field.inside.size(); ++row) {
            EXPECT_NO_THROW(CircuitBreaker("config_test", field.inside[row])) << field.name << " row " << row;
        }
    }
}

TEST(CircuitBreakerConfig, refuses_every_field_just_outside_its_range) {
    for (const Field& field : fields()) {
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

}  // namespace
