#include <cstdint>
#include <numeric>
#include <resilience/measure/fraction.hpp>
#include <resilience/measure/token_bucket.hpp>

namespace resilience::inline v1 {

namespace detail {
namespace {

constexpr double least_rate = 1e-8;
constexpr double greatest_rate = 1e9;
constexpr std::uint64_t greatest_capacity = 0xffff'ffff;
constexpr std::uint64_t nanoseconds_per_second = 1'000'000'000;
constexpr std::uint64_t greatest_strict_numerator = 16;

// Tokens per nanosecond in lowest terms; the denominator is below 2^61, as simplest_fraction() keeps it to 2^31.
Fraction tokens_per_nanosecond(double refill_rate) noexcept {
    const Fraction per_second = simplest_fraction(refill_rate);
    const std::uint64_t shared = std::gcd(per_second.numerator, nanoseconds_per_second);
    return {per_second.numerator / shared, per_second.denominator * (nanoseconds_per_second / shared)};
}

// ceil(2^120 * numerator / denominator) for numerator <= 2 * denominator < 2^62, one bit at a time.
Unsigned128 multiplier(Unsigned128 numerator, Unsigned128 denominator) noexcept {
    Unsigned128 quotient = numerator / denominator;
    Unsigned128 remainder = numerator % denominator;
    for (int bit = 0; bit < 120; ++bit) {
        remainder *= 2;
        quotient *= 2;
        if (remainder >= denominator) {
            remainder -= denominator;
            ++quotient;
        }
    }
    return remainder == 0 ? quotient : quotient + 1;
}

}  // namespace

TokenScale token_scale(double refill_rate) noexcept {
    const Fraction rate = tokens_per_nanosecond(refill_rate);
    if (rate.numerator <= greatest_strict_numerator) {
        return {static_cast<std::int64_t>(rate.denominator), rate.numerator << 56, 0};
    }
    std::uint64_t units = 1;
    while (Unsigned128{units} * rate.numerator <= rate.denominator) units *= 2;
    const Unsigned128 exact = multiplier(Unsigned128{units} * rate.numerator, rate.denominator);
    return {static_cast<std::int64_t>(units), static_cast<std::uint64_t>(exact >> 64),
            static_cast<std::uint64_t>(exact)};
}

bool token_scale_exists(std::uint64_t capacity, double refill_rate) noexcept {
    if (capacity == 0 || capacity > greatest_capacity) return false;
    if (!(refill_rate >= least_rate && refill_rate <= greatest_rate)) return false;
    const Fraction rate = tokens_per_nanosecond(refill_rate);
    return Unsigned128{capacity} * rate.denominator <= Unsigned128{rate.numerator} * token_span;
}

}  // namespace detail

template class BasicTokenBucket<StandardAtomics>;

}  // namespace resilience::inline v1
