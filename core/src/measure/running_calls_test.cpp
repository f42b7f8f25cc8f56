#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <for_tests/origin.hpp>
#include <resilience/base/random.hpp>
#include <resilience/measure/running_calls.hpp>

using namespace resilience;
using namespace std::chrono_literals;

namespace running_calls_test {

TimePoint at(Duration since_epoch) { return for_tests::origin() + since_epoch; }

TEST(RunningCalls, are_overdue_strictly_after_the_limit) {
    RunningCalls running(2s);
    running.begin(at(0s));
    running.begin(at(0s));
    EXPECT_EQ(running.overdue(at(2s)), 0U);
    EXPECT_EQ(running.overdue(at(2s + 1ns)), 2U);
    running.end(at(0s));
    EXPECT_EQ(running.overdue(at(2s + 1ns)), 1U);
}

TEST(RunningCalls, stay_counted_however_long_they_run) {
    RunningCalls running(8ns);
    running.begin(at(0ns));
    for (Duration time = 1ns; time < 100ns; time += 1ns) {
        running.begin(at(time));
        running.end(at(time));
    }
    EXPECT_EQ(running.overdue(at(100ns)), 1U);
    running.end(at(0ns));
    EXPECT_EQ(running.overdue(at(100ns)), 0U);
}

TEST(RunningCalls, begin_anew_when_they_are_forgotten) {
    RunningCalls running(1ns);
    running.begin(at(0s));
    running.forget();
    EXPECT_EQ(running.overdue(at(1h)), 0U);
}

TEST(RunningCalls, are_never_overdue_early_and_at_most_an_eighth_of_the_limit_late) {
    for (const Duration limit : {Duration(1ns), Duration(7ns), Duration(8ns), Duration(1000ns), Duration(2s)}) {
        for (const TimePoint origin : {at(0s), at(-limit * 20), at(Duration{std::int64_t{1} << 57})}) {
            RunningCalls running(limit);
            std::deque<TimePoint> list;
            Random random(static_cast<std::uint64_t>(limit.count()));
            TimePoint now = origin;
            for (int step = 0; step < 2000; ++step) {
                now += Duration{static_cast<std::int64_t>(random.next() % 16) * limit.count() / 32};
                if (random.next() % 2 == 0 || list.empty()) {
                    running.begin(now);
                    list.push_back(now);
                } else {
                    const std::size_t ended = random.next() % list.size();
                    running.end(list[ended]);
                    list.erase(list.begin() + static_cast<std::ptrdiff_t>(ended));
                }
                std::uint64_t overdue = 0, surely = 0;
                for (const TimePoint began : list) {
                    overdue += now - began > limit ? 1U : 0U;
                    surely += now - began > limit + limit / 8 ? 1U : 0U;
                }
                ASSERT_LE(running.overdue(now), overdue) << limit.count() << " step " << step;
                ASSERT_GE(running.overdue(now), surely) << limit.count() << " step " << step;
            }
        }
    }
}

TEST(RunningCalls, never_fall_below_none_when_one_ends_that_they_have_not_seen) {
    RunningCalls running(2s);
    running.end(at(0s));
    running.begin(at(100s));
    running.end(at(0s));
    EXPECT_EQ(running.overdue(at(102s)), 0U);
    EXPECT_EQ(running.overdue(at(103s)), 1U);
}

}  // namespace running_calls_test
