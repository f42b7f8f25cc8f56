#include <array>
#include <ostream>
#include <resilience/base/duration_text.hpp>
#include <resilience/base/quoted_text.hpp>
#include <resilience/base/rejection.hpp>
#include <string>

namespace resilience::inline v1 {
namespace {

constexpr std::array<std::string_view, rejection_reasons> reason_names{
    "circuit_open", "half_open_full", "forced_open", "rate_limited", "exceeds_capacity",  "bulkhead_full",
    "queue_full",   "queue_timeout",  "load_shed",   "throttled",    "deadline_exceeded", "retry_budget_exhausted",
    "cancelled",    "shutting_down"};

constexpr std::array<std::string_view, 10> kind_names{"circuit_breaker", "rate_limiter", "bulkhead", "retry",
                                                      "timeout",         "hedge",        "throttle", "load_shedder",
                                                      "fallback",        "pipeline"};

// The name in words: "circuit_open" is read as "circuit open".
std::string in_words(std::string_view name) {
    std::string words(name);
    for (char& character : words) {
        if (character == '_') character = ' ';
    }
    return words;
}

}  // namespace

std::string_view to_string(RejectionReason reason) noexcept {
    const auto index = static_cast<std::size_t>(reason);
    return index < reason_names.size() ? reason_names[index] : "unknown";
}

std::string_view to_string(PolicyKind kind) noexcept {
    const auto index = static_cast<std::size_t>(kind);
    return index < kind_names.size() ? kind_names[index] : "unknown";
}

std::string to_string(const Rejection& rejection) {
    std::string sentence = "rejected by " + in_words(to_string(rejection.kind));
    if (!rejection.policy.empty()) sentence += ' ' + quoted_text(rejection.policy);
    sentence += ": ";
    if (rejection.reason == RejectionReason::exceeds_capacity) {
        sentence += std::to_string(rejection.tokens_asked) + (rejection.tokens_asked == 1 ? " token" : " tokens") +
                    " asked, capacity " + std::to_string(rejection.capacity) + ": can never be granted";
        return sentence;
    }
    sentence += in_words(to_string(rejection.reason));
    if (rejection.retry_after) sentence += ", retry after " + duration_text(*rejection.retry_after);
    return sentence;
}

std::ostream& operator<<(std::ostream& out, RejectionReason reason) { return out << to_string(reason); }
std::ostream& operator<<(std::ostream& out, PolicyKind kind) { return out << to_string(kind); }
std::ostream& operator<<(std::ostream& out, const Rejection& rejection) { return out << to_string(rejection); }

}  // namespace resilience::inline v1
