#include <for_tests/origin.hpp>
#include <resilience/measure/rolling_window.hpp>

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <for_tests/watched_atomics.hpp>
#include "rolling_window_rig.hpp"

namespace resilience {
namespace rolling_window_threads_test {

using namespace std::chrono_literals;

struct Result {
    bool failed;
    TimePoint now;
};

bool opens(WindowCounts counts) {
    return counts.failures != 0 && counts.calls >= least_calls && reaches(counts.failures, counts.calls, half);
}
bool opens(const std::optional<WindowCounts>& counts) { return counts && opens(*counts); }

// Whether any of `results`, one after the other on top of `before`, leads to counts that open.
bool opens_in_turn(const std::vector<Result>& before, std::initializer_list<Result> results) {
    Rig<> rig(3s, 3);
    for (const Result& result : before) rig.record(result.failed, result.now);
    bool opened = false;
    for (const Result& result : results) opened = opens(rig.record_locked(result.failed, result.now)) || opened;
    return opened;
}

// Records `first` with the whole of `second`, as another thread's, before its operation number `position`; false once
// it has fewer operations. What both lead to must be what they might lead to one after the other.
bool expect_one_after_the_other(const std::vector<Result>& before, Result first, Result second, int position) {
    Rig<WatchedAtomics> rig(3s, 3);
    for (const Result& result : before) {
        if (opens(rig.record(result.failed, result.now))) ADD_FAILURE() << "open before it begins";
    }
    std::optional<WindowCounts> of_first;
    std::optional<WindowCounts> of_second;
    const std::uint32_t own_number = detail::thread_number;
    bool both = false;
    const bool inserted = run_with_insertion(
        position, [&] { of_first = rig.record(first.failed, first.now); },
        [&] {
            if (rig.mutex.held) return;
            detail::thread_number = own_number + 1;
            of_second = rig.record(second.failed, second.now);
            detail::thread_number = own_number;
            both = true;
        });
    if (!both) return inserted;

    const TimePoint last = std::max(first.now, second.now);
    const WindowCounts in_the_end = rig.counts(last);
    const auto where = [&] {
        return testing::Message() << before.size() << " before, then " << first.failed << " and " << second.failed
                                  << ", " << in_the_end.calls << " calls and " << in_the_end.failures
                                  << " failures in the end, at " << position;
    };
    const bool judged_to_open = opens(of_first) || opens(of_second);
    if (opens(in_the_end)) {
        EXPECT_TRUE(judged_to_open) << "nobody noticed: " << where();
    }
    if (judged_to_open) {
        EXPECT_TRUE(opens_in_turn(before, {first, second}) || opens_in_turn(before, {second, first}))
            << "never so many failures: " << where();
    }
    std::uint64_t failed = first.failed + second.failed;
    for (const Result& result : before) failed += result.failed;
    EXPECT_EQ(rig.window.totals(), (WindowCounts{before.size() + 2, failed})) << where();
    EXPECT_EQ(rig.record_locked(false, at(9h)), (WindowCounts{1, 0})) << "all have left, once: " << where();
    return true;
}

void expect_one_after_the_other(const std::vector<Result>& before, Result first, Result second) {
    int position = 0;
    while (expect_one_after_the_other(before, first, second, position)) ++position;
    EXPECT_GT(position, 3);
}

constexpr std::pair<bool, bool> kinds[] = {{false, false}, {false, true}, {true, false}, {true, true}};

TEST(RollingWindow, judges_two_results_at_once_as_if_one_came_after_the_other) {
    for (int successes = 0; successes <= 11; ++successes) {
        for (int failures = 0; failures <= 11; ++failures) {
            if (opens({static_cast<std::uint64_t>(successes + failures), static_cast<std::uint64_t>(failures)})) break;
            // Successes first, so that no count before the end opens.
            std::vector<Result> before(static_cast<std::size_t>(successes), Result{false, at(30s)});
            before.insert(before.end(), static_cast<std::size_t>(failures), Result{true, at(30s)});
            for (const auto& [first, second] : kinds) {
                expect_one_after_the_other(before, {first, at(30s)}, {second, at(30s)});
            }
        }
    }
}

TEST(RollingWindow, judges_two_results_about_a_turn_as_if_one_came_after_the_other) {
    // Twenty successes that leave at 33 s, and behind them failures of which the rest then has too many, just enough or
    // too few.
    for (int failures = 0; failures <= 8; ++failures) {
        for (int successes = 0; successes <= 8; ++successes) {
            std::vector<Result> before(20, Result{false, at(30s)});
            before.insert(before.end(), static_cast<std::size_t>(failures), Result{true, at(31s)});
            before.insert(before.end(), static_cast<std::size_t>(successes), Result{false, at(32s)});
            for (const auto& [first, second] : kinds) {
                for (const Duration later : {Duration{33s}, Duration{34s}, Duration{1h}}) {
                    expect_one_after_the_other(before, {first, at(32s)}, {second, at(later)});
                    expect_one_after_the_other(before, {first, at(later)}, {second, at(later)});
                    expect_one_after_the_other(before, {first, at(later)}, {second, at(32s)});
                }
            }
        }
    }
}

TEST(RollingWindow, judges_no_result_on_counts_that_a_turn_under_way_is_expiring) {
    // An hour after ten failures a thread turns the window; a second one, whose clock was read before or after the
    // edge, adds a failure in the middle of that. Judged with the old failures it would open a breaker.
    for (const Duration second_now : {Duration{30s}, Duration{1h}}) {
        int judged_on_the_old = 0;
        for (int position = 0;; ++position) {
            Rig<WatchedAtomics> rig(3s, 3);
            for (int call = 0; call < 10; ++call) rig.record(true, at(30s));
            std::optional<WindowCounts> counts;
            std::atomic<bool> finished{false};
            bool turning = false;
            std::optional<std::jthread> second;
            const bool inserted = run_with_insertion(
                position, [&] { rig.record(false, at(1h)); },
                [&] {
                    turning = rig.mutex.held;
                    second.emplace([&] {
                        counts = rig.record(true, at(second_now));
                        finished = true;
                    });
                    while (!finished && rig.mutex.waiting == 0) std::this_thread::yield();
                    turning = turning && !finished;
                    judged_on_the_old += rig.mutex.held && finished && counts && counts->failures > 1 ? 1 : 0;
                });
            second.reset();
            if (!inserted) break;
            if (turning || second_now == 1h) {
                EXPECT_LE(counts.value_or(WindowCounts{}).failures, 1U) << position;
            }
            EXPECT_EQ(rig.window.totals(), (WindowCounts{12, 11}));
            EXPECT_EQ(rig.record_locked(false, at(9h)), (WindowCounts{1, 0}));
        }
        // Under the mutex, but before the first sign of a turn.
        EXPECT_EQ(judged_on_the_old, second_now == 30s ? 1 : 0);
    }
}

TEST(RollingWindow, loses_nothing_while_threads_record_turn_and_read) {
    Rig<> rig(1ms, 4);
    std::atomic<std::int64_t> clock{0};
    std::atomic<std::uint64_t> admitted{0};
    std::atomic<int> running{3};
    constexpr int calls = 30'000;
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 3; ++thread) {
        threads.emplace_back([&, thread] {
            for (int call = 0; call < calls; ++call) {
                const std::int64_t idle = call % 1000 == 999 ? 5'000'000 : 1000;
                const TimePoint now = for_tests::origin() + Duration{clock.fetch_add(idle, std::memory_order_relaxed)};
                admitted.fetch_add(1, std::memory_order_relaxed);
                const bool failed = (call + thread) % 4 == 0;
                const std::optional<WindowCounts> counts =
                    call % 16 == 0 ? rig.record_locked(failed, now) : rig.record(failed, now);
                if (!counts) continue;
                ASSERT_GE(counts->calls, 1U);
                ASSERT_LE(counts->calls, 3U * calls);
                ASSERT_LE(counts->failures, counts->calls);
            }
            --running;
        });
    }
    WindowCounts before;
    while (running != 0) {
        {
            const std::lock_guard lock(rig.mutex);
            const WindowCounts counts = rig.counts(for_tests::origin() + Duration{clock.load()});
            ASSERT_LE(counts.failures, counts.calls);
            ASSERT_LE(counts.calls, 3U * calls);
        }
        const WindowCounts total = rig.window.totals();
        ASSERT_GE(admitted.load(std::memory_order_relaxed), total.calls);
        ASSERT_GE(total.calls, before.calls);
        ASSERT_GE(total.failures, before.failures);
        before = total;
    }
    threads.clear();
    EXPECT_EQ(rig.window.totals(), (WindowCounts{3 * calls, 3 * calls / 4}));
    const TimePoint later = for_tests::origin() + Duration{clock.load()} + 1h;
    EXPECT_EQ(rig.counts(later), (WindowCounts{}));
    EXPECT_EQ(rig.record(true, later), (WindowCounts{1, 1}));
}

// Two threads bring a window to exactly 20 calls, of which exactly 10 fail, or 9. Only all 20 together are judged, so
// somebody must see all of them, whoever comes last; and nobody may see more failures than there are.
TEST(RollingWindow, shows_the_last_result_all_the_others) {
    constexpr int each = 10;
    constexpr int rounds = 2000;
    for (const std::uint64_t failures : {std::uint64_t{9}, std::uint64_t{10}}) {
        for (int round = 0; round < rounds; ++round) {
            Rig<> rig(10s, 10, 2 * each);
            rig.forget(at(1s));
            std::atomic<int> ready{0};
            std::atomic<int> opened{0};
            const auto work = [&](std::uint64_t own_failures) {
                ++ready;
                while (ready != 2) std::this_thread::yield();
                for (std::uint64_t call = 0; call < each; ++call) {
                    // Failures first or last, so that either kind may be what makes the calls enough.
                    const bool failed = round % 2 == 0 ? call < own_failures : call >= each - own_failures;
                    const auto counts = rig.record(failed, at(1s));
                    if (counts && counts->calls >= 2 * each && reaches(counts->failures, counts->calls, half)) {
                        ++opened;
                    }
                }
            };
            {
                std::jthread other([&] { work(5); });
                work(failures - 5);
            }
            ASSERT_EQ(opened > 0, failures == 10) << failures << " failures, round " << round;
        }
    }
}

}  // namespace rolling_window_threads_test
}  // namespace resilience
