#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/bulkhead_partition.hpp>
#include <resilience/prometheus/exporter.hpp>
#include <string>
#include <thread>
#include <vector>

#include "promtool.hpp"

using namespace resilience;
using namespace std::chrono_literals;
using detail::promtool_finds_nothing;
using detail::value_of;

namespace bulkhead_scrape_test {

constexpr BulkheadConfig recording{.max_concurrent = 1, .queue_size = 4, .record_wait = true};

TEST(BulkheadScrape, shows_waits_of_those_that_record_them) {
    ResilienceManager manager;
    manager.register_bulkhead("plain", 1, 4);
    const auto bulkhead = manager.register_bulkhead("db", recording);
    for (int call = 0; call < 3; ++call) EXPECT_TRUE(bulkhead->try_acquire().has_value());
    const std::string text = export_metrics(manager);
    EXPECT_TRUE(promtool_finds_nothing(text));
    EXPECT_EQ(value_of(text, R"(resilience_bulkhead_wait_seconds_bucket{service="db",le="0.001"})"), 3);
    EXPECT_EQ(value_of(text, R"(resilience_bulkhead_wait_seconds_count{service="db"})"), 3);
    EXPECT_EQ(value_of(text, R"(resilience_bulkhead_wait_seconds_sum{service="db"})"), 0);
    EXPECT_EQ(text.find(R"(bulkhead_wait_seconds_count{service="plain"})"), std::string::npos);
}

// A bucket that falls reads as a restart.
TEST(BulkheadScrape, never_sees_a_bucket_of_waits_fall) {
    ResilienceManager manager;
    const auto bulkhead = manager.register_bulkhead("db", recording);
    std::atomic<bool> stop{false};
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < 3; ++caller) {
        callers.emplace_back([&] {
            while (!stop) EXPECT_TRUE(bulkhead->acquire_for(1min).has_value());
        });
    }
    double lowest = 0;
    double count = 0;
    for (int scrape = 0; scrape < 100; ++scrape) {
        const std::string text = export_metrics(manager);
        const auto shortest = value_of(text, R"(resilience_bulkhead_wait_seconds_bucket{service="db",le="0.001"})");
        const auto all = value_of(text, R"(resilience_bulkhead_wait_seconds_count{service="db"})");
        ASSERT_TRUE(shortest && all);
        ASSERT_GE(*shortest, lowest);
        ASSERT_GE(*all, count);
        lowest = *shortest;
        count = *all;
    }
    stop = true;
    callers.clear();
    const BulkheadStats stats = bulkhead->stats();
    EXPECT_EQ(stats.wait->count, stats.admitted);
}

TEST(BulkheadScrape, shows_partitions_while_they_live) {
    ResilienceManager manager;
    const auto bulkhead = manager.register_bulkhead("db", 4);
    std::optional<BulkheadPartition> part;
    part.emplace(*bulkhead, "check\"out\n", PartitionConfig{.reserved = 1});
    const BulkheadPartition quiet = bulkhead->partition("quiet", {});
    std::vector<BulkheadPartition::Permit> held;
    while (auto permit = part->try_acquire()) held.push_back(std::move(*permit));
    std::string text = export_metrics(manager);
    EXPECT_TRUE(promtool_finds_nothing(text));
    const auto of_part = [&](const std::string& family) {
        return value_of(text, "resilience_bulkhead_partition_" + family + R"({service="db",partition="check\"out\n"})");
    };
    EXPECT_EQ(of_part("in_use"), 4);
    EXPECT_EQ(of_part("reserved"), 1);
    EXPECT_EQ(of_part("requests_total"), 5);
    EXPECT_EQ(of_part("rejections_total"), 1);
    EXPECT_EQ(value_of(text, R"(resilience_bulkhead_partition_requests_total{service="db",partition="quiet"})"), 0)
        << "from the beginning, so that the first shows in rate()";
    held.clear();
    part.reset();
    text = export_metrics(manager);
    EXPECT_TRUE(promtool_finds_nothing(text));
    EXPECT_FALSE(of_part("in_use").has_value());
    EXPECT_NE(text.find("partition=\"quiet\""), std::string::npos);
}

TEST(BulkheadScrape, of_bulkheads_without_series_of_their_own_has_no_partitions_but_waits) {
    ResilienceManager manager{"", {.max_components = 1}};
    manager.register_bulkhead("own", 1);
    for (const std::string name : {"first", "second"}) manager.register_bulkhead(name, recording);
    const BulkheadPartition part = manager.bulkhead("first")->partition("part", {});
    for (const std::string name : {"first", "second"}) {
        EXPECT_TRUE(manager.bulkhead(name)->try_acquire().has_value());
    }
    const std::string text = export_metrics(manager);
    EXPECT_TRUE(promtool_finds_nothing(text));
    EXPECT_EQ(text.find("partition"), std::string::npos);
    EXPECT_EQ(value_of(text, R"(resilience_bulkhead_wait_seconds_count{service="overflow"})"), 2);
}

}  // namespace bulkhead_scrape_test
