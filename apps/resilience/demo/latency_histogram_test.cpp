#include "demo/latency_histogram.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace resilience::demo {
namespace {

using namespace std::chrono_literals;

TEST(LatencyHistogram, has_buckets_that_touch_and_are_at_most_a_32nd_wide) {
    std::uint64_t below = 0;  // the first value of the bucket
    const std::size_t last = LatencyHistogram::bucket_of(3'600'000'000'000);
    for (std::size_t bucket = 0; bucket <= last; ++bucket) {
        const std::uint64_t top = LatencyHistogram::top_of(bucket);
        ASSERT_EQ(LatencyHistogram::bucket_of(below), bucket);
        ASSERT_EQ(LatencyHistogram::bucket_of(top), bucket);
        ASSERT_LE((top - below) * 32, below + 32) << bucket;
        below = top + 1;
    }
}

TEST(LatencyHistogram, gives_quantiles_that_are_never_below_the_truth_and_at_most_a_32nd_above) {
    LatencyHistogram histogram;
    for (int milliseconds = 1; milliseconds <= 1000; ++milliseconds) histogram.add(1ms * milliseconds);
    const LatencyPicture picture = histogram.picture();
    EXPECT_EQ(picture.count, 1000U);
    EXPECT_GE(picture.p50, 500ms);
    EXPECT_LE(picture.p50, 516ms);
    EXPECT_GE(picture.p99, 990ms);
    EXPECT_LE(picture.p99, 1000ms);  // never above the maximum
    EXPECT_EQ(picture.max, 1000ms);
}

TEST(LatencyHistogram, is_zero_when_empty_and_holds_at_its_ends) {
    LatencyHistogram histogram;
    EXPECT_EQ(histogram.picture().p99, 0ns);
    histogram.add(-5ns);
    EXPECT_EQ(histogram.picture().max, 0ns);
    histogram.add(Duration::max());
    EXPECT_EQ(histogram.picture().count, 2U);
    EXPECT_EQ(histogram.picture().max, Duration::max());
}

TEST(LatencyHistogram, loses_nothing_when_many_threads_add) {
    LatencyHistogram histogram;
    constexpr std::uint64_t each = 20'000;
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&, thread] {
            for (std::uint64_t count = 0; count < each; ++count) histogram.add(1us * (thread + 1));
        });
    }
    while (histogram.picture().count < each) {
    }
    for (std::thread& thread : threads) thread.join();
    const LatencyPicture picture = histogram.picture();
    EXPECT_EQ(picture.count, 4 * each);
    EXPECT_EQ(picture.max, 4us);
    EXPECT_GE(picture.p50, 2us);
    EXPECT_LT(picture.p50, 3us);
}

}  // namespace
}  // namespace resilience::demo
