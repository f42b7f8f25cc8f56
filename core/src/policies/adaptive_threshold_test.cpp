// A breaker that learns how often calls fail: no false alarm, and a true one.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <for_tests/origin.hpp>
#include <optional>
#include <resilience/base/random.hpp>
#include <resilience/policies/circuit_breaker.hpp>

using namespace resilience;
using namespace std::chrono_literals;

namespace adaptive_threshold_test {

// Calls that come evenly, so many of them in a window, and fail at a rate.
class Traffic {
  public:
    Traffic(std::uint32_t calls_in_a_window, std::uint64_t seed, AdaptiveThreshold adaptive = {})
        : breaker_("adaptive", {.window_size = 10s, .buckets = 10, .adaptive_threshold = adaptive}),
          apart_(Duration(10s) / calls_in_a_window),
          random_(seed) {}

    // How many calls it took to open; absent if all of them passed.
    std::optional<int> run(int calls, double failure_rate) {
        for (int call = 1; call <= calls; ++call) {
            now_ += apart_;
            auto permit = breaker_.try_acquire(now_);
            if (!permit) return call - 1;
            permit->settle(random_.unit() < failure_rate ? Outcome::failure : Outcome::success, now_);
        }
        return breaker_.state(now_) == CircuitState::closed ? std::nullopt : std::optional(calls);
    }
    void pass(Duration time) { now_ += time; }
    CircuitBreaker& breaker() { return breaker_; }
    TimePoint now() const { return now_; }

  private:
    CircuitBreaker breaker_;
    Duration apart_;
    TimePoint now_ = for_tests::origin();
    Random random_;
};

class AdaptiveThresholdGate : public testing::TestWithParam<std::uint32_t> {};

TEST_P(AdaptiveThresholdGate, raises_no_false_alarm_in_a_million_calls_at_any_usual_rate) {
    for (const double rate : {0.0, 0.001, 0.05, 0.45}) {
        Traffic traffic(GetParam(), GetParam());
        EXPECT_EQ(traffic.run(1'000'000, rate), std::nullopt) << "rate " << rate;
    }
}
INSTANTIATE_TEST_SUITE_P(CallsInAWindow, AdaptiveThresholdGate, testing::Values(20U, 200U, 2000U),
                         testing::PrintToStringParamName());

TEST(AdaptiveThreshold, opens_when_calls_begin_to_fail_far_below_any_fixed_threshold) {
    const struct {
        std::uint32_t calls_in_a_window;
        int soonest, latest;
    } rows[] = {{200, 30, 150}, {2000, 300, 1200}};
    for (const auto& row : rows) {
        for (std::uint64_t seed = 1; seed <= 10; ++seed) {
            Traffic traffic(row.calls_in_a_window, seed);
            ASSERT_EQ(traffic.run(20 * static_cast<int>(row.calls_in_a_window), 0.001), std::nullopt);
            const std::optional<int> opened = traffic.run(10'000, 0.25);
            ASSERT_TRUE(opened) << row.calls_in_a_window << " seed " << seed;
            EXPECT_GE(*opened, row.soonest);
            EXPECT_LE(*opened, row.latest);
        }
    }
}

TEST(AdaptiveThreshold, does_not_prove_by_twenty_calls_what_they_cannot_prove) {
    Traffic traffic(20, 1);
    EXPECT_EQ(traffic.run(2000, 0.001), std::nullopt);
    EXPECT_EQ(traffic.run(10'000, 0.25), std::nullopt);
    EXPECT_TRUE(traffic.run(100, 1.0)) << "that everything fails needs no proof";
}

TEST(AdaptiveThreshold, opens_at_exactly_max_threshold) {
    CircuitBreaker breaker{"adaptive",
                           {.min_requests = 25, .adaptive_threshold = AdaptiveThreshold{.max_threshold = 0.28}}};
    const TimePoint now = for_tests::origin();
    for (int success = 0; success < 18; ++success) breaker.record_result(true, now);
    for (int failure = 0; failure < 6; ++failure) breaker.record_result(false, now);
    ASSERT_EQ(breaker.state(now), CircuitState::closed);
    breaker.record_result(false, now);
    EXPECT_EQ(breaker.state(now), CircuitState::open) << "7 of 25";
}

TEST(AdaptiveThreshold, does_not_learn_from_the_outage) {
    Traffic traffic(200, 1);
    ASSERT_EQ(traffic.run(4000, 0.01), std::nullopt);
    const double learned = traffic.breaker().stats(traffic.now()).window.failure_threshold;
    EXPECT_NEAR(learned, 0.11, 0.01) << "what is usual, and min_rise above it";
    for (int outage = 0; outage < 20; ++outage) {
        ASSERT_TRUE(traffic.run(10'000, 0.9));
        traffic.pass(60s);
        ASSERT_EQ(traffic.run(205, 0), std::nullopt) << "five probes, and a quiet while";
    }
    EXPECT_NEAR(traffic.breaker().stats(traffic.now()).window.failure_threshold, learned, 0.02);
}

TEST(AdaptiveThreshold, judges_by_the_plain_threshold_until_it_has_learned_a_window) {
    Traffic traffic(200, 1);
    EXPECT_EQ(traffic.breaker().stats(traffic.now()).window.failure_threshold, 0.5);
    EXPECT_TRUE(traffic.run(199, 0.9)) << "far more than half";
    Traffic usual(200, 1);
    EXPECT_EQ(usual.run(199, 0.45), std::nullopt);
}

}  // namespace adaptive_threshold_test
