#include <gtest/gtest.h>

#include <resilience/manager/manager.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/bulkhead_partition.hpp>
#include <resilience/testing.hpp>
#include <stdexcept>
#include <string>

using namespace resilience;

namespace reconcile_test {

constexpr TimePoint start{std::chrono::seconds(1000)};

std::string complaints_about(const ResilienceStats& stats) {
    try {
        expect_reconciled(stats);
    } catch (const std::logic_error& error) {
        return error.what();
    }
    return "";
}

TEST(ExpectReconciled, has_nothing_to_say_of_partitions_at_work) {
    ResilienceManager manager;
    const auto bulkhead = manager.register_bulkhead("db", 2);
    BulkheadPartition part = bulkhead->partition("part", {.reserved = 1});
    const auto own = part.try_acquire();
    const auto shared = part.try_acquire();
    EXPECT_TRUE(own && shared);
    EXPECT_FALSE(part.try_acquire().has_value());
    EXPECT_EQ(complaints_about(manager.stats(start)), "");
}

TEST(ExpectReconciled, names_the_bulkhead_and_the_partition_whose_sums_differ) {
    ResilienceStats stats;
    BulkheadStats& bulkhead = stats.bulkheads["db"];
    bulkhead.requests = bulkhead.admitted = bulkhead.settled = 1;
    bulkhead.partitions = {
        {.name = "right", .requests = 6, .admitted_reserved = 1, .admitted_shared = 2, .rejected = 3},
        {.name = "wrong", .requests = 7, .admitted_reserved = 1, .admitted_shared = 2, .rejected = 3}};
    EXPECT_EQ(complaints_about(stats),
              "bulkhead \"db\", partition \"wrong\": requests = admitted + rejected does not hold: 7 against 6\n");
}

}  // namespace reconcile_test
