#pragma once

// The head of an HTTP/1.1 response as text: what the server adds to a route's answer, and what it refuses to send.

#include <chrono>
#include <resilience/http/http_route.hpp>
#include <string>
#include <string_view>

namespace resilience::inline v1::detail {

// "Sun, 06 Nov 1994 08:49:37 GMT", whatever the locale.
[[nodiscard]] std::string http_date(std::chrono::system_clock::time_point moment);

// Status line and headers up to the empty line: content type and length, Date, Connection, the headers that keep a
// browser from caching, sniffing or loading from elsewhere, then the answer's own, which replace those three.
[[nodiscard]] std::string response_head(const HttpAnswer& answer, bool keep_alive,
                                        std::chrono::system_clock::time_point now_wall);

// Statuses whose answer ends with its head (RFC 9112, 6.3).
[[nodiscard]] constexpr bool has_no_body(int status) noexcept { return status == 204 || status == 304; }

// Reduced to what can be sent: a status outside 200 to 599 becomes a 500 that says so.
[[nodiscard]] HttpAnswer sendable(HttpAnswer answer);

[[nodiscard]] HttpAnswer problem_answer(int status, std::string_view detail);

}  // namespace resilience::inline v1::detail
