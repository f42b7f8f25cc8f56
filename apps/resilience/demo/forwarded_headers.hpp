#pragma once

// Which headers a proxy hands on: not those that belong to one connection, and not those it writes itself.

#include <string_view>

#include "demo/shop_message.hpp"

namespace resilience::demo {

// Hop-by-hop headers (RFC 9110, 7.6.1), those that `connection` names, and Host, Content-Length, Date, Server, Expect.
[[nodiscard]] bool is_handed_on(std::string_view name, std::string_view connection);

// The request's headers for the upstream, with X-Forwarded-For, -Proto and -Host.
[[nodiscard]] HeaderLines forwarded(const ShopRequest& request);

}  // namespace resilience::demo
