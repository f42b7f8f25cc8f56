#pragma once

// The target of a request line, taken apart and percent-decoded: path, query, and the authority of an absolute form.

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace resilience::inline v1::detail {

struct RequestTarget {
    std::string path;
    std::map<std::string, std::string, std::less<>> query;
    std::string authority;  // "host:port" of "GET http://host:port/path"; empty for the usual "GET /path"
};

// Absent when it is no target of an origin server: no leading '/', a broken escape, a NUL.
[[nodiscard]] std::optional<RequestTarget> parse_request_target(std::string_view target);

// Absent for a '%' without two hexadecimal digits and for an encoded NUL.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

// The host of an authority, in lower case and without port and brackets: "LOCALHOST:9911" is "localhost", "[::1]:80"
// is "::1". Empty when it is none.
[[nodiscard]] std::string host_of(std::string_view authority);

[[nodiscard]] std::string to_lower(std::string_view text);  // ASCII only, whatever the locale

}  // namespace resilience::inline v1::detail
