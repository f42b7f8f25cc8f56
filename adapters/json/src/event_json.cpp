#include <resilience/json/json.hpp>

#include "json_values.hpp"

namespace resilience::inline v1 {

namespace {

using detail::Json;
using detail::seconds;
using detail::seconds_or_null;

// Only calls and probes decide by numbers; time and hands do not.
bool decided_by_calls(TransitionCause cause) noexcept {
    return cause == TransitionCause::failure_ratio || cause == TransitionCause::probes_succeeded ||
           cause == TransitionCause::probes_failed || cause == TransitionCause::slow_ratio ||
           cause == TransitionCause::consecutive_failures || cause == TransitionCause::trip_predicate ||
           cause == TransitionCause::health_probes;
}

void add_transition(Json& line, const Event& event) {
    const bool counted = decided_by_calls(event.cause);
    line["from"] = to_string(event.from);
    line["to"] = to_string(event.to);
    line["cause"] = to_string(event.cause);
    line["value"] = counted ? Json(event.value) : Json(nullptr);
    line["threshold"] = counted ? Json(event.threshold) : Json(nullptr);
    line["requests"] = counted ? Json(event.requests) : Json(nullptr);
    line["retry_after_seconds"] = seconds_or_null(event.retry_after);
    line["generation"] = event.generation;
}

void add_what_the_kind_fills(Json& line, const Event& event) {
    switch (event.kind) {
        case EventKind::transition:
            add_transition(line, event);
            break;
        case EventKind::operation_transition:
            line["operation"] = event.operation;
            add_transition(line, event);
            break;
        case EventKind::threshold_reached:
            line["cause"] = to_string(event.cause);
            line["value"] = event.value;
            line["threshold"] = event.threshold;
            line["requests"] = event.requests;
            break;
        case EventKind::lease_reclaimed:
            line["age_seconds"] = seconds(event.took);
            break;
        case EventKind::limit_changed:
            line["from"] = event.limit_before;
            line["to"] = event.limit_after;
            break;
        case EventKind::refused:
            line["reason"] = to_string(event.reason);
            line["retry_after_seconds"] = seconds_or_null(event.retry_after);
            break;
        case EventKind::finished:
            line["result"] = to_string(event.result);
            line["took_seconds"] = seconds(event.took);
            break;
        case EventKind::retry:
            line["attempt"] = event.attempt;
            line["result"] = to_string(event.result);
            line["retry_after_seconds"] = seconds_or_null(event.retry_after);
            break;
        case EventKind::lever:
        case EventKind::permitted:
        case EventKind::added:
        case EventKind::removed:
            break;
    }
}

Json json_of(const Event& event, std::chrono::system_clock::time_point time) {
    Json line = {{"time", detail::time_text(time)},
                 {"event", to_string(event.kind)},
                 {"kind", to_string(event.policy)},
                 {"name", event.name}};
    add_what_the_kind_fills(line, event);
    line["sequence"] = event.sequence;
    return line;
}

}  // namespace

std::string to_json_text(const Event& event, std::chrono::system_clock::time_point time) {
    return detail::text_of(json_of(event, time), -1);
}

std::string to_json_text(const std::vector<RecordedEvent>& events, int indent) {
    Json document = Json::array();
    for (const RecordedEvent& each : events) document.push_back(json_of(each.event, each.time));
    return detail::text_of(document, indent);
}

}  // namespace resilience::inline v1
