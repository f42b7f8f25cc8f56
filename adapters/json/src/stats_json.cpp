#include <array>
#include <cstddef>
#include <resilience/base/version.hpp>
#include <resilience/json/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "json_values.hpp"

namespace resilience::inline v1 {

namespace {

using detail::Json;
using detail::seconds;
using detail::seconds_or_null;

Json window_json(const CircuitBreakerStats::Window& window) {
    const bool measured = window.slow_call_ratio.has_value();
    return {{"requests", window.requests},
            {"failures", window.failures},
            {"slow", window.slow},
            {"slow_failures", measured ? Json(window.slow_failures) : Json(nullptr)},
            {"duration_total_seconds", measured ? Json(seconds(window.total_duration)) : Json(nullptr)},
            {"duration_average_seconds", seconds_or_null(window.average_duration)},
            // A share of nothing does not exist; 0 would say that all is well.
            {"failure_ratio", window.requests > 0 ? Json(window.failure_ratio) : Json(nullptr)},
            {"slow_ratio", window.requests > 0 && window.slow_call_ratio ? Json(window.slow_ratio) : Json(nullptr)},
            {"failure_threshold", window.failure_threshold},
            {"min_requests", window.min_requests}};
}

Json half_open_json(const CircuitBreakerStats::HalfOpen& half_open) {
    return {{"in_flight", half_open.in_flight},
            {"max_calls", half_open.max_calls},
            {"successes", half_open.successes},
            {"failures", half_open.failures},
            {"success_threshold", half_open.success_threshold},
            {"oldest_probe_seconds", seconds_or_null(half_open.oldest_probe)}};
}

Json transitions_json(const std::vector<CircuitBreakerStats::Transition>& transitions) {
    Json counts = Json::object();
    for (const auto& transition : transitions) {
        std::string change{to_string(transition.from)};
        change.append("_to_").append(to_string(transition.to));
        counts[change] = transition.count;
    }
    return counts;
}

// Of no call there is no quantile; a policy that keeps no durations has none of this.
Json latency_json(const std::optional<LatencyPicture>& latency) {
    if (!latency) return nullptr;
    const auto quantile = [&](double share) {
        return latency->count > 0 ? Json(seconds(latency->quantile(share))) : Json(nullptr);
    };
    return {{"p50", quantile(0.5)}, {"p90", quantile(0.9)}, {"p99", quantile(0.99)}, {"max", quantile(1)}};
}

Json rejected_json(const CircuitBreakerStats::Rejected& rejected) {
    return {{"circuit_open", rejected.circuit_open},
            {"half_open_full", rejected.half_open_full},
            {"forced_open", rejected.forced_open},
            {"throttled", rejected.throttled}};
}

Json without_health_probes(const CircuitBreakerStats& stats, Criticality criticality) {
    return {{"state", to_string(stats.state)},
            {"state_seconds", seconds(stats.in_state)},
            {"not_closed_seconds", seconds_or_null(stats.not_closed)},
            {"retry_after_seconds", seconds_or_null(stats.retry_after)},
            {"manual", stats.manual},
            {"lever_expires_seconds", seconds_or_null(stats.lever_expires)},
            {"generation", stats.generation},
            {"criticality", to_string(criticality)},
            {"window", window_json(stats.window)},
            {"half_open", half_open_json(stats.half_open)},
            {"requests_total", stats.requests},
            {"admitted_total", stats.admitted},
            {"rejected_total", rejected_json(stats.rejected)},
            {"success_total", stats.success},
            {"failure_total", stats.failure},
            {"ignored_total", stats.ignored},
            {"in_flight", stats.in_flight},
            {"slow_total", stats.slow},
            {"late_total", stats.late},
            {"cancelled_total", stats.cancelled},
            {"abandoned_total", stats.abandoned},
            {"leases_reclaimed_total", stats.leases_reclaimed},
            {"unpaired_results_total", stats.unpaired_results},
            {"window_saturated_total", stats.window_saturated},
            {"classifier_errors_total", stats.classifier_errors},
            {"hook_exceptions_total", stats.hook_exceptions},
            {"transitions_total", transitions_json(stats.transitions)},
            {"latency_seconds", latency_json(stats.latency)},
            {"listener_exceptions_total", stats.listener_exceptions},
            {"events_dropped_total", stats.events_dropped}};
}

// Only a breaker that was given a health probe has any.
Json json_of(const CircuitBreakerStats& stats, Criticality criticality) {
    Json json = without_health_probes(stats, criticality);
    if (!stats.health_probes) return json;
    const CircuitBreakerStats::HealthProbes& probes = *stats.health_probes;
    json["health_probes"] = {{"sent_total", probes.sent},           {"succeeded_total", probes.succeeded},
                             {"failed_total", probes.failed},       {"timed_out_total", probes.timed_out},
                             {"undecided_total", probes.undecided}, {"overlapped_total", probes.overlapped}};
    return json;
}

template <std::size_t Reasons>
Json counts_json(const std::array<RejectionCount, Reasons>& counts) {
    Json by_reason = Json::object();
    for (const RejectionCount& each : counts) by_reason[std::string(to_string(each.reason))] = each.count;
    return by_reason;
}

Json json_of(const RateLimiterStats& stats) {
    return {{"capacity", stats.capacity},
            {"available_tokens", stats.available_tokens},
            {"refill_rate_per_second", stats.refill_rate},
            {"waiting", stats.waiting},
            {"oldest_waiter_seconds", seconds_or_null(stats.oldest_waiter)},
            {"keys", nullptr},
            {"closed", stats.closed},
            {"requests_total", stats.requests},
            {"admitted_total", stats.admitted},
            {"rejected_total", counts_json(stats.rejected.by_reason())},
            {"returned_tokens_total", stats.returned_tokens},
            {"surplus_tokens_total", stats.surplus_tokens},
            {"debt_tokens", stats.debt_tokens},
            // Until somebody new can take a token: when one is there, that is now.
            {"retry_after_seconds", seconds(stats.retry_after.value_or(Duration::zero()))},
            {"listener_exceptions_total", stats.listener_exceptions},
            {"events_dropped_total", stats.events_dropped}};
}

Json partitions_json(const std::vector<BulkheadPartitionStats>& partitions) {
    Json section = Json::object();
    for (const BulkheadPartitionStats& each : partitions) {
        section[std::string(each.name)] = {
            {"reserved", each.reserved},
            {"reserved_in_use", each.reserved_in_use},
            {"shared_in_use", each.shared_in_use},
            {"requests_total", each.requests},
            {"admitted_total", {{"reserved", each.admitted_reserved}, {"shared", each.admitted_shared}}},
            {"rejected_total", each.rejected}};
    }
    return section;
}

Json keys_json(const KeyedRateLimiterStats& stats) {
    Json tiers = Json::object();
    for (const KeyTierConfig& tier : stats.tiers) {
        tiers[tier.name] = {{"capacity", tier.capacity}, {"refill_rate_per_second", tier.refill_rate}};
    }
    Json hottest = Json::array();
    for (const HotKey& hot : stats.hottest) {
        hottest.push_back(
            {{"key", hot.key}, {"tier", hot.tier}, {"admitted_total", hot.admitted}, {"rejected_total", hot.rejected}});
    }
    return {{"held", stats.keys},
            {"max", stats.max_keys},
            {"when_full", stats.when_full == WhenFull::refuse_new ? "refuse_new" : "evict_idle"},
            {"reserved", stats.keys_reserved},
            {"bytes", stats.bytes},
            {"evicted_full_total", stats.evicted_full_total},
            {"evicted_live_total", stats.evicted_live_total},
            {"tiers", std::move(tiers)},
            {"hottest", std::move(hottest)}};
}

// What each key has for itself is null: no number of the limiter's.
Json json_of(const KeyedRateLimiterStats& stats) {
    return {{"capacity", nullptr},
            {"available_tokens", nullptr},
            {"refill_rate_per_second", nullptr},
            {"waiting", 0},
            {"oldest_waiter_seconds", nullptr},
            {"keys", keys_json(stats)},
            {"closed", false},
            {"requests_total", stats.requests},
            {"admitted_total", stats.admitted},
            {"rejected_total", counts_json(stats.rejected.by_reason())},
            {"returned_tokens_total", stats.returned_tokens},
            {"surplus_tokens_total", stats.surplus_tokens},
            {"debt_tokens", nullptr},
            {"retry_after_seconds", nullptr},
            {"listener_exceptions_total", 0},
            {"events_dropped_total", 0}};
}

Json json_of(const BulkheadStats& stats) {
    return {{"in_use", stats.in_use},
            {"max_concurrent", stats.max_concurrent},
            {"queue_depth", stats.queue_depth},
            {"queue_size", stats.queue_size},
            {"oldest_waiter_seconds", seconds_or_null(stats.oldest_waiter)},
            {"closed", stats.closed},
            {"requests_total", stats.requests},
            {"admitted_total", stats.admitted},
            {"settled_total", stats.settled},
            {"rejected_total", counts_json(stats.rejected.by_reason())},
            {"wait_seconds", latency_json(stats.wait)},
            {"partitions", partitions_json(stats.partitions)},
            {"listener_exceptions_total", stats.listener_exceptions},
            {"events_dropped_total", stats.events_dropped}};
}

Json json_of(const RetryStats& stats) {
    return {{"calls_total",
             {{"success_first", stats.success_first},
              {"success_retried", stats.success_retried},
              {"exhausted", stats.exhausted},
              {"not_retryable", stats.not_retryable},
              {"gave_up", stats.gave_up}}},
            {"attempts_total", stats.attempts},
            {"retries_total", stats.retries},
            {"sleeping", stats.sleeping},
            {"budget_rejections_total", stats.budget_rejections},
            {"budget", stats.budget ? Json{{"balance", stats.budget->balance}, {"capacity", stats.budget->capacity}}
                                    : Json(nullptr)},
            {"hook_exceptions_total", stats.hook_exceptions},
            {"listener_exceptions_total", stats.listener_exceptions},
            {"events_dropped_total", stats.events_dropped}};
}

Json json_of(const Health& health) {
    return {{"status", to_string(health.status)},
            {"ready", health.ready},
            {"open_circuits", health.open_circuits},
            {"max_open_circuits", health.max_open_circuits ? Json(*health.max_open_circuits) : Json(nullptr)},
            {"reasons", health.reasons}};
}

// Names are known to be distinct, and an ordered object would search all earlier ones before each insertion.
template <class Stats>
Json json_of(const StatsByName<Stats>& policies) {
    Json section = Json::object();
    auto& entries = section.template get_ref<Json::object_t&>();
    entries.reserve(policies.size());
    for (const auto& [name, stats] : policies) entries.emplace_back(name, json_of(stats));
    return section;
}

// Both sorts in the order of names.
Json json_of(const StatsByName<RateLimiterStats>& plain, const StatsByName<KeyedRateLimiterStats>& keyed) {
    Json section = Json::object();
    auto& entries = section.get_ref<Json::object_t&>();
    entries.reserve(plain.size() + keyed.size());
    auto next = keyed.begin();
    const auto add_keyed_before = [&](const std::string* name) {
        for (; next != keyed.end() && (name == nullptr || next->first < *name); ++next) {
            entries.emplace_back(next->first, json_of(next->second));
        }
    };
    for (const auto& [name, stats] : plain) {
        add_keyed_before(&name);
        entries.emplace_back(name, json_of(stats));
    }
    add_keyed_before(nullptr);
    return section;
}

Json json_of(const StatsByName<CircuitBreakerStats>& breakers, const Health& health) {
    Json section = Json::object();
    auto& entries = section.get_ref<Json::object_t&>();
    entries.reserve(breakers.size());
    for (const auto& [name, stats] : breakers) {
        const auto judged = health.dependencies.find(name);
        const Criticality criticality =
            judged == health.dependencies.end() ? Criticality::normal : judged->second.criticality;
        Json entry = json_of(stats, criticality);
        // Only a breaker that was asked for some has any.
        if (!stats.operations.empty()) entry["operations"] = detail::operations_json(stats.operations);
        entries.emplace_back(name, std::move(entry));
    }
    return section;
}

}  // namespace

std::string to_json_text(const ResilienceStats& stats, const Health& health, int indent) {
    Json document = {{"format", 1},
                     {"service", stats.service},
                     {"version", library_version},
                     {"time", detail::time_text(stats.taken)},
                     {"uptime_seconds", seconds(stats.uptime)},
                     {"health", json_of(health)}};
    document["circuit_breakers"] = json_of(stats.circuit_breakers, health);
    document["rate_limiters"] = json_of(stats.rate_limiters, stats.keyed_rate_limiters);
    document["bulkheads"] = json_of(stats.bulkheads);
    document["retries"] = json_of(stats.retries);
    return detail::text_of(document, indent);
}

std::string to_json_text(const ResilienceStats& stats, const HealthRules& rules, int indent) {
    return to_json_text(stats, health(stats, rules), indent);
}

std::string to_json_text(const ResilienceStats& stats, int indent) {
    return to_json_text(stats, HealthRules{}, indent);
}

std::string to_json_text(const Health& health, int indent) { return detail::text_of(json_of(health), indent); }

}  // namespace resilience::inline v1
