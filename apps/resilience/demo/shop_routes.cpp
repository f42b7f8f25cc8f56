#include "demo/shop_routes.hpp"

#include <algorithm>
#include <array>
#include <resilience/http/rejection_response.hpp>
#include <string>
#include <utility>

#include "demo/arrivals.hpp"
#include "text/suggestion.hpp"

namespace resilience::demo {
namespace {

using namespace std::chrono_literals;

struct Route {
    std::string_view path;
    UpstreamId upstream;
    bool takes_orders;  // POST too
};
constexpr std::array<Route, 4> routes{{{"/checkout", UpstreamId::payment, true},
                                       {"/pay", UpstreamId::payment, true},
                                       {"/stock", UpstreamId::inventory, false},
                                       {"/recommendations", UpstreamId::recommendations, false}}};

const Route* route_of(std::string_view path) noexcept {
    const auto found = std::ranges::find(routes, path, &Route::path);
    return found == routes.end() ? nullptr : &*found;
}

ShopAnswer no_such_path(std::string_view path) {
    std::array<std::string_view, routes.size()> known{};
    std::ranges::transform(routes, known.begin(), &Route::path);
    std::string detail = "the shop has /checkout, /pay, /stock and /recommendations";
    return problem(404, detail + program::did_you_mean(path, known), Ending::not_a_route);
}

}  // namespace

std::expected<UpstreamId, ShopAnswer> addressee_of(const ShopRequest& request) {
    const Route* const route = route_of(request.path());
    if (route == nullptr) return std::unexpected(no_such_path(request.path()));
    if (request.is_read() || (request.method == "POST" && route->takes_orders)) return route->upstream;
    ShopAnswer answer = problem(405, request.method + " is not for this path", Ending::not_a_route);
    answer.headers.emplace_back("Allow", route->takes_orders ? "GET, HEAD, POST" : "GET, HEAD");
    return std::unexpected(std::move(answer));
}

double share_of(UpstreamId upstream) noexcept {
    double share = 0;
    for (const CallKind& kind : call_kinds) {
        const Route* const route = route_of(kind.path);
        if (route != nullptr && route->upstream == upstream) share += kind.share;
    }
    return share;
}

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

ShopAnswer told_to_client(UpstreamAnswer& upstream, UpstreamId id) {
    if (upstream.status == 0) {
        return problem(502, std::string(name_of(id)) + ": " + upstream.trouble, Ending::failed);
    }
    return {.status = upstream.status,
            .headers = std::move(upstream.headers),
            .body = std::move(upstream.body),
            .length = upstream.length,
            .ending = upstream.status >= 500 ? Ending::failed : Ending::answered};
}

ShopAnswer problem(int status, std::string_view detail, Ending ending) {
    ShopAnswer answer{.status = status, .ending = ending};
    answer.headers.emplace_back("Content-Type", problem_content_type);
    answer.body = problem_json(status, http_status_title(status), detail);
    return answer;
}

}  // namespace resilience::demo
