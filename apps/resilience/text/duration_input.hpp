#pragma once

// Durations as people type them: "20s", "150ms", "1m30s". A bare number is refused, because nobody knows its unit.

#include <expected>
#include <resilience/base/time.hpp>
#include <string>
#include <string_view>

namespace resilience::program {

// Units ns us ms s m h d, whole or decimal numbers, several parts in falling order ("1m30s"); never negative.
// The error is a sentence without a subject: "needs a unit; did you mean 20s? (ns, us, ms, s, m, h, d)".
[[nodiscard]] std::expected<Duration, std::string> parse_duration(std::string_view text);

}  // namespace resilience::program
