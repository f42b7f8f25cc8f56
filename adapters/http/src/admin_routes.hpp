#pragma once

// What an admin server answers, without any network: access rules, look-up of the route, the built-in paths.

#include <optional>
#include <resilience/http/admin_server.hpp>
#include <resilience/http/http_route.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "readiness.hpp"

namespace resilience::inline v1::detail {

// A question with what the access rules need beside it.
struct AdminRequest {
    HttpQuestion question;
    std::string authority;              // the Host header, or that of an absolute target; empty: HTTP/1.0 without one
    std::optional<std::string> origin;  // the Origin header
    std::string local_address;          // the address of this machine the connection came in by
};

class AdminRoutes {
  public:
    // Throws ConfigError for a route without method, path or function, or one that is taken.
    AdminRoutes(const ResilienceManager& manager, HealthRules rules, Duration ready_again_after,
                std::vector<std::string> allowed_hosts, std::vector<HttpRoute> extra);

    AdminRoutes(const AdminRoutes&) = delete;
    AdminRoutes& operator=(const AdminRoutes&) = delete;

    // One at a time. Never throws but std::bad_alloc: what a route throws is answered with a 500.
    [[nodiscard]] HttpAnswer answer(const AdminRequest& request);

  private:
    struct Route {
        HttpRoute route;
        bool whole_path = false;  // built-in paths have nothing below them
        bool any_caller = false;  // probes and scrapes come by any host name
    };

    void add_built_in(std::string path, std::function<HttpAnswer(const HttpQuestion&)> answer, bool any_caller = false);
    [[nodiscard]] HttpAnswer stats(const HttpQuestion& question);
    [[nodiscard]] HttpAnswer readiness();
    [[nodiscard]] std::pair<ResilienceStats, Health> picture();  // the same health on every path
    [[nodiscard]] std::vector<const Route*> routes_at(std::string_view path) const;
    [[nodiscard]] std::optional<HttpAnswer> refuse_caller(const AdminRequest& request) const;
    [[nodiscard]] HttpAnswer not_found() const;

    const ResilienceManager& manager_;
    HealthRules rules_;
    Readiness readiness_;
    std::vector<std::string> allowed_hosts_;
    std::vector<Route> routes_;
};

}  // namespace resilience::inline v1::detail
