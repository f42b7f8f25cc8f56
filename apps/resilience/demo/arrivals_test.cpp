#include "demo/arrivals.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace resilience::demo {
namespace arrivals_test {

using namespace std::chrono_literals;

constexpr TimePoint start{1000s};

struct Change {
    Duration at;
    double factor;
};

std::vector<Arrival> arrivals_of(std::uint64_t seed, const std::vector<Change>& changes, Duration until) {
    Arrivals stream(seed, 200, start);
    std::vector<Arrival> seen;
    const auto take_until = [&](TimePoint end) {
        while (stream.due() <= end) seen.push_back(stream.take());
    };
    for (const Change& change : changes) {
        take_until(start + change.at);
        stream.set_factor(change.factor, start + change.at);
    }
    take_until(start + until);
    return seen;
}

bool same(const std::vector<Arrival>& left, const std::vector<Arrival>& right) {
    return std::ranges::equal(left, right, [](const Arrival& one, const Arrival& other) {
        return one.due == other.due && one.kind == other.kind;
    });
}

TEST(Arrivals, of_one_seed_are_the_same_also_when_the_load_changes) {
    const std::vector<Change> changes{{10s, 5}, {30s, 1}, {40s, 0}, {50s, 2}};
    const std::vector<Arrival> once = arrivals_of(1, changes, 60s);
    EXPECT_GT(once.size(), 20'000U);
    EXPECT_TRUE(same(once, arrivals_of(1, changes, 60s)));
    EXPECT_FALSE(same(once, arrivals_of(2, changes, 60s)));
}

TEST(Arrivals, want_the_same_in_the_same_order_whenever_the_load_changes) {
    const std::vector<Arrival> early = arrivals_of(1, {{3s, 5}}, 10s), late = arrivals_of(1, {{7s, 5}}, 10s);
    ASSERT_GT(late.size(), 2000U);
    for (std::size_t index = 0; index < late.size(); ++index) ASSERT_EQ(early[index].kind, late[index].kind) << index;
}

TEST(Arrivals, come_as_often_as_the_rate_says_and_by_their_shares) {
    const std::vector<Arrival> seen = arrivals_of(7, {{100s, 5}}, 200s);
    const auto before = std::ranges::count_if(seen, [](const Arrival& each) { return each.due < start + 100s; });
    const auto after = static_cast<std::ptrdiff_t>(seen.size()) - before;
    EXPECT_NEAR(static_cast<double>(before), 20'000, 5 * 142);  // five standard deviations of a Poisson count
    EXPECT_NEAR(static_cast<double>(after), 100'000, 5 * 317);
    for (std::size_t kind = 0; kind < call_kinds.size(); ++kind) {
        const auto of_kind = std::ranges::count(seen, kind, &Arrival::kind);
        EXPECT_NEAR(static_cast<double>(of_kind) / static_cast<double>(seen.size()), call_kinds[kind].share, 0.008);
    }
}

TEST(Arrivals, pause_and_go_on) {
    Arrivals stream(1, 200, start);
    stream.set_factor(0, start);
    EXPECT_EQ(stream.due(), never);
    stream.set_factor(1, start + 1h);
    EXPECT_GE(stream.due(), start + 1h);
    EXPECT_LT(stream.due(), start + 1h + 1s);
}

TEST(Arrivals, change_with_the_rest_of_the_pause_under_way) {
    Arrivals usual(1, 200, start), doubled(1, 200, start);
    const Duration whole = usual.due() - start;
    doubled.set_factor(2, start + whole / 2);
    EXPECT_NEAR(static_cast<double>((doubled.due() - start).count()), static_cast<double>(whole.count()) * 0.75, 2);
}

}  // namespace arrivals_test
}  // namespace resilience::demo
