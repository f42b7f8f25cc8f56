#include <ostream>
#include <resilience/base/circuit_state.hpp>

namespace resilience::inline v1 {

std::string_view to_string(CircuitState state) noexcept {
    switch (state) {
        case CircuitState::closed:
            return "closed";
        case CircuitState::open:
            return "open";
        case CircuitState::half_open:
            return "half_open";
        case CircuitState::forced_open:
            return "forced_open";
        case CircuitState::forced_closed:
            return "forced_closed";
        case CircuitState::metrics_only:
            return "metrics_only";
    }
    return "unknown";
}

std::string_view to_string(TransitionCause cause) noexcept {
    switch (cause) {
        case TransitionCause::failure_ratio:
            return "failure_ratio";
        case TransitionCause::open_time_over:
            return "open_time_over";
        case TransitionCause::probes_succeeded:
            return "probes_succeeded";
        case TransitionCause::probes_failed:
            return "probes_failed";
        case TransitionCause::lever:
            return "lever";
        case TransitionCause::lever_expired:
            return "lever_expired";
        case TransitionCause::slow_ratio:
            return "slow_ratio";
        case TransitionCause::consecutive_failures:
            return "consecutive_failures";
        case TransitionCause::trip_predicate:
            return "trip_predicate";
        case TransitionCause::asked:
            return "asked";
        case TransitionCause::half_open_limit:
            return "half_open_limit";
        case TransitionCause::health_probes:
            return "health_probes";
    }
    return "unknown";
}

std::ostream& operator<<(std::ostream& out, CircuitState state) { return out << to_string(state); }
std::ostream& operator<<(std::ostream& out, TransitionCause cause) { return out << to_string(cause); }

}  // namespace resilience::inline v1
