#include "text/duration_input.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

namespace resilience::program {
namespace {

struct Unit {
    std::string_view name;
    double nanoseconds;
};
constexpr std::array<Unit, 7> units{
    {{"d", 86'400e9}, {"h", 3'600e9}, {"m", 60e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}}};
constexpr double longest = 9.2e18;  // just below the most that fits a Duration

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The number at the front of `text`, which it removes. Only digits and one point: no sign, no exponent, no "inf".
std::optional<double> take_number(std::string_view& text) {
    std::size_t length = 0;
    while (length < text.size() && (is_digit(text[length]) || text[length] == '.')) ++length;
    double number = 0;
    const auto read = std::from_chars(text.data(), text.data() + length, number, std::chars_format::fixed);
    if (read.ec != std::errc{} || read.ptr != text.data() + length) return std::nullopt;
    text.remove_prefix(length);
    return number;
}

// The unit at the front of `text` as an index into `units`, or nothing.
std::optional<std::size_t> take_unit(std::string_view& text) {
    std::size_t length = 0;
    while (length < text.size() && text[length] >= 'a' && text[length] <= 'z') ++length;
    for (std::size_t index = 0; index < units.size(); ++index) {
        if (units[index].name != text.substr(0, length)) continue;
        text.remove_prefix(length);
        return index;
    }
    return std::nullopt;
}

std::unexpected<std::string> not_a_duration(std::string_view text) {
    return std::unexpected("is no duration: '" + std::string(text) + "'; write it like 20s, 150ms or 1m30s");
}

}  // namespace

std::expected<Duration, std::string> parse_duration(std::string_view text) {
    std::string_view rest = text;
    double sum = 0;
    std::optional<std::size_t> last;
    do {
        const std::optional<double> number = take_number(rest);
        if (!number) return not_a_duration(text);
        if (rest.empty() && !last) {
            return std::unexpected("needs a unit; did you mean " + std::string(text) + "s? (ns, us, ms, s, m, h, d)");
        }
        const std::optional<std::size_t> unit = take_unit(rest);
        if (!unit || (last && *unit <= *last)) return not_a_duration(text);
        last = unit;
        sum += *number * units[*unit].nanoseconds;
    } while (!rest.empty());
    if (sum > longest) return std::unexpected("is '" + std::string(text) + "': longer than 292 years");
    return Duration{std::llround(sum)};
}

}  // namespace resilience::program
