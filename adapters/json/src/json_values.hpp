#pragma once

// How single values are written: seconds, wall time, names of states. Shared by the sources of this adapter.

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <resilience/base/time.hpp>
#include <string>

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

// Never throws for bad UTF-8: it is replaced.
[[nodiscard]] std::string text_of(const Json& value, int indent);

}  // namespace resilience::inline v1::detail
