#pragma once

// The shop: four paths, three upstreams, and the policies between them.
//
//     /checkout, /pay -> payment        /stock -> inventory        /recommendations -> recommendations
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

#include "demo/fault.hpp"
#include "demo/shop_message.hpp"
#include "demo/upstream_client.hpp"

namespace resilience::inline v1 {
class ResilienceManager;
}

namespace resilience::demo {

struct ShopConfig {
    std::array<std::uint16_t, upstream_names.size()> ports{};
    double rate = 200;  // calls per second the limits are sized for; they leave room for two and a half times as many
};

// How long an upstream usually takes: what its server does and what its bulkhead is sized by.
[[nodiscard]] Duration usual_latency(UpstreamId upstream) noexcept;
// The name of the upstream's policies.
[[nodiscard]] std::string_view policy_name(UpstreamId upstream) noexcept;

class Shop {
  public:
    // Registers three limiters, bulkheads, retries and breakers. The manager must outlive the shop.
    Shop(ResilienceManager& manager, const ShopConfig& config);
    ~Shop();
    Shop(const Shop&) = delete;
    Shop& operator=(const Shop&) = delete;

    // The connections of one thread to all upstreams, in their order.
    [[nodiscard]] std::vector<UpstreamClient> clients(boost::asio::io_context& io);

    // Serves one request on the calling thread, which owns `clients`. `stop` ends back-offs.
    [[nodiscard]] ShopAnswer serve(const ShopRequest& request, std::vector<UpstreamClient>& clients,
                                   const std::stop_token& stop);

    [[nodiscard]] const UpstreamTraffic& traffic(UpstreamId upstream) const noexcept;

  private:
    class Department;
    struct Departments;
    std::unique_ptr<Departments> departments_;
};

}  // namespace resilience::demo
