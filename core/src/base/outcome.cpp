#include <ostream>
#include <resilience/base/outcome.hpp>

namespace resilience::inline v1 {

std::string_view to_string(Outcome outcome) noexcept {
    switch (outcome) {
        case Outcome::success:
            return "success";
        case Outcome::failure:
            return "failure";
        case Outcome::ignored:
            return "ignored";
    }
    return "unknown";
}

std::string_view to_string(CallResult result) noexcept {
    switch (result) {
        case CallResult::success:
            return "success";
        case CallResult::application_error:
            return "application_error";
        case CallResult::failure:
            return "failure";
        case CallResult::overloaded:
            return "overloaded";
        case CallResult::timed_out:
            return "timed_out";
        case CallResult::cancelled:
            return "cancelled";
        case CallResult::ignored:
            return "ignored";
    }
    return "unknown";
}

std::string_view to_string(Priority priority) noexcept {
    switch (priority) {
        case Priority::critical:
            return "critical";
        case Priority::normal:
            return "default";
        case Priority::sheddable:
            return "sheddable";
        case Priority::bulk:
            return "bulk";
    }
    return "unknown";
}

std::ostream& operator<<(std::ostream& out, Outcome outcome) { return out << to_string(outcome); }
std::ostream& operator<<(std::ostream& out, CallResult result) { return out << to_string(result); }
std::ostream& operator<<(std::ostream& out, Priority priority) { return out << to_string(priority); }

}  // namespace resilience::inline v1
