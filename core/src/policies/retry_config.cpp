#include <ostream>
#include <resilience/policies/retry_config.hpp>

namespace resilience::inline v1 {

std::string_view to_string(BackoffKind kind) noexcept {
    switch (kind) {
        case BackoffKind::exponential:
            return "exponential";
        case BackoffKind::linear:
            return "linear";
        case BackoffKind::constant:
            return "constant";
    }
    return "unknown";
}

std::ostream& operator<<(std::ostream& out, BackoffKind kind) { return out << to_string(kind); }

std::string_view to_string(JitterKind kind) noexcept {
    switch (kind) {
        case JitterKind::proportional:
            return "proportional";
        case JitterKind::full:
            return "full";
        case JitterKind::equal:
            return "equal";
        case JitterKind::decorrelated:
            return "decorrelated";
    }
    return "unknown";
}

std::ostream& operator<<(std::ostream& out, JitterKind kind) { return out << to_string(kind); }

}  // namespace resilience::inline v1
