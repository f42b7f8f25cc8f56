#include <resilience/base/circuit_state.hpp>
#include <string>

#include "json_values.hpp"

namespace resilience::inline v1::detail {

Json operations_json(const std::vector<CircuitBreakerStats::Operation>& operations) {
    Json by_name = Json::object();
    for (const CircuitBreakerStats::Operation& operation : operations) {
        const auto& window = operation.window;
        Json entry = Json::object();
        // Absent where the breaker alone decides.
        if (operation.state) entry["state"] = to_string(*operation.state);
        entry["window"] = {{"requests", window.requests},
                           {"failures", window.failures},
                           {"failure_ratio", window.requests > 0 ? Json(window.failure_ratio) : Json(nullptr)}};
        entry["requests_total"] = operation.requests;
        entry["admitted_total"] = operation.admitted;
        entry["rejected_total"] = operation.rejected;
        entry["success_total"] = operation.success;
        entry["failure_total"] = operation.failure;
        entry["ignored_total"] = operation.ignored;
        entry["in_flight"] = operation.in_flight;
        by_name[std::string(operation.name)] = std::move(entry);
    }
    return by_name;
}

}  // namespace resilience::inline v1::detail
