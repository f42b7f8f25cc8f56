#pragma once

// The three upstreams of one shop, on free ports.
//
// Each can do three times the work of a calm day and no more: what comes beyond that stands in its line. That is more
// than the guarded shop lets through, and less than five times the load needs.

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "demo/shop_service.hpp"
#include "demo/upstream.hpp"

namespace resilience::demo {

using Upstreams = std::vector<std::unique_ptr<Upstream>>;  // in the order of UpstreamId

// Sized for `rate` calls of the load a second. Two sets of one seed fail alike.
[[nodiscard]] Upstreams start_upstreams(double rate, std::uint64_t seed,
                                        const std::function<void(const std::string&)>& narrate);

[[nodiscard]] std::array<std::uint16_t, upstream_names.size()> ports_of(const Upstreams& upstreams);

// Closes their ports and every connection, so that whoever waits for them need not any longer. The counts stay.
void shut(const Upstreams& upstreams);

struct UpstreamPicture {
    std::uint16_t port = 0;
    UpstreamCounts counts;
    std::optional<ActiveFault> fault;
    // What the front's threads saw of it: see UpstreamTraffic.
    std::uint64_t exchanges = 0, answered = 0, unreachable = 0, broken = 0, timed_out = 0, resent = 0;
};
using UpstreamPictures = std::array<UpstreamPicture, upstream_names.size()>;

[[nodiscard]] UpstreamPictures picture_of(const Upstreams& upstreams, const ShopService& asked_by);

}  // namespace resilience::demo
