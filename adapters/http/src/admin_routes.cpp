#include "admin_routes.hpp"

#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>
#include <resilience/base/config_error.hpp>
#include <resilience/http/rejection_response.hpp>
#include <resilience/json/json.hpp>
#include <resilience/manager/manager.hpp>
#include <resilience/prometheus/exporter.hpp>
#include <utility>

#include "admin_page.hpp"
#include "request_target.hpp"
#include "response_text.hpp"

namespace resilience::inline v1::detail {

namespace {

constexpr std::string_view json_type = "application/json";

HttpAnswer text_answer(std::string_view content_type, std::string body, int status = 200) {
    return HttpAnswer{.status = status, .content_type = std::string(content_type), .body = std::move(body)};
}

bool fits(const HttpRoute& route, bool whole_path, std::string_view path) {
    const std::string_view prefix = route.path_prefix;
    if (path == prefix) return whole_path || !prefix.ends_with('/');
    if (whole_path || !path.starts_with(prefix)) return false;
    return prefix.ends_with('/') || path[prefix.size()] == '/';
}

bool allows(const HttpRoute& route, std::string_view method) {
    return route.method == method || (route.method == "GET" && method == "HEAD");
}

bool is_loopback(std::string_view host) {
    if (host == "localhost" || host == "::1") return true;
    // A name may begin with "127." too: only an address written in digits is one.
    return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
}

bool same_origin(std::string_view origin, std::string_view authority) {
    const std::size_t scheme_end = origin.find("://");
    return scheme_end != std::string_view::npos && to_lower(origin.substr(scheme_end + 3)) == to_lower(authority);
}

HttpAnswer ask(const HttpRoute& route, const HttpQuestion& question) {
    try {
        return sendable(route.answer(question));
    } catch (const std::exception& error) {
        return problem_answer(500, error.what());
    } catch (...) {
        return problem_answer(500, "the route threw something that is no std::exception");
    }
}

}  // namespace

AdminRoutes::AdminRoutes(const ResilienceManager& manager, HealthRules rules, Duration ready_again_after,
                         std::vector<std::string> allowed_hosts, std::vector<HttpRoute> extra)
    : manager_(manager),
      rules_(std::move(rules)),
      readiness_(ready_again_after),
      allowed_hosts_(std::move(allowed_hosts)) {
    for (std::string& host : allowed_hosts_) host = to_lower(host);
    for (const AdminPageFile& file : admin_page_files()) {
        add_built_in(std::string(file.path),
                     [&file](const HttpQuestion&) { return text_answer(file.content_type, std::string(file.text)); });
    }
    add_built_in("/stats", [this](const HttpQuestion& question) { return stats(question); });
    add_built_in(
        "/metrics",
        [this](const HttpQuestion&) {
            const auto [stats, told] = picture();
            return text_answer(metrics_content_type, export_metrics_as_judged(stats, told));
        },
        true);
    add_built_in("/livez", [](const HttpQuestion&) { return text_answer(json_type, R"({"status":"alive"})"); }, true);
    add_built_in("/readyz", [this](const HttpQuestion&) { return readiness(); }, true);

    ConfigProblems problems{"admin server"};
    for (HttpRoute& route : extra) {
        const std::string field = "route '" + route.method + ' ' + route.path_prefix + '\'';
        problems.expect(!route.method.empty(), field, "has no method; use one such as \"POST\"");
        problems.expect(route.path_prefix.starts_with('/'), field, "has no path; begin it with '/'");
        problems.expect(route.answer != nullptr, field, "has no function");
        const bool taken = std::ranges::any_of(routes_, [&](const Route& other) {
            return other.route.path_prefix == route.path_prefix &&
                   (other.whole_path || other.route.method == route.method);
        });
        problems.expect(!taken, field, "is taken");
        routes_.push_back({.route = std::move(route)});
    }
    problems.throw_if_any();
}

void AdminRoutes::add_built_in(std::string path, std::function<HttpAnswer(const HttpQuestion&)> answer,
                               bool any_caller) {
    routes_.push_back({.route = {.method = "GET", .path_prefix = std::move(path), .answer = std::move(answer)},
                       .whole_path = true,
                       .any_caller = any_caller});
}

HttpAnswer AdminRoutes::answer(const AdminRequest& request) {
    const HttpQuestion& question = request.question;
    const std::vector<const Route*> found = routes_at(question.path);
    const bool any_caller = !found.empty() && found.front()->any_caller;
    if (!any_caller) {
        if (auto refused = refuse_caller(request)) return std::move(*refused);
    }
    if (found.empty()) return not_found();
    std::string allowed;
    for (const Route* candidate : found) {
        if (allows(candidate->route, question.method)) return ask(candidate->route, question);
        if (!allowed.empty()) allowed += ", ";
        allowed += candidate->route.method == "GET" ? "GET, HEAD" : candidate->route.method;
    }
    HttpAnswer refusal = problem_answer(405, question.path + " answers " + allowed);
    refusal.headers.emplace_back("Allow", allowed);
    return refusal;
}

// Every method of the longest prefix that fits.
std::vector<const AdminRoutes::Route*> AdminRoutes::routes_at(std::string_view path) const {
    std::vector<const Route*> found;
    for (const Route& candidate : routes_) {
        if (!fits(candidate.route, candidate.whole_path, path)) continue;
        const std::size_t length = candidate.route.path_prefix.size();
        if (!found.empty() && found.front()->route.path_prefix.size() < length) found.clear();
        if (found.empty() || found.front()->route.path_prefix.size() == length) found.push_back(&candidate);
    }
    return found;
}

// A name of somebody else's that resolves to this machine is how a foreign web page gets past the browser's
// same-origin rule, and a foreign Origin is how it sends what it cannot read.
std::optional<HttpAnswer> AdminRoutes::refuse_caller(const AdminRequest& request) const {
    const std::string host = host_of(request.authority);
    const bool own = request.authority.empty() || is_loopback(host) || host == request.local_address ||
                     std::ranges::find(allowed_hosts_, host) != allowed_hosts_.end();
    if (!own) {
        return problem_answer(
            403, "this server is not known as '" + host + "'; AdminServerConfig::allowed_hosts adds a name");
    }
    if (request.origin && !same_origin(*request.origin, request.authority)) {
        return problem_answer(403, "requests of pages of another origin are refused");
    }
    return std::nullopt;
}

HttpAnswer AdminRoutes::not_found() const {
    nlohmann::ordered_json document{{"type", "about:blank"},
                                    {"title", http_status_title(404)},
                                    {"status", 404},
                                    {"paths", nlohmann::json::array()}};
    std::vector<std::string> paths;
    for (const Route& route : routes_) paths.push_back(route.route.path_prefix);
    std::ranges::sort(paths);
    const auto repeated = std::ranges::unique(paths);
    paths.erase(repeated.begin(), repeated.end());
    document["paths"] = paths;
    return text_answer(problem_content_type,
                       document.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace), 404);
}

HttpAnswer AdminRoutes::stats(const HttpQuestion& question) {
    const auto value_of = [&](std::string_view name) {
        const auto found = question.query.find(name);
        return found == question.query.end() ? std::string{} : found->second;
    };
    const std::string kind = value_of("kind");
    if (!kind.empty() && !is_stats_kind(kind)) {
        std::string known;
        for (const std::string_view name : stats_kinds) known.append(known.empty() ? "" : ", ").append(name);
        return problem_answer(400, "unknown kind '" + kind + "'; one of " + known);
    }
    const int indent = question.query.contains("pretty") ? 2 : -1;
    auto [everything, told] = picture();
    return text_answer(json_type, to_json_text(filter(std::move(everything), value_of("name"), kind), told, indent));
}

std::pair<ResilienceStats, Health> AdminRoutes::picture() {
    const TimePoint now = Clock::now();
    ResilienceStats stats = manager_.stats(now);
    Health told = readiness_.told(stats, rules_, now);
    return {std::move(stats), std::move(told)};
}

HttpAnswer AdminRoutes::readiness() {
    const Health told = picture().second;
    return text_answer(json_type, readiness_json(told), told.ready ? 200 : 503);
}

}  // namespace resilience::inline v1::detail
