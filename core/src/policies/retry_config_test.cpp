#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/retry.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace resilience::inline v1 {
namespace retry_config_test {

using namespace std::chrono_literals;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

std::vector<std::string> bad_fields(const RetryConfig& config) {
    std::vector<std::string> fields;
    try {
        const Retry retry(config);
    } catch (const ConfigError& error) {
        for (const ConfigProblem& problem : error.problems()) fields.push_back(problem.field);
    }
    return fields;
}

using Fields = std::vector<std::string>;

TEST(RetryConfig, each_field_at_and_just_outside_its_range) {
    struct Row {
        RetryConfig config;
        Fields bad;
    };
    const std::vector<Row> rows{
        {{}, {}},
        {{.max_attempts = 1}, {}},
        {{.max_attempts = 1'000'000}, {}},
        {{.max_attempts = 0}, {"max_attempts"}},
        {{.max_attempts = 1'000'001}, {"max_attempts"}},
        {{.max_attempts = RetryConfig::unlimited}, {}},
        {{.max_attempts = RetryConfig::unlimited - 1}, {"max_attempts"}},
        {{.max_duration = 1ns}, {}},
        {{.max_duration = Duration::max()}, {}},
        {{.max_duration = 0ns}, {"max_duration"}},
        {{.max_duration = -1ns}, {"max_duration"}},
        {{.backoff_kind = BackoffKind::constant}, {}},
        {{.backoff_kind = static_cast<BackoffKind>(3)}, {"backoff_kind"}},
        {{.base_delay = 0ns}, {}},
        {{.base_delay = -1ns}, {"base_delay"}},
        {{.base_delay = Duration::max(), .max_delay = Duration::max()}, {}},
        {{.base_delay = 30s}, {}},
        {{.base_delay = 30s + 1ns}, {"max_delay"}},
        {{.base_delay = 0ns, .max_delay = 0ns}, {}},
        {{.base_delay = 0ns, .max_delay = -1ns}, {"max_delay"}},
        {{.base_delay = Duration::min(), .max_delay = Duration::min()}, {"base_delay", "max_delay"}},
        {{.multiplier = 1}, {}},
        {{.multiplier = 1000}, {}},
        {{.multiplier = std::nextafter(1.0, 0.0)}, {"multiplier"}},
        {{.multiplier = std::nextafter(1000.0, infinity)}, {"multiplier"}},
        {{.multiplier = -0.0}, {"multiplier"}},
        {{.multiplier = nan}, {"multiplier"}},
        {{.multiplier = infinity}, {"multiplier"}},
        {{.jitter_kind = JitterKind::decorrelated}, {}},
        {{.jitter_kind = static_cast<JitterKind>(4)}, {"jitter_kind"}},
        {{.jitter_ratio = 0}, {}},
        {{.jitter_ratio = 1}, {}},
        {{.jitter_ratio = -0.0}, {"jitter_ratio"}},
        {{.jitter_ratio = std::nextafter(1.0, 2.0)}, {"jitter_ratio"}},
        {{.jitter_ratio = nan}, {"jitter_ratio"}},
        {{.jitter = false, .jitter_ratio = infinity}, {"jitter_ratio"}},
        {{.max_attempts = 0, .base_delay = -1ns, .multiplier = 0, .jitter_ratio = 2},
         {"max_attempts", "base_delay", "multiplier", "jitter_ratio"}},
    };
    for (std::size_t row = 0; row < rows.size(); ++row) EXPECT_EQ(bad_fields(rows[row].config), rows[row].bad) << row;
}

TEST(RetryConfig, the_named_profiles_are_legal) {
    EXPECT_EQ(bad_fields(RetryConfig::idempotent()), Fields{});
    EXPECT_EQ(bad_fields(RetryConfig::not_idempotent()), Fields{});
    EXPECT_EQ(bad_fields(RetryConfig::overload()), Fields{});
    EXPECT_EQ(RetryConfig::idempotent().max_attempts, 5U);
    EXPECT_EQ(RetryConfig::not_idempotent().max_attempts, 1U);
    EXPECT_EQ(RetryConfig::overload().jitter_kind, JitterKind::full);
}

TEST(RetryConfig, every_problem_is_named_the_name_included) {
    try {
        const Retry retry("", {.max_attempts = 0, .base_delay = 40s, .multiplier = 0.5});
        FAIL() << "accepted";
    } catch (const ConfigError& error) {
        EXPECT_EQ(std::string(error.what()),
                  "retry \"\":\n"
                  "  max_attempts is 0; use 1 (no retry) to 1000000, the first attempt included\n"
                  "  max_delay is 30 s, below base_delay (40 s); use base_delay or more\n"
                  "  multiplier is 0.5; use 1 to 1000\n"
                  "  name is empty; use 1 to 128 bytes");
    }
}

// Rounded, each of these would read as a value inside its range.
TEST(RetryConfig, a_value_just_outside_a_range_shows_on_which_side_it_is) {
    try {
        const Retry retry("edge", {.base_delay = 40s + 1ms,
                                   .max_delay = 40s,
                                   .multiplier = std::nextafter(1000.0, 2000.0),
                                   .jitter_ratio = std::nextafter(1.0, 2.0)});
        FAIL() << "accepted";
    } catch (const ConfigError& error) {
        EXPECT_EQ(std::string(error.what()),
                  "retry \"edge\":\n"
                  "  max_delay is 40 s, below base_delay (40001 ms); use base_delay or more\n"
                  "  multiplier is 1000.0000000000001; use 1 to 1000\n"
                  "  jitter_ratio is 1.0000000000000002; use 0 to 1");
    }
}

TEST(RetryConfig, kinds_print_as_they_are_written) {
    std::ostringstream kinds;
    kinds << BackoffKind::exponential << ' ' << BackoffKind::linear << ' ' << BackoffKind::constant;
    EXPECT_EQ(kinds.str(), "exponential linear constant");
    std::ostringstream text;
    text << JitterKind::proportional << ' ' << JitterKind::full << ' ' << JitterKind::equal << ' '
         << JitterKind::decorrelated;
    EXPECT_EQ(text.str(), "proportional full equal decorrelated");
}

TEST(Conformance, BO_13_a_negative_delay_and_a_jitter_outside_zero_to_one_are_refused) {
    EXPECT_EQ(bad_fields({.base_delay = -1ms}), Fields{"base_delay"});
    EXPECT_EQ(bad_fields({.jitter_ratio = -0.0001}), Fields{"jitter_ratio"});
    EXPECT_EQ(bad_fields({.jitter_ratio = 1.0001}), Fields{"jitter_ratio"});
    EXPECT_EQ(bad_fields({.base_delay = 0ms}), Fields{});
}

}  // namespace retry_config_test
}  // namespace resilience::inline v1
