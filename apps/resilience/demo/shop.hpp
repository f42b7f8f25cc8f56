#pragma once

// The shop: four paths, three upstreams (shop_routes.hpp), and the policies between them.
//
// Each upstream stands behind, outermost first: rate limiter > bulkhead > retry (reads only) > circuit breaker.
// Limiter and bulkhead guard the shop's own threads and are outside the retry, so that what they refuse is refused at
// once and a back-off keeps its slot. The breaker is innermost and is asked before every attempt, so what it admits is
// exactly what the upstream gets.

#include <array>
#include <cstdint>
#include <memory>
#include <resilience/base/time.hpp>
#include <stop_token>
#include <string_view>
#include <vector>

#include "demo/shop_service.hpp"

namespace resilience::inline v1 {
class ResilienceManager;
}

namespace resilience::demo {

struct ShopConfig {
    std::array<std::uint16_t, upstream_names.size()> ports{};
    double rate = 200;  // calls per second the limits are sized for; they leave room for two and a half times as many
};

// The name of the upstream's policies.
[[nodiscard]] std::string_view policy_name(UpstreamId upstream) noexcept;

class Shop : public ShopService {
  public:
    // Registers three limiters, bulkheads, retries and breakers. The manager must outlive the shop.
    Shop(ResilienceManager& manager, const ShopConfig& config);
    ~Shop() override;

    [[nodiscard]] std::vector<UpstreamClient> clients(boost::asio::io_context& io) override;
    [[nodiscard]] ShopAnswer serve(const ShopRequest& request, std::vector<UpstreamClient>& clients,
                                   const std::stop_token& stop) override;
    [[nodiscard]] const UpstreamTraffic& traffic(UpstreamId upstream) const noexcept override;

  private:
    class Department;
    struct Departments;
    std::unique_ptr<Departments> departments_;
};

}  // namespace resilience::demo
