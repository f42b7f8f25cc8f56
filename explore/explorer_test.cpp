#include "explorer.hpp"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <mutex>

#include "explorer_atomics.hpp"
#include "parts.hpp"

namespace resilience::exploring {
namespace scenes {

using Word = ExplorerAtomics::Atomic<std::uint64_t>;

template <int Threads, int Steps>
struct Independent {
    static constexpr int threads = Threads;
    std::array<Word, std::size_t{Threads}> words{};
    void run(int thread) {
        for (int step = 0; step < Steps; ++step) {
            words[static_cast<std::size_t>(thread)].fetch_add(1, std::memory_order_relaxed);
        }
    }
    void check() {
        for (Word& word : words) require(word.load(std::memory_order_relaxed) == Steps, "a step is missing");
    }
};

// Everybody reads what everybody writes: next to nothing is equal.
template <int Steps>
struct Entangled {
    static constexpr int threads = 2;
    Word word{1};
    std::array<std::uint64_t, 2> last{};
    void run(int thread) {
        for (int step = 0; step < Steps; ++step) {
            last[static_cast<std::size_t>(thread)] =
                word.exchange(last[static_cast<std::size_t>(thread)] * 3 + static_cast<std::uint64_t>(thread) + 2,
                              std::memory_order_relaxed);
        }
    }
    void check() { require(word.load(std::memory_order_relaxed) != 0, "never"); }
};

struct LostUpdate {
    static constexpr int threads = 2;
    Word word{0};
    void run(int) { word.store(word.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); }
    void check() { require(word.load(std::memory_order_relaxed) == 2, "an addition was lost"); }
};

template <bool InOrder>
struct TwoLocks {
    static constexpr int threads = 2;
    std::array<ExplorerMutex, 2> mutexes;
    int value = 0;
    void run(int thread) {
        const std::size_t first = InOrder ? 0 : static_cast<std::size_t>(thread);
        const std::lock_guard outer(mutexes[first]);
        const std::lock_guard inner(mutexes[1 - first]);
        ++value;
    }
    void check() { require(value == 2, "both were inside at once"); }
};

// A bit of everything: a lock, memory under it, an atomic word, something from the heap, and forgetting.
struct Mixed {
    static constexpr int threads = 3;
    ExplorerMutex mutex;
    std::unique_ptr<Word> word = std::make_unique<Word>(0);
    std::uint64_t under_lock = 0;
    void run(int thread) {
        if (thread == 2) {
            word->fetch_or(64, std::memory_order_relaxed);
            return;
        }
        for (int round = 0; round < 2; ++round) {
            {
                const std::lock_guard lock(mutex);
                under_lock += word->load(std::memory_order_relaxed) << thread;
            }
            forget_what_was_seen();
            word->fetch_add(1, std::memory_order_relaxed);
        }
    }
    void check() { require(word->load(std::memory_order_relaxed) == 68, "an operation was lost"); }
};

struct Sleeper {
    static constexpr int threads = 2;
    ExplorerMutex mutex;
    ExplorerConditionVariable changed;
    bool ready = false;
    bool notify = true;
    void run(int thread) {
        std::unique_lock lock(mutex);
        if (thread == 0) return changed.wait(lock, [this] { return ready; });
        ready = true;
        if (notify) changed.notify_all();
    }
    void check() { require(ready, "nobody was ready"); }
};
struct ForgottenSleeper : Sleeper {
    ForgottenSleeper() { notify = false; }
};

// A named case of the lost update; what else goes wrong is no part of it.
template <int Least, bool Reachable>
struct NamedLostUpdate : LostUpdate {
    void check() {
        const std::uint64_t value = word.load(std::memory_order_relaxed);
        require(value >= Least, "less than the named case");
        if (Reachable && value == 1) note_named_case();
    }
};

}  // namespace scenes

namespace explorer_test {

using namespace scenes;

std::uint64_t interleavings(const Exploration& found) {
    EXPECT_TRUE(found.complete) << found.failure;
    return static_cast<std::uint64_t>(found.interleavings);
}

TEST(Explorer, counts_as_many_interleavings_as_there_are_ways_to_shuffle) {
    EXPECT_EQ(interleavings(explore<Independent<2, 1>>()), 2U);
    EXPECT_EQ(interleavings(explore<Independent<2, 2>>()), 6U);
    EXPECT_EQ(interleavings(explore<Independent<2, 5>>()), 252U);
    EXPECT_EQ(interleavings(explore<Independent<2, 10>>()), 184'756U);
    EXPECT_EQ(interleavings(explore<Independent<3, 4>>()), 34'650U);
    EXPECT_EQ(interleavings(explore<Independent<4, 2>>()), 2'520U);
}

TEST(Explorer, counts_the_same_when_hardly_two_states_are_equal) {
    const Exploration independent = explore<Independent<2, 6>>();
    const Exploration entangled = explore<Entangled<6>>();
    EXPECT_EQ(interleavings(independent), 924U);
    EXPECT_EQ(interleavings(entangled), 924U);
    EXPECT_EQ(independent.states, 49U) << "(6 + 1) * (6 + 1) positions";
    EXPECT_GT(entangled.states, 924U);
    EXPECT_EQ(entangled.longest, 12U);
}

TEST(Explorer, counts_the_same_with_states_merged_and_apart) {
    const Exploration merged = explore<Mixed>();
    const Exploration apart = explore_up_to<Mixed>(most_states, States::apart);
    EXPECT_EQ(interleavings(merged), interleavings(apart));
    EXPECT_EQ(merged.states, apart.states);
    EXPECT_EQ(merged.longest, apart.longest);
    EXPECT_LT(merged.states, interleavings(merged)) << "otherwise there was nothing to merge";
}

TEST(Explorer, finds_a_lost_update_and_tells_its_schedule) {
    const Exploration found = explore<LostUpdate>();
    EXPECT_FALSE(found.complete);
    EXPECT_EQ(found.failure, "an addition was lost");
    EXPECT_EQ(found.schedule, "ABAB");
}

TEST(Explorer, finds_a_deadlock_and_only_where_there_is_one) {
    EXPECT_EQ(interleavings(explore<TwoLocks<true>>()), 2U) << "each waits for the other's whole section";
    const Exploration found = explore<TwoLocks<false>>();
    EXPECT_EQ(found.failure, "deadlock: no thread can go on");
    EXPECT_EQ(found.schedule, "AB");
}

TEST(Explorer, wakes_who_waits_for_a_condition_and_misses_nobody_who_is_not_called) {
    EXPECT_TRUE(explore<Sleeper>().complete);
    EXPECT_EQ(explore<ForgottenSleeper>().failure, "deadlock: no thread can go on");
}

TEST(Explorer, explores_everything_although_a_named_case_is_reached) {
    const Exploration found = reached<NamedLostUpdate<1, true>>();
    EXPECT_TRUE(found.complete);
    EXPECT_EQ(interleavings(found), 6U);
    EXPECT_EQ((reached<NamedLostUpdate<2, true>>().failure), "less than the named case") << "the case hides nothing";
    const Exploration missed = reached<NamedLostUpdate<1, false>>();
    EXPECT_FALSE(missed.complete);
    EXPECT_EQ(missed.failure, "the case that a header names was not reached");
}

TEST(Explorer, says_so_when_it_met_its_bound) {
    const Exploration found = explore_up_to<Entangled<6>>(100);
    EXPECT_FALSE(found.complete);
    EXPECT_EQ(found.failure, "");
    EXPECT_EQ(found.states, 101U);
}

}  // namespace explorer_test
}  // namespace resilience::exploring
