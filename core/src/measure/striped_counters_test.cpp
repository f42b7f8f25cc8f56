#include <resilience/measure/striped_counters.hpp>

#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace resilience {
namespace striped_counters_test {

TEST(StripedCounters, start_at_nothing_and_add_up) {
    StripedCounters<3> counters;
    EXPECT_EQ(counters.read(0), 0U);
    counters.add(0);
    counters.add(2, 40);
    counters.add_release(2, 2);
    EXPECT_EQ(counters.read(0), 1U);
    EXPECT_EQ(counters.read(1), 0U);
    EXPECT_EQ(counters.read(2), 42U);
    EXPECT_EQ(counters.read_acquire(2), 42U);
}

TEST(StripedCounters, have_a_power_of_two_of_stripes) {
    struct Row {
        std::uint32_t asked;
        std::uint32_t expected;
    };
    for (const Row& row : {Row{0, 1}, Row{1, 1}, Row{2, 2}, Row{3, 4}, Row{5, 8}, Row{8, 8}, Row{9, 16}}) {
        EXPECT_EQ(StripedCounters<1>(row.asked).stripes(), row.expected) << row.asked;
    }
    const std::uint32_t usual = StripedCounters<1>().stripes();
    EXPECT_GE(usual, 1U);
    EXPECT_LE(usual, 8U);
}

TEST(StripedCounters, wrap_at_64_bits) {
    StripedCounters<1> counters(1);
    counters.add(0, ~std::uint64_t{0});
    counters.add(0, 2);
    EXPECT_EQ(counters.read(0), 1U);
}

TEST(StripedCounters, lose_nothing_when_there_are_more_threads_than_stripes) {
    constexpr std::uint64_t rounds = 20'000;
    for (const std::uint32_t stripes : {1U, 2U, 8U}) {
        StripedCounters<9> counters(stripes);
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < 5; ++thread) {
            threads.emplace_back([&counters] {
                for (std::uint64_t round = 0; round < rounds; ++round) {
                    counters.add(0);
                    counters.add(8, 3);
                }
            });
        }
        threads.clear();
        EXPECT_EQ(counters.read(0), 5 * rounds);
        EXPECT_EQ(counters.read(8), 15 * rounds);
        EXPECT_EQ(counters.read(1), 0U);
    }
}

TEST(StripedCounters, never_show_a_settled_call_without_its_admission) {
    enum : std::size_t { admitted, settled, kinds };
    StripedCounters<kinds> counters(4);
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 3; ++thread) {
        threads.emplace_back([&counters] {
            for (int round = 0; round < 20'000; ++round) {
                counters.add(admitted);
                counters.add_release(settled);
            }
        });
    }
    std::uint64_t before = 0;
    while (before < 60'000) {
        const std::uint64_t done = counters.read_acquire(settled);
        const std::uint64_t begun = counters.read(admitted);
        ASSERT_GE(begun, done);
        ASSERT_GE(done, before);
        before = done;
    }
}

}  // namespace striped_counters_test
}  // namespace resilience
