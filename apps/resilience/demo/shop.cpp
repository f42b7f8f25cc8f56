#include "demo/shop.hpp"

#include <algorithm>
#include <cmath>
#include <expected>
#include <optional>
#include <resilience/base/call_options.hpp>
#include <resilience/http/rejection_response.hpp>
#include <resilience/http/status_classifier.hpp>
#include <resilience/manager/manager.hpp>
#include <resilience/pipeline/pipeline.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <resilience/policies/retry.hpp>
#include <string>
#include <utility>

#include "demo/shop_routes.hpp"

namespace resilience::demo {
namespace {

using namespace std::chrono_literals;

constexpr Duration call_time = 2s;
constexpr double room = 2.5;

// A window of one second: what fails is noticed within one, and what mends after it within five.
constexpr CircuitBreakerConfig breaker_config{.failure_threshold = 0.5,
                                              .success_threshold = 5,
                                              .timeout = 5s,
                                              .min_requests = 10,
                                              .window_size = 1s,
                                              .buckets = 10,
                                              .record_latency = true};
constexpr RetryConfig retry_config{.max_attempts = 3, .base_delay = 25ms, .max_delay = 250ms};

ShopAnswer told_to_client(const Rejection& rejection, bool tried) {
    ShopAnswer answer{.status = http_status_of(rejection.reason), .headers = rejection_headers(rejection)};
    answer.headers.emplace_back("Content-Type", problem_content_type);
    answer.body = problem_json(rejection);
    answer.tells_when = rejection.retry_after.has_value();
    if (rejection.reason == RejectionReason::deadline_exceeded || rejection.reason == RejectionReason::cancelled) {
        answer.ending = Ending::failed;
    } else {
        answer.ending = tried ? Ending::refused_after_try : Ending::refused_at_once;
    }
    return answer;
}

}  // namespace

std::string_view policy_name(UpstreamId upstream) noexcept {
    constexpr std::array<std::string_view, upstream_names.size()> names{"payment_api", "inventory_api",
                                                                        "recommend_api"};
    return names[static_cast<std::size_t>(upstream)];
}

// One upstream with its policies: reads are retried, orders are not.
class Shop::Department {
  public:
    Department(ResilienceManager& manager, UpstreamId id, const ShopConfig& config)
        : port_(config.ports[static_cast<std::size_t>(id)]),
          id_(id),
          breaker_(manager.register_circuit_breaker(std::string(policy_name(id)), breaker_config)),
          limiter_(registered_limiter(manager, id, config.rate)),
          bulkhead_(registered_bulkhead(manager, id, config.rate)),
          reads_{classify(HttpStatusClassifier{}), limiter_, bulkhead_,
                 manager.register_retry(std::string(policy_name(id)), retry_config), breaker_},
          orders_{classify(HttpStatusClassifier{}), limiter_, bulkhead_, breaker_} {}

    ShopAnswer serve(const ShopRequest& request, UpstreamClient& client, const std::stop_token& stop) const {
        bool tried = false;
        const CallOptions options{.timeout = call_time};
        const auto ask = [&](CallContext& call) {
            tried = true;
            return client.exchange(request, call.remaining());
        };
        std::expected<UpstreamAnswer, Rejection> answer =
            request.is_read() ? reads_.execute(options, stop, ask) : orders_.execute(options, stop, ask);
        return answer ? told_to_client(*answer, id_) : told_to_client(answer.error(), tried);
    }

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    [[nodiscard]] UpstreamTraffic& traffic() const noexcept { return *traffic_; }

  private:
    static std::shared_ptr<RateLimiter> registered_limiter(ResilienceManager& manager, UpstreamId id, double rate) {
        const double most = std::ceil(rate * share_of(id) * room);
        return manager.register_rate_limiter(std::string(policy_name(id)), static_cast<std::uint64_t>(most), most);
    }
    // In flight = rate x latency (Little), and room for chance and for a few retries that wait.
    static std::shared_ptr<Bulkhead> registered_bulkhead(ResilienceManager& manager, UpstreamId id, double rate) {
        const double seconds = std::chrono::duration<double>(usual_latency(id)).count();
        const double most = std::clamp(std::ceil(rate * share_of(id) * seconds * room), 12.0, 60.0);
        return manager.register_bulkhead(std::string(policy_name(id)), static_cast<std::uint32_t>(most));
    }

    std::uint16_t port_;
    UpstreamId id_;
    std::shared_ptr<CircuitBreaker> breaker_;
    std::shared_ptr<RateLimiter> limiter_;
    std::shared_ptr<Bulkhead> bulkhead_;
    Pipeline<ClassifyWith<HttpStatusClassifier>, RateLimiter, Bulkhead, Retry, CircuitBreaker> reads_;
    Pipeline<ClassifyWith<HttpStatusClassifier>, RateLimiter, Bulkhead, CircuitBreaker> orders_;
    std::unique_ptr<UpstreamTraffic> traffic_ = std::make_unique<UpstreamTraffic>();
};

struct Shop::Departments {
    std::vector<Department> all;  // in the order of UpstreamId
};

Shop::Shop(ResilienceManager& manager, const ShopConfig& config) : departments_(std::make_unique<Departments>()) {
    for (std::size_t index = 0; index < upstream_names.size(); ++index) {
        departments_->all.emplace_back(manager, static_cast<UpstreamId>(index), config);
    }
}
Shop::~Shop() = default;

std::vector<UpstreamClient> Shop::clients(boost::asio::io_context& io) {
    std::vector<UpstreamClient> made;
    for (const Department& department : departments_->all)
        made.emplace_back(io, department.port(), department.traffic());
    return made;
}

ShopAnswer Shop::serve(const ShopRequest& request, std::vector<UpstreamClient>& clients, const std::stop_token& stop) {
    const auto upstream = addressee_of(request);
    if (!upstream) return upstream.error();
    const auto index = static_cast<std::size_t>(*upstream);
    return departments_->all[index].serve(request, clients[index], stop);
}

const UpstreamTraffic& Shop::traffic(UpstreamId upstream) const noexcept {
    return departments_->all[static_cast<std::size_t>(upstream)].traffic();
}

}  // namespace resilience::demo
