#pragma once

// What a front serves: something that answers requests, on many threads at once.

#include <memory>
#include <stop_token>
#include <vector>

#include "demo/fault.hpp"
#include "demo/shop_message.hpp"
#include "demo/upstream_client.hpp"

namespace resilience::demo {

class ShopService {
  public:
    ShopService() = default;
    virtual ~ShopService() = default;
    ShopService(const ShopService&) = delete;
    ShopService& operator=(const ShopService&) = delete;

    // The connections of one thread to all upstreams, in their order.
    [[nodiscard]] virtual std::vector<UpstreamClient> clients(boost::asio::io_context& io) = 0;

    // Serves one request on the calling thread, which owns `clients`. `stop` ends back-offs.
    [[nodiscard]] virtual ShopAnswer serve(const ShopRequest& request, std::vector<UpstreamClient>& clients,
                                           const std::stop_token& stop) = 0;

    [[nodiscard]] virtual const UpstreamTraffic& traffic(UpstreamId upstream) const noexcept = 0;
};

}  // namespace resilience::demo
