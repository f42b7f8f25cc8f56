#include <nlohmann/json.hpp>

#include "demo/demo_picture.hpp"
#include "demo/fault_json.hpp"

namespace resilience::demo {
namespace {

using Json = nlohmann::ordered_json;

double seconds_of(Duration duration) { return std::chrono::duration<double>(duration).count(); }

Json json_of(const LatencyPicture& latency) {
    return {{"count", latency.count},
            {"p50", seconds_of(latency.p50)},
            {"p99", seconds_of(latency.p99)},
            {"max", seconds_of(latency.max)}};
}

Json json_of(const std::map<int, std::uint64_t>& statuses) {
    Json json = Json::object();
    for (const auto& [status, count] : statuses) json[std::to_string(status)] = count;
    return json;
}

Json json_of(const FrontPicture& front) {
    return {{"requests_total", front.requests},
            {"answered_total", front.of(Ending::answered)},
            {"refused_total",
             {{"at_once", front.of(Ending::refused_at_once)}, {"after_try", front.of(Ending::refused_after_try)}}},
            {"refused_with_retry_after_total", front.refused_with_retry_after},
            {"failed_total", front.of(Ending::failed)},
            {"not_found_total", front.of(Ending::not_a_route)},
            {"statuses_total", json_of(front.statuses)},
            {"malformed_total", front.malformed},
            {"too_slow_total", front.too_slow},
            {"gone_total", front.gone},
            {"connections",
             {{"open", front.connections_open},
              {"accepted_total", front.connections},
              {"refused_total", front.connections_refused}}},
            {"latency_seconds",
             {{"answered", json_of(front.answered)},
              {"rejected", json_of(front.rejected)},
              {"refused_at_once", json_of(front.refused_at_once)},
              {"refused_after_try", json_of(front.refused_after_try)},
              {"failed", json_of(front.failed)}}}};
}

Json json_of(const LoadPicture& load) {
    const LoadPicture::SocketErrors& errors = load.socket_errors;
    return {{"calls_total", load.calls},
            {"answered_total", load.answered},
            {"statuses_total", json_of(load.statuses)},
            {"socket_errors_total",
             {{"connect", errors.connect},
              {"broken", errors.broken},
              {"malformed", errors.malformed},
              {"timed_out", errors.timed_out}}},
            {"late_total", load.late},
            {"lagged_total", load.lagged},
            {"not_sent_total", load.not_sent},
            {"given_up_total", load.given_up},
            {"in_flight", load.in_flight},
            {"waiting", load.waiting},
            {"connections", load.connections}};
}

Json json_of(const CustomerPicture::Part& part) {
    return {{"seconds", seconds_of(part.time)}, {"answered_total", part.answered}};
}

Json json_of(const CustomerPicture& customers) {
    return {{"calls_total", customers.calls},
            {"answered_total", customers.answered},
            {"too_late_total", customers.too_late},
            {"refused_total", customers.refused},
            {"failed_total", customers.failed},
            {"hung_total", customers.hung},
            {"latency_seconds", json_of(customers.latency)},
            {"trouble", json_of(customers.trouble)},
            {"calm", json_of(customers.calm)},
            {"longest_outage_seconds", seconds_of(customers.longest_outage)}};
}

Json json_of(const UpstreamPicture& upstream) {
    return {{"port", upstream.port},
            {"fault", json_of(upstream.fault)},
            {"received_total", upstream.counts.received},
            {"answered_total", upstream.counts.answered},
            {"errors_total", upstream.counts.errors},
            {"exchanges_total",
             {{"all", upstream.exchanges},
              {"answered", upstream.answered},
              {"unreachable", upstream.unreachable},
              {"broken", upstream.broken},
              {"timed_out", upstream.timed_out},
              {"resent", upstream.resent}}}};
}

// Adds a shop's parts to `json`.
void tell(const ShopPicture& shop, Json& json) {
    json["front"] = json_of(shop.front);
    json["load"] = shop.load ? json_of(*shop.load) : Json(nullptr);
    json["customers"] = shop.load ? json_of(shop.load->customers) : Json(nullptr);
    for (std::size_t index = 0; index < upstream_names.size(); ++index) {
        json["upstreams"][std::string(upstream_names[index])] = json_of(shop.upstreams[index]);
    }
}

}  // namespace

Json json_of(const std::optional<ActiveFault>& active) {
    if (!active) return nullptr;
    const Fault& fault = active->fault;
    return {{"error_ratio", fault.error_ratio},
            {"latency_factor", fault.latency_factor},
            {"latency_seconds", fault.latency ? Json(seconds_of(*fault.latency)) : Json(nullptr)},
            {"hang", fault.hang},
            {"down", fault.down},
            {"remaining_seconds", seconds_of(active->remaining)}};
}

std::string summary_json(const DemoPicture& picture) {
    Json json{{"format", 1}, {"seconds", seconds_of(picture.elapsed)}};
    tell(picture.shop, json);
    json["unguarded"] = nullptr;
    json["comparison"] = nullptr;
    if (picture.unguarded) tell(*picture.unguarded, json["unguarded"] = Json::object());
    if (picture.unguarded && picture.unguarded->load) {
        const Fairness fairness = fairness_of(picture.shop, *picture.unguarded);
        json["comparison"] = {{"comparable", fairness.comparable}, {"cautions", fairness.cautions}};
    }
    return json.dump() + "\n";
}

}  // namespace resilience::demo
