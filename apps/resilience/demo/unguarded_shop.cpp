#include "demo/unguarded_shop.hpp"

#include "demo/shop_routes.hpp"

namespace resilience::demo {
namespace {

constexpr Duration exchange_time = std::chrono::seconds{60};  // what nginx allows by default between two reads

}  // namespace

std::vector<UpstreamClient> UnguardedShop::clients(boost::asio::io_context& io) {
    std::vector<UpstreamClient> made;
    for (std::size_t index = 0; index < ports_.size(); ++index) made.emplace_back(io, ports_[index], traffic_[index]);
    return made;
}

ShopAnswer UnguardedShop::serve(const ShopRequest& request, std::vector<UpstreamClient>& clients,
                                const std::stop_token& /*nothing waits here*/) {
    const auto upstream = addressee_of(request);
    if (!upstream) return upstream.error();
    UpstreamAnswer answer = clients[static_cast<std::size_t>(*upstream)].exchange(request, exchange_time);
    return told_to_client(answer, *upstream);
}

const UpstreamTraffic& UnguardedShop::traffic(UpstreamId upstream) const noexcept {
    return traffic_[static_cast<std::size_t>(upstream)];
}

}  // namespace resilience::demo
