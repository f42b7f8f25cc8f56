#include <bit>
#include <cmath>
#include <limits>
#include <resilience/measure/fraction.hpp>

namespace resilience::inline v1 {

namespace {

using detail::Unsigned128;

// A convergent of a continued fraction and the one before it.
struct Convergents {
    Unsigned128 numerator = 1;
    Unsigned128 denominator = 0;
    Unsigned128 previous_numerator = 0;
    Unsigned128 previous_denominator = 1;

    void append(Unsigned128 term) noexcept {
        const Unsigned128 next_numerator = previous_numerator + term * numerator;
        const Unsigned128 next_denominator = previous_denominator + term * denominator;
        previous_numerator = numerator;
        previous_denominator = denominator;
        numerator = next_numerator;
        denominator = next_denominator;
    }

    // How large the next term may be for the denominator to stay within the limit.
    [[nodiscard]] Unsigned128 greatest_term(std::uint64_t max_denominator) const noexcept {
        if (denominator == 0) return std::numeric_limits<Unsigned128>::max();
        if (previous_denominator > max_denominator) return 0;
        return (max_denominator - previous_denominator) / denominator;
    }

    [[nodiscard]] Fraction fraction() const noexcept {
        return {static_cast<std::uint64_t>(numerator), static_cast<std::uint64_t>(denominator)};
    }
};

// The simplest fraction between low/scale and high/scale; denominator 0 if its denominator exceeds the limit. The ends
// never are the simplest: their denominators are greater than that of the double between them.
Fraction simplest_between(Unsigned128 low, Unsigned128 high, Unsigned128 scale,
                          std::uint64_t max_denominator) noexcept {
    Convergents convergents;
    Unsigned128 low_divisor = scale;
    Unsigned128 high_divisor = scale;
    for (;;) {
        const Unsigned128 whole = low / low_divisor;
        const bool shared = whole == high / high_divisor;
        const Unsigned128 term = shared ? whole : whole + 1;
        if (term > convergents.greatest_term(max_denominator)) return {0, 0};
        convergents.append(term);
        if (!shared) return convergents.fraction();
        // The rest is below 1; its reciprocal turns the interval around.
        const Unsigned128 low_rest = low % low_divisor;
        const Unsigned128 high_rest = high % high_divisor;
        low = high_divisor;
        high = low_divisor;
        low_divisor = high_rest;
        high_divisor = low_rest;
        if (high_divisor == 0) return convergents.fraction();
    }
}

// The fraction nearest to value/scale whose denominator stays within the limit.
Fraction nearest_below(Unsigned128 value, Unsigned128 scale, std::uint64_t max_denominator) noexcept {
    Convergents convergents;
    Unsigned128 divisor = scale;
    while (divisor != 0) {
        const Unsigned128 term = value / divisor;
        const Unsigned128 greatest = convergents.greatest_term(max_denominator);
        if (term > greatest) {
            Convergents shortened = convergents;
            shortened.append(greatest);
            // The two candidates lie on either side. The distance of the convergent is divisor/(its denominator *
            // scale); together they are 1/(product of both denominators) apart.
            const bool convergent_is_nearer = 2 * divisor * shortened.denominator <= scale;
            return convergent_is_nearer ? convergents.fraction() : shortened.fraction();
        }
        convergents.append(term);
        const Unsigned128 rest = value % divisor;
        value = divisor;
        divisor = rest;
    }
    return convergents.fraction();
}

}  // namespace

Fraction simplest_fraction(double value, std::uint64_t max_denominator) noexcept {
    constexpr double limit = 9223372036854775808.0;
    if (!(value > 0)) return {0, 1};
    if (value >= limit) return {std::numeric_limits<std::uint64_t>::max(), 1};
    int exponent = 0;
    const double scaled = std::ldexp(std::frexp(value, &exponent), std::numeric_limits<double>::digits);
    const auto mantissa = static_cast<std::uint64_t>(scaled);
    exponent -= std::numeric_limits<double>::digits;
    if (exponent >= 0) return {mantissa << exponent, 1};
    // Quarters of the last place: below a power of two the interval reaches only a quarter of it down.
    const int scale_exponent = 2 - exponent;
    if (scale_exponent > 126) return {1, max_denominator};
    const Unsigned128 scale = Unsigned128{1} << scale_exponent;
    const Unsigned128 centre = Unsigned128{mantissa} * 4;
    const Unsigned128 below = std::has_single_bit(mantissa) ? 1 : 2;
    Fraction result = simplest_between(centre - below, centre + 2, scale, max_denominator);
    if (result.denominator == 0) result = nearest_below(centre, scale, max_denominator);
    return result.numerator == 0 ? Fraction{1, max_denominator} : result;
}

}  // namespace resilience::inline v1
