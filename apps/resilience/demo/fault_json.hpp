#pragma once

// Faults as JSON, for the summary and the admin port.

#include <nlohmann/json.hpp>
#include <optional>

#include "demo/upstream.hpp"

namespace resilience::demo {

// {"error_ratio":0.8,"latency_factor":1.0,"latency_seconds":null,"hang":false,"down":false,"remaining_seconds":19.2},
// null when there is none.
[[nodiscard]] nlohmann::ordered_json json_of(const std::optional<ActiveFault>& active);

}  // namespace resilience::demo
