#include <resilience/measure/rolling_window.hpp>

#include <atomic>
#include <cstdint>
#include <limits>
#include <mutex>

#include <gtest/gtest.h>

#include "rolling_window_rig.hpp"

namespace resilience {
namespace rolling_window_test {

using namespace std::chrono_literals;

TEST(Conformance, TW_3_results_leave_a_window_of_ten_seconds_one_by_one) {
    Rig<> rig(10s, 10);
    rig.record_many(1, 1, at(0s));
    EXPECT_EQ(rig.counts(at(2s)), (WindowCounts{2, 1}));
    rig.record_many(1, 1, at(2s));
    EXPECT_EQ(rig.counts(at(4s)), (WindowCounts{4, 2}));
    rig.record_many(2, 0, at(4s));
    rig.record_many(2, 0, at(6s));
    EXPECT_EQ(rig.counts(at(8s)), (WindowCounts{8, 2}));
    rig.record_many(2, 0, at(8s));
    EXPECT_EQ(rig.counts(at(10s)), (WindowCounts{8, 1}));
    EXPECT_EQ(rig.counts(at(12s)), (WindowCounts{6, 0}));
}

TEST(Conformance, TW_5_a_window_is_empty_after_its_own_length) {
    for (const Duration later : {Duration{10s}, Duration{10'001ms}}) {
        Rig<> rig(10s, 10);
        rig.record_many(2, 0, at(0s));
        EXPECT_EQ(rig.counts(at(9s)), (WindowCounts{2, 0}));
        EXPECT_EQ(rig.counts(at(later)), (WindowCounts{}));
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
    Rig<> rig(4s, 4);
    for (const Row& row : rows) {
        rig.record_many(row.successes, row.failures, at(row.now));
        EXPECT_EQ(rig.counts(at(row.now)), row.expected) << row.now.count();
    }
}

TEST(Conformance, TW_12_nothing_expires_when_the_clock_is_set_back) {
    Rig<> rig(10s, 10);
    rig.record_many(0, 3, at(2h));
    rig.record_many(0, 2, at(1h));
    EXPECT_EQ(rig.counts(at(1h)), (WindowCounts{5, 5}));
    EXPECT_EQ(rig.counts(at(2h)), (WindowCounts{5, 5}));
}

TEST(RollingWindow, counts_each_result_at_once) {
    Rig<> rig(10s, 10);
    EXPECT_EQ(rig.record_and_count(true, at(5s)), (WindowCounts{1, 1}));
    EXPECT_EQ(rig.record_and_count(false, at(5s)), (WindowCounts{2, 1}));
    EXPECT_EQ(rig.record_and_count(true, at(6s)), (WindowCounts{3, 2}));
    EXPECT_EQ(rig.record_locked(false, at(6s)), (WindowCounts{4, 2}));
    EXPECT_EQ(rig.record_locked(false, at(15s)), (WindowCounts{3, 1}));
}

TEST(RollingWindow, expires_each_bucket_at_its_edge_whatever_the_jump) {
    for (std::int64_t jump = 0; jump <= 12; ++jump) {
        Rig<> rig(5s, 5);
        // One call in bucket 20, two in 21, ... five in 24.
        for (int bucket = 0; bucket < 5; ++bucket) rig.record_many(bucket + 1, 0, at(20s + 1s * bucket));
        std::uint64_t remaining = 0;
        for (std::int64_t bucket = jump; bucket < 5; ++bucket) remaining += static_cast<std::uint64_t>(bucket + 1);
        const TimePoint now = at(24s + 1s * jump);
        EXPECT_EQ(rig.counts(now), (WindowCounts{remaining, 0})) << "before the turn, jump " << jump;
        EXPECT_EQ(rig.counts(now + 999'999'999ns), (WindowCounts{remaining, 0}));
        EXPECT_EQ(rig.record_and_count(true, now), (WindowCounts{remaining + 1, 1})) << "jump " << jump;
        EXPECT_EQ(rig.counts(now), (WindowCounts{remaining + 1, 1}));
        EXPECT_EQ(rig.window.totals(), (WindowCounts{16, 1}));
        EXPECT_EQ(rig.counts(now + 5s), (WindowCounts{}));
    }
}

TEST(RollingWindow, rounds_its_buckets_down_to_whole_nanoseconds) {
    Rig<> rig(10s, 3);
    EXPECT_EQ(rig.window.bucket_width(), 3'333'333'333ns);
    EXPECT_EQ(rig.window.window(), 9'999'999'999ns);
    Rig<> single(1ms, 1);
    EXPECT_EQ(single.record_and_count(true, at(5ms)), (WindowCounts{1, 1}));
    EXPECT_EQ(single.record_and_count(true, at(6ms - 1ns)), (WindowCounts{2, 2}));
    EXPECT_EQ(single.record_and_count(false, at(6ms)), (WindowCounts{1, 0}));
}

TEST(RollingWindow, is_safe_before_the_epoch_and_at_both_ends_of_time) {
    Rig<> rig(10s, 10);
    EXPECT_EQ(rig.record_and_count(true, TimePoint::min()), (WindowCounts{1, 1}));
    EXPECT_EQ(rig.record_and_count(true, TimePoint{-1h}), (WindowCounts{2, 2}));
    EXPECT_EQ(rig.counts(TimePoint::min()), (WindowCounts{2, 2}));
    EXPECT_EQ(rig.record_and_count(false, TimePoint{1s}), (WindowCounts{3, 2}));
    EXPECT_EQ(rig.counts(TimePoint{9s}), (WindowCounts{1, 0}));
    EXPECT_EQ(rig.record_and_count(false, TimePoint::max() - 20s), (WindowCounts{1, 0}));
    for (std::uint64_t call = 1; call <= 3; ++call) {
        EXPECT_EQ(rig.record_and_count(false, TimePoint::max()), (WindowCounts{call, 0}));
    }
    EXPECT_EQ(rig.counts(TimePoint::max()), (WindowCounts{3, 0}));
    EXPECT_EQ(rig.record_and_count(false, TimePoint{0s}), (WindowCounts{4, 0}));
    EXPECT_EQ(rig.window.totals(), (WindowCounts{8, 2}));
}

TEST(RollingWindow, forgets_its_window_and_keeps_its_totals) {
    Rig<> rig(10s, 10);
    for (int second = 0; second < 10; ++second) rig.record_many(1, 1, at(1s * second));
    rig.forget(at(9s));
    EXPECT_EQ(rig.counts(at(9s)), (WindowCounts{}));
    EXPECT_EQ(rig.window.totals(), (WindowCounts{20, 10}));
    EXPECT_EQ(rig.record_and_count(true, at(9s)), (WindowCounts{1, 1}));
    rig.forget(at(3s));
    EXPECT_EQ(rig.record_and_count(false, at(12s)), (WindowCounts{1, 0}));
    EXPECT_EQ(rig.window.totals(), (WindowCounts{22, 11}));
}

TEST(RollingWindow, gives_a_failure_its_counts_where_they_reach_the_threshold) {
    Rig<> rig(10s, 10);
    rig.record_many(6, 0, at(1s));
    for (int failures = 1; failures <= 3; ++failures) EXPECT_EQ(rig.record(true, at(1s)), std::nullopt);
    EXPECT_EQ(rig.record(true, at(1s)), (WindowCounts{10, 4})) << "the calls are enough now: judged in any case";
    EXPECT_EQ(rig.record(true, at(1s)), std::nullopt);
    EXPECT_EQ(rig.record(true, at(1s)), (WindowCounts{12, 6}));
    EXPECT_EQ(rig.record(true, at(1s)), (WindowCounts{13, 7}));
    rig.record_many(2, 0, at(1s));
    EXPECT_EQ(rig.record(true, at(1s)), (WindowCounts{16, 8}));
    rig.record_many(9, 0, at(1s));
    EXPECT_EQ(rig.record(true, at(1s)), std::nullopt);
    EXPECT_EQ(rig.counts(at(1s)), (WindowCounts{26, 9}));
}

TEST(RollingWindow, asks_to_judge_a_success_only_while_the_calls_are_not_enough) {
    Rig<> rig(10s, 10);
    rig.record(true, at(1s));
    for (std::uint64_t calls = 2; calls <= least_calls; ++calls) {
        EXPECT_EQ(rig.record(false, at(1s)), (WindowCounts{calls, 1})) << "the one that makes them enough included";
    }
    EXPECT_EQ(rig.record(false, at(1s)), std::nullopt);
    // In the next bucket they still are; ten seconds later they are not.
    EXPECT_EQ(rig.record(false, at(2s)), (WindowCounts{12, 1})) << "who turns is judged";
    EXPECT_EQ(rig.record(false, at(2s)), std::nullopt);
    EXPECT_EQ(rig.record(true, at(12s)), (WindowCounts{1, 1}));
    EXPECT_EQ(rig.record(false, at(12s)), (WindowCounts{2, 1}));
}

TEST(RollingWindow, finds_out_that_calls_are_enough_although_none_failed) {
    Rig<> rig(10s, 10);
    int judged = 0;
    for (int call = 0; call < 100; ++call) judged += rig.record(false, at(1s)) ? 1 : 0;
    EXPECT_EQ(judged, 2) << "the turn from before the epoch, and the one that found out";
    EXPECT_EQ(rig.record(false, at(1s)), std::nullopt);
}

TEST(RollingWindow, begins_anew_where_its_counters_stand) {
    std::mutex mutex;
    StripedCounters<1> successes;
    successes.add(0, std::uint64_t{7} << 32);
    RollingWindow window(10s, 10, least_calls, successes.counter(0), mutex);
    EXPECT_EQ(window.totals(), (WindowCounts{std::uint64_t{7} << 32, 0}));
    EXPECT_EQ(window.counts_locked(at(0s)), (WindowCounts{}));
    EXPECT_EQ(window.record_failure(at(1s), half), (WindowCounts{1, 1}));
    EXPECT_EQ(window.record_success(at(1s)), (WindowCounts{2, 1}));
}

// Atomics on which a result weighs as much as 2^20 of them, so that a bucket fills up within a test.
struct HeavyAtomics {
    static constexpr std::uint64_t weight = std::uint64_t{1} << 20;
    template <class T>
    struct Atomic : std::atomic<T> {
        using std::atomic<T>::atomic;
        T fetch_add(T by, std::memory_order order) noexcept {
            if (by != 1) return std::atomic<T>::fetch_add(by, order);
            // Returned so that the caller, who adds 1 to it, arrives at the new value.
            return std::atomic<T>::fetch_add(static_cast<T>(weight), order) + static_cast<T>(weight - 1);
        }
    };
    using Mutex = std::mutex;
};

TEST(RollingWindow, keeps_exact_totals_over_many_times_32_bits) {
    Rig<HeavyAtomics> rig(1s, 2);
    WindowCounts expected;
    for (int call = 0; call < 40'000; ++call) {
        const bool failed = call % 3 == 0;
        const TimePoint now = at(1ms * call);
        if (call % 5 == 0) {
            rig.record_locked(failed, now);
        } else {
            rig.record(failed, now);
        }
        expected.calls += HeavyAtomics::weight;
        expected.failures += failed ? HeavyAtomics::weight : 0;
        ASSERT_EQ(rig.window.totals(), expected) << call;
    }
    EXPECT_EQ(rig.window.saturated(), 0U);
    EXPECT_GT(expected.calls, std::uint64_t{9} << 32);
}

TEST(RollingWindow, keeps_as_much_of_a_bucket_that_is_over_as_fits_and_all_of_it_in_the_totals) {
    constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
    constexpr std::uint64_t weight = HeavyAtomics::weight;
    Rig<HeavyAtomics> rig(3s, 3);
    rig.record_many(5000, 10, at(1s));
    EXPECT_EQ(rig.counts(at(1s)), (WindowCounts{5010 * weight, 10 * weight})) << "the newest bucket holds everything";
    EXPECT_EQ(rig.window.saturated(), 0U);
    rig.record_many(0, 4500, at(2s));
    EXPECT_EQ(rig.window.saturated(), 5000 * weight - most);
    EXPECT_EQ(rig.counts(at(2s)), (WindowCounts{most + 4510 * weight, 4510 * weight}));
    EXPECT_EQ(rig.record_locked(true, at(3s)), (WindowCounts{2 * most + 11 * weight, most + 11 * weight}));
    EXPECT_EQ(rig.counts(at(3s)), (WindowCounts{2 * most + 11 * weight, most + 11 * weight}));
    EXPECT_EQ(rig.window.saturated(), 9500 * weight - 2 * most);
    EXPECT_EQ(rig.window.totals(), (WindowCounts{9511 * weight, 4511 * weight}));
    // What was left out has not upset the subtraction.
    EXPECT_EQ(rig.record_locked(true, at(4s)), (WindowCounts{most + 2 * weight, most + 2 * weight}));
    EXPECT_EQ(rig.record_locked(true, at(5s)), (WindowCounts{3 * weight, 3 * weight}));
    EXPECT_EQ(rig.record_locked(false, at(1h)), (WindowCounts{weight, 0}));
}

}  // namespace rolling_window_test
}  // namespace resilience
