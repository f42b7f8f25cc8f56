#include <ostream>
#include <resilience/base/call_options.hpp>

namespace resilience::inline v1 {

std::string_view to_string(RetryStop stop) noexcept {
    switch (stop) {
        case RetryStop::not_needed:
            return "not_needed";
        case RetryStop::succeeded:
            return "succeeded";
        case RetryStop::exhausted:
            return "exhausted";
        case RetryStop::not_retryable:
            return "not_retryable";
        case RetryStop::deadline:
            return "deadline";
        case RetryStop::budget:
            return "budget";
        case RetryStop::max_delay:
            return "max_delay";
        case RetryStop::circuit_open:
            return "circuit_open";
        case RetryStop::cancelled:
            return "cancelled";
        case RetryStop::max_duration:
            return "max_duration";
    }
    return "unknown";
}

std::ostream& operator<<(std::ostream& out, RetryStop stop) { return out << to_string(stop); }

}  // namespace resilience::inline v1
