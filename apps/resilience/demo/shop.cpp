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

#include "demo/arrivals.hpp"
#include "text/suggestion.hpp"

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
                                              .buckets = 10};
constexpr RetryConfig retry_config{.max_attempts = 3, .base_delay = 25ms, .max_delay = 250ms};

struct Route {
    std::string_view path;
    UpstreamId upstream;
    bool takes_orders;  // POST too
};
constexpr std::array<Route, 4> routes{{{"/checkout", UpstreamId::payment, true},
                                       {"/pay", UpstreamId::payment, true},
                                       {"/stock", UpstreamId::inventory, false},
                                       {"/recommendations", UpstreamId::recommendations, false}}};

const Route* route_of(std::string_view path) {
    const auto found = std::ranges::find(routes, path, &Route::path);
    return found == routes.end() ? nullptr : &*found;
}

double share_of(UpstreamId upstream) {
    double share = 0;
    for (const CallKind& kind : call_kinds) {
        const Route* const route = route_of(kind.path);
        if (route != nullptr && route->upstream == upstream) share += kind.share;
    }
    return share;
}

ShopAnswer problem(int status, std::string_view detail, Ending ending) {
    ShopAnswer answer{.status = status, .ending = ending};
    answer.headers.emplace_back("Content-Type", problem_content_type);
    answer.body = problem_json(status, http_status_title(status), detail);
    return answer;
}

ShopAnswer no_such_path(std::string_view path) {
    std::array<std::string_view, routes.size()> known{};
    std::ranges::transform(routes, known.begin(), &Route::path);
    std::string detail = "the shop has /checkout, /pay, /stock and /recommendations";
    return problem(404, detail + program::did_you_mean(path, known), Ending::not_a_route);
}

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

ShopAnswer told_to_client(UpstreamAnswer& upstream, UpstreamId id) {
    if (upstream.status == 0) {
        return problem(502, std::string(name_of(id)) + ": " + upstream.trouble, Ending::failed);
    }
    ShopAnswer answer{.status = upstream.status,
                      .headers = std::move(upstream.headers),
                      .body = std::move(upstream.body),
                      .length = upstream.length,
                      .ending = upstream.status >= 500 ? Ending::failed : Ending::answered};
    return answer;
}

}  // namespace

Duration usual_latency(UpstreamId upstream) noexcept {
    switch (upstream) {
        case UpstreamId::payment:
            return 20ms;
        case UpstreamId::inventory:
            return 15ms;
        case UpstreamId::recommendations:
            break;
    }
    return 8ms;
}

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
    const Route* const route = route_of(request.path());
    if (route == nullptr) return no_such_path(request.path());
    if (!request.is_read() && !(request.method == "POST" && route->takes_orders)) {
        ShopAnswer answer = problem(405, request.method + " is not for this path", Ending::not_a_route);
        answer.headers.emplace_back("Allow", route->takes_orders ? "GET, HEAD, POST" : "GET, HEAD");
        return answer;
    }
    const auto index = static_cast<std::size_t>(route->upstream);
    return departments_->all[index].serve(request, clients[index], stop);
}

const UpstreamTraffic& Shop::traffic(UpstreamId upstream) const noexcept {
    return departments_->all[static_cast<std::size_t>(upstream)].traffic();
}

}  // namespace resilience::demo
