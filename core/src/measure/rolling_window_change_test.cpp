#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <resilience/base/random.hpp>
#include <resilience/measure/rolling_window.hpp>
#include <thread>
#include <vector>

#include "rolling_window_rig.hpp"

namespace resilience {
namespace rolling_window_change_test {

using namespace std::chrono_literals;

void reshape(Rig<>& rig, Duration length, std::uint32_t buckets, std::uint32_t least, TimePoint now) {
    RollingWindow::Shape shape(length, buckets, least);
    const std::lock_guard lock(rig.mutex);
    rig.window.reshape_locked(shape, now);
}

WindowCounts bucket(const Rig<>& rig, std::uint32_t age, TimePoint now) { return rig.window.bucket_locked(age, now); }

TEST(Conformance, TW_15_a_time_window_made_shorter_keeps_its_newest_buckets) {
    Rig<> rig(5s, 5);
    rig.record_many(2, 0, at(0s));
    rig.record_many(0, 3, at(1100ms));
    rig.record_many(4, 0, at(2200ms));
    rig.record_many(0, 5, at(3300ms));
    rig.record_many(0, 6, at(4400ms));
    EXPECT_EQ(rig.counts(at(4400ms)), (WindowCounts{20, 14}));
    reshape(rig, 3s, 3, least_calls, at(4400ms));
    EXPECT_EQ(bucket(rig, 2, at(4400ms)), (WindowCounts{4, 0}));
    EXPECT_EQ(bucket(rig, 1, at(4400ms)), (WindowCounts{5, 5}));
    EXPECT_EQ(bucket(rig, 0, at(4400ms)), (WindowCounts{6, 6}));
    EXPECT_EQ(rig.counts(at(4400ms)), (WindowCounts{15, 11}));
    rig.record_many(33, 0, at(6500ms));
    EXPECT_EQ(bucket(rig, 2, at(6500ms)), (WindowCounts{6, 6})) << "4 s";
    EXPECT_EQ(bucket(rig, 1, at(6500ms)), (WindowCounts{0, 0})) << "5 s";
    EXPECT_EQ(bucket(rig, 0, at(6500ms)), (WindowCounts{33, 0})) << "6 s";
    EXPECT_EQ(rig.window.totals(), (WindowCounts{53, 14}));
}

TEST(RollingWindow, takes_back_nothing_that_had_left_when_it_is_made_longer) {
    Rig<> rig(4s, 4);
    rig.record_many(1, 1, at(0s));
    rig.record_many(1, 0, at(3s));
    // Nobody has turned it since.
    reshape(rig, 20s, 10, least_calls, at(5s));
    EXPECT_EQ(rig.counts(at(5s)), (WindowCounts{1, 0}));
    EXPECT_EQ(rig.counts(at(21s)), (WindowCounts{1, 0}));
    EXPECT_EQ(rig.counts(at(22s)), WindowCounts{}) << "from the bucket of 2 s on it counts for ten of them";
    EXPECT_EQ(rig.window.window(), 20s);
}

TEST(RollingWindow, judges_the_next_result_after_a_change_also_a_success) {
    Rig<> rig(10s, 10, 10);
    rig.record_many(5, 4, at(0s));
    reshape(rig, 10s, 10, 2, at(0s));
    EXPECT_EQ(rig.record(false, at(0s)), (WindowCounts{10, 4}));
    EXPECT_EQ(rig.record(false, at(0s)), std::nullopt) << "enough calls and no failure more";
    EXPECT_EQ(rig.window.least_calls(), 2U);
}

TEST(RollingWindow, takes_results_to_have_come_when_their_bucket_began) {
    Rig<> rig(4s, 4, 1);
    rig.record_many(3, 2, at(0s));
    rig.record_many(2, 1, at(1s));
    rig.record_many(1, 0, at(2s));
    reshape(rig, 8s, 2, 1, at(2s));
    EXPECT_EQ(bucket(rig, 0, at(2s)), (WindowCounts{9, 3})) << "the bucket in use holds them all";
    reshape(rig, 4s, 4, 1, at(2s));
    EXPECT_EQ(rig.counts(at(3s)), (WindowCounts{9, 3})) << "as if they had come when it began, at 0 s";
    EXPECT_EQ(rig.counts(at(4s)), WindowCounts{}) << "they leave too early, never too late";
    EXPECT_EQ(rig.window.saturated(), 0U);
}

// What a window has, as a list: each result with the earliest moment at which it may have come.
class ListedWindow {
  public:
    ListedWindow(Duration length, std::uint32_t buckets) : width_(length / buckets), buckets_(buckets) {}
    void record(bool failed, TimePoint now) {
        turn(now);
        results_.push_back({newest_ * width_, failed});
    }
    void reshape(Duration length, std::uint32_t buckets, TimePoint now) {
        turn(now);
        std::erase_if(results_, [&](const Result& result) { return left(result); });
        const Duration begin = newest_ * width_;
        width_ = length / buckets;
        buckets_ = buckets;
        newest_ = begin / width_;
        for (Result& result : results_) result.since = result.since / width_ * width_;
    }
    [[nodiscard]] WindowCounts counts(TimePoint now) {
        turn(now);
        WindowCounts counts;
        for (const Result& result : results_) {
            if (left(result)) continue;
            ++counts.calls;
            counts.failures += result.failed ? 1U : 0U;
        }
        return counts;
    }

  private:
    struct Result {
        Duration since;
        bool failed;
    };
    void turn(TimePoint now) { newest_ = std::max(newest_, now.time_since_epoch() / width_); }
    [[nodiscard]] bool left(const Result& result) const {
        return result.since / width_ <= newest_ - static_cast<std::int64_t>(buckets_);
    }
    Duration width_;
    std::uint32_t buckets_;
    std::int64_t newest_ = 0;
    std::vector<Result> results_{};
};

TEST(RollingWindow, agrees_with_a_list_of_results_through_any_changes_of_shape) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        Random random(seed);
        Rig<> rig(5s, 5);
        ListedWindow listed(5s, 5);
        Duration now{};
        for (int step = 0; step < 200; ++step) {
            now += Duration{static_cast<std::int64_t>(random.next() % 600'000'000)};
            if (random.next() % 12 == 0) {
                const auto buckets = static_cast<std::uint32_t>(1 + random.next() % 12);
                const Duration length = 200ms * (1 + static_cast<std::int64_t>(random.next() % 60));
                const WindowCounts before = rig.counts(at(now));
                reshape(rig, length, buckets, 1 + static_cast<std::uint32_t>(random.next() % 20), at(now));
                listed.reshape(length, buckets, at(now));
                const WindowCounts after = rig.counts(at(now));
                ASSERT_LE(after.failures, before.failures);
                ASSERT_LE(after.calls - after.failures, before.calls - before.failures);
            } else {
                const bool failed = random.next() % 3 == 0;
                rig.record(failed, at(now));
                listed.record(failed, at(now));
            }
            ASSERT_EQ(rig.counts(at(now)), listed.counts(at(now))) << seed << " step " << step;
            WindowCounts sum;
            for (std::uint32_t age = 0; age < rig.window.buckets(); ++age) {
                sum.calls += bucket(rig, age, at(now)).calls;
                sum.failures += bucket(rig, age, at(now)).failures;
            }
            ASSERT_EQ(sum, rig.counts(at(now))) << seed << " step " << step;
        }
    }
}

TEST(RollingWindow, loses_no_result_to_changes_of_shape_beside_it) {
    Rig<> rig(1ms, 10, 1);
    std::atomic<std::int64_t> time{0};
    std::atomic<int> running{3};
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 3; ++thread) {
        threads.emplace_back([&, thread] {
            for (int call = 0; call < 20'000; ++call) {
                const TimePoint now = at(Duration{time.fetch_add(5, std::memory_order_relaxed)});
                const bool failed = call % 3 == thread;
                const auto counts = rig.record(failed, now);
                ASSERT_LE(counts ? counts->failures : 0, counts ? counts->calls : 0);
            }
            running.fetch_sub(1);
        });
    }
    for (std::uint32_t change = 0; running.load() > 0; ++change) {
        const TimePoint now = at(Duration{time.load(std::memory_order_relaxed)});
        reshape(rig, 100us * (1 + change % 5), 1 + change % 7, 1 + change % 3, now);
        std::this_thread::yield();
    }
    threads.clear();
    EXPECT_EQ(rig.window.totals(), (WindowCounts{60'000, 20'000}));
    const TimePoint last = at(Duration{time.load()});
    EXPECT_EQ(rig.counts(last + 1s), WindowCounts{});
}

}  // namespace rolling_window_change_test
}  // namespace resilience
