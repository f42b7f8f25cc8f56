#include "response_text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <resilience/http/rejection_response.hpp>

#include "request_target.hpp"

namespace resilience::inline v1::detail {

namespace {

struct DefaultHeader {
    std::string_view name, value;
};
constexpr std::array<DefaultHeader, 3> default_headers{{
    {"Cache-Control", "no-store"},
    {"Content-Security-Policy", "default-src 'self'"},
    {"X-Content-Type-Options", "nosniff"},
}};

bool is_token(std::string_view name) {
    constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
    return !name.empty() && std::ranges::all_of(name, [&](char byte) {
        return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
               marks.find(byte) != std::string_view::npos;
    });
}

bool is_header_value(std::string_view value) {
    return std::ranges::none_of(value,
                                [](char byte) { return (byte >= 0 && byte < ' ' && byte != '\t') || byte == 127; });
}

bool belongs_to_the_server(std::string_view name) {
    constexpr std::array<std::string_view, 5> owned{"content-length", "content-type", "connection", "date",
                                                    "transfer-encoding"};
    return std::ranges::find(owned, to_lower(name)) != owned.end();
}

void append_header(std::string& head, std::string_view name, std::string_view value) {
    head.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

std::string http_date(std::chrono::system_clock::time_point moment) {
    constexpr std::array<const char*, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array<const char*, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const auto day = std::chrono::floor<std::chrono::days>(moment);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss time{std::chrono::floor<std::chrono::seconds>(moment - day)};
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%s, %02u %s %04d %02d:%02d:%02d GMT",
                  days[std::chrono::weekday{day}.c_encoding()], static_cast<unsigned>(date.day()),
                  months[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                  static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                  static_cast<int>(time.seconds().count()));
    return text.data();
}

std::string response_head(const HttpAnswer& answer, bool keep_alive, std::chrono::system_clock::time_point now_wall) {
    std::string head = "HTTP/1.1 " + std::to_string(answer.status) + ' ';
    head.append(http_status_title(answer.status)).append("\r\n");
    append_header(head, "Date", http_date(now_wall));
    append_header(head, "Connection", keep_alive ? "keep-alive" : "close");
    if (!has_no_body(answer.status)) {
        if (is_header_value(answer.content_type)) append_header(head, "Content-Type", answer.content_type);
        append_header(head, "Content-Length", std::to_string(answer.body.size()));
    }
    for (const auto& [name, value] : default_headers) {
        const bool replaced =
            std::ranges::any_of(answer.headers, [&](const auto& own) { return to_lower(own.first) == to_lower(name); });
        if (!replaced) append_header(head, name, value);
    }
    for (const auto& [name, value] : answer.headers) {
        if (is_token(name) && is_header_value(value) && !belongs_to_the_server(name)) append_header(head, name, value);
    }
    return head.append("\r\n");
}

HttpAnswer sendable(HttpAnswer answer) {
    if (answer.status >= 200 && answer.status <= 599) return answer;
    return problem_answer(500, "the route answered with status " + std::to_string(answer.status));
}

HttpAnswer problem_answer(int status, std::string_view detail) {
    return HttpAnswer{.status = status,
                      .content_type = std::string(problem_content_type),
                      .body = problem_json(status, http_status_title(status), detail)};
}

}  // namespace resilience::inline v1::detail
