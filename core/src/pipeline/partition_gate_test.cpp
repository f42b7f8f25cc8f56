#include <gtest/gtest.h>

#include <resilience/pipeline/pipeline.hpp>
#include <resilience/policies/bulkhead_partition.hpp>

using namespace resilience;

namespace partition_gate_test {

TEST(PartitionGate, lets_a_call_of_a_pipeline_through_and_takes_its_place_back) {
    Bulkhead bulkhead{"db", 2};
    BulkheadPartition partition = bulkhead.partition("part", {.reserved = 1});
    Pipeline guarded{partition};
    const auto answer = guarded.execute([&] {
        EXPECT_EQ(partition.stats().reserved_in_use, 1U);
        const auto others = bulkhead.try_acquire();
        EXPECT_TRUE(others);
        const auto own = partition.try_acquire();
        EXPECT_FALSE(own);
        return 7;
    });
    ASSERT_TRUE(answer);
    EXPECT_EQ(*answer, 7);
    EXPECT_EQ(partition.stats().reserved_in_use, 0U);
    bulkhead.close();
    const auto refused = guarded.execute([] { return 7; });
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, RejectionReason::shutting_down);
}

}  // namespace partition_gate_test
