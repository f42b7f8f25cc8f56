#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

#include "text/duration_input.hpp"
#include "text/figures.hpp"
#include "text/suggestion.hpp"

namespace resilience::program {
namespace text_test {

using namespace std::chrono_literals;

TEST(ParseDuration, reads_every_unit_and_sums_of_them) {
    const std::array<std::pair<std::string_view, Duration>, 11> rows{{{"0s", 0s},
                                                                      {"20s", 20s},
                                                                      {"150ms", 150ms},
                                                                      {"7us", 7us},
                                                                      {"9ns", 9ns},
                                                                      {"2m", 2min},
                                                                      {"3h", 3h},
                                                                      {"1d", 24h},
                                                                      {"0.5s", 500ms},
                                                                      {"1m30s", 90s},
                                                                      {"1h2m3s4ms", 1h + 2min + 3s + 4ms}}};
    for (const auto& [text, expected] : rows) {
        const auto read = parse_duration(text);
        ASSERT_TRUE(read) << text << ": " << read.error();
        EXPECT_EQ(*read, expected) << text;
    }
}

TEST(ParseDuration, says_what_is_wrong) {
    const std::array<std::pair<std::string_view, std::string_view>, 11> rows{{
        {"20", "needs a unit; did you mean 20s? (ns, us, ms, s, m, h, d)"},
        {"1.5", "needs a unit; did you mean 1.5s? (ns, us, ms, s, m, h, d)"},
        {"", "is no duration: ''; write it like 20s, 150ms or 1m30s"},
        {"-5s", "is no duration: '-5s'; write it like 20s, 150ms or 1m30s"},
        {"5 s", "is no duration: '5 s'; write it like 20s, 150ms or 1m30s"},
        {"10sec", "is no duration: '10sec'; write it like 20s, 150ms or 1m30s"},
        {"1s1m", "is no duration: '1s1m'; write it like 20s, 150ms or 1m30s"},
        {"1m30", "is no duration: '1m30'; write it like 20s, 150ms or 1m30s"},
        {"1e3s", "is no duration: '1e3s'; write it like 20s, 150ms or 1m30s"},
        {"1.2.3s", "is no duration: '1.2.3s'; write it like 20s, 150ms or 1m30s"},
        {"400000d", "is '400000d': longer than 292 years"},
    }};
    for (const auto& [text, expected] : rows) {
        const auto read = parse_duration(text);
        ASSERT_FALSE(read) << text;
        EXPECT_EQ(read.error(), expected);
    }
}

TEST(NearestName, finds_slips_and_leaves_strangers_alone) {
    constexpr std::array<std::string_view, 3> known{"payment", "inventory", "recommendations"};
    EXPECT_EQ(nearest_name("paymnet", known), "payment");
    EXPECT_EQ(nearest_name("paymen", known), "payment");
    EXPECT_EQ(nearest_name("recomendation", known), "recommendations");
    EXPECT_EQ(nearest_name("checkout", known), "");
    EXPECT_EQ(nearest_name("", known), "");
    EXPECT_EQ(nearest_name(std::string(100'000, 'p'), known), "");
    EXPECT_EQ(did_you_mean("inventry", known), "; did you mean 'inventory'?");
    EXPECT_EQ(did_you_mean("warehouse", known), "");
}

TEST(Figures, carry_separators_and_units) {
    EXPECT_EQ(with_separators(0), "0");
    EXPECT_EQ(with_separators(999), "999");
    EXPECT_EQ(with_separators(1'000), "1,000");
    EXPECT_EQ(with_separators(21'400), "21,400");
    EXPECT_EQ(with_separators(1'234'567), "1,234,567");
    EXPECT_EQ(percent(0, 0), "0.0 %");
    EXPECT_EQ(percent(971, 1000), "97.1 %");
    EXPECT_EQ(short_percent(0.8), "80 %");
    EXPECT_EQ(short_percent(0.125), "12.5 %");
    EXPECT_EQ(with_decimals(0.5, 2), "0.50");
}

TEST(Figures, pad_by_characters_not_bytes) {
    EXPECT_EQ(padded("closed → open", 20), "closed → open       ");
    EXPECT_EQ(padded("half_open → closed", 20), "half_open → closed  ");
    EXPECT_EQ(padded("longer than the column", 5), "longer than the column ");
}

}  // namespace text_test
}  // namespace resilience::program
