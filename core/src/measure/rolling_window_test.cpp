#include <resilience/measure/rolling_window.hpp>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "watched_atomics.hpp"

namespace resilience {
namespace {

using namespace std::chrono_literals;

TimePoint at(Duration since_epoch) { return TimePoint{since_epoch}; }

void record_many(RollingWindow& window, int successes, int failures, TimePoint now) {
    for (int call = 0; call < successes; ++call) window.record(false, now);
    for (int call = 0; call < failures; ++call) window.record(true, now);
}

TEST(Conformance, TW_3_results_leave_a_window_of_ten_seconds_one_by_one) {
    std::mutex mutex;
    RollingWindow window(10s, 10, mutex);
    record_many(window, 1, 1, at(0s));
    EXPECT_EQ(window.counts(at(2s)), (WindowCounts{2, 1}));
    record_many(window, 1, 1, at(2s));
    EXPECT_EQ(window.counts(at(4s)), (WindowCounts{4, 2}));
    record_many(window, 2, 0, at(4s));
    record_many(window, 2, 0, at(6s));
    EXPECT_EQ(window.counts(at(8s)), (WindowCounts{8, 2}));
    record_many(window, 2, 0, at(8s));
    EXPECT_EQ(window.counts(at(10s)), (WindowCounts{8, 1}));
    EXPECT_EQ(window.counts(at(12s)), (WindowCounts{6, 0}));
}

TEST(Conformance, TW_5_a_window_is_empty_after_its_own_length) {
    for (const Duration later : {Duration{10s}, Duration{10'001ms}}) {
        std::mutex mutex;
        RollingWindow window(10s, 10, mutex);
        record_many(window, 2, 0, at(0s));
        EXPECT_EQ(window.counts(at(9s)), (WindowCounts{2, 0}));
        EXPECT_EQ(window.counts(at(later)), (WindowCounts{}));
    }
}

TEST(Conformance, TW_6_buckets_of_one_second_leave_a_window_of_four) {
    struct Row {
        Duration now;
        int successes;
        int failures;
        WindowCounts expected;
    };
    const Row rows[] = {
        {0s, 10, 40, {50, 40}},   {1s, 10, 0, {60, 40}},   {2500ms, 0, 20, {80, 60}}, {3100ms, 5, 20, {105, 80}},
        {5400ms, 8, 0, {53, 40}}, {7300ms, 0, 5, {13, 5}}, {22500ms, 0, 0, {0, 0}},
    };
    std::mutex mutex;
    RollingWindow window(4s, 4, mutex);
    for (const Row& row : rows) {
        record_many(window, row.successes, row.failures, at(row.now));
        EXPECT_EQ(window.counts(at(row.now)), row.expected) << row.now.count();
    }
}

TEST(Conformance, TW_12_nothing_expires_when_the_clock_is_set_back) {
    std::mutex mutex;
    RollingWindow window(10s, 10, mutex);
    record_many(window, 0, 3, at(2h));
    record_many(window, 0, 2, at(1h));
    EXPECT_EQ(window.counts(at(1h)), (WindowCounts{5, 5}));
    EXPECT_EQ(window.counts(at(2h)), (WindowCounts{5, 5}));
}

TEST(RollingWindow, returns_the_counts_with_the_result_just_added) {
    std::mutex mutex;
    RollingWindow window(10s, 10, mutex);
    EXPECT_EQ(window.record(true, at(5s)), (WindowCounts{1, 1}));
    EXPECT_EQ(window.record(false, at(5s)), (WindowCounts{2, 1}));
    EXPECT_EQ(window.record(true, at(6s)), (WindowCounts{3, 2}));
    const std::lock_guard lock(mutex);
    EXPECT_EQ(window.record_locked(false, at(6s)), (WindowCounts{4, 2}));
    EXPECT_EQ(window.record_locked(false, at(15s)), (WindowCounts{3, 1}));
}

TEST(RollingWindow, expires_each_bucket_at_its_edge_whatever_the_jump) {
    for (std::int64_t jump = 0; jump <= 12; ++jump) {
        std::mutex mutex;
        RollingWindow window(5s, 5, mutex);
        // One call in bucket 20, two in 21, ... five in 24.
        for (int bucket = 0; bucket < 5; ++bucket) record_many(window, bucket + 1, 0, at(20s + 1s * bucket));
        std::uint64_t remaining = 0;
        for (std::int64_t bucket = jump; bucket < 5; ++bucket) remaining += static_cast<std::uint64_t>(bucket + 1);
        const TimePoint now = at(24s + 1s * jump);
        EXPECT_EQ(window.counts(now), (WindowCounts{remaining, 0})) << "before the turn, jump " << jump;
        EXPECT_EQ(window.counts(now + 999'999'999ns), (WindowCounts{remaining, 0}));
        EXPECT_EQ(window.record(true, now), (WindowCounts{remaining + 1, 1})) << "jump " << jump;
        EXPECT_EQ(window.counts(now), (WindowCounts{remaining + 1, 1}));
        EXPECT_EQ(window.totals(), (WindowCounts{16, 1}));
        EXPECT_EQ(window.counts(now + 5s), (WindowCounts{}));
    }
}

TEST(RollingWindow, rounds_its_buckets_down_to_whole_nanoseconds) {
    std::mutex mutex;
    RollingWindow window(10s, 3, mutex);
    EXPECT_EQ(window.bucket_width(), 3'333'333'333ns);
    EXPECT_EQ(window.window(), 9'999'999'999ns);
    RollingWindow single(1ms, 1, mutex);
    EXPECT_EQ(single.record(true, at(5ms)), (WindowCounts{1, 1}));
    EXPECT_EQ(single.record(true, at(6ms - 1ns)), (WindowCounts{2, 2}));
    EXPECT_EQ(single.record(false, at(6ms)), (WindowCounts{1, 0}));
}

TEST(RollingWindow, is_safe_before_the_epoch_and_at_both_ends_of_time) {
    std::mutex mutex;
    RollingWindow window(10s, 10, mutex);
    EXPECT_EQ(window.record(true, TimePoint::min()), (WindowCounts{1, 1}));
    EXPECT_EQ(window.record(true, at(-1h)), (WindowCounts{2, 2}));
    EXPECT_EQ(window.counts(TimePoint::min()), (WindowCounts{2, 2}));
    EXPECT_EQ(window.record(false, at(1s)), (WindowCounts{3, 2}));
    EXPECT_EQ(window.counts(at(9s)), (WindowCounts{1, 0}));
    EXPECT_EQ(window.record(false, TimePoint::max() - 20s), (WindowCounts{1, 0}));
    for (std::uint64_t call = 1; call <= 3; ++call) {
        EXPECT_EQ(window.record(false, TimePoint::max()), (WindowCounts{call, 0}));
    }
    EXPECT_EQ(window.counts(TimePoint::max()), (WindowCounts{3, 0}));
    EXPECT_EQ(window.record(false, at(0s)), (WindowCounts{4, 0}));
    EXPECT_EQ(window.totals(), (WindowCounts{8, 2}));
}

TEST(RollingWindow, forgets_its_window_and_keeps_its_totals) {
    std::mutex mutex;
    RollingWindow window(10s, 10, mutex);
    for (int second = 0; second < 10; ++second) record_many(window, 1, 1, at(1s * second));
    {
        const std::lock_guard lock(mutex);
        window.forget_locked(at(9s));
    }
    EXPECT_EQ(window.counts(at(9s)), (WindowCounts{}));
    EXPECT_EQ(window.totals(), (WindowCounts{20, 10}));
    EXPECT_EQ(window.record(true, at(9s)), (WindowCounts{1, 1}));
    {
        const std::lock_guard lock(mutex);
        window.forget_locked(at(3s));
    }
    EXPECT_EQ(window.record(false, at(12s)), (WindowCounts{1, 0}));
    EXPECT_EQ(window.totals(), (WindowCounts{22, 11}));
}

TEST(RollingWindow, counts_totals_across_the_wraps_of_32_bits) {
    constexpr std::uint64_t wrap = std::uint64_t{1} << 32;
    for (const WindowCounts before :
         {WindowCounts{wrap - 5, 3}, WindowCounts{wrap - 5, wrap - 5}, WindowCounts{7 * wrap - 5, 3 * wrap - 2},
          WindowCounts{wrap / 4 - 5, 0}, WindowCounts{5 * wrap + wrap / 2 - 5, 5 * wrap + wrap / 2 - 5}}) {
        std::mutex mutex;
        RollingWindow window(10s, 10, mutex, before);
        EXPECT_EQ(window.totals(), before);
        for (std::uint64_t call = 1; call <= 10; ++call) {
            EXPECT_EQ(window.record(true, at(1s)), (WindowCounts{call, call}));
            EXPECT_EQ(window.totals(), (WindowCounts{before.calls + call, before.failures + call}));
        }
        EXPECT_EQ(window.record(false, at(20s)), (WindowCounts{1, 0}));
        EXPECT_EQ(window.totals(), (WindowCounts{before.calls + 11, before.failures + 10}));
    }
}

// Atomics on which a result weighs as much as 2^20 of them, so that a window fills up and words wrap within a test.
struct HeavyAtomics {
    static constexpr std::uint64_t weight = std::uint64_t{1} << 20;
    template <class T>
    struct Atomic : std::atomic<T> {
        using std::atomic<T>::atomic;
        T fetch_add(T by, std::memory_order order) noexcept {
            const auto bits = static_cast<std::uint64_t>(by);
            const bool one_result = bits == 1 || bits == (std::uint64_t{1} << 32) + 1;
            if (!one_result) return std::atomic<T>::fetch_add(by, order);
            // Returned so that the caller, who adds `by` to it, arrives at the new value.
            return std::atomic<T>::fetch_add(static_cast<T>(bits * weight), order) +
                   static_cast<T>(bits * (weight - 1));
        }
    };
    using Mutex = std::mutex;
};

TEST(RollingWindow, keeps_exact_totals_over_many_times_32_bits) {
    std::mutex mutex;
    BasicRollingWindow<HeavyAtomics> window(1s, 2, mutex);
    WindowCounts expected;
    for (int call = 0; call < 40'000; ++call) {
        const bool failed = call % 3 == 0;
        // Few enough in a window not to fill it; a renewal of the base falls on each 1,024th.
        const TimePoint now = at(1ms * call);
        if (call % 5 == 0) {
            const std::lock_guard lock(mutex);
            window.record_locked(failed, now);
        } else {
            window.record(failed, now);
        }
        expected.calls += HeavyAtomics::weight;
        expected.failures += failed ? HeavyAtomics::weight : 0;
        ASSERT_EQ(window.totals(), expected) << call;
    }
    EXPECT_EQ(window.saturated(), 0U);
    EXPECT_GT(expected.calls, std::uint64_t{9} << 32);
}

TEST(RollingWindow, leaves_results_out_of_a_full_window_but_not_out_of_the_totals) {
    std::mutex mutex;
    BasicRollingWindow<HeavyAtomics> window(1h, 60, mutex);
    const TimePoint now = at(30s);
    for (int call = 0; call < 2048; ++call) window.record(false, now);
    EXPECT_EQ(window.counts(now), (WindowCounts{std::uint64_t{1} << 31, 0}));
    EXPECT_EQ(window.saturated(), 0U);
    for (int call = 0; call < 100; ++call) window.record(false, now);
    EXPECT_EQ(window.counts(now), (WindowCounts{std::uint64_t{1} << 31, 0}));
    EXPECT_EQ(window.saturated(), 100 * HeavyAtomics::weight);
    for (int call = 0; call < 1024; ++call) window.record(true, now);
    EXPECT_EQ(window.counts(now), (WindowCounts{std::uint64_t{3} << 30, std::uint64_t{1} << 30}));
    EXPECT_EQ(window.saturated(), 100 * HeavyAtomics::weight);
    for (int call = 0; call < 3000; ++call) window.record(true, now);
    EXPECT_EQ(window.counts(now), (WindowCounts{std::uint64_t{3} << 30, std::uint64_t{1} << 30}));
    EXPECT_EQ(window.saturated(), 3100 * HeavyAtomics::weight);
    EXPECT_EQ(window.totals(), (WindowCounts{6172 * HeavyAtomics::weight, 4024 * HeavyAtomics::weight}));
    // What was left out has not upset the subtraction: an hour later the window is empty.
    EXPECT_EQ(window.counts(now + 1h), (WindowCounts{}));
    EXPECT_EQ(window.record(false, now + 1h), (WindowCounts{HeavyAtomics::weight, 0}));
}

using WatchedWindow = BasicRollingWindow<WatchedAtomics>;

TEST(RollingWindow, neither_loses_nor_borrows_a_count_when_a_turn_falls_between_two_steps_of_a_record) {
    for (const Duration later : {Duration{0s}, Duration{1s}, Duration{2s}, Duration{3s}, Duration{1h}}) {
        for (int position = 0;; ++position) {
            WatchedAtomics::Mutex mutex;
            WatchedWindow window(3s, 3, mutex);
            for (int call = 0; call < 10; ++call) window.record(true, at(30s));
            WindowCounts outer;
            WindowCounts inner;
            const bool inserted = run_with_insertion(
                position, [&] { outer = window.record(false, at(30s)); },
                [&] {
                    if (!mutex.held) inner = window.record(false, at(30s + later));
                });
            if (!inserted) break;
            const std::uint64_t kept = later >= 3s ? 0 : 10;
            EXPECT_TRUE(inner == WindowCounts{} || (inner.failures == kept && inner.calls <= kept + 2))
                << inner.calls << " calls, " << inner.failures << " failures at " << position;
            // Judged as it would have been alone before the turn, or together with the other one after it; never on
            // what expired and what came after at once.
            EXPECT_TRUE(outer == (WindowCounts{11, 10}) || (outer.failures == kept && outer.calls <= kept + 2))
                << outer.calls << " calls, " << outer.failures << " failures at " << position;
            EXPECT_EQ(window.counts(at(30s + later)), (WindowCounts{kept + 2, kept})) << position;
            EXPECT_EQ(window.totals(), (WindowCounts{12, 10}));
            EXPECT_EQ(window.record(false, at(9h)), (WindowCounts{1, 0})) << "all have left, once: " << position;
        }
    }
}

TEST(RollingWindow, shows_a_reader_the_window_before_or_after_a_turn_and_nothing_between) {
    for (const Duration later : {Duration{1s}, Duration{2s}, Duration{1h}}) {
        for (int position = 0;; ++position) {
            WatchedAtomics::Mutex mutex;
            WatchedWindow window(3s, 3, mutex);
            for (int second = 0; second < 3; ++second) {
                for (int call = 0; call <= second; ++call) window.record(true, at(30s + 1s * second));
            }
            WindowCounts seen;
            const bool inserted = run_with_insertion(
                position, [&] { seen = window.counts(at(32s)); }, [&] { window.record(false, at(32s + later)); });
            if (!inserted) break;
            const std::uint64_t kept = later == 1s ? 5 : later == 2s ? 3 : 0;
            EXPECT_TRUE(seen == (WindowCounts{6, 6}) || seen == (WindowCounts{kept + 1, kept}))
                << seen.calls << " calls, " << seen.failures << " failures at " << position;
        }
        for (int position = 0;; ++position) {
            WatchedAtomics::Mutex mutex;
            WatchedWindow window(3s, 3, mutex);
            for (int second = 0; second < 3; ++second) {
                for (int call = 0; call <= second; ++call) window.record(true, at(30s + 1s * second));
            }
            WindowCounts early;
            WindowCounts due;
            const bool inserted = run_with_insertion(
                position, [&] { window.record(false, at(32s + later)); },
                [&] {
                    early = window.counts(at(32s));
                    due = window.counts(at(32s + later));
                });
            if (!inserted) break;
            const std::uint64_t kept = later == 1s ? 5 : later == 2s ? 3 : 0;
            EXPECT_EQ(due.failures, kept) << "a turn under way shows what it turns to: " << position;
            EXPECT_TRUE(early.failures == 6 || early.failures == kept) << position;
        }
    }
}

TEST(RollingWindow, judges_no_result_on_counts_that_a_turn_under_way_is_expiring) {
    // An hour after ten failures a thread turns the window; a second one, whose clock was read before or after the
    // edge, adds a success in the middle of that. Judged on the old failures it would open a breaker.
    for (const Duration second_now : {Duration{30s}, Duration{1h}}) {
        for (int position = 0;; ++position) {
            WatchedAtomics::Mutex mutex;
            WatchedWindow window(3s, 3, mutex);
            for (int call = 0; call < 10; ++call) window.record(true, at(30s));
            WindowCounts counts;
            std::atomic<bool> finished{false};
            bool turning = false;
            std::optional<std::jthread> second;
            const bool inserted = run_with_insertion(
                position, [&] { window.record(false, at(1h)); },
                [&] {
                    turning = mutex.held && window.counts(at(30s)) != WindowCounts{10, 10};
                    second.emplace([&] {
                        counts = window.record(false, at(second_now));
                        finished = true;
                    });
                    while (!finished && mutex.waiting == 0) std::this_thread::yield();
                });
            second.reset();
            if (!inserted) break;
            if (turning || second_now == 1h) {
                EXPECT_EQ(counts.failures, 0U) << position;
            }
            EXPECT_EQ(window.totals(), (WindowCounts{12, 10}));
            EXPECT_EQ(window.record(false, at(9h)), (WindowCounts{1, 0}));
        }
    }
}

TEST(RollingWindow, loses_nothing_while_threads_record_turn_and_read) {
    std::mutex mutex;
    RollingWindow window(1ms, 4, mutex);
    std::atomic<std::int64_t> clock{0};
    std::atomic<std::uint64_t> admitted{0};
    std::atomic<int> running{3};
    constexpr int calls = 30'000;
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 3; ++thread) {
        threads.emplace_back([&, thread] {
            for (int call = 0; call < calls; ++call) {
                const std::int64_t idle = call % 1000 == 999 ? 5'000'000 : 1000;
                const std::int64_t now = clock.fetch_add(idle, std::memory_order_relaxed);
                admitted.fetch_add(1, std::memory_order_relaxed);
                const bool failed = (call + thread) % 4 == 0;
                WindowCounts counts;
                if (call % 16 == 0) {
                    const std::lock_guard lock(mutex);
                    counts = window.record_locked(failed, TimePoint{Duration{now}});
                } else {
                    counts = window.record(failed, TimePoint{Duration{now}});
                }
                ASSERT_GE(counts.calls, 1U);
                ASSERT_LE(counts.calls, 3U * calls);
                ASSERT_LE(counts.failures, counts.calls);
                if (failed) {
                    ASSERT_GE(counts.failures, 1U);
                }
            }
            --running;
        });
    }
    WindowCounts before;
    while (running != 0) {
        const WindowCounts counts = window.counts(TimePoint{Duration{clock.load()}});
        ASSERT_LE(counts.failures, counts.calls);
        ASSERT_LE(counts.calls, 3U * calls);
        const WindowCounts total = window.totals();
        ASSERT_GE(admitted.load(std::memory_order_relaxed), total.calls);
        ASSERT_GE(total.calls, before.calls);
        ASSERT_GE(total.failures, before.failures);
        before = total;
    }
    threads.clear();
    EXPECT_EQ(window.totals(), (WindowCounts{3 * calls, 3 * calls / 4}));
    const TimePoint later{Duration{clock.load()} + 1h};
    EXPECT_EQ(window.counts(later), (WindowCounts{}));
    EXPECT_EQ(window.record(true, later), (WindowCounts{1, 1}));
}

}  // namespace
}  // namespace resilience
