#include "demo/upstream_set.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "demo/shop_routes.hpp"

namespace resilience::demo {
namespace {

constexpr double room = 3;  // times the calm load

// Workers busy = rate x time of each (Little).
std::size_t workers_for(UpstreamId id, double rate) {
    const double seconds = std::chrono::duration<double>(usual_latency(id)).count();
    return static_cast<std::size_t>(std::max(std::ceil(room * rate * share_of(id) * seconds), 1.0));
}

}  // namespace

Upstreams start_upstreams(double rate, std::uint64_t seed, const std::function<void(const std::string&)>& narrate) {
    Upstreams started;
    for (std::size_t index = 0; index < upstream_names.size(); ++index) {
        const auto id = static_cast<UpstreamId>(index);
        started.push_back(std::make_unique<Upstream>(UpstreamConfig{.name = std::string(name_of(id)),
                                                                    .usual_latency = usual_latency(id),
                                                                    .workers = workers_for(id, rate),
                                                                    .seed = seed + index,
                                                                    .narrate = narrate}));
    }
    return started;
}

std::array<std::uint16_t, upstream_names.size()> ports_of(const Upstreams& upstreams) {
    std::array<std::uint16_t, upstream_names.size()> ports{};
    for (std::size_t index = 0; index < ports.size(); ++index) ports[index] = upstreams[index]->port();
    return ports;
}

void shut(const Upstreams& upstreams) {
    for (const auto& upstream : upstreams) upstream->set_fault({.down = true}, std::chrono::hours{24});
}

UpstreamPictures picture_of(const Upstreams& upstreams, const ShopService& asked_by) {
    UpstreamPictures seen;
    for (std::size_t index = 0; index < seen.size(); ++index) {
        const UpstreamTraffic& traffic = asked_by.traffic(static_cast<UpstreamId>(index));
        UpstreamPicture& upstream = seen[index];
        upstream.port = upstreams[index]->port();
        upstream.counts = upstreams[index]->counts();
        upstream.fault = upstreams[index]->fault();
        upstream.exchanges = traffic.exchanges.load(std::memory_order_relaxed);
        upstream.answered = traffic.answered.load(std::memory_order_relaxed);
        upstream.unreachable = traffic.unreachable.load(std::memory_order_relaxed);
        upstream.broken = traffic.broken.load(std::memory_order_relaxed);
        upstream.timed_out = traffic.timed_out.load(std::memory_order_relaxed);
        upstream.resent = traffic.resent.load(std::memory_order_relaxed);
    }
    return seen;
}

}  // namespace resilience::demo
