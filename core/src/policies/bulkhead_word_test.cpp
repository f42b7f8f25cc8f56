#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <resilience/policies/bulkhead_word.hpp>
#include <thread>
#include <utility>
#include <vector>

namespace resilience::inline v1 {
namespace bulkhead_word_test {

// Atomics that run a given function once at a given place of one operation: another thread's step, made to happen
// there.
struct SteppedAtomics {
    enum class Place { none, before_exchange, before_addition, after_load };
    static inline Place place = Place::none;
    static inline std::function<void()> step;

    static void reach(Place reached) {
        if (place != reached) return;
        place = Place::none;
        std::exchange(step, nullptr)();
    }
    static void once(Place where, std::function<void()> what) {
        place = where;
        step = std::move(what);
    }

    template <class T>
    class Atomic {
      public:
        explicit Atomic(T value) : value_(value) {}
        T load(std::memory_order order) const {
            const T value = value_.load(order);
            reach(Place::after_load);
            return value;
        }
        bool compare_exchange_weak(T& expected, T desired, std::memory_order success, std::memory_order failure) {
            reach(Place::before_exchange);
            return value_.compare_exchange_strong(expected, desired, success, failure);
        }
        T fetch_add(T by, std::memory_order order) {
            reach(Place::before_addition);
            return value_.fetch_add(by, order);
        }
        T fetch_sub(T by, std::memory_order order) { return value_.fetch_sub(by, order); }
        T fetch_or(T bits, std::memory_order order) { return value_.fetch_or(bits, order); }
        T fetch_and(T bits, std::memory_order order) { return value_.fetch_and(bits, order); }

      private:
        std::atomic<T> value_;
    };
};
using Place = SteppedAtomics::Place;
using SteppedWord = BasicBulkheadWord<SteppedAtomics>;

constexpr std::uint64_t half_turn = std::uint64_t{1} << 38;  // admissions from one flip of the top bit to the next

TEST(BulkheadWord, lets_nobody_overtake_while_somebody_waits) {
    BulkheadWord word;
    ASSERT_TRUE(word.try_admit(2));
    ASSERT_TRUE(word.try_admit(2));
    EXPECT_FALSE(word.announce_waiter(2)) << "full: the line cannot be served";
    EXPECT_TRUE(word.release()) << "somebody waits for it";
    EXPECT_FALSE(word.try_admit(2)) << "the place belongs to who waits";
    EXPECT_TRUE(word.announce_waiter(2)) << "a second one joins and sees the free place";
    EXPECT_TRUE(word.admit_waiter(2, false));
    EXPECT_FALSE(word.admit_waiter(2, true)) << "full again";
    EXPECT_TRUE(word.release());
    EXPECT_TRUE(word.admit_waiter(2, true)) << "the last of the line takes the bit with it";
    EXPECT_FALSE(word.release());
    EXPECT_TRUE(word.try_admit(2));
    EXPECT_EQ(word.read().admitted, 5U);
    EXPECT_EQ(word.read().in_use, 2U);
}

TEST(BulkheadWord, forgets_a_line_whose_last_waiter_left) {
    BulkheadWord word;
    EXPECT_TRUE(word.announce_waiter(1));
    EXPECT_FALSE(word.try_admit(1));
    word.nobody_waits();
    EXPECT_TRUE(word.try_admit(1));
    EXPECT_EQ(word.read().in_use, 1U);
}

TEST(BulkheadWord, admits_up_to_the_limit_and_again_after_a_release) {
    BulkheadWord word;
    EXPECT_TRUE(word.try_admit(2));
    EXPECT_TRUE(word.try_admit(2));
    EXPECT_FALSE(word.try_admit(2));
    EXPECT_FALSE(word.release());
    EXPECT_TRUE(word.try_admit(2));
    EXPECT_EQ(word.read().admitted, 3U);
    EXPECT_EQ(word.read().in_use, 2U);
}

TEST(BulkheadWord, a_limit_of_zero_admits_nobody) {
    BulkheadWord word;
    EXPECT_FALSE(word.try_admit(0));
    EXPECT_EQ(word.read().admitted, 0U);
}

TEST(BulkheadWord, holds_the_highest_limit_without_touching_its_neighbours) {
    BulkheadWord word;
    for (std::uint32_t permit = 0; permit < BulkheadWord::highest_limit; ++permit) {
        ASSERT_TRUE(word.try_admit(BulkheadWord::highest_limit));
    }
    EXPECT_FALSE(word.try_admit(BulkheadWord::highest_limit));
    EXPECT_EQ(word.read().in_use, BulkheadWord::highest_limit);
    EXPECT_EQ(word.read().admitted, BulkheadWord::highest_limit);
}

TEST(BulkheadWord, a_place_taken_between_look_and_exchange_is_not_given_twice) {
    SteppedWord word;
    SteppedAtomics::once(Place::before_exchange, [&] { EXPECT_TRUE(word.try_admit(1)); });
    EXPECT_FALSE(word.try_admit(1));
    EXPECT_EQ(word.read().in_use, 1U);
}

TEST(BulkheadWord, a_place_returned_between_look_and_exchange_is_kept) {
    SteppedWord word;
    ASSERT_TRUE(word.try_admit(2));
    SteppedAtomics::once(Place::before_exchange, [&] { static_cast<void>(word.release()); });
    EXPECT_TRUE(word.try_admit(2));
    EXPECT_EQ(word.read().in_use, 1U);
    EXPECT_EQ(word.read().admitted, 2U);
}

TEST(BulkheadWord, counts_on_when_its_39_bits_wrap) {
    for (std::uint64_t turn = 1; turn <= 5; ++turn) {
        const std::uint64_t before = turn * half_turn - 2;
        BulkheadWord word(before);
        for (std::uint64_t call = 1; call <= 4; ++call) {
            ASSERT_TRUE(word.try_admit(1));
            static_cast<void>(word.release());
            EXPECT_EQ(word.read().admitted, before + call);
            EXPECT_EQ(word.read().in_use, 0U);
        }
    }
}

TEST(BulkheadWord, a_reader_between_the_wrap_and_its_mark_sees_no_counter_fall) {
    for (std::uint64_t turn = 1; turn <= 4; ++turn) {
        SteppedWord word(turn * half_turn - 1);
        std::uint64_t seen = 0;
        SteppedAtomics::once(Place::before_addition, [&] { seen = word.read().admitted; });
        EXPECT_TRUE(word.try_admit(1));
        EXPECT_EQ(seen, turn * half_turn);
        EXPECT_EQ(word.read().admitted, turn * half_turn);
    }
}

TEST(BulkheadWord, a_wrap_between_a_readers_two_loads_is_counted_once) {
    for (std::uint64_t turn = 1; turn <= 4; ++turn) {
        SteppedWord word(turn * half_turn - 1);
        SteppedAtomics::once(Place::after_load, [&] { EXPECT_TRUE(word.try_admit(1)); });
        EXPECT_EQ(word.read().admitted, turn * half_turn);
    }
}

TEST(BulkheadWord, never_passes_the_limit_and_never_shows_a_counter_fall_under_threads) {
    constexpr std::uint32_t limit = 2;
    BulkheadWord word(2 * half_turn - 500);  // wraps on the way
    std::atomic<bool> done{false};
    std::atomic<std::uint64_t> admitted{0};
    std::vector<std::thread> threads;
    for (int worker = 0; worker < 3; ++worker) {
        threads.emplace_back([&] {
            for (int call = 0; call < 2000; ++call) {
                if (!word.try_admit(limit)) continue;
                ++admitted;
                static_cast<void>(word.release());
            }
        });
    }
    std::thread reader([&] {
        std::uint64_t before = 0;
        while (!done) {
            const BulkheadWord::Reading reading = word.read();
            EXPECT_LE(reading.in_use, limit);
            EXPECT_GE(reading.admitted, before);
            before = reading.admitted;
        }
    });
    for (std::thread& thread : threads) thread.join();
    done = true;
    reader.join();
    EXPECT_EQ(word.read().admitted, 2 * half_turn - 500 + admitted);
    EXPECT_EQ(word.read().in_use, 0U);
}

}  // namespace bulkhead_word_test
}  // namespace resilience::inline v1
