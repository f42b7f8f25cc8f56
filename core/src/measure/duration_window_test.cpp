#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <resilience/measure/duration_window.hpp>
#include <thread>
#include <vector>

#include "rolling_window_rig.hpp"

using namespace resilience;
using namespace std::chrono_literals;

namespace duration_window_test {

TEST(Conformance, TW_1_sums_up_durations_and_slow_calls_in_buckets_of_time) {
    std::mutex mutex;
    DurationWindow window(5s, 5, mutex);
    window.record(true, false, 100ms, at(0s));
    EXPECT_EQ(window.counts_locked(at(0s)).calls, 1U);
    window.record(false, false, 100ms, at(100ms));
    EXPECT_EQ(window.counts_locked(at(100ms)).calls, 2U);
    window.record(true, true, 1s, at(800ms));
    for (const Duration now : {Duration{800ms}, Duration{4800ms}}) {
        const CallCounts counts = window.counts_locked(at(now));
        EXPECT_EQ(counts, (CallCounts{3, 2, 1, 1, 1200ms})) << now.count();
        EXPECT_EQ(counts.calls - counts.failures, 1U) << "ok";
        EXPECT_EQ(counts.average(), 400ms);
    }
    EXPECT_EQ(window.counts_locked(at(5800ms)), CallCounts{});
    EXPECT_EQ(window.counts_locked(at(5800ms)).average(), 0s);
    window.record(false, false, 0s, at(5900ms));
    EXPECT_EQ(window.counts_locked(at(5900ms)).calls, 1U);
    window.record(false, false, 0s, at(10900ms));
    EXPECT_EQ(window.counts_locked(at(10900ms)).calls, 1U);
}

TEST(DurationWindow, only_turns_forward_and_can_be_emptied) {
    std::mutex mutex;
    DurationWindow window(4s, 4, mutex);
    window.record_locked(false, true, 1s, TimePoint{-1h});
    EXPECT_EQ(window.counts_locked(TimePoint{-1h}), (CallCounts{1, 0, 1, 0, 1s})) << "before the epoch is one bucket";
    window.record(false, false, 2s, at(10s));
    window.record(true, false, 3s, at(1s));
    EXPECT_EQ(window.counts_locked(at(0s)), (CallCounts{2, 1, 0, 0, 5s}));
    EXPECT_EQ(window.counts_locked(at(13s)), (CallCounts{2, 1, 0, 0, 5s}));
    EXPECT_EQ(window.counts_locked(at(14s)), CallCounts{});
    window.record(false, false, 1s, at(12s));
    window.forget_locked(at(12s));
    EXPECT_EQ(window.counts_locked(at(12s)), CallCounts{});
    window.record(false, false, -1s, TimePoint::max());
    EXPECT_EQ(window.counts_locked(TimePoint::max()), (CallCounts{1, 0, 0, 0, 0s}));
}

void reshape(DurationWindow& window, std::mutex& mutex, Duration length, std::uint32_t buckets, TimePoint now) {
    DurationWindow::Shape shape(length, buckets);
    const std::lock_guard lock(mutex);
    window.reshape_locked(shape, now);
}

TEST(DurationWindow, keeps_its_newest_buckets_when_it_is_made_shorter) {
    std::mutex mutex;
    DurationWindow window(5s, 5, mutex);
    window.record(false, false, 1s, at(0s));
    window.record(false, false, 2s, at(1100ms));
    window.record(true, true, 4s, at(2200ms));
    window.record(false, true, 8s, at(3300ms));
    window.record(true, false, 16s, at(4400ms));
    reshape(window, mutex, 3s, 3, at(4400ms));
    EXPECT_EQ(window.counts_locked(at(4999ms)), (CallCounts{3, 2, 2, 1, 28s}));
    window.record(false, false, 1ms, at(5s));
    EXPECT_EQ(window.counts_locked(at(5s)), (CallCounts{3, 1, 1, 0, 24'001ms}));
    EXPECT_EQ(window.counts_locked(at(6s)), (CallCounts{2, 1, 0, 0, 16'001ms}));
    EXPECT_EQ(window.counts_locked(at(8s)), CallCounts{});
    // A new bucket may end before the old one would have.
    reshape(window, mutex, 10s, 2, at(10s));
    window.record(false, false, 1s, at(15s));
    reshape(window, mutex, 2s, 2, at(15s));
    window.record(false, false, 32s, at(19s));
    EXPECT_EQ(window.counts_locked(at(20s)), (CallCounts{1, 0, 0, 0, 32s}));
}

TEST(DurationWindow, takes_back_nothing_that_had_left_when_it_is_made_longer) {
    std::mutex mutex;
    DurationWindow window(4s, 4, mutex);
    window.record(true, true, 1s, at(0s));
    window.record(false, false, 2s, at(2s));
    window.record(false, true, 4s, at(3s));
    // Nobody has turned it since.
    reshape(window, mutex, 20s, 10, at(5s));
    EXPECT_EQ(window.counts_locked(at(5s)), (CallCounts{2, 0, 1, 0, 6s}));
    window.record(false, false, 8s, at(5s));
    EXPECT_EQ(window.counts_locked(at(21s)), (CallCounts{3, 0, 1, 0, 14s}));
    EXPECT_EQ(window.counts_locked(at(22s)), (CallCounts{1, 0, 0, 0, 8s})) << "from 2 s on for ten buckets";
    // Buckets that lie in the newest one are part of it.
    reshape(window, mutex, 100s, 10, at(6s));
    EXPECT_EQ(window.counts_locked(at(99s)), (CallCounts{3, 0, 1, 0, 14s}));
    EXPECT_EQ(window.counts_locked(at(100s)), CallCounts{});
}

TEST(DurationWindow, loses_no_call_beside_turns_and_changes) {
    constexpr std::uint32_t buckets = 100;
    std::mutex mutex;
    DurationWindow window(100ms, buckets, mutex);
    std::atomic<std::int64_t> time{0};
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 3; ++thread) {
        threads.emplace_back([&, thread] {
            for (int call = 0; call < 10'000; ++call) {
                window.record(thread == 0, thread == 1, 7us, at(Duration{time.fetch_add(3000)}));
            }
        });
    }
    // Twice as long and back: whole buckets, all of which it holds.
    for (int change = 0; change < 200; ++change) {
        reshape(window, mutex, change % 2 == 0 ? 200ms : 100ms, buckets, at(Duration{time.load()}));
        std::this_thread::yield();
    }
    threads.clear();
    // 90 ms have passed, so nothing has left.
    EXPECT_EQ(window.counts_locked(at(Duration{time.load()})), (CallCounts{30'000, 10'000, 10'000, 0, 210ms}));
}

}  // namespace duration_window_test
