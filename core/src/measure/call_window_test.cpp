#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <mutex>
#include <resilience/base/random.hpp>
#include <resilience/measure/call_window.hpp>
#include <string>
#include <string_view>

#include "rolling_window_rig.hpp"

using namespace resilience;
using namespace std::chrono_literals;

namespace call_window_test {

// S and F are calls that took no time; s and f the same, slow.
CallCounts record(CallWindow& window, std::string_view calls) {
    for (const char call : calls) window.record(call == 'F' || call == 'f', call == 's' || call == 'f');
    return window.counts();
}
std::string results(const CallWindow& window) {
    std::string text;
    for (std::uint32_t age = static_cast<std::uint32_t>(window.counts().calls); age-- > 0;) {
        const bool failed = window.failed(age);
        text += window.slow(age) ? (failed ? 'f' : 's') : (failed ? 'F' : 'S');
    }
    return text;
}

TEST(CallWindow, counts_what_failed_and_what_was_slow_among_the_last_calls) {
    CallWindow window(3);
    EXPECT_EQ(record(window, "Ff"), (CallCounts{2, 2, 1, 1}));
    EXPECT_EQ(record(window, "s"), (CallCounts{3, 2, 2, 1}));
    EXPECT_EQ(record(window, "S"), (CallCounts{3, 1, 2, 1}));
    EXPECT_EQ(record(window, "SS"), (CallCounts{3, 0, 0}));
}

TEST(CallWindow, forgets_everything_and_begins_again) {
    CallWindow window(2);
    record(window, "fff");
    window.forget();
    EXPECT_EQ(window.counts(), CallCounts{});
    EXPECT_EQ(record(window, "S"), (CallCounts{1, 0, 0}));
}

TEST(CallWindow, agrees_with_a_list_of_calls_at_every_length) {
    for (const std::uint32_t size : {1U, 2U, 31U, 32U, 33U, 64U, 100U}) {
        CallWindow window(size);
        std::deque<char> list;
        Random random(size);
        for (int call = 0; call < 1000; ++call) {
            list.push_back("SFsf"[random.next() % 4]);
            if (list.size() > size) list.pop_front();
            record(window, std::string_view(&list.back(), 1));
            ASSERT_EQ(results(window), std::string(list.begin(), list.end())) << size << " after " << call;
        }
    }
}

// The conformance row: what a count window keeps when it becomes another one, and of a time window.
TEST(CallWindow, TW_13_keeps_the_newest_results_in_order_when_its_length_changes) {
    const struct {
        std::uint32_t before, after;
        std::string_view calls, kept;
    } rows[] = {{5, 5, "SSFFF", "SSFFF"}, {10, 4, "SSSSSFFFFF", "FFFF"}, {5, 6, "SSFFF", "SSFFF"}};
    for (const auto& row : rows) {
        CallWindow before(row.before), after(row.after);
        record(before, row.calls);
        after.take_over(before);
        EXPECT_EQ(results(after), row.kept);
        // And it is as long as it says, whatever it was filled from.
        const std::size_t room = row.after - row.kept.size();
        record(after, std::string(room, 's'));
        EXPECT_EQ(results(after), std::string(row.kept) + std::string(room, 's'));
        record(after, "f");
        EXPECT_EQ(results(after), std::string(row.kept).substr(1) + std::string(room, 's') + "f");
    }
}

std::string results_of(CallWindow& window, const Rig<>& rig, TimePoint now, const Rig<>* slow = nullptr) {
    window.take_over_locked(rig.window, slow == nullptr ? nullptr : &slow->window, now);
    return results(window);
}

TEST(CallWindow, TW_13_keeps_the_results_of_a_time_window_bucket_by_bucket) {
    Rig<> rig(4s, 4);
    rig.record_many(3, 0, at(0s));
    rig.record_many(0, 5, at(1200ms));
    CallWindow ten(10), six(6);
    EXPECT_EQ(results_of(ten, rig, at(1200ms)), "SSSFFFFF");
    EXPECT_EQ(results_of(six, rig, at(1200ms)), "SFFFFF");
    EXPECT_EQ(results_of(ten, rig, at(4s)), "FFFFF") << "the first bucket has left, though nobody has turned it";
    EXPECT_EQ(results_of(ten, rig, at(10s)), "");
}

TEST(CallWindow, keeps_the_shares_of_a_bucket_that_fits_in_part) {
    Rig<> rig(4s, 4), slow(4s, 4);
    rig.record_many(90, 10, at(0s));
    slow.record_many(50, 50, at(0s));
    rig.record_many(1, 1, at(1s));
    slow.record_many(2, 0, at(1s));
    CallWindow window(22);
    EXPECT_EQ(results_of(window, rig, at(1s), &slow), "SsSsSsSsSfSsSsSsSsSfSF");
    EXPECT_EQ(window.counts(), (CallCounts{22, 3, 10, 2}));
}

TEST(CallWindow, CB_12_sums_up_durations_and_slow_calls_by_outcome) {
    CallWindow window(5, CallWindow::Durations::summed);
    window.record(false, true, 10s);
    window.record(true, true, 10s);
    for (int call = 0; call < 3; ++call) window.record(false, false, 100ms);
    const CallCounts counts = window.counts();
    EXPECT_EQ(counts.calls, 5U);
    EXPECT_EQ(counts.calls - counts.failures, 4U) << "ok";
    EXPECT_EQ(counts.slow, 2U) << "40 % of them";
    EXPECT_EQ(counts.slow_failures, 1U);
    EXPECT_EQ(counts.total, 20'300ms);
    EXPECT_EQ(counts.average(), 4'060ms);
    // The slow success leaves, and then the slow failure.
    EXPECT_EQ(window.record(false, false, 200ms), (CallCounts{5, 1, 1, 1, 10'500ms}));
    EXPECT_EQ(window.record(false, false, 200ms), (CallCounts{5, 0, 0, 0, 700ms}));
    window.forget();
    EXPECT_EQ(window.counts().average(), 0s);
}

TEST(CallWindow, sums_no_more_than_a_duration_can_say) {
    CallWindow window(2, CallWindow::Durations::summed), other(3, CallWindow::Durations::summed);
    for (int call = 0; call < 5; ++call) window.record(false, false, Duration::max());
    EXPECT_EQ(window.counts().total, Duration::max() - 1ns);
    window.record(false, false, -1s);
    EXPECT_EQ(window.counts().total, Duration::max() / 2);
    window.record(false, false, 7s);
    other.take_over(window);
    EXPECT_EQ(other.counts().total, 7s);
}

// The conformance row CB-23, on the window itself.
TEST(CallWindow, CB_23_counts_over_the_last_ten_only) {
    CallWindow window(10);
    EXPECT_EQ(record(window, "SFSFSFS"), (CallCounts{7, 3, 0}));
    EXPECT_EQ(record(window, "SFSSSFSSSFSSSFSS"), (CallCounts{10, 2, 0}));
}

}  // namespace call_window_test
