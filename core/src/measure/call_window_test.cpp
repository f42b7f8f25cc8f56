#include <gtest/gtest.h>

#include <deque>
#include <resilience/base/random.hpp>
#include <resilience/measure/call_window.hpp>
#include <string>
#include <string_view>

using namespace resilience;

namespace {

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
    EXPECT_EQ(record(window, "Ff"), (CallCounts{2, 2, 1}));
    EXPECT_EQ(record(window, "s"), (CallCounts{3, 2, 2}));
    EXPECT_EQ(record(window, "S"), (CallCounts{3, 1, 2}));
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

// The conformance row: what a count window keeps when it becomes another one.
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
    }
}

// The conformance row CB-23, on the window itself.
TEST(CallWindow, CB_23_counts_over_the_last_ten_only) {
    CallWindow window(10);
    EXPECT_EQ(record(window, "SFSFSFS"), (CallCounts{7, 3, 0}));
    EXPECT_EQ(record(window, "SFSSSFSSSFSSSFSS"), (CallCounts{10, 2, 0}));
}

}  // namespace
