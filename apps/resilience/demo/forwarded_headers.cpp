#include "demo/forwarded_headers.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace resilience::demo {
namespace {

char lower(char byte) { return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte; }

bool same_name(std::string_view a, std::string_view b) { return std::ranges::equal(a, b, {}, lower, lower); }

// Is `name` one of the comma-separated words of a Connection header?
bool is_named_in(std::string_view name, std::string_view connection) {
    while (!connection.empty()) {
        std::string_view word = connection.substr(0, connection.find(','));
        connection.remove_prefix(std::min(word.size() + 1, connection.size()));
        word.remove_prefix(std::min(word.find_first_not_of(" \t"), word.size()));
        word = word.substr(0, word.find_last_not_of(" \t") + 1);
        if (same_name(word, name)) return true;
    }
    return false;
}

std::string_view value_of(const HeaderLines& headers, std::string_view name) {
    for (const auto& [known, value] : headers) {
        if (same_name(known, name)) return value;
    }
    return {};
}

}  // namespace

bool is_handed_on(std::string_view name, std::string_view connection) {
    constexpr std::array<std::string_view, 14> kept_back{"Connection",
                                                         "Keep-Alive",
                                                         "Proxy-Connection",
                                                         "Proxy-Authorization",
                                                         "Proxy-Authenticate",
                                                         "TE",
                                                         "Trailer",
                                                         "Transfer-Encoding",
                                                         "Upgrade",
                                                         "Host",
                                                         "Content-Length",
                                                         "Date",
                                                         "Server",
                                                         "Expect"};
    return std::ranges::none_of(kept_back, [&](std::string_view own) { return same_name(own, name); }) &&
           !is_named_in(name, connection);
}

HeaderLines forwarded(const ShopRequest& request) {
    const std::string_view connection = value_of(request.headers, "Connection");
    std::string forwarded_for;
    HeaderLines lines;
    for (const auto& [name, value] : request.headers) {
        if (same_name(name, "X-Forwarded-For")) {
            forwarded_for += value + ", ";
        } else if (is_handed_on(name, connection) && !same_name(name, "X-Forwarded-Proto") &&
                   !same_name(name, "X-Forwarded-Host")) {
            lines.emplace_back(name, value);
        }
    }
    lines.emplace_back("X-Forwarded-For", forwarded_for + request.remote_address);
    lines.emplace_back("X-Forwarded-Proto", "http");
    lines.emplace_back("X-Forwarded-Host", value_of(request.headers, "Host"));
    return lines;
}

}  // namespace resilience::demo
