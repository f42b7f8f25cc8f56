#pragma once

// Reading a Retry-After header: how long the callee asks to be left alone (RFC 9110, 10.2.3). Header only.
//
//     parse_retry_after("120", wall_now)                             // 120 s
//     parse_retry_after("Wed, 21 Oct 2026 07:28:00 GMT", wall_now)   // from wall_now until then
//     parse_retry_after("soon", wall_now)                            // nothing
//
// Both forms are read, the date in its three spellings (RFC 9110 5.6.7: IMF-fixdate, RFC 850, asctime). Nothing here
// allocates, throws or reads a clock. A date is only as good as the two wall clocks it compares; that is why seconds
// are the form to send.

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <resilience/base/time.hpp>
#include <string_view>
#include <system_error>

namespace resilience::inline v1 {

namespace detail {

// Reads an HTTP date from front to back; every step says whether the text went on as expected.
class HttpDateReader {
  public:
    explicit constexpr HttpDateReader(std::string_view text) noexcept : rest_(text) {}

    [[nodiscard]] constexpr bool literal(std::string_view expected) noexcept {
        if (!rest_.starts_with(expected)) return false;
        rest_.remove_prefix(expected.size());
        return true;
    }
    // Exactly `width` digits; with `padded`, a leading space counts as a zero (asctime writes "Nov  6").
    [[nodiscard]] constexpr bool digits(std::size_t width, int& value, bool padded = false) noexcept {
        if (rest_.size() < width) return false;
        value = 0;
        for (std::size_t index = 0; index < width; ++index) {
            const char digit = (padded && index == 0 && rest_[0] == ' ') ? '0' : rest_[index];
            if (digit < '0' || digit > '9') return false;
            value = value * 10 + (digit - '0');
        }
        rest_.remove_prefix(width);
        return true;
    }
    [[nodiscard]] constexpr bool month(unsigned& number) noexcept {
        constexpr std::string_view names = "JanFebMarAprMayJunJulAugSepOctNovDec";
        for (number = 1; number <= 12; ++number) {
            if (literal(names.substr((number - 1) * 3, 3))) return true;
        }
        return false;
    }
    // The name of a day, long or short; whether it is the right one for the date is not checked.
    [[nodiscard]] constexpr bool weekday(bool& long_form) noexcept {
        constexpr std::string_view names[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                              "Friday", "Saturday", "Sunday"};
        for (const std::string_view name : names) {
            long_form = literal(name);
            if (long_form || literal(name.substr(0, 3))) return true;
        }
        return false;
    }
    [[nodiscard]] constexpr bool at_end() const noexcept { return rest_.empty(); }

  private:
    std::string_view rest_;
};

struct HttpDateFields {
    int year = 0;
    unsigned month = 0;
    int day = 0, hour = 0, minute = 0, second = 0;

    [[nodiscard]] constexpr bool read_time(HttpDateReader& text) noexcept {
        return text.digits(2, hour) && text.literal(":") && text.digits(2, minute) && text.literal(":") &&
               text.digits(2, second) && hour <= 23 && minute <= 59 && second <= 60;
    }
};

// "Sun, 06 Nov 1994 08:49:37 GMT" · "Sunday, 06-Nov-94 08:49:37 GMT" · "Sun Nov  6 08:49:37 1994"
[[nodiscard]] constexpr bool read_http_date(HttpDateReader text, int century, HttpDateFields& date) noexcept {
    bool long_form = false;
    if (!text.weekday(long_form)) return false;
    if (long_form) {
        const bool read = text.literal(", ") && text.digits(2, date.day) && text.literal("-") &&
                          text.month(date.month) && text.literal("-") && text.digits(2, date.year) &&
                          text.literal(" ") && date.read_time(text) && text.literal(" GMT");
        date.year += century;
        return read && text.at_end();
    }
    if (text.literal(", ")) {
        return text.digits(2, date.day) && text.literal(" ") && text.month(date.month) && text.literal(" ") &&
               text.digits(4, date.year) && text.literal(" ") && date.read_time(text) && text.literal(" GMT") &&
               text.at_end();
    }
    return text.literal(" ") && text.month(date.month) && text.literal(" ") && text.digits(2, date.day, true) &&
           text.literal(" ") && date.read_time(text) && text.literal(" ") && text.digits(4, date.year) && text.at_end();
}

}  // namespace detail

// Absent when `text` is neither whole seconds nor a date. A date that has passed is zero; seconds beyond the range of
// Duration are the longest Duration. Blanks around the text are ignored; "-1", "1.5" and "" are nothing.
[[nodiscard]] inline std::optional<Duration> parse_retry_after(
    std::string_view text, std::chrono::system_clock::time_point now_wall) noexcept {
    constexpr std::string_view blanks = " \t";
    const std::size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return std::nullopt;
    text = text.substr(first, text.find_last_not_of(blanks) - first + 1);

    if (text.find_first_not_of("0123456789") == std::string_view::npos) {
        constexpr std::int64_t most = std::chrono::duration_cast<std::chrono::seconds>(Duration::max()).count();
        std::int64_t seconds = 0;
        const auto read = std::from_chars(text.data(), text.data() + text.size(), seconds);
        if (read.ec == std::errc::result_out_of_range || seconds > most) return Duration::max();
        return Duration{std::chrono::seconds{seconds}};
    }

    // A two-digit year that would lie more than 50 years ahead is one of the past century (RFC 9110 5.6.7).
    const auto today = std::chrono::floor<std::chrono::days>(now_wall);
    const int this_year = static_cast<int>(std::chrono::year_month_day{today}.year());
    detail::HttpDateFields date;
    if (!detail::read_http_date(detail::HttpDateReader{text}, this_year / 100 * 100, date)) return std::nullopt;
    const bool two_digits = text.find('-') != std::string_view::npos;
    if (two_digits && date.year > this_year + 50) date.year -= 100;

    const std::chrono::year_month_day day{std::chrono::year{date.year}, std::chrono::month{date.month},
                                          std::chrono::day{static_cast<unsigned>(date.day)}};
    if (!day.ok()) return std::nullopt;
    const std::chrono::seconds since_epoch = std::chrono::sys_days{day}.time_since_epoch() +
                                             std::chrono::hours{date.hour} + std::chrono::minutes{date.minute} +
                                             std::chrono::seconds{date.second};
    const auto now_seconds = std::chrono::floor<std::chrono::seconds>(now_wall.time_since_epoch());
    const std::chrono::seconds ahead = since_epoch - now_seconds;  // both are years: far from the ends of the range
    if (ahead <= std::chrono::seconds::zero()) return Duration::zero();
    if (ahead > std::chrono::duration_cast<std::chrono::seconds>(Duration::max())) return Duration::max();
    return Duration{ahead} - (now_wall.time_since_epoch() - now_seconds);
}

}  // namespace resilience::inline v1
