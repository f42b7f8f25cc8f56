#include "out_of_range.hpp"

#include <algorithm>
#include <cmath>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/concurrent_retry_budget.hpp>
#include <resilience/policies/retry_budget.hpp>
#include <string>

namespace resilience::inline v1::detail {
namespace {

constexpr double greatest_trickle = 1000;
constexpr std::uint32_t most_retries = 1'000'000;
constexpr std::uint64_t greatest_ratio_denominator = 10'000;
constexpr std::uint64_t greatest_trickle_denominator = 1'000'000;
constexpr std::uint64_t microseconds_per_second = 1'000'000;
// With them a position stays within +-2^61 for every moment a clock can show: 2^53.1 microseconds.
constexpr std::int64_t most_units = std::int64_t{1} << 60;
constexpr std::uint64_t most_units_per_microsecond = 128;

bool within(double value, double greatest) { return value >= 0 && value <= greatest && !std::signbit(value); }

void check(const RetryBudgetConfig& config) {
    ConfigProblems problems{"retry budget"};
    if (!within(config.ratio, 1)) problems.add("ratio", is(config.ratio, "0 to 1"));
    if (config.capacity < 1 || config.capacity > most_retries) {
        problems.add("capacity", is(config.capacity, "1 to 1000000"));
    }
    if (!within(config.trickle, greatest_trickle)) problems.add("trickle", is(config.trickle, "0 to 1000"));
    problems.expect(config.ratio != 0 || config.trickle != 0, "trickle",
                    "is 0 and so is ratio: the budget would never fill again");
    problems.throw_if_any();
}

}  // namespace

BudgetScale::BudgetScale(const RetryBudgetConfig& config) {
    check(config);
    const Fraction ratio = simplest_fraction(config.ratio, greatest_ratio_denominator);
    const Fraction trickle = simplest_fraction(config.trickle, greatest_trickle_denominator);
    const std::uint64_t per_token = trickle.denominator * microseconds_per_second;
    // As fine as the position allows, for what time brings is rounded down to whole units. At its coarsest a token has
    // 10,000 units, of which a microsecond brings 10 at most: the loop ends within the bounds, whatever the numbers.
    auto units = static_cast<std::int64_t>(ratio.denominator);
    const auto fits = [&](std::int64_t more) {
        return more <= most_units / config.capacity &&
               Unsigned128{static_cast<std::uint64_t>(more)} * trickle.numerator <=
                   Unsigned128{most_units_per_microsecond} * per_token;
    };
    while (fits(2 * units)) units *= 2;
    token = units;
    deposit = units / static_cast<std::int64_t>(ratio.denominator) * static_cast<std::int64_t>(ratio.numerator);
    capacity = units * config.capacity;
    growth = {static_cast<std::uint64_t>(units) * trickle.numerator, per_token};
}

Fraction checked_rate(const ConcurrentRetryBudgetConfig& config) {
    ConfigProblems problems{"concurrent retry budget"};
    if (!within(config.rate, 1)) problems.add("rate", is(config.rate, "0 to 1"));
    if (config.maximum < 1 || config.maximum > most_retries) {
        problems.add("maximum", is(config.maximum, "1 to 1000000"));
    }
    if (config.minimum > config.maximum) {
        problems.add("minimum", "is " + std::to_string(config.minimum) + ", above maximum (" +
                                    std::to_string(config.maximum) + "); use 0 to maximum");
    }
    problems.expect(config.rate != 0 || config.minimum != 0, "minimum",
                    "is 0 and so is rate: no retry would ever be granted");
    problems.throw_if_any();
    return simplest_fraction(config.rate);
}

}  // namespace resilience::inline v1::detail
