#pragma once

// The states of a circuit breaker, in numbers that dashboards and alerts rely on.

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string_view>

namespace resilience::inline v1 {

enum class CircuitState : std::uint8_t {
    closed = 0,         // calls pass and are counted
    open = 1,           // calls are refused until the open time is over
    half_open = 2,      // a few probes pass; their verdicts close or re-open the circuit
    forced_open = 3,    // refused by hand, until the lever is released
    forced_closed = 4,  // passed by hand, whatever fails
    metrics_only = 5,   // passed and counted, never opened
};
inline constexpr std::size_t circuit_states = 6;

// Why a breaker changed its state.
enum class TransitionCause : std::uint8_t {
    failure_ratio = 0,         // closed to open: the window reached its threshold
    open_time_over = 1,        // open to half-open
    probes_succeeded = 2,      // half-open to closed
    probes_failed = 3,         // half-open to open
    lever = 4,                 // by hand
    lever_expired = 5,         // a lever with an end reached it
    slow_ratio = 6,            // closed to open: too many slow calls in the window
    consecutive_failures = 7,  // closed to open: so many failures in a row
    trip_predicate = 8,        // closed to open: the user's own rule
    asked = 9,                 // to open: the callee's verdict asked to be left alone
    half_open_limit = 10,      // half-open for too long without a verdict
    health_probes = 11,        // open to half-open before its time: health probes succeeded in a row
};

[[nodiscard]] std::string_view to_string(CircuitState state) noexcept;  // "half_open"
[[nodiscard]] std::string_view to_string(TransitionCause cause) noexcept;
std::ostream& operator<<(std::ostream& out, CircuitState state);
std::ostream& operator<<(std::ostream& out, TransitionCause cause);

}  // namespace resilience::inline v1
