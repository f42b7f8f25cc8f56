#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <resilience/base/config_error.hpp>
#include <resilience/measure/fraction.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <string>
#include <vector>

namespace resilience::inline v1 {
namespace rate_limiter_config_test {

using namespace std::chrono_literals;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

std::vector<std::string> bad_fields(const RateLimiterConfig& config) {
    std::vector<std::string> fields;
    try {
        const RateLimiter limiter(config);
    } catch (const ConfigError& error) {
        for (const ConfigProblem& problem : error.problems()) fields.push_back(problem.field);
    }
    return fields;
}

struct Row {
    RateLimiterConfig config;
    std::vector<std::string> bad;
};

TEST(RateLimiterConfig, each_field_at_and_just_outside_its_range) {
    constexpr std::uint64_t most = 0xFFFF'FFFF;
    const std::vector<Row> rows{
        {{1, 10}, {}},
        {{most, 1e9}, {}},
        {{0, 10}, {"capacity"}},
        {{most + 1, 10}, {"capacity"}},
        {{std::numeric_limits<std::uint64_t>::max(), 10}, {"capacity"}},
        {{1, 1e-8}, {}},
        {{1, std::nextafter(1e-8, 0)}, {"refill_rate"}},
        {{1, std::nextafter(1e9, infinity)}, {"refill_rate"}},
        {{1, 0.0}, {"refill_rate"}},
        {{1, -0.0}, {"refill_rate"}},
        {{1, -1.0}, {"refill_rate"}},
        {{1, nan}, {"refill_rate"}},
        {{1, infinity}, {"refill_rate"}},
        {{1, -infinity}, {"refill_rate"}},
        {{288'230, 1e-3}, {}},               // 9.1 years and a little less
        {{288'231, 1e-3}, {"refill_rate"}},  // a little more than 2^58 ns
        {{0, nan}, {"capacity", "refill_rate"}},
        {{1, 1, Duration::max(), 1'000'000}, {}},
        {{1, 1, Duration::zero(), 0}, {}},
        {{1, 1, Duration{-1}, 100}, {"max_wait"}},
        {{1, 1, Duration::zero(), 1'000'001}, {"max_waiters"}},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(bad_fields(row.config), row.bad) << row.config.capacity << " at " << row.config.refill_rate;
    }
}

std::string message_of(const auto& make) {
    try {
        make();
    } catch (const ConfigError& error) {
        return error.what();
    }
    return "no error";
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wfloat-conversion"
TEST(RateLimiterConfig, numbers_that_were_narrowed_on_the_way_are_refused_with_what_arrived) {
    EXPECT_EQ(message_of([] { const RateLimiter limiter(-1, 10.0); }),
              "rate limiter:\n  capacity is 18446744073709551615; use a whole number from 1 to 4294967295 "
              "(a fraction is cut, a negative number becomes huge)");
    const double half = 0.5;
    EXPECT_EQ(message_of([&] { const RateLimiter limiter(half, 10); }),
              "rate limiter:\n  capacity is 0; use a whole number from 1 to 4294967295 "
              "(a fraction is cut, a negative number becomes huge)");
}
#pragma GCC diagnostic pop

TEST(RateLimiterConfig, every_problem_is_named_the_name_included) {
    const std::string text = message_of([] { const RateLimiter limiter("", {.capacity = 0, .refill_rate = -2}); });
    EXPECT_EQ(text,
              "rate limiter \"\":\n  capacity is 0; use a whole number from 1 to 4294967295 "
              "(a fraction is cut, a negative number becomes huge)\n"
              "  refill_rate is -2; use 1e-8 to 1e9 tokens per second\n"
              "  name is empty; use 1 to 128 bytes");
}

TEST(RateLimiterConfig, a_bucket_that_fills_too_slowly_says_so) {
    const std::string text =
        message_of([] { const RateLimiter limiter("slow", {.capacity = 1000, .refill_rate = 1e-8}); });
    EXPECT_NE(text.find("refill_rate is 1e-08 and would take more than 9.1 years to fill 1000 tokens"),
              std::string::npos)
        << text;
}

TEST(RateLimiterConfig, per_refuses_a_period_that_is_none) {
    EXPECT_EQ(bad_fields(RateLimiterConfig::per(1000, Duration::zero(), 1)), std::vector<std::string>{"refill_rate"});
    EXPECT_EQ(bad_fields(RateLimiterConfig::per(1000, Duration{-1}, 1)), std::vector<std::string>{"refill_rate"});
    EXPECT_EQ(bad_fields(RateLimiterConfig::per(0, Duration{1}, 1)), std::vector<std::string>{"refill_rate"});
}

TEST(RateLimiterConfig, per_keeps_the_rate_of_any_tokens_in_any_milliseconds_exactly) {
    for (std::int64_t milliseconds = 1; milliseconds <= 120; ++milliseconds) {
        for (std::uint64_t tokens = 1; tokens <= 2000; ++tokens) {
            const RateLimiterConfig config = RateLimiterConfig::per(tokens, milliseconds * 1ms, 1);
            const Fraction read = simplest_fraction(config.refill_rate);
            ASSERT_EQ(read.numerator * static_cast<std::uint64_t>(milliseconds), tokens * 1000 * read.denominator)
                << tokens << " in " << milliseconds << " ms";
        }
    }
    // A number of tokens that a double just holds, in a period of whole seconds.
    EXPECT_EQ(RateLimiterConfig::per((std::uint64_t{1} << 53) - 1, 24h, 1).refill_rate, 9007199254740991.0 / 86400);
}

}  // namespace rate_limiter_config_test
}  // namespace resilience::inline v1
