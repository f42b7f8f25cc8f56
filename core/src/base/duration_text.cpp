#include <array>
#include <cstddef>
#include <cstdint>
#include <resilience/base/duration_text.hpp>
#include <string_view>

namespace resilience::inline v1 {
namespace {

struct Unit {
    std::uint64_t nanoseconds;
    std::string_view name;
};

// Rounded to nearest without a sum that could overflow.
constexpr std::uint64_t rounded(std::uint64_t value, std::uint64_t unit) noexcept {
    return value / unit + (value % unit >= unit - unit / 2 ? 1 : 0);
}

std::string in_one_unit(std::uint64_t nanoseconds, const Unit& unit) {
    const std::uint64_t tenths = rounded(nanoseconds, unit.nanoseconds / 10);
    const bool whole = tenths >= 1000 || tenths % 10 == 0;
    std::string text = std::to_string(whole ? rounded(nanoseconds, unit.nanoseconds) : tenths / 10);
    if (!whole) text += '.' + std::to_string(tenths % 10);
    return text + ' ' + std::string(unit.name);
}

std::string in_two_units(std::uint64_t smaller, std::uint64_t ratio, std::string_view large, std::string_view small) {
    std::string text = std::to_string(smaller / ratio) + ' ' + std::string(large);
    if (smaller % ratio != 0) text += ' ' + std::to_string(smaller % ratio) + ' ' + std::string(small);
    return text;
}

std::string magnitude_text(std::uint64_t nanoseconds) {
    constexpr std::array<Unit, 3> small_units{{{1'000, "us"}, {1'000'000, "ms"}, {1'000'000'000, "s"}}};
    constexpr std::uint64_t second = 1'000'000'000;
    constexpr std::uint64_t minute = 60 * second;
    if (nanoseconds < 1000) return std::to_string(nanoseconds) + " ns";
    for (const Unit& unit : small_units) {
        // What rounds up to the next unit is written in that one: 999.6 ms is "1 s", 59.96 s is "1 min".
        const std::uint64_t last =
            unit.nanoseconds == second ? 59'949'999'999 : 999 * unit.nanoseconds + unit.nanoseconds / 2 - 1;
        if (nanoseconds <= last) return in_one_unit(nanoseconds, unit);
    }
    const std::uint64_t seconds = rounded(nanoseconds, second);
    if (seconds < 3600) return in_two_units(seconds, 60, "min", "s");
    const std::uint64_t minutes = rounded(nanoseconds, minute);
    if (minutes < 24 * 60) return in_two_units(minutes, 60, "h", "min");
    return in_two_units(rounded(nanoseconds, 60 * minute), 24, "d", "h");
}

}  // namespace

std::string duration_text(Duration duration) {
    const auto count = static_cast<std::uint64_t>(duration.count());
    if (duration.count() < 0) return '-' + magnitude_text(0 - count);
    if (count == 0) return "0 s";
    return magnitude_text(count);
}

}  // namespace resilience::inline v1
