#include <resilience/measure/fraction.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

namespace resilience {
namespace fraction_test {

constexpr std::uint64_t greatest = std::numeric_limits<std::uint64_t>::max();

Fraction lowest_terms(std::uint64_t part, std::uint64_t whole) {
    const std::uint64_t shared = std::gcd(part, whole);
    return {part / shared, whole / shared};
}

TEST(Fraction, is_the_simplest_one_that_rounds_to_the_double) {
    struct Row {
        double value;
        Fraction expected;
    };
    const Row rows[] = {
        {0.5, {1, 2}},
        {2.0 / 3, {2, 3}},
        {0.28, {7, 25}},
        {16.67, {1667, 100}},
        {0.1, {1, 10}},
        {0.999999, {999999, 1000000}},
        {1.0, {1, 1}},
        {3.0, {3, 1}},
        {1000.0 / 60, {50, 3}},
        {1.0 / 86400, {1, 86400}},
        {7e8, {700000000, 1}},
        {1e-8, {1, 100000000}},
        {9007199254740993.0, {9007199254740992, 1}},
        {4611686018427387904.0, {std::uint64_t{1} << 62, 1}},
    };
    for (const Row& row : rows) EXPECT_EQ(simplest_fraction(row.value), row.expected) << row.value;
}

TEST(Fraction, finds_every_part_of_up_to_two_hundred) {
    for (std::uint64_t whole = 1; whole <= 200; ++whole) {
        for (std::uint64_t part = 1; part <= whole; ++part) {
            const Fraction fraction = simplest_fraction(static_cast<double>(part) / static_cast<double>(whole));
            ASSERT_EQ(fraction, lowest_terms(part, whole)) << part << " of " << whole;
            ASSERT_TRUE(reaches(part, whole, fraction)) << part << " of " << whole;
            ASSERT_FALSE(reaches(part - 1, whole, fraction)) << part << " of " << whole;
        }
    }
}

TEST(Fraction, finds_every_number_of_parts_per_million) {
    for (std::uint64_t part = 1; part <= 1'000'000; ++part) {
        const Fraction fraction = simplest_fraction(static_cast<double>(part) / 1e6);
        ASSERT_EQ(fraction, lowest_terms(part, 1'000'000)) << part;
        ASSERT_TRUE(reaches(part, 1'000'000, fraction)) << part;
        ASSERT_FALSE(reaches(part - 1, 1'000'000, fraction)) << part;
    }
}

TEST(Fraction, is_within_the_rounding_interval_of_any_double_it_has_room_for) {
    std::mt19937_64 random(1);
    for (int round = 0; round < 100'000; ++round) {
        const double value = std::ldexp(static_cast<double>(random() >> 11), -53 + static_cast<int>(random() % 20));
        if (value == 0) continue;
        const Fraction fraction = simplest_fraction(value, std::uint64_t{1} << 54);
        ASSERT_EQ(std::gcd(fraction.numerator, fraction.denominator), 1U);
        // |numerator/denominator - value| is at most half of the value's last place.
        int exponent = 0;
        const auto mantissa = static_cast<std::uint64_t>(std::ldexp(std::frexp(value, &exponent), 53));
        const int places = 53 - exponent;
        if (places > 70) continue;
        const detail::Signed128 exact = detail::Signed128{mantissa} * fraction.denominator;
        const detail::Signed128 found = detail::Signed128{fraction.numerator} << places;
        ASSERT_LE(2 * (found > exact ? found - exact : exact - found), detail::Signed128{fraction.denominator});
    }
}

TEST(Fraction, is_the_nearest_one_below_the_greatest_denominator) {
    struct Row {
        double value;
        std::uint64_t max_denominator;
        Fraction expected;
    };
    const double pi = 3.141592653589793;
    const Row rows[] = {
        {pi, 1, {3, 1}},       {pi, 7, {22, 7}},  {pi, 99, {311, 99}}, {pi, 106, {333, 106}},
        {pi, 113, {355, 113}}, {0.3, 9, {2, 7}},  {0.3, 4, {1, 3}},    {0.999, 10, {1, 1}},
        {0.99, 50, {49, 50}},  {2.75, 2, {5, 2}}, {0.4, 4, {1, 3}},
    };
    for (const Row& row : rows) {
        const Fraction fraction = simplest_fraction(row.value, row.max_denominator);
        // Of two that are equally near, either will do.
        const double distance =
            std::fabs(static_cast<double>(fraction.numerator) - row.value * static_cast<double>(fraction.denominator)) /
            static_cast<double>(fraction.denominator);
        const double expected = std::fabs(static_cast<double>(row.expected.numerator) -
                                          row.value * static_cast<double>(row.expected.denominator)) /
                                static_cast<double>(row.expected.denominator);
        EXPECT_LE(fraction.denominator, row.max_denominator);
        EXPECT_NEAR(distance, expected, 1e-12) << row.value << " below " << row.max_denominator;
    }
}

TEST(Fraction, agrees_with_a_search_through_all_small_denominators) {
    std::mt19937_64 random(2);
    for (int round = 0; round < 2'000; ++round) {
        const double value = std::ldexp(static_cast<double>(random() >> 11), -53);
        const std::uint64_t limit = 1 + random() % 60;
        double nearest = 2;
        for (std::uint64_t denominator = 1; denominator <= limit; ++denominator) {
            const double scaled = value * static_cast<double>(denominator);
            nearest = std::min(nearest, std::fabs(scaled - std::round(scaled)) / static_cast<double>(denominator));
        }
        const Fraction fraction = simplest_fraction(value, limit);
        const double distance =
            std::fabs(static_cast<double>(fraction.numerator) / static_cast<double>(fraction.denominator) - value);
        ASSERT_LE(fraction.denominator, limit);
        if (value > 0.5 / static_cast<double>(limit)) {
            ASSERT_NEAR(distance, nearest, 1e-12) << value << " " << limit;
        }
    }
}

TEST(Fraction, above_nothing_is_never_nothing) {
    for (const double value : {1e-12, 1e-20, 1e-30, 1e-300, std::numeric_limits<double>::denorm_min()}) {
        EXPECT_EQ(simplest_fraction(value, 1000), (Fraction{1, 1000})) << value;
    }
    EXPECT_FALSE(reaches(0, 1, simplest_fraction(1e-300)));
}

TEST(Fraction, holds_outside_its_range) {
    EXPECT_EQ(simplest_fraction(0.0), (Fraction{0, 1}));
    EXPECT_EQ(simplest_fraction(-0.0), (Fraction{0, 1}));
    EXPECT_EQ(simplest_fraction(-1.5), (Fraction{0, 1}));
    EXPECT_EQ(simplest_fraction(std::numeric_limits<double>::quiet_NaN()), (Fraction{0, 1}));
    EXPECT_EQ(simplest_fraction(std::numeric_limits<double>::infinity()), (Fraction{greatest, 1}));
    EXPECT_EQ(simplest_fraction(9223372036854775808.0), (Fraction{greatest, 1}));
}

TEST(Fraction, compares_without_overflow_at_the_ends_of_64_bits) {
    EXPECT_TRUE(reaches(greatest, greatest, {1, 1}));
    EXPECT_FALSE(reaches(greatest - 1, greatest, {1, 1}));
    EXPECT_TRUE(reaches(greatest, greatest, {greatest, greatest}));
    EXPECT_FALSE(reaches(1, greatest, {1, 2}));
    EXPECT_TRUE(reaches(greatest / 2 + 1, greatest, {1, 2}));
    EXPECT_FALSE(reaches(greatest / 2, greatest, {1, 2}));
    EXPECT_TRUE(reaches(0, 0, {1, 2}));
}

TEST(Fraction, reaches_a_half_at_one_hundred_of_two_hundred_and_not_before) {
    const Fraction half = simplest_fraction(0.5);
    EXPECT_FALSE(reaches(99, 200, half));
    EXPECT_TRUE(reaches(100, 200, half));
}

}  // namespace fraction_test
}  // namespace resilience
