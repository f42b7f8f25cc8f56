#pragma once

// Is this service fit to take traffic? The guide's rule, with reasons in sentences.
//
//     Health now = health(manager.stats());
//     if (!now.ready) for (const auto& reason : now.reasons) std::clog << reason << '\n';
//     Health strict = health(manager.stats(), {.dependencies = {{"database", Criticality::critical}}});
//
// The rule is about readiness, whether a load balancer should send traffic here; never restart a process because of it:
// a restart does not mend what the process depends on. It is a pure function of the picture: no memory, no delay.

#include <chrono>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <map>
#include <optional>
#include <resilience/base/circuit_state.hpp>
#include <resilience/base/time.hpp>
#include <resilience/manager/stats.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::inline v1 {

// What it means for the service when the circuit of a dependency opens.
enum class Criticality : std::uint8_t {
    normal = 0,    // degraded, and one of `max_open_circuits`
    critical = 1,  // not ready: without it nothing can be answered
    optional = 2,  // nothing: never counted, never a reason
};
[[nodiscard]] std::string_view to_string(Criticality criticality) noexcept;
std::ostream& operator<<(std::ostream& out, Criticality criticality);

struct HealthRules {
    // Not ready when this many circuits are open or forced open; 0 is never ready. Absent: a number of open circuits
    // never makes it not ready.
    std::optional<std::uint32_t> max_open_circuits = 3;

    // How critical each dependency is, by the name of its policies; one that is not named is normal. A name that
    // nothing bears has no effect, so that rules may be written before anything is registered.
    //     {.dependencies = {{"database", Criticality::critical}, {"mail", Criticality::optional}}}
    std::map<std::string, Criticality, std::less<>> dependencies{};

    // Degraded when a bulkhead has been full for this long. Told by its queue: while the first in it waits there was no
    // place to be had. A bulkhead without a queue is never judged. Absent: bulkheads are not looked at.
    std::optional<Duration> full_bulkhead_after = std::chrono::seconds{10};
};

// healthy: nothing to report. degraded: a circuit that is not optional is open, forced open or half-open, or one of its
// operations is so by itself, or a bulkhead has been full for long; still ready, also where the circuit is critical:
// its other operations pass. failing: not ready.
enum class HealthStatus : std::uint8_t { healthy = 0, degraded = 1, failing = 2 };
[[nodiscard]] std::string_view to_string(HealthStatus status) noexcept;
std::ostream& operator<<(std::ostream& out, HealthStatus status);

// One circuit breaker under the rules.
struct DependencyHealth {
    CircuitState state = CircuitState::closed;
    Criticality criticality = Criticality::normal;
    HealthStatus severity = HealthStatus::healthy;  // what this one alone does to the service
};

struct Health {
    HealthStatus status = HealthStatus::healthy;
    bool ready = true;
    std::uint32_t open_circuits = 0;                   // open or forced open, optional ones left out
    std::optional<std::uint32_t> max_open_circuits{};  // the rule that was applied
    // One plain sentence a trouble, the worst first: why it is not ready, circuits and operations that are open, those
    // that are half-open, bulkheads that are full.
    // "circuit payment_api is open for 12 s: 58 % of 40 calls failed (limit 50 %); next probe in 48 s"
    std::vector<std::string> reasons{};
    StatsByName<DependencyHealth> dependencies{};  // every circuit breaker
};

[[nodiscard]] Health health(const ResilienceStats& stats, const HealthRules& rules = {});

// Ready while fewer than `max_open` circuits are open or forced open, whatever they are called: the guide's rule.
// Allocates nothing.
[[nodiscard]] bool is_ready(const ResilienceStats& stats, std::uint32_t max_open = 3) noexcept;

}  // namespace resilience::inline v1
