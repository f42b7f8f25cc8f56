#pragma once

// How single values are written: seconds, wall time, names of states; and the operations of a breaker. Shared by the
// sources of this adapter.

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <resilience/base/time.hpp>
#include <resilience/policies/circuit_breaker_stats.hpp>
#include <string>
#include <vector>

namespace resilience::inline v1::detail {

using Json = nlohmann::ordered_json;

[[nodiscard]] inline double seconds(Duration duration) noexcept {
    return std::chrono::duration<double>(duration).count();
}

[[nodiscard]] inline Json seconds_or_null(const std::optional<Duration>& duration) {
    return duration ? Json(seconds(*duration)) : Json(nullptr);
}

// "2026-01-05T12:00:00.250Z", always UTC. Milliseconds are cut, so no moment is written before it has come.
[[nodiscard]] std::string time_text(std::chrono::system_clock::time_point time);

// By name: what a breaker's operations have done.
[[nodiscard]] Json operations_json(const std::vector<CircuitBreakerStats::Operation>& operations);

// Never throws for bad UTF-8: it is replaced.
[[nodiscard]] std::string text_of(const Json& value, int indent);

}  // namespace resilience::inline v1::detail
