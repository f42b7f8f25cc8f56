#pragma once

// A customer's request and what he gets, as plain values between the front, the shop and the upstreams.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace resilience::demo {

using HeaderLines = std::vector<std::pair<std::string, std::string>>;

struct ShopRequest {
    std::string method;  // GET, HEAD, POST …
    std::string target;  // with its query
    HeaderLines headers;
    std::string body;
    std::string remote_address;

    // May be asked twice without harm.
    [[nodiscard]] bool is_read() const noexcept { return method == "GET" || method == "HEAD"; }
    [[nodiscard]] std::string_view path() const noexcept {
        return std::string_view(target).substr(0, target.find('?'));
    }
};

// How a request ended, as the summary counts it.
enum class Ending : std::uint8_t {
    answered,           // the upstream's answer, below 500
    refused_at_once,    // a policy refused it before anything was asked of the upstream
    refused_after_try,  // an attempt failed, and a policy refused the next
    failed,             // the upstream's 5xx, unreachable, or out of time
    not_a_route,        // 404 and 405: nobody was asked
};
inline constexpr std::size_t endings = 5;

struct ShopAnswer {
    int status = 500;
    HeaderLines headers{};
    std::string body{};
    std::optional<std::uint64_t> length{};  // of a body that is not here, to a HEAD
    Ending ending = Ending::failed;
    bool tells_when = false;  // carries a Retry-After
};

}  // namespace resilience::demo
