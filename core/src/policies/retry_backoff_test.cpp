#include <gtest/gtest.h>

#include <algorithm>
#include <resilience/base/random.hpp>
#include <resilience/policies/retry.hpp>
#include <vector>

namespace resilience::inline v1 {
namespace retry_backoff_test {

using namespace std::chrono_literals;

RetryConfig steady(Duration base, Duration longest, double multiplier = 2) {
    return {.base_delay = base, .max_delay = longest, .multiplier = multiplier, .jitter = false};
}

std::vector<Duration> delays(const RetryConfig& config, std::uint32_t attempts) {
    std::vector<Duration> all;
    for (std::uint32_t attempt = 1; attempt <= attempts; ++attempt) {
        all.push_back(backoff_delay(config, attempt, Duration::zero(), 0.5));
    }
    return all;
}

TEST(RetryBackoff, of_zero_is_zero_for_every_attempt_and_jitter) {
    for (const JitterKind kind : {JitterKind::proportional, JitterKind::full, JitterKind::equal}) {
        const RetryConfig config{.base_delay = 0ns, .multiplier = 1000, .jitter_kind = kind};
        for (const std::uint32_t attempt : {1U, 2U, 1'000'000U}) {
            EXPECT_EQ(backoff_delay(config, attempt, 0ns, 0.999), 0ns) << kind << attempt;
        }
    }
}

TEST(RetryBackoff, never_overflows_whatever_the_attempt) {
    for (const std::uint32_t attempt : {64U, 65U, 1024U, 1'000'000U, 0xFFFF'FFFFU}) {
        EXPECT_EQ(longest_backoff(steady(1ns, Duration::max()), attempt, 0ns), Duration::max()) << attempt;
        EXPECT_EQ(longest_backoff(steady(1ns, 7s, 1000), attempt, 0ns), 7s) << attempt;
        EXPECT_EQ(longest_backoff(steady(Duration::max(), Duration::max(), 1), attempt, 0ns), Duration::max());
    }
    RetryConfig jittered = steady(Duration::max(), Duration::max());
    jittered.jitter = true;
    for (const JitterKind kind :
         {JitterKind::proportional, JitterKind::full, JitterKind::equal, JitterKind::decorrelated}) {
        jittered.jitter_kind = kind;
        for (const double unit : {0.0, 0.5, 0.999'999'999, 1.0}) {
            EXPECT_GE(backoff_delay(jittered, 1'000'000, Duration::max(), unit), 0ns) << kind << unit;
        }
    }
}

TEST(RetryBackoff, an_attempt_numbered_zero_counts_as_the_first) {
    EXPECT_EQ(longest_backoff(steady(5ms, 1s), 0, 0ns), 5ms);
}

TEST(RetryBackoff, full_jitter_spreads_from_nothing_to_the_delay) {
    const RetryConfig config{.base_delay = 100ms, .max_delay = 300ms, .jitter_kind = JitterKind::full};
    EXPECT_EQ(backoff_delay(config, 2, 0ns, 0), 0ms);
    EXPECT_EQ(backoff_delay(config, 2, 0ns, 0.5), 100ms);
    EXPECT_EQ(backoff_delay(config, 2, 0ns, 1), 200ms);
    EXPECT_EQ(backoff_delay(config, 9, 0ns, 1), 300ms);
}

TEST(RetryBackoff, equal_jitter_spreads_over_the_upper_half) {
    const RetryConfig config{.base_delay = 100ms, .max_delay = 300ms, .jitter_kind = JitterKind::equal};
    EXPECT_EQ(backoff_delay(config, 2, 0ns, 0), 100ms);
    EXPECT_EQ(backoff_delay(config, 2, 0ns, 0.5), 150ms);
    EXPECT_EQ(backoff_delay(config, 2, 0ns, 1), 200ms);
    EXPECT_EQ(backoff_delay(config, 9, 0ns, 0), 150ms);
}

TEST(RetryBackoff, decorrelated_jitter_grows_from_the_delay_before) {
    const RetryConfig config{.base_delay = 100ms, .max_delay = 1s, .jitter_kind = JitterKind::decorrelated};
    EXPECT_EQ(backoff_delay(config, 1, 0ns, 0), 100ms);
    EXPECT_EQ(backoff_delay(config, 1, 0ns, 1), 300ms);
    EXPECT_EQ(backoff_delay(config, 2, 200ms, 0), 100ms);
    EXPECT_EQ(backoff_delay(config, 2, 200ms, 1), 600ms);
    EXPECT_EQ(backoff_delay(config, 3, 900ms, 1), 1s);
    EXPECT_EQ(backoff_delay(config, 3, Duration::max(), 0), 100ms);
}

TEST(RetryBackoff, linear_delays_grow_by_the_base_and_never_overflow) {
    const RetryConfig config{.base_delay = 2s, .max_delay = 7s, .backoff_kind = BackoffKind::linear, .jitter = false};
    EXPECT_EQ(delays(config, 5), (std::vector<Duration>{2s, 4s, 6s, 7s, 7s}));
    RetryConfig longest = config;
    longest.max_delay = Duration::max();
    EXPECT_EQ(longest_backoff(longest, 0xFFFF'FFFF, 0ns), 0xFFFF'FFFFLL * Duration{2s});
    longest.base_delay = Duration::max() / 2;
    EXPECT_EQ(longest_backoff(longest, 2, 0ns), Duration::max() - 1ns);
    EXPECT_EQ(longest_backoff(longest, 3, 0ns), Duration::max());
}

TEST(RetryBackoff, constant_delays_ignore_the_multiplier) {
    const RetryConfig config{.base_delay = 2s, .multiplier = 3, .backoff_kind = BackoffKind::constant, .jitter = false};
    EXPECT_EQ(delays(config, 3), (std::vector<Duration>{2s, 2s, 2s}));
}

TEST(RetryBackoff, same_random_number_same_delay) {
    const RetryConfig config{};
    EXPECT_EQ(backoff_delay(config, 3, 0ns, 0.3), backoff_delay(config, 3, 0ns, 0.3));
}

TEST(Conformance, RT_31_doubles_from_one_to_ten_milliseconds) {
    EXPECT_EQ(delays(steady(1ms, 10ms), 6), (std::vector<Duration>{1ms, 2ms, 4ms, 8ms, 10ms, 10ms}));
}

TEST(Conformance, RT_32_doubles_from_two_to_thirty_seconds) {
    EXPECT_EQ(delays(steady(2s, 30s), 5), (std::vector<Duration>{2s, 4s, 8s, 16s, 30s}));
}

TEST(Conformance, BO_1_constant_delays_stay_and_zero_stays_zero) {
    EXPECT_EQ(delays(steady(1s, 30s, 1), 3), (std::vector<Duration>{1s, 1s, 1s}));
    EXPECT_EQ(delays(steady(0s, 30s, 1), 3), (std::vector<Duration>{0s, 0s, 0s}));
}

TEST(Conformance, BO_4_a_quarter_of_jitter_to_both_sides) {
    const RetryConfig config{.base_delay = 1s, .multiplier = 1};
    EXPECT_EQ(backoff_delay(config, 1, 0ns, 0), 750ms);
    EXPECT_EQ(backoff_delay(config, 1, 0ns, 0.4), 950ms);
    EXPECT_EQ(backoff_delay(config, 1, 0ns, 0.6), 1050ms);
    EXPECT_EQ(backoff_delay(config, 1, 0ns, 1), 1250ms);
}

TEST(Conformance, BO_5_a_quarter_of_jitter_around_linear_growth) {
    const RetryConfig config{.base_delay = 1s, .backoff_kind = BackoffKind::linear};
    EXPECT_EQ(backoff_delay(config, 3, 0ns, 0), 2250ms);
    EXPECT_EQ(backoff_delay(config, 3, 0ns, 0.4), 2850ms);
    EXPECT_EQ(backoff_delay(config, 3, 0ns, 0.5), 3000ms);
    EXPECT_EQ(backoff_delay(config, 3, 0ns, 0.6), 3150ms);
    EXPECT_EQ(backoff_delay(config, 3, 0ns, 1), 3750ms);
}

TEST(Conformance, BO_7_a_day_doubled_a_thousand_times_is_the_longest_duration) {
    EXPECT_EQ(longest_backoff(steady(24h, Duration::max()), 1000, 0ns), Duration::max());
    EXPECT_EQ(longest_backoff(steady(24h, 48h), 1000, 0ns), 48h);
}

TEST(Conformance, BO_10_rises_strictly_up_to_the_cap_and_stays_there) {
    const std::vector<Duration> all = delays(steady(100ms, 100s), 13);
    for (std::size_t at = 1; at < 11; ++at) EXPECT_GT(all[at], all[at - 1]) << at;
    EXPECT_EQ(all[9], 51'200ms);
    EXPECT_EQ(all[10], 100s);
    EXPECT_EQ(all[11], 100s);
    EXPECT_EQ(all[12], 100s);
}

TEST(Conformance, BO_11_a_half_of_jitter_keeps_to_its_range) {
    const RetryConfig config{.base_delay = 100ms, .jitter_ratio = 0.5};
    Random random(11);
    Duration shortest = Duration::max();
    Duration longest{};
    for (int draw = 0; draw < 10'000; ++draw) {
        const Duration delay = backoff_delay(config, 1, 0ns, random.unit());
        EXPECT_GE(delay, 50ms);
        EXPECT_LE(delay, 150ms);
        shortest = std::min(shortest, delay);
        longest = std::max(longest, delay);
    }
    EXPECT_LT(shortest, 52ms);
    EXPECT_GT(longest, 148ms);
}

TEST(Conformance, BO_12_a_half_of_jitter_around_exponential_growth) {
    const RetryConfig config{.base_delay = 100ms, .multiplier = 1.5, .jitter_ratio = 0.5};
    Random random(12);
    double expected = 100;  // milliseconds
    for (std::uint32_t attempt = 1; attempt <= 10; ++attempt, expected *= 1.5) {
        double shortest = 1e9;
        double longest = 0;
        for (int draw = 0; draw < 2'000; ++draw) {
            const Duration delay = backoff_delay(config, attempt, 0ns, random.unit());
            const double drawn = std::chrono::duration<double, std::milli>(delay).count();
            ASSERT_GE(drawn, 0.5 * expected - 1) << attempt;
            ASSERT_LE(drawn, 1.5 * expected + 1) << attempt;
            shortest = std::min(shortest, drawn);
            longest = std::max(longest, drawn);
        }
        EXPECT_LT(shortest, 0.55 * expected) << attempt;
        EXPECT_GT(longest, 1.45 * expected) << attempt;
    }
}

TEST(Conformance, BO_15_decorrelated_delays_differ_by_seed_and_repeat_with_it) {
    const Retry retry(RetryConfig{
        .max_attempts = 200, .base_delay = 100ms, .max_delay = 30s, .jitter_kind = JitterKind::decorrelated});
    const auto drawn = [&retry](std::uint64_t seed) {
        Random random(seed);
        std::vector<Duration> all;
        AttemptEnd end{.result = CallResult::failure};
        for (; end.attempt <= 100; ++end.attempt) {
            all.push_back(end.previous_delay = retry.next(end, random).delay);
        }
        return all;
    };
    EXPECT_NE(drawn(15), drawn(16));
    EXPECT_EQ(drawn(15), drawn(15));
}

TEST(Conformance, BO_14_delays_at_the_cap_still_spread_below_it) {
    const RetryConfig config{.base_delay = 100ms, .max_delay = 1s};
    Random random(14);
    std::vector<Duration> all;
    for (int draw = 0; draw < 1000; ++draw) all.push_back(backoff_delay(config, 20, 0ns, random.unit()));
    const auto [shortest, longest] = std::minmax_element(all.begin(), all.end());
    EXPECT_GE(*shortest, 750ms);
    EXPECT_LT(*shortest, 760ms);
    EXPECT_LE(*longest, 1s);
    EXPECT_GT(*longest, 990ms);
    // Uniform below the cap, not heaped upon it.
    EXPECT_LT(std::count(all.begin(), all.end(), Duration(1s)), 5);
}

}  // namespace retry_backoff_test
}  // namespace resilience::inline v1
