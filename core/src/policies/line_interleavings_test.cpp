// Two threads meet in the line of a bulkhead or a token bucket, at every place where one can come between two
// operations of the other. The second runs on a thread of its own until it is done or waits for the line's lock.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <for_tests/origin.hpp>
#include <functional>
#include <resilience/policies/bulkhead_line.hpp>
#include <resilience/policies/rate_limiter_line.hpp>
#include <thread>

#include <for_tests/watched_atomics.hpp>

namespace resilience::inline v1 {
namespace line_interleavings_test {

using namespace std::chrono_literals;

struct LineAtomics {
    template <class T>
    using Atomic = WatchedAtomics::Atomic<T>;
    struct Mutex {
        static inline std::atomic<int> blocked{0};
        std::mutex mutex;
        void lock() {
            ++blocked;
            mutex.lock();
            --blocked;
        }
        void unlock() { mutex.unlock(); }
    };
};
using Line = BasicBulkheadLine<LineAtomics>;
using Bucket = BasicTokenBucket<LineAtomics>;
using Tokens = BasicTokenLine<LineAtomics>;
using Stay = BasicWaiter<LineAtomics>;

void prepare(Stay& waiter) {
    waiter.waker.deliver = [](void*, Stay& arriving) noexcept { arriving.arrive(); };
}

// For every position: a fresh scene, `first` with `second` in its middle, then `check`.
template <class Scene>
void meet(const std::function<void(Scene&)>& first, const std::function<void(Scene&)>& second,
          const std::function<void(Scene&)>& check) {
    int position = 0;
    for (bool inserted = true; inserted; ++position) {
        Scene scene;
        std::atomic<bool> done{false};  // of the other, which may outlive the insertion
        std::jthread other;
        inserted = run_with_insertion(
            position, [&] { first(scene); },
            [&] {
                other = std::jthread([&] {
                    second(scene);
                    done = true;
                });
                // Its lock may be held by `first`: then it goes on afterwards.
                while (!done && LineAtomics::Mutex::blocked == 0) std::this_thread::yield();
                if (done) other.join();
            });
        if (other.joinable()) other.join();
        if (inserted) check(scene);
        ASSERT_FALSE(testing::Test::HasFailure()) << "second came before operation " << position << " of first";
    }
    EXPECT_GT(position, 1) << "there was something to come between";
}

struct OnePlaceTaken {
    OnePlaceTaken() {
        EXPECT_TRUE(line.try_admit());
        prepare(waiter);
        prepare(second);
    }
    void expect_free() {
        EXPECT_EQ(line.read().in_use, 0U);
        EXPECT_EQ(line.waiting().depth, 0U);
        EXPECT_TRUE(line.try_admit()) << "the place was lost";
    }
    void expect_only(Stay& granted) {
        EXPECT_EQ(granted.look(), WaitState::granted) << "sleeps beside a free place";
        EXPECT_EQ(line.read().in_use, 1U);
        EXPECT_EQ(line.waiting().depth, 0U);
        line.release();
        expect_free();
    }
    Line line{1, 4};
    Stay waiter, second;
    bool withdrawn = false;
    bool overtook = false;
    Line::Joined joined = Line::Joined::yes;
};
using Scene = OnePlaceTaken;

TEST(BulkheadLine, a_return_and_somebody_who_joins_find_each_other) {
    const auto release = [](Scene& scene) { scene.line.release(); };
    const auto join = [](Scene& scene) { scene.joined = scene.line.join(scene.waiter); };
    const auto served = [](Scene& scene) { scene.expect_only(scene.waiter); };
    meet<Scene>(release, join, served);
    meet<Scene>(join, release, served);
}

TEST(BulkheadLine, a_return_and_somebody_who_gives_up_lose_no_place) {
    struct Waiting : Scene {
        Waiting() { EXPECT_EQ(line.join(waiter), Line::Joined::yes); }
    };
    const auto release = [](Waiting& scene) { scene.line.release(); };
    const auto give_up = [](Waiting& scene) { scene.withdrawn = scene.line.withdraw(scene.waiter); };
    const auto one_or_the_other = [](Waiting& scene) {
        if (scene.withdrawn) return scene.expect_free();
        scene.expect_only(scene.waiter);
    };
    meet<Waiting>(release, give_up, one_or_the_other);
    meet<Waiting>(give_up, release, one_or_the_other);
}

TEST(BulkheadLine, a_newcomer_does_not_overtake_a_place_on_its_way) {
    struct Waiting : Scene {
        Waiting() { EXPECT_EQ(line.join(waiter), Line::Joined::yes); }
    };
    meet<Waiting>([](Waiting& scene) { scene.line.release(); },
                  [](Waiting& scene) { scene.overtook = scene.line.try_admit(); },
                  [](Waiting& scene) {
                      EXPECT_FALSE(scene.overtook);
                      scene.expect_only(scene.waiter);
                  });
}

TEST(BulkheadLine, a_raised_limit_and_somebody_who_joins_find_each_other) {
    const auto raise = [](Scene& scene) {
        BasicDeliveries<LineAtomics> deliveries;
        scene.line.set_limit(2, deliveries);
        deliveries.deliver();
    };
    const auto join = [](Scene& scene) { scene.joined = scene.line.join(scene.waiter); };
    const auto both_inside = [](Scene& scene) {
        EXPECT_EQ(scene.waiter.look(), WaitState::granted);
        EXPECT_EQ(scene.line.read().in_use, 2U);
    };
    meet<Scene>(raise, join, both_inside);
    meet<Scene>(join, raise, both_inside);
}

TEST(BulkheadLine, nobody_is_left_in_a_line_that_closes) {
    const auto close = [](Scene& scene) {
        BasicDeliveries<LineAtomics> deliveries;
        scene.line.close([](Stay&) {}, deliveries);
        deliveries.deliver();
    };
    const auto join = [](Scene& scene) { scene.joined = scene.line.join(scene.waiter); };
    const auto sent_away = [](Scene& scene) {
        EXPECT_TRUE(scene.joined == Line::Joined::closed || scene.waiter.look() == WaitState::dropped);
        EXPECT_EQ(scene.line.waiting().depth, 0U);
    };
    meet<Scene>(close, join, sent_away);
    meet<Scene>(join, close, sent_away);
}

// The bucket is empty; `large` stands before `small`. At four seconds there are tokens for the small one only.
struct TwoInLine {
    TwoInLine() {
        EXPECT_TRUE(bucket.try_take(10, start));
        prepare(large);
        prepare(small);
        large.tokens = 9;
        small.tokens = 4;
        EXPECT_EQ(line.join(bucket, large, start, never, never).joined, Tokens::Joined::yes);
        EXPECT_EQ(line.join(bucket, small, start, never, never).joined, Tokens::Joined::yes);
    }
    static inline const TimePoint start = for_tests::origin() + 1s;
    static inline const TimePoint later = for_tests::origin() + 5s;
    Bucket bucket{10, 1.0};
    Tokens line{0s, 10};
    Stay large, small;
    Tokens::Withdrawn left = Tokens::Withdrawn::served_before;
};

TEST(TokenLine, whoever_leaves_the_front_lets_the_next_pass) {
    const auto leave = [](TwoInLine& scene) {
        scene.left = scene.line.withdraw(scene.bucket, scene.large, TwoInLine::later, {});
    };
    const auto look = [](TwoInLine& scene) {
        static_cast<void>(scene.line.look(scene.bucket, scene.small, TwoInLine::later));
    };
    const auto small_is_served = [](TwoInLine& scene) {
        EXPECT_EQ(scene.left, Tokens::Withdrawn::gone);
        EXPECT_EQ(scene.small.look(), WaitState::granted);
        EXPECT_EQ(scene.line.ahead(), std::uint64_t{0});
        EXPECT_EQ(scene.line.waiting().depth, 0U);
    };
    meet<TwoInLine>(leave, look, small_is_served);
    meet<TwoInLine>(look, leave, small_is_served);
}

// Two seconds earlier the small one cannot be served yet: it is called, to look at a nearer moment, and gives up
// itself.
TEST(TokenLine, a_call_that_meets_a_withdrawal_brings_its_end) {
    static const TimePoint early = for_tests::origin() + 3s;
    const auto first_leaves = [](TwoInLine& scene) {
        static_cast<void>(scene.line.withdraw(scene.bucket, scene.large, early, {}));
    };
    const auto second_leaves = [](TwoInLine& scene) {
        scene.left = scene.line.withdraw(scene.bucket, scene.small, early, {.reason = RejectionReason::cancelled});
    };
    const auto nobody_is_left = [](TwoInLine& scene) {
        if (scene.left == Tokens::Withdrawn::gone) {
            EXPECT_EQ(scene.small.look(), WaitState::idle);
        } else {
            EXPECT_EQ(scene.left, Tokens::Withdrawn::after_delivery);
            EXPECT_EQ(scene.small.look(), WaitState::dropped);
            EXPECT_EQ(scene.small.why.reason, RejectionReason::cancelled);
        }
        EXPECT_EQ(scene.line.ahead(), std::uint64_t{0});
        EXPECT_EQ(scene.line.waiting().depth, 0U);
        EXPECT_EQ(scene.bucket.available(TwoInLine::later), 4U) << "nobody has taken anything";
    };
    meet<TwoInLine>(first_leaves, second_leaves, nobody_is_left);
    meet<TwoInLine>(second_leaves, first_leaves, nobody_is_left);
}

}  // namespace line_interleavings_test
}  // namespace resilience::inline v1
