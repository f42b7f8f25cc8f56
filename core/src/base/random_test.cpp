#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <resilience/base/random.hpp>
#include <set>
#include <thread>

using namespace resilience;

namespace random_test {

using Draws = std::array<std::uint64_t, 100>;

Draws draws_of(Random& random) {
    Draws draws{};
    for (auto& draw : draws) draw = random.next();
    return draws;
}

// What a forked child draws from its thread's generator.
Draws draws_of_a_child() {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe(ends.data()), 0);
    const pid_t child = fork();
    if (child == 0) {
        const Draws draws = draws_of(thread_random());
        const bool sent = write(ends[1], draws.data(), sizeof(draws)) == static_cast<ssize_t>(sizeof(draws));
        _exit(sent ? 0 : 1);
    }
    close(ends[1]);
    Draws draws{};
    EXPECT_EQ(read(ends[0], draws.data(), sizeof(draws)), static_cast<ssize_t>(sizeof(draws)));
    close(ends[0]);
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    return draws;
}

TEST(Random, repeats_itself_from_the_same_seed) {
    Random one{42};
    Random same{42};
    Random other{43};
    const Draws draws = draws_of(one);
    EXPECT_EQ(draws, draws_of(same));
    EXPECT_NE(draws, draws_of(other));
}

// Reference: the published xoshiro256++ and splitmix64, run apart from this library from seed 42.
TEST(Random, draws_the_published_sequence) {
    Random random{42};
    EXPECT_EQ(random.next(), 15021278609987233951U);
    EXPECT_EQ(random.next(), 5881210131331364753U);
    EXPECT_EQ(random.next(), 18149643915985481100U);
}

TEST(Random, seed_zero_is_as_good_as_any) {
    Random random{0};
    const Draws draws = draws_of(random);
    EXPECT_EQ(std::set<std::uint64_t>(draws.begin(), draws.end()).size(), draws.size());
}

TEST(Random, unit_is_in_zero_to_one_without_one_and_evenly_spread) {
    Random random{7};
    constexpr int draws = 100'000;
    std::array<int, 10> tenths{};
    for (int draw = 0; draw < draws; ++draw) {
        const double value = random.unit();
        ASSERT_GE(value, 0.0);
        ASSERT_LT(value, 1.0);
        ++tenths[static_cast<std::size_t>(value * 10)];
    }
    for (const int count : tenths) EXPECT_NEAR(count, draws / 10, 500);  // 5 standard deviations are 474
}

TEST(ThreadRandom, differs_between_threads) {
    const Draws here = draws_of(thread_random());
    Draws there{};
    std::jthread([&] { there = draws_of(thread_random()); }).join();
    EXPECT_NE(here, there);
}

TEST(ThreadRandom, forked_children_differ_from_each_other_and_from_the_parent) {
    static_cast<void>(thread_random().next());  // seeded before the fork
    const Draws first = draws_of_a_child();
    const Draws second = draws_of_a_child();
    const Draws parent = draws_of(thread_random());
    std::set<std::uint64_t> distinct;
    for (const Draws& draws : {first, second, parent}) distinct.insert(draws.begin(), draws.end());
    EXPECT_EQ(distinct.size(), 300U);
}

}  // namespace random_test
