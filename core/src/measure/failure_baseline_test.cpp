#include <gtest/gtest.h>

#include <resilience/measure/failure_baseline.hpp>

using namespace resilience;

namespace failure_baseline_test {

TEST(FailureBaseline, says_nothing_before_a_whole_window_is_learned) {
    FailureBaseline baseline(3);
    baseline.learn(10, 1);
    baseline.learn(0, 0);
    baseline.learn(10, 1);
    EXPECT_FALSE(baseline.rate());
    baseline.learn(20, 6);
    baseline.learn(10, 0);
    baseline.learn(10, 0);
    EXPECT_FALSE(baseline.rate()) << "the third is still held back";
    baseline.learn(10, 0);
    EXPECT_DOUBLE_EQ(baseline.rate().value(), 0.2) << "each call weighs the same";
}

TEST(FailureBaseline, moves_by_a_hundredth_in_a_window_at_most) {
    FailureBaseline baseline(10);
    for (int bucket = 0; bucket < 10; ++bucket) baseline.learn(1000, 0);
    for (int bucket = 0; bucket < 20; ++bucket) baseline.learn(1000, 1000);
    EXPECT_NEAR(baseline.rate().value(), 0.01, 1e-12);
    for (int bucket = 0; bucket < 1000; ++bucket) baseline.learn(1000, 200);
    EXPECT_NEAR(baseline.rate().value(), 0.2, 1e-12) << "it gets there";
}

TEST(FailureBaseline, forgets_what_is_older_than_ten_windows) {
    FailureBaseline baseline(1);
    for (int window = 0; window < 10; ++window) baseline.learn(100, 2);
    for (int window = 0; window < 11; ++window) baseline.learn(100, 1);
    EXPECT_DOUBLE_EQ(baseline.rate().value(), 0.01);
}

TEST(FailureBaseline, learns_nothing_of_a_window_that_was_not_normal) {
    FailureBaseline baseline(2);
    for (int bucket = 0; bucket < 4; ++bucket) baseline.learn(100, 10);
    EXPECT_DOUBLE_EQ(baseline.rate().value(), 0.1);
    for (int outage = 0; outage < 50; ++outage) {
        baseline.learn(100, 100);
        baseline.forget_recent();
    }
    for (int bucket = 0; bucket < 4; ++bucket) baseline.learn(100, 10);
    EXPECT_DOUBLE_EQ(baseline.rate().value(), 0.1);
}

TEST(FailureBaseline, takes_more_calls_than_a_bucket_can_count) {
    FailureBaseline baseline(1);
    for (int bucket = 0; bucket < 2; ++bucket) baseline.learn(std::uint64_t{1} << 40, std::uint64_t{1} << 38);
    EXPECT_DOUBLE_EQ(baseline.rate().value(), 0.25);
}

TEST(FailureBaseline, needs_evidence_to_say_that_a_rate_has_risen) {
    constexpr double confidence = 20.7;
    EXPECT_FALSE(rises_above(0.001, 10, 10, confidence)) << "ten calls prove nothing at one in a billion";
    EXPECT_TRUE(rises_above(0.001, 62, 16, confidence));
    EXPECT_FALSE(rises_above(0.45, 200, 120, confidence));
    EXPECT_TRUE(rises_above(0.45, 200, 150, confidence));
    EXPECT_TRUE(rises_above(0, 100, 14, confidence)) << "where nothing ever failed, fourteen do: 2/3 of 20.7";
    EXPECT_FALSE(rises_above(0, 100, 13, confidence));
}

}  // namespace failure_baseline_test
