#include "readiness.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <resilience/base/duration_text.hpp>
#include <resilience/json/json.hpp>
#include <string_view>
#include <vector>

namespace resilience::inline v1::detail {

namespace {

bool refuses_everything(CircuitState state) noexcept {
    return state == CircuitState::open || state == CircuitState::forced_open;
}

Criticality criticality_of(std::string_view name, const HealthRules& rules) noexcept {
    const auto named = rules.dependencies.find(name);
    return named == rules.dependencies.end() ? Criticality::normal : named->second;
}

}  // namespace

Duration certainly_ready_for(const ResilienceStats& stats, const HealthRules& rules) {
    std::size_t open = 0;
    Duration ready_for = Duration::max();
    std::vector<Duration> others;
    for (const auto& [name, breaker] : stats.circuit_breakers) {
        const Criticality criticality = criticality_of(name, rules);
        if (criticality == Criticality::optional) continue;
        const bool refuses = refuses_everything(breaker.state);
        if (criticality == Criticality::critical) {
            ready_for = std::min(ready_for, refuses ? Duration::zero() : breaker.in_state);
        }
        if (refuses) {
            ++open;
        } else {
            others.push_back(breaker.in_state);
        }
    }
    if (!rules.max_open_circuits) return ready_for;
    if (open >= *rules.max_open_circuits) return Duration::zero();
    // Going back in time, the limit can have been reached when this many of the others were still open.
    const std::size_t missing = *rules.max_open_circuits - open;
    if (others.size() < missing) return ready_for;
    const auto decisive = others.begin() + static_cast<std::ptrdiff_t>(missing - 1);
    std::ranges::nth_element(others, decisive);
    return std::min(ready_for, *decisive);
}

Health Readiness::told(const ResilienceStats& stats, const HealthRules& rules, TimePoint now) {
    Health judged = health(stats, rules);
    if (!judged.ready) {
        told_not_ready_ = true;
        seen_ready_since_.reset();
        return judged;
    }
    if (!told_not_ready_) return judged;
    if (!seen_ready_since_) seen_ready_since_ = now;
    const Duration ready_for = std::max(time_between(*seen_ready_since_, now), certainly_ready_for(stats, rules));
    if (ready_for >= again_after_) {
        told_not_ready_ = false;
        return judged;
    }
    judged.ready = false;
    judged.status = HealthStatus::failing;
    judged.reasons.insert(judged.reasons.begin(), "not ready: it was a moment ago; ready again in " +
                                                      duration_text(again_after_ - ready_for) +
                                                      " unless too many circuits open before");
    return judged;
}

std::string readiness_json(const Health& told) {
    auto document = nlohmann::ordered_json::parse(to_json_text(told, -1));
    // Names are known to be distinct, and an ordered object would search all earlier ones before each insertion.
    auto& dependencies = document["dependencies"] = nlohmann::ordered_json::object();
    auto& entries = dependencies.get_ref<nlohmann::ordered_json::object_t&>();
    entries.reserve(told.dependencies.size());
    for (const auto& [name, dependency] : told.dependencies) {
        entries.emplace_back(name, nlohmann::ordered_json{{"state", to_string(dependency.state)},
                                                          {"criticality", to_string(dependency.criticality)},
                                                          {"severity", to_string(dependency.severity)}});
    }
    return document.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace resilience::inline v1::detail
