#include <resilience/measure/latency_histogram.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <for_tests/watched_atomics.hpp>

namespace resilience {
namespace latency_histogram_test {

using namespace std::chrono_literals;

TEST(LatencyScale, has_preferred_numbers_as_edges_and_each_edge_in_the_bucket_below) {
    const LatencyScale& scale = LatencyScale::standard();
    ASSERT_EQ(scale.buckets(), 61U);
    EXPECT_TRUE(std::ranges::is_sorted(scale.edges()));
    for (const Duration edge :
         {Duration{10us}, Duration{100us}, Duration{1ms}, Duration{2500us}, Duration{5ms}, Duration{25ms},
          Duration{100ms}, Duration{500ms}, Duration{2s}, Duration{10s}, Duration{60s}, Duration{100s}}) {
        EXPECT_TRUE(std::ranges::binary_search(scale.edges(), edge)) << edge.count();
    }
    for (std::size_t edge = 0; edge < scale.edges().size(); ++edge) {
        EXPECT_EQ(scale.bucket_of(scale.edges()[edge]), edge);
        EXPECT_EQ(scale.bucket_of(scale.edges()[edge] + 1ns), edge + 1);
        EXPECT_EQ(scale.bucket_of(scale.edges()[edge] - 1ns), edge);
    }
    EXPECT_EQ(scale.bucket_of(0ns), 0U);
    EXPECT_EQ(scale.bucket_of(Duration::min()), 0U);
    EXPECT_EQ(scale.bucket_of(Duration::max()), 60U);
}

TEST(LatencyScale, is_at_most_28_percent_coarse_where_it_is_fine) {
    const auto edges = LatencyScale::standard().edges();
    for (std::size_t edge = 1; edge < edges.size(); ++edge) {
        if (edges[edge - 1] < 100us || edges[edge] > 10s) continue;
        EXPECT_LE(static_cast<double>(edges[edge].count()), 1.28 * static_cast<double>(edges[edge - 1].count()))
            << edges[edge].count();
    }
}

TEST(LatencyScale, finds_its_bucket_whatever_the_edges) {
    static constexpr std::array<Duration, 7> odd{1ns, 2ns, 3ns, 4ns, 1'000'000ns, 1'000'001ns, Duration::max()};
    static constexpr LatencyScale scale{odd};
    for (const Duration asked : {0ns, 1ns, 2ns, 3ns, 4ns, 5ns, 999'999ns, 1'000'000ns, 1'000'001ns, 1'000'002ns}) {
        const auto expected = std::ranges::lower_bound(odd, asked) - odd.begin();
        EXPECT_EQ(scale.bucket_of(asked), static_cast<std::size_t>(expected)) << asked.count();
    }
    EXPECT_EQ(scale.bucket_of(Duration::max()), 6U);
    EXPECT_EQ(LatencyScale{std::span<const Duration>{}}.bucket_of(1s), 0U);
}

TEST(LatencyHistogram, gives_quantiles_that_are_never_below_the_truth_and_at_most_28_percent_above) {
    struct Row {
        const char* name;
        std::uint64_t (*nanoseconds)(std::uint64_t call);
    };
    const Row rows[] = {
        {"all the same", [](std::uint64_t) { return std::uint64_t{7'000'000}; }},
        {"evenly from 1 to 10 ms", [](std::uint64_t call) { return 1'000'000 + call * 9'000; }},
        {"from 0.1 ms to 10 s by factors",
         [](std::uint64_t call) {
             return static_cast<std::uint64_t>(1e5 * std::pow(1e5, static_cast<double>(call) / 1000));
         }},
        {"fast, with a slow hundredth",
         [](std::uint64_t call) { return call % 100 == 0 ? std::uint64_t{3'100'000'000} : std::uint64_t{410'000}; }},
    };
    for (const Row& row : rows) {
        LatencyHistogram histogram;
        std::vector<std::uint64_t> all;
        for (std::uint64_t call = 0; call < 1000; ++call) {
            all.push_back(row.nanoseconds(call));
            histogram.add(Duration{static_cast<Duration::rep>(all.back())});
        }
        std::ranges::sort(all);
        const LatencyPicture picture = histogram.picture();
        for (const double share : {0.001, 0.5, 0.9, 0.99, 0.999, 1.0}) {
            const auto rank = static_cast<std::size_t>(std::ceil(share * 1000)) - 1;
            const auto truth = static_cast<double>(all[rank]);
            const auto got = static_cast<double>(picture.quantile(share).count());
            EXPECT_GE(got, truth) << row.name << ' ' << share;
            EXPECT_LE(got, 1.28 * truth) << row.name << ' ' << share;
        }
        EXPECT_EQ(picture.quantile(1), picture.max);
        EXPECT_EQ(picture.max.count(), static_cast<Duration::rep>(all.back()));
    }
}

TEST(LatencyHistogram, counts_what_is_no_longer_than_an_edge) {
    LatencyHistogram histogram;
    for (const Duration took : {Duration{1ms}, Duration{5ms}, Duration{5ms + 1ns}, Duration{1s}, Duration{1h}}) {
        histogram.add(took);
    }
    histogram.add(-1ms);
    const LatencyPicture picture = histogram.picture();
    EXPECT_EQ(picture.at_most(1ms - 1ns), 1U);
    EXPECT_EQ(picture.at_most(1ms), 2U);
    EXPECT_EQ(picture.at_most(5ms), 3U);
    EXPECT_EQ(picture.at_most(6ms), 3U) << "no edge: the one that took 5 ms and a nanosecond may be longer";
    EXPECT_EQ(picture.at_most(10s), 5U);
    EXPECT_EQ(picture.at_most(Duration::max()), 5U) << "longer than the last edge is in no bucket with an edge";
    EXPECT_EQ(picture.count, 6U);
    EXPECT_EQ(picture.sum, 1ms + 5ms + 5ms + 1ns + 1s + 1h);
    EXPECT_EQ(picture.max, 1h);
    EXPECT_EQ(picture.quantile(1), 1h);
}

TEST(LatencyHistogram, is_zero_when_empty) {
    const LatencyPicture picture = LatencyHistogram().picture();
    EXPECT_EQ(picture.count, 0U);
    EXPECT_EQ(picture.sum, 0ns);
    EXPECT_EQ(picture.quantile(0.99), 0ns);
    EXPECT_EQ(picture.at_most(1s), 0U);
    EXPECT_EQ(LatencyPicture{}.quantile(0.5), 0ns);
}

TEST(LatencyHistogram, keeps_the_longest_when_another_comes_between_two_steps) {
    for (int position = 0;; ++position) {
        BasicLatencyHistogram<WatchedAtomics> histogram;
        const bool inserted = run_with_insertion(position, [&] { histogram.add(2ms); }, [&] { histogram.add(3ms); });
        if (!inserted) break;
        EXPECT_EQ(histogram.picture().max, 3ms) << position;
        EXPECT_EQ(histogram.picture().count, 2U);
        EXPECT_EQ(histogram.picture().sum, 5ms);
    }
}

TEST(LatencyHistogram, loses_nothing_and_never_falls_while_threads_add) {
    constexpr std::uint64_t calls = 20'000;
    LatencyHistogram histogram;
    std::atomic<int> running{3};
    std::vector<std::jthread> threads;
    for (std::uint64_t thread = 0; thread < 3; ++thread) {
        threads.emplace_back([&, thread] {
            for (std::uint64_t call = 0; call < calls; ++call) {
                histogram.add(Duration{static_cast<Duration::rep>((call * 7919 + thread) % 1'000'000'000)});
            }
            --running;
        });
    }
    LatencyPicture before = histogram.picture();
    while (running != 0) {
        const LatencyPicture now = histogram.picture();
        std::uint64_t sum = 0;
        for (std::size_t bucket = 0; bucket < now.buckets.size(); ++bucket) {
            ASSERT_GE(now.buckets[bucket], before.buckets[bucket]);
            sum += now.buckets[bucket];
        }
        ASSERT_EQ(sum, now.count);
        ASSERT_GE(now.sum, before.sum);
        ASSERT_GE(now.max, before.max);
        before = now;
    }
    threads.clear();
    EXPECT_EQ(histogram.picture().count, 3 * calls);
    std::uint64_t sum = 0;
    for (std::uint64_t call = 0; call < calls; ++call) sum += 3 * (call * 7919 % 1'000'000'000) + 3;
    EXPECT_EQ(histogram.picture().sum.count(), static_cast<Duration::rep>(sum));
}

}  // namespace latency_histogram_test
}  // namespace resilience
