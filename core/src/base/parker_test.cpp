#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <resilience/base/parker.hpp>
#include <thread>

namespace resilience::inline v1 {
namespace parker_test {

using namespace std::chrono_literals;

TEST(Parker, keeps_a_wake_up_that_comes_before_the_sleep) {
    Parker parker;
    bool changed = false;
    parker.wake([&] { changed = true; });
    parker.park(never, {});
    EXPECT_TRUE(changed);
}

TEST(Parker, sleeps_until_the_moment_and_not_past_a_moment_that_has_gone) {
    Parker parker;
    const TimePoint begun = Clock::now();
    parker.park(begun - 1h, {});
    parker.park(begun + 5ms, {});
    EXPECT_GE(Clock::now(), begun + 5ms);
}

TEST(Parker, wakes_when_its_caller_asks_it_to_stop) {
    Parker parker;
    std::stop_source source;
    std::jthread stopper([&] { source.request_stop(); });
    parker.park(never, source.get_token());
    EXPECT_TRUE(source.stop_requested());
    parker.park(never, source.get_token());  // and at once when that was long ago
}

// What a call does: it leaves as soon as it has seen the change, and its parker dies with it.
TEST(Parker, may_die_as_soon_as_its_change_was_seen) {
    for (int round = 0; round < 2'000; ++round) {
        std::atomic<bool> changed{false};
        auto parker = std::make_unique<Parker>();
        std::jthread waker([&changed, &parker = *parker] { parker.wake([&] { changed = true; }); });
        while (!changed) parker->park(never, {});
        parker.reset();
    }
}

}  // namespace parker_test
}  // namespace resilience::inline v1
