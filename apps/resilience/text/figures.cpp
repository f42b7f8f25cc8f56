#include "text/figures.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <system_error>

namespace resilience::program {

std::string with_separators(std::uint64_t number) {
    std::string text = std::to_string(number);
    for (std::size_t end = text.size(); end > 3; end -= 3) text.insert(end - 3, ",");
    return text;
}

std::string with_decimals(double number, int decimals) {
    std::array<char, 400> text{};
    const auto written =
        std::to_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed, decimals);
    return written.ec == std::errc{} ? std::string(text.data(), written.ptr) : std::string("?");
}

std::string percent(std::uint64_t part, std::uint64_t whole) {
    const double share = whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
    return with_decimals(100 * share, 1) + " %";
}

std::string short_percent(double ratio) {
    const double tenths = std::round(ratio * 1000);
    return with_decimals(tenths / 10, std::fmod(tenths, 10) == 0 ? 0 : 1) + " %";
}

std::string in_quotes(std::string_view words) {
    std::string quoted = "'";
    for (const char byte : words.substr(0, 60)) {
        const bool control = static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F;
        quoted += control ? '?' : byte;
    }
    return quoted + "'";
}

namespace {

std::string blanks_beside(std::string_view text, std::size_t columns) {
    std::size_t characters = 0;
    for (const char byte : text) characters += (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U ? 1 : 0;
    return std::string(characters < columns ? columns - characters : 1, ' ');
}

}  // namespace

std::string padded(std::string_view text, std::size_t columns) {
    return std::string(text) + blanks_beside(text, columns);
}

std::string padded_left(std::string_view text, std::size_t columns) {
    return blanks_beside(text, columns) + std::string(text);
}

}  // namespace resilience::program
