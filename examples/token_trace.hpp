#pragma once

// A trace of requests to a language model, read from CSV: when each arrived, how long its prompt and its answer were.

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <istream>
#include <optional>
#include <resilience/base/time.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace token_trace {

struct Request {
    resilience::TimePoint at{};
    std::uint64_t prompt = 0;
    std::uint64_t generated = 0;
};

// What is wrong with a trace: `FILE:LINE: what`.
struct BadTrace : std::runtime_error {
    BadTrace(const std::string& file, std::size_t line, const std::string& what)
        : std::runtime_error(file + ':' + std::to_string(line) + ": " + what) {}
};

inline std::vector<std::string_view> fields_of(std::string_view line) {
    std::vector<std::string_view> fields;
    for (;;) {
        const std::size_t comma = line.find(',');
        fields.push_back(line.substr(0, comma));
        if (comma == std::string_view::npos) return fields;
        line.remove_prefix(comma + 1);
    }
}

// The whole text as a number without a sign.
inline std::optional<std::uint64_t> number_of(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

// "2023-11-16 18:17:03.9799600": the day, the time of the day, up to nine digits of a second.
inline std::optional<resilience::TimePoint> time_of(std::string_view text) {
    constexpr std::string_view form = "0000-00-00 00:00:00";
    if (text.size() < form.size()) return std::nullopt;
    for (std::size_t place = 0; place < form.size(); ++place) {
        const bool digit = text[place] >= '0' && text[place] <= '9';
        if (form[place] == '0' ? !digit : text[place] != form[place]) return std::nullopt;
    }
    const auto part = [text](std::size_t from, std::size_t length) {
        return static_cast<int>(*number_of(text.substr(from, length)));
    };
    const std::chrono::year_month_day day{std::chrono::year{part(0, 4)},
                                          std::chrono::month{static_cast<unsigned>(part(5, 2))},
                                          std::chrono::day{static_cast<unsigned>(part(8, 2))}};
    if (!day.ok() || part(11, 2) > 23 || part(14, 2) > 59 || part(17, 2) > 60) return std::nullopt;
    std::uint64_t nanoseconds = 0;
    if (text.size() > form.size()) {
        const std::string_view digits = text.substr(form.size() + 1);
        const std::optional<std::uint64_t> fraction = number_of(digits);
        if (text[form.size()] != '.' || digits.size() > 9 || !fraction) return std::nullopt;
        nanoseconds = *fraction;
        for (std::size_t place = digits.size(); place < 9; ++place) nanoseconds *= 10;
    }
    return resilience::TimePoint{std::chrono::sys_days{day}.time_since_epoch() + std::chrono::hours(part(11, 2)) +
                                 std::chrono::minutes(part(14, 2)) + std::chrono::seconds(part(17, 2)) +
                                 std::chrono::nanoseconds(nanoseconds)};
}

// Where the columns stand that are needed; the others are of no interest.
struct Columns {
    std::size_t time = 0;
    std::size_t prompt = 0;
    std::size_t generated = 0;
    std::size_t count = 0;

    Columns(std::string_view header, const std::string& file) {
        const std::vector<std::string_view> names = fields_of(header);
        const auto find = [&](std::string_view name) {
            for (std::size_t column = 0; column < names.size(); ++column) {
                if (names[column] == name) return column;
            }
            throw BadTrace(file, 1, "there is no column " + std::string(name));
        };
        time = find("TIMESTAMP");
        prompt = find("ContextTokens");
        generated = find("GeneratedTokens");
        count = names.size();
    }
};

// All of it, in the order of the file. Throws BadTrace for the first line that is not as it should be.
inline std::vector<Request> read(std::istream& in, const std::string& file) {
    constexpr std::uint64_t most_tokens = 0xFFFF'FFFF;
    std::string line;
    const auto next = [&] {
        if (!std::getline(in, line)) return false;
        if (!line.empty() && line.back() == '\r') line.pop_back();
        return true;
    };
    if (!next()) throw BadTrace(file, 1, "there is no header");
    const Columns columns(line, file);
    std::vector<Request> requests;
    for (std::size_t number = 2; next(); ++number) {
        const std::vector<std::string_view> fields = fields_of(line);
        if (fields.size() != columns.count) {
            throw BadTrace(file, number,
                           std::to_string(fields.size()) + " fields instead of " + std::to_string(columns.count));
        }
        const auto tokens = [&](std::size_t column) {
            const std::optional<std::uint64_t> count = number_of(fields[column]);
            if (count && *count <= most_tokens) return *count;
            throw BadTrace(file, number, "'" + std::string(fields[column]) + "' is no number of tokens");
        };
        const std::optional<resilience::TimePoint> at = time_of(fields[columns.time]);
        if (!at) throw BadTrace(file, number, "'" + std::string(fields[columns.time]) + "' is no time");
        if (!requests.empty() && *at < requests.back().at) throw BadTrace(file, number, "earlier than the line before");
        requests.push_back({*at, tokens(columns.prompt), tokens(columns.generated)});
    }
    if (in.bad()) throw BadTrace(file, requests.size() + 2, "cannot be read");
    return requests;
}

}  // namespace token_trace
