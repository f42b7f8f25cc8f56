#pragma once

// Numbers as people read them: separators, units, fixed decimals, and columns that line up.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace resilience::program {

[[nodiscard]] std::string with_separators(std::uint64_t number);             // 21400 -> "21,400"
[[nodiscard]] std::string with_decimals(double number, int decimals);        // (0.5, 2) -> "0.50"
[[nodiscard]] std::string percent(std::uint64_t part, std::uint64_t whole);  // "97.1 %"; of nothing: "0.0 %"

// A share that somebody chose, without needless decimals: 0.8 -> "80 %", 0.125 -> "12.5 %".
[[nodiscard]] std::string short_percent(double ratio);

// Somebody's own words inside a message: "'paymnet'", cut at 60 bytes, control characters replaced.
[[nodiscard]] std::string in_quotes(std::string_view words);

// Blanks at the end up to `columns` characters (of UTF-8, not bytes), and at least one.
[[nodiscard]] std::string padded(std::string_view text, std::size_t columns);

// The same with the blanks in front, for figures.
[[nodiscard]] std::string padded_left(std::string_view text, std::size_t columns);

}  // namespace resilience::program
