#include <resilience/base/error_code.hpp>
#include <string>

namespace resilience::inline v1 {
namespace {

std::optional<RejectionReason> reason_of(int value) noexcept {
    if (value < 1 || value > static_cast<int>(rejection_reasons)) return std::nullopt;
    return static_cast<RejectionReason>(value - 1);
}

class RejectionCategory final : public std::error_category {
  public:
    [[nodiscard]] const char* name() const noexcept override { return "resilience"; }

    [[nodiscard]] std::string message(int value) const override {
        const auto reason = reason_of(value);
        if (!reason) return "unknown reason " + std::to_string(value);
        std::string words(to_string(*reason));
        for (char& character : words) {
            if (character == '_') character = ' ';
        }
        return words;
    }

    [[nodiscard]] std::error_condition default_error_condition(int value) const noexcept override {
        const auto reason = reason_of(value);
        if (!reason) return {value, *this};
        switch (*reason) {
            case RejectionReason::circuit_open:
            case RejectionReason::half_open_full:
            case RejectionReason::forced_open:
            case RejectionReason::rate_limited:
            case RejectionReason::bulkhead_full:
            case RejectionReason::queue_full:
            case RejectionReason::load_shed:
            case RejectionReason::throttled:
            case RejectionReason::retry_budget_exhausted:
                return std::errc::resource_unavailable_try_again;
            case RejectionReason::queue_timeout:
            case RejectionReason::deadline_exceeded:
                return std::errc::timed_out;
            case RejectionReason::cancelled:
                return std::errc::operation_canceled;
            case RejectionReason::exceeds_capacity:
                return std::errc::value_too_large;
            case RejectionReason::shutting_down:
                break;
        }
        return {value, *this};
    }
};

}  // namespace

const std::error_category& rejection_category() noexcept {
    static const RejectionCategory category;
    return category;
}

std::error_code make_error_code(RejectionReason reason) noexcept {
    return {static_cast<int>(reason) + 1, rejection_category()};
}

std::optional<RejectionReason> rejection_reason(const std::error_code& code) noexcept {
    return code.category() == rejection_category() ? reason_of(code.value()) : std::nullopt;
}

}  // namespace resilience::inline v1
