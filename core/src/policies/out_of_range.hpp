#pragma once

// What a wrong value of a configuration is, and what to use instead: "is 1000.5; use 1 to 1000".

#include <array>
#include <charconv>
#include <chrono>
#include <concepts>
#include <resilience/base/duration_text.hpp>
#include <resilience/base/time.hpp>
#include <string>
#include <string_view>

namespace resilience::inline v1::detail {

// To the last digit, so that a value just outside a range shows on which side it is: 1.0000000001 is not "1".
inline std::string exact_text(std::integral auto value) { return std::to_string(value); }
inline std::string exact_text(double value) {
    std::array<char, 32> text{};
    return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}
// In the words of duration_text where those do not round, else in the largest unit of which it has a whole number.
inline std::string exact_text(Duration value) {
    using namespace std::chrono;
    const auto whole = [value](auto unit) { return value % unit == Duration::zero(); };
    const auto shorter_than = [value](auto longest) { return value > -longest && value < longest; };
    if (whole(hours(1)) || (whole(minutes(1)) && shorter_than(hours(24)))) return duration_text(value);
    if (whole(seconds(1))) {
        return shorter_than(hours(1)) ? duration_text(value) : std::to_string(value / seconds(1)) + " s";
    }
    if (whole(milliseconds(1))) return std::to_string(value / milliseconds(1)) + " ms";
    if (whole(microseconds(1))) return std::to_string(value / microseconds(1)) + " us";
    return std::to_string(value.count()) + " ns";
}

inline std::string is(std::string_view value, std::string_view advice) {
    return "is " + std::string(value) + "; use " + std::string(advice);
}
inline std::string is(std::integral auto value, std::string_view advice) { return is(exact_text(value), advice); }
inline std::string is(double value, std::string_view advice) { return is(exact_text(value), advice); }
inline std::string is(Duration value, std::string_view advice) { return is(exact_text(value), advice); }

}  // namespace resilience::inline v1::detail
