#include "demo/customer_ledger.hpp"

#include <gtest/gtest.h>

namespace resilience::demo {
namespace customer_ledger_test {

using namespace std::chrono_literals;

constexpr TimePoint opened{1000s};
constexpr TimePoint at(Duration since) { return opened + since; }

TEST(CustomerLedger, tells_endings_by_status_and_by_the_customers_patience) {
    CustomerLedger ledger(opened, 2s);
    struct Row {
        int status;
        Duration took;
        std::uint64_t CustomerPicture::* counted;
    };
    const std::vector<Row> rows{
        {200, 10ms, &CustomerPicture::answered},   {302, 2s, &CustomerPicture::answered},
        {200, 2001ms, &CustomerPicture::too_late}, {429, 1ms, &CustomerPicture::refused},
        {503, 5s, &CustomerPicture::refused},      {500, 10ms, &CustomerPicture::failed},
        {502, 10ms, &CustomerPicture::failed},     {504, 3s, &CustomerPicture::failed},
        {404, 10ms, &CustomerPicture::failed},
    };
    for (const auto& [status, took, counted] : rows) {
        const std::uint64_t before = ledger.picture().*counted;
        ledger.arrived(at(0s), false);
        ledger.answered(at(0s), at(took), status);
        EXPECT_EQ(ledger.picture().*counted, before + 1) << status << ' ' << took.count();
    }
    ledger.arrived(at(0s), false);
    ledger.hung();
    const CustomerPicture seen = ledger.picture();
    EXPECT_EQ(seen.calls, rows.size() + 1);
    EXPECT_EQ(seen.calls, seen.answered + seen.too_late + seen.refused + seen.failed + seen.hung);
    EXPECT_EQ(seen.latency.count, 3U);
    EXPECT_EQ(seen.latency.max, 2001ms);
}

TEST(CustomerLedger, parts_the_seconds_of_trouble_from_the_calm_ones) {
    CustomerLedger ledger(opened, 2s);
    const auto come = [&](Duration due, bool trouble) {
        ledger.arrived(at(due), trouble);
        ledger.answered(at(due), at(due + 10ms), 200);
    };
    come(100ms, false);
    come(900ms, true);  // trouble that begins inside a second counts from the next
    come(1100ms, true);
    come(1200ms, true);
    come(1300ms, false);
    come(3500ms, false);
    EXPECT_EQ(ledger.picture().calm.time, 1s);  // the others are not decided yet: an answer in time may still come
    EXPECT_EQ(ledger.picture().calm.answered, 2U);
    ledger.end_arrivals(at(3750ms));
    ledger.close();
    const CustomerPicture seen = ledger.picture();
    EXPECT_EQ(seen.trouble.time, 1s);
    EXPECT_EQ(seen.trouble.answered, 3U);
    EXPECT_EQ(seen.calm.time, 1750ms);
    EXPECT_EQ(seen.calm.answered, 3U);
}

// One second after the other: how many come, and how many of them are answered in time.
Duration longest_outage_of(const std::vector<std::pair<int, int>>& seconds) {
    CustomerLedger ledger(opened, 2s);
    Duration begin{};
    for (const auto& [come, good] : seconds) {
        for (int each = 0; each < come; ++each) {
            const Duration due = begin + each * 1ms;
            ledger.arrived(at(due), false);
            ledger.answered(at(due), at(due + 500us), each < good ? 200 : 500);
        }
        begin += 1s;
    }
    ledger.end_arrivals(at(begin));
    ledger.close();
    return ledger.picture().longest_outage;
}

TEST(CustomerLedger, finds_the_longest_run_of_seconds_in_which_fewer_than_half_are_answered) {
    EXPECT_EQ(longest_outage_of({}), 0s);
    EXPECT_EQ(longest_outage_of({{10, 10}, {10, 5}, {1, 1}}), 0s);
    EXPECT_EQ(longest_outage_of({{10, 10}, {10, 4}, {10, 10}}), 1s);
    EXPECT_EQ(longest_outage_of({{10, 4}, {10, 10}, {10, 0}, {10, 0}, {10, 1}, {10, 9}, {10, 0}}), 3s);
    EXPECT_EQ(longest_outage_of({{10, 0}, {0, 0}, {10, 0}, {10, 10}}), 2s);  // nobody came: nobody knows
    EXPECT_EQ(longest_outage_of({{3, 1}, {3, 2}}), 1s);
}

TEST(CustomerLedger, counts_an_answer_in_the_second_of_its_arrival_up_to_the_last_moment) {
    CustomerLedger ledger(opened, 2s);
    ledger.arrived(at(999ms), false);
    ledger.arrived(at(2990ms), false);
    ledger.answered(at(999ms), at(2999ms), 200);
    ledger.answered(at(2990ms), at(4990ms), 200);
    ledger.end_arrivals(at(3s));
    ledger.close();
    EXPECT_EQ(ledger.picture().longest_outage, 0s);
    EXPECT_EQ(ledger.picture().calm.answered, 2U);
}

TEST(CustomerLedger, sees_an_outage_in_which_nothing_comes_back_at_all) {
    CustomerLedger ledger(opened, 2s);
    for (int second = 0; second < 60; ++second) ledger.arrived(at(second * 1s), true);
    EXPECT_EQ(ledger.picture().longest_outage, 57s);  // the last ones may still be answered in time
    EXPECT_EQ(ledger.picture().trouble.answered, 0U);
}

TEST(CustomerLedger, counts_in_the_sums_what_it_is_told_after_its_second_was_decided) {
    CustomerLedger ledger(opened, 2s);
    ledger.arrived(at(0s), false);
    ledger.answered(at(0s), at(10s), 200);
    ledger.arrived(at(500ms), false);
    ledger.answered(at(500ms), at(11s), 200);
    EXPECT_EQ(ledger.picture().calls, 2U);
    EXPECT_EQ(ledger.picture().too_late, 2U);
    EXPECT_EQ(ledger.picture().longest_outage, 1s);
}

}  // namespace customer_ledger_test
}  // namespace resilience::demo
