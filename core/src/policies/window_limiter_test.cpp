// The two limiters that count per window, as policies: what they are built from, count, tell and refuse.

#include <gtest/gtest.h>

#include <atomic>
#include <for_tests/origin.hpp>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/fixed_window_limiter.hpp>
#include <resilience/policies/sliding_log_limiter.hpp>
#include <string>
#include <thread>
#include <vector>

namespace resilience::inline v1 {
namespace window_limiter_test {

using namespace std::chrono_literals;

TimePoint at(Duration since_epoch) { return for_tests::origin() + since_epoch; }

template <class Limiter>
class WindowLimiterTest : public testing::Test {};
using Limiters = testing::Types<FixedWindowLimiter, SlidingLogLimiter>;
struct LimiterNames {
    template <class Limiter>
    static std::string GetName(int) {
        return std::is_same_v<Limiter, FixedWindowLimiter> ? "FixedWindow" : "SlidingLog";
    }
};
TYPED_TEST_SUITE(WindowLimiterTest, Limiters, LimiterNames);

TYPED_TEST(WindowLimiterTest, counts_what_it_admits_and_refuses_and_the_sums_agree) {
    TypeParam limiter("quota", {.limit = 10, .period = 1s});
    EXPECT_TRUE(limiter.acquire(7, at(0s)));
    EXPECT_TRUE(limiter.acquire(0, at(0s)));
    EXPECT_FALSE(limiter.acquire(4, at(0s)));
    const auto refused = limiter.try_acquire(4, at(0s));
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().reason, RejectionReason::rate_limited);
    EXPECT_EQ(refused.error().policy, "quota");
    EXPECT_EQ(refused.error().retry_after, 1s);
    EXPECT_TRUE(limiter.try_acquire(3, at(0s)).has_value());
    const auto never_granted = limiter.try_acquire(11, at(0s));
    ASSERT_FALSE(never_granted.has_value());
    EXPECT_EQ(to_string(never_granted.error()),
              "rejected by rate limiter \"quota\": 11 tokens asked, capacity 10: can never be granted");
    EXPECT_EQ(never_granted.error().retry_after, std::nullopt);

    const RateLimiterStats stats = limiter.stats(at(250ms));
    EXPECT_EQ(stats.capacity, 10U);
    EXPECT_EQ(stats.refill_rate, 10.0);
    EXPECT_EQ(stats.available_tokens, 0U);
    EXPECT_EQ(stats.retry_after, 750ms);
    EXPECT_EQ(stats.admitted, 3U);
    EXPECT_EQ(stats.rejected.rate_limited, 2U);
    EXPECT_EQ(stats.rejected.exceeds_capacity, 1U);
    EXPECT_EQ(stats.requests, stats.admitted + stats.rejected.total());
}

TYPED_TEST(WindowLimiterTest, returns_the_configuration_it_was_built_with) {
    const WindowLimiterConfig config{.limit = 3, .period = 2min, .max_wait = 5s, .max_waiters = 7};
    EXPECT_EQ(TypeParam(config).config(), config);
    EXPECT_EQ(TypeParam(3, 2min).config(), (WindowLimiterConfig{.limit = 3, .period = 2min}));
    EXPECT_EQ(TypeParam(config).name(), "");
    EXPECT_EQ(TypeParam("three", config).name(), "three");
}

std::vector<std::string> fields_of(const auto& make) {
    std::vector<std::string> fields;
    try {
        make();
    } catch (const ConfigError& error) {
        for (const ConfigProblem& problem : error.problems()) fields.push_back(problem.field);
    }
    return fields;
}

TYPED_TEST(WindowLimiterTest, refuses_what_is_out_of_range_and_names_all_of_it) {
    using Fields = std::vector<std::string>;
    using Window = typename TypeParam::Source;
    const auto bad = [](WindowLimiterConfig config) { return fields_of([&] { const TypeParam limiter(config); }); };
    EXPECT_EQ(bad({.limit = 1, .period = Window::shortest_period}), Fields{});
    EXPECT_EQ(bad({.limit = Window::highest_limit, .period = Window::longest_period}), Fields{});
    EXPECT_EQ(bad({.limit = 0, .period = 1s}), Fields{"limit"});
    EXPECT_EQ(bad({.limit = Window::highest_limit + 1, .period = 1s}), Fields{"limit"});
    EXPECT_EQ(bad({.limit = 1, .period = Window::shortest_period - 1ns}), Fields{"period"});
    EXPECT_EQ(bad({.limit = 1, .period = Window::longest_period + 1ns}), Fields{"period"});
    EXPECT_EQ(bad({.limit = 1, .period = 1s, .max_wait = -1ns}), Fields{"max_wait"});
    EXPECT_EQ(bad({.limit = 1, .period = 1s, .max_waiters = 1'000'001}), Fields{"max_waiters"});
    EXPECT_EQ(bad({}), (Fields{"limit", "period"}));
    EXPECT_EQ(fields_of([] { const TypeParam limiter("", {}); }), (Fields{"limit", "period", "name"}));
}

TEST(FixedWindowLimiter, says_what_is_wrong_with_its_numbers) {
    try {
        const FixedWindowLimiter limiter("geocoder", {.limit = 0, .period = 1us});
        FAIL() << "no error";
    } catch (const ConfigError& error) {
        EXPECT_STREQ(error.what(),
                     "fixed window limiter \"geocoder\":\n  limit is 0; use a whole number from 1 to 16777215 "
                     "(a fraction is cut, a negative number becomes huge)\n  period is 1 us; use 1 ms to 9.1 years");
    }
}

TYPED_TEST(WindowLimiterTest, tells_its_listeners_of_calls) {
    TypeParam limiter("heard", {.limit = 1, .period = 1s});
    std::vector<EventKind> heard;
    const Subscription hearing =
        limiter.on_event([&](const Event& event) { heard.push_back(event.kind); }, EventKinds::calls);
    EXPECT_TRUE(limiter.acquire(1, at(0s)));
    EXPECT_FALSE(limiter.acquire(1, at(0s)));
    EXPECT_EQ(heard, (std::vector{EventKind::permitted, EventKind::refused}));
}

TYPED_TEST(WindowLimiterTest, refuses_everything_once_closed) {
    TypeParam limiter(10, 1s);
    limiter.close();
    EXPECT_FALSE(limiter.acquire(0, at(0s)));
    EXPECT_EQ(limiter.try_acquire(1, at(0s)).error().reason, RejectionReason::shutting_down);
    EXPECT_TRUE(limiter.stats(at(0s)).closed);
}

TYPED_TEST(WindowLimiterTest, a_thread_waits_for_its_tokens_and_takes_them) {
    TypeParam limiter(1, 1ms);
    for (int call = 0; call < 5; ++call) ASSERT_TRUE(limiter.acquire_for(1, 1min).has_value());
    EXPECT_EQ(limiter.stats().admitted, 5U);
    EXPECT_EQ(limiter.acquire_for(2, 1min).error().reason, RejectionReason::exceeds_capacity);
}

TYPED_TEST(WindowLimiterTest, of_twenty_callers_at_once_exactly_ten_are_admitted) {
    TypeParam limiter(10, 1h);
    std::atomic<int> admitted{0};
    {
        std::vector<std::jthread> callers;
        for (int caller = 0; caller < 20; ++caller) {
            callers.emplace_back([&] { admitted += limiter.acquire(1, at(30min)) ? 1 : 0; });
        }
    }
    EXPECT_EQ(admitted, 10);
    const RateLimiterStats stats = limiter.stats(at(30min));
    EXPECT_EQ(stats.admitted, 10U);
    EXPECT_EQ(stats.requests, 20U);
}

}  // namespace window_limiter_test
}  // namespace resilience::inline v1
