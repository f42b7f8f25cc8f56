#include "demo/latency_histogram.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace resilience::demo {
namespace latency_histogram_test {

using namespace std::chrono_literals;

TEST(LatencyHistogram, has_buckets_that_are_at_most_a_32nd_wide) {
    const auto edges = LatencyHistogram::scale().edges();
    for (std::size_t edge = 1; edge < edges.size(); ++edge) {
        ASSERT_GT(edges[edge], edges[edge - 1]);
        ASSERT_LE((edges[edge] - edges[edge - 1] - 1ns) * 32, edges[edge - 1] + 1ns) << edge;
    }
    EXPECT_EQ(edges.front(), 1ns);
    EXPECT_GE(edges.back(), 1h);
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

}  // namespace latency_histogram_test
}  // namespace resilience::demo
