#pragma once

// Is this service fit to take traffic? The guide's rule, with reasons in sentences.
//
//     Health now = health(manager.stats());
//     if (!now.ready) for (const auto& reason : now.reasons) std::clog << reason << '\n';
//
// The rule is about readiness, whether a load balancer should send traffic here; never restart a process because of it:
// a restart does not mend what the process depends on. It is a pure function of the picture: no memory, no delay.

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <resilience/manager/stats.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::inline v1 {

struct HealthRules {
    // Not ready when this many circuits are open or forced open; 0 is never ready. Absent: open circuits never make it
    // not ready.
    std::optional<std::uint32_t> max_open_circuits = 3;
};

// healthy: nothing open. degraded: something open, forced open or half-open, still ready. failing: not ready.
enum class HealthStatus : std::uint8_t { healthy = 0, degraded = 1, failing = 2 };
[[nodiscard]] std::string_view to_string(HealthStatus status) noexcept;
std::ostream& operator<<(std::ostream& out, HealthStatus status);

struct Health {
    HealthStatus status = HealthStatus::healthy;
    bool ready = true;
    std::uint32_t open_circuits = 0;                   // open or forced open
    std::optional<std::uint32_t> max_open_circuits{};  // the rule that was applied
    // One plain sentence a trouble, the worst first: why it is not ready, circuits that are open, circuits half-open.
    // "circuit payment_api is open for 12 s: 58 % of 40 calls failed (limit 50 %); next probe in 48 s"
    std::vector<std::string> reasons;
};

[[nodiscard]] Health health(const ResilienceStats& stats, const HealthRules& rules = {});

// Ready while fewer than `max_open` circuits are open or forced open: the guide's rule. Allocates nothing.
[[nodiscard]] bool is_ready(const ResilienceStats& stats, std::uint32_t max_open = 3) noexcept;

}  // namespace resilience::inline v1
