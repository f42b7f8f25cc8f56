#include <gtest/gtest.h>

#include <chrono>
#include <for_tests/origin.hpp>
#include <resilience/policies/circuit_breaker_probes.hpp>
#include <resilience/policies/circuit_breaker_two_step.hpp>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;
using detail::ProbeHolder;
using detail::ProbeSlots;

namespace circuit_breaker_probes_test {

TimePoint at(Duration since_start) { return for_tests::origin() + since_start; }

TEST(ProbeSlots, hand_out_each_slot_once_and_take_it_back_once) {
    for (const std::uint32_t size : {1U, 5U, 63U, 64U, 65U, 128U, 1000U}) {
        ProbeSlots slots(size);
        std::vector<bool> seen(size);
        for (std::uint32_t i = 0; i < size; ++i) {
            EXPECT_FALSE(slots.full());
            const std::uint32_t slot = slots.take(at(1s), ProbeHolder::permit);
            ASSERT_LT(slot, size);
            EXPECT_FALSE(seen[slot]);
            seen[slot] = true;
        }
        EXPECT_TRUE(slots.full());
        EXPECT_TRUE(slots.give_back(size - 1, at(1s)));
        EXPECT_FALSE(slots.give_back(size - 1, at(1s)));
        EXPECT_EQ(slots.take(at(2s), ProbeHolder::permit), size - 1);
        EXPECT_FALSE(slots.give_back(size - 1, at(1s))) << "that is the stamp of an earlier probe";
        EXPECT_EQ(slots.clear(), 0U);
        EXPECT_EQ(slots.in_flight(), 0U);
    }
}

TEST(ProbeSlots, tell_anonymous_probes_from_those_of_permits) {
    ProbeSlots slots(4);
    const std::uint32_t named = slots.take(at(1s), ProbeHolder::permit);
    const std::uint32_t anonymous = slots.take(at(2s), ProbeHolder::anonymous);
    EXPECT_FALSE(slots.give_back(anonymous, at(2s))) << "no permit holds it";
    EXPECT_TRUE(slots.give_back_oldest_anonymous());
    EXPECT_FALSE(slots.give_back_oldest_anonymous());
    EXPECT_EQ(slots.oldest_stamp(), at(1s));
    EXPECT_TRUE(slots.give_back(named, at(1s)));
    EXPECT_EQ(slots.oldest_stamp(), never);
    slots.take(at(3s), ProbeHolder::anonymous);
    slots.take(at(3s), ProbeHolder::anonymous);
    EXPECT_EQ(slots.clear(), 2U);
}

TEST(ProbeSlots, reclaim_leases_from_the_moment_they_end) {
    ProbeSlots slots(3);
    slots.take(at(0s), ProbeHolder::permit);
    slots.take(at(5s), ProbeHolder::anonymous);
    EXPECT_FALSE(slots.reclaim_one(at(10s) - 1ns, 10s).has_value());
    EXPECT_EQ(slots.reclaim_one(at(10s), 10s)->stamp, at(0s));
    EXPECT_FALSE(slots.reclaim_one(at(10s), 10s).has_value());
    EXPECT_EQ(slots.reclaim_one(at(15s), 10s)->holder, ProbeHolder::anonymous);
    slots.take(at(0s), ProbeHolder::permit);
    EXPECT_FALSE(slots.reclaim_one(TimePoint::max(), Duration::max()).has_value()) << "a lease without an end";
}

TEST(LeftBehind, is_settled_oldest_first_and_forgotten_group_by_group) {
    detail::LeftBehind left;
    left.add(0, at(1s));
    EXPECT_FALSE(left.any());
    left.add(2, at(10s));
    left.add(3, at(20s));
    EXPECT_EQ(left.open(), 5U);
    EXPECT_EQ(left.forgotten_at(), at(10s));
    EXPECT_TRUE(left.take_oldest());
    EXPECT_EQ(left.forget_oldest(at(10s) - 1ns), 0U);
    EXPECT_EQ(left.forget_oldest(at(10s)), 1U);
    EXPECT_EQ(left.forget_oldest(at(10s)), 0U);
    EXPECT_EQ(left.forget_oldest(at(20s)), 3U);
    EXPECT_FALSE(left.take_oldest());
}

TEST(LeftBehind, keeps_counting_when_there_is_no_room_for_another_group) {
    detail::LeftBehind left;
    left.add(1, at(10s));
    left.add(1, at(11s));
    left.add(1, at(12s));
    EXPECT_EQ(left.open(), 3U);
    EXPECT_EQ(left.forget_oldest(at(11s)), 1U);
    EXPECT_EQ(left.forget_oldest(at(11s)), 0U) << "the second group waits for the end of the third";
    EXPECT_EQ(left.forget_oldest(at(12s)), 2U);
}

TEST(LeftBehind, extended_groups_keep_their_order) {
    detail::LeftBehind left;
    left.add(1, at(10s));
    left.add(2, at(11s));
    left.extend(at(10s), at(20s));
    EXPECT_EQ(left.forget_oldest(at(19s)), 0U);
    EXPECT_EQ(left.forget_oldest(at(20s)), 1U);
    EXPECT_EQ(left.forget_oldest(at(20s)), 2U);
    left.add(1, never);
    EXPECT_EQ(left.forget_oldest(TimePoint::max()), 0U);
}

}  // namespace circuit_breaker_probes_test
