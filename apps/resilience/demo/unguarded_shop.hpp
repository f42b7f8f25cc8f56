#pragma once

// The shop without policies: the same paths, handed on to the same kind of upstreams, and every answer handed back.
//
// What it has instead is what a proxy has when nobody configures it: a time limit of a minute on an exchange.

#include <array>
#include <cstdint>

#include "demo/shop_service.hpp"

namespace resilience::demo {

class UnguardedShop : public ShopService {
  public:
    explicit UnguardedShop(const std::array<std::uint16_t, upstream_names.size()>& ports) : ports_(ports) {}

    [[nodiscard]] std::vector<UpstreamClient> clients(boost::asio::io_context& io) override;
    [[nodiscard]] ShopAnswer serve(const ShopRequest& request, std::vector<UpstreamClient>& clients,
                                   const std::stop_token& stop) override;
    [[nodiscard]] const UpstreamTraffic& traffic(UpstreamId upstream) const noexcept override;

  private:
    const std::array<std::uint16_t, upstream_names.size()> ports_;
    std::array<UpstreamTraffic, upstream_names.size()> traffic_;
};

}  // namespace resilience::demo
