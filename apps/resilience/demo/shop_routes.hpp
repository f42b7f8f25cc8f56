#pragma once

// The shop's paths, which upstream each belongs to, and how answers are told to customers. Guarded or not, they are the
// same.
//
//     /checkout, /pay -> payment        /stock -> inventory        /recommendations -> recommendations

#include <expected>
#include <string_view>

#include "demo/fault.hpp"
#include "demo/shop_message.hpp"
#include "demo/upstream_client.hpp"

namespace resilience::demo {

// Whom a request is for, or the 404 or 405 it is answered with.
[[nodiscard]] std::expected<UpstreamId, ShopAnswer> addressee_of(const ShopRequest& request);

// An upstream's part of the load's calls, 0 to 1.
[[nodiscard]] double share_of(UpstreamId upstream) noexcept;

// How long an upstream usually takes: what its server does and what its limits are sized by.
[[nodiscard]] Duration usual_latency(UpstreamId upstream) noexcept;

// An upstream's answer for the customer; without one, a 502. Takes headers and body.
[[nodiscard]] ShopAnswer told_to_client(UpstreamAnswer& upstream, UpstreamId id);

// A problem of the shop itself.
[[nodiscard]] ShopAnswer problem(int status, std::string_view detail, Ending ending);

}  // namespace resilience::demo
