#include "request_target.hpp"

#include <utility>

namespace resilience::inline v1::detail {

namespace {

int hexadecimal_value(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
}

bool read_query(std::string_view text, std::map<std::string, std::string, std::less<>>& query) {
    while (!text.empty()) {
        const std::size_t end = text.find('&');
        const std::string_view pair = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
        if (pair.empty()) continue;
        const std::size_t equals = pair.find('=');
        auto name = percent_decode(pair.substr(0, equals), true);
        auto value = percent_decode(equals == std::string_view::npos ? "" : pair.substr(equals + 1), true);
        if (!name || !value) return false;
        query.insert_or_assign(std::move(*name), std::move(*value));
    }
    return true;
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
    std::string decoded;
    decoded.reserve(text.size());
    for (std::size_t index = 0; index < text.size(); ++index) {
        char byte = text[index];
        if (byte == '+' && plus_is_space) {
            byte = ' ';
        } else if (byte == '%') {
            if (text.size() - index < 3) return std::nullopt;
            const int high = hexadecimal_value(text[index + 1]);
            const int low = hexadecimal_value(text[index + 2]);
            if (high < 0 || low < 0) return std::nullopt;
            byte = static_cast<char>(high * 16 + low);
            index += 2;
        }
        if (byte == '\0') return std::nullopt;
        decoded.push_back(byte);
    }
    return decoded;
}

std::optional<RequestTarget> parse_request_target(std::string_view target) {
    RequestTarget parsed;
    constexpr std::string_view scheme = "http://";
    if (to_lower(target.substr(0, scheme.size())) == scheme) {
        target.remove_prefix(scheme.size());
        const std::size_t end = target.find_first_of("/?");
        parsed.authority = target.substr(0, end);
        target = end == std::string_view::npos ? std::string_view{"/"} : target.substr(end);
        if (parsed.authority.empty()) return std::nullopt;
    }
    const bool path_left_out = !parsed.authority.empty() && target.starts_with('?');
    if (!target.starts_with('/') && !path_left_out) return std::nullopt;
    const std::size_t question_mark = target.find('?');
    auto path = percent_decode(target.substr(0, question_mark), false);
    if (!path) return std::nullopt;
    parsed.path = path_left_out ? "/" : std::move(*path);
    if (question_mark != std::string_view::npos && !read_query(target.substr(question_mark + 1), parsed.query)) {
        return std::nullopt;
    }
    return parsed;
}

std::string host_of(std::string_view authority) {
    if (authority.starts_with('[')) {
        const std::size_t end = authority.find(']');
        return end == std::string_view::npos ? std::string{} : to_lower(authority.substr(1, end - 1));
    }
    return to_lower(authority.substr(0, authority.find(':')));
}

std::string to_lower(std::string_view text) {
    std::string lower{text};
    for (char& letter : lower) {
        if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
    }
    return lower;
}

}  // namespace resilience::inline v1::detail
