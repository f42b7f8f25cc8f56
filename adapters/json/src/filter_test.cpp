#include <gtest/gtest.h>

#include <resilience/json/filter.hpp>
#include <resilience/manager/manager.hpp>
#include <string>
#include <vector>

namespace filter_test {

using namespace resilience;

TEST(Glob, matches_whole_names) {
    struct Row {
        std::string_view text;
        std::string_view glob;
        bool matches;
    };
    const Row rows[] = {
        {"payment", "payment", true},
        {"payment", "pay", false},
        {"pay", "payment", false},
        {"payment", "pay*", true},
        {"payment", "*ment", true},
        {"payment", "p*y*t", true},
        {"payment", "*", true},
        {"payment", "**", true},
        {"payment", "payment*", true},
        {"payment", "payment?", false},
        {"payment", "paymen?", true},
        {"payment", "???????", true},
        {"payment", "??????", false},
        {"payment", "Payment", false},
        {"payment", "", false},
        {"", "", true},
        {"", "*", true},
        {"", "?", false},
        {"aab", "*ab", true},
        {"abcabd", "*abd", true},
        {"abcabd", "a*c?d*", false},
        {"abcabd", "a*c?b?", true},
        {"abcabd", "a*c??d", true},
        {"a[b]c", "a[b]c", true},
        {"b", "[b]", false},
        {"a*c", "a*c", true},
        {"\xc3\xa9t\xc3\xa9", "?t?", true},
        {"\xf0\x9f\x94\xa5", "?", true},
        {"\xf0\x9f\x94\xa5", "??", false},
        {"x\xc3\xa9", "*?", true},
    };
    for (const auto& row : rows) {
        EXPECT_EQ(matches_glob(row.text, row.glob), row.matches) << '"' << row.text << "\" against " << row.glob;
    }
}

TEST(Glob, of_many_stars_ends_soon) {
    const std::string text(2000, 'a');
    std::string glob;
    for (int star = 0; star < 500; ++star) glob += "*a";
    EXPECT_FALSE(matches_glob(text, glob + "b"));
    EXPECT_TRUE(matches_glob(text, glob));
}

ResilienceStats of_every_kind() {
    ResilienceStats stats;
    stats.service = "checkout";
    for (const char* name : {"payment_api", "payment_db", "search"}) {
        stats.circuit_breakers[name];
        stats.rate_limiters[name];
        stats.bulkheads[name];
        stats.retries[name];
    }
    return stats;
}

TEST(Filter, lets_everything_pass_when_nothing_is_asked) {
    const auto left = filter(of_every_kind(), "");
    EXPECT_EQ(left.service, "checkout");
    EXPECT_EQ(left.circuit_breakers.size() + left.rate_limiters.size() + left.bulkheads.size() + left.retries.size(),
              12U);
}

TEST(Filter, keeps_names_that_match_in_every_kind) {
    const auto left = filter(of_every_kind(), "payment_*");
    EXPECT_EQ(left.circuit_breakers.size(), 2U);
    EXPECT_EQ(left.rate_limiters.size(), 2U);
    EXPECT_EQ(left.bulkheads.size(), 2U);
    EXPECT_EQ(left.retries.size(), 2U);
    EXPECT_FALSE(left.circuit_breakers.contains("search"));
}

TEST(Filter, keeps_one_kind) {
    for (const auto kind : stats_kinds) {
        const auto left = filter(of_every_kind(), "search", kind);
        EXPECT_EQ(left.circuit_breakers.size(), kind == "circuit_breakers" ? 1U : 0U) << kind;
        EXPECT_EQ(left.rate_limiters.size(), kind == "rate_limiters" ? 1U : 0U) << kind;
        EXPECT_EQ(left.bulkheads.size(), kind == "bulkheads" ? 1U : 0U) << kind;
        EXPECT_EQ(left.retries.size(), kind == "retries" ? 1U : 0U) << kind;
    }
}

TEST(Filter, of_an_unknown_kind_leaves_nothing) {
    EXPECT_FALSE(is_stats_kind("bulkhead"));
    EXPECT_FALSE(is_stats_kind(""));
    EXPECT_TRUE(is_stats_kind("bulkheads"));
    const auto left = filter(of_every_kind(), "", "bulkhead");
    EXPECT_TRUE(left.circuit_breakers.empty() && left.rate_limiters.empty() && left.bulkheads.empty() &&
                left.retries.empty());
}

TEST(Filter, leaves_no_name_in_the_overflow_that_it_took_out_of_the_stats) {
    ResilienceManager manager{"", {.max_components = 1}};
    for (const auto* name : {"own", "pay_a", "pay_b", "stock"}) manager.register_bulkhead(name, 1);
    for (const auto* name : {"own", "pay_a", "gone"}) manager.register_retry(name);
    manager.remove(PolicyKind::bulkhead, "pay_b");
    const ResilienceStats all = manager.stats();
    ASSERT_TRUE(all.overflow.bulkheads.removed);

    const ResilienceStats bulkheads = filter(all, "", "bulkheads");
    EXPECT_EQ(bulkheads.overflow.bulkheads.names, (std::vector<std::string>{"pay_a", "stock"}));
    EXPECT_TRUE(bulkheads.overflow.bulkheads.removed) << "a whole kind keeps its whole sum";
    EXPECT_TRUE(bulkheads.overflow.retries.names.empty());

    const ResilienceStats pay = filter(all, "pay_*");
    EXPECT_EQ(pay.overflow.bulkheads.names, (std::vector<std::string>{"pay_a"}));
    EXPECT_FALSE(pay.overflow.bulkheads.removed) << "nobody knows whose they were";
    EXPECT_EQ(pay.overflow.retries.names, (std::vector<std::string>{"pay_a"}));

    const ResilienceStats none = filter(all, "", "no_kind");
    EXPECT_TRUE(none.overflow.bulkheads.names.empty());
    EXPECT_FALSE(none.overflow.bulkheads.removed);
}

}  // namespace filter_test
