#pragma once

// What only a retry with hooks or a budget has.

#include <atomic>
#include <cstdint>
#include <optional>
#include <resilience/base/cancellation_hold.hpp>
#include <resilience/policies/retry.hpp>

namespace resilience::inline v1 {

struct Retry::Extras {
    RetryHooks hooks;
    SharedRetryBudget budget;
    std::atomic<std::uint64_t> hook_exceptions{0};
    std::atomic<std::uint64_t> budget_rejections{0};

    // Runs code of the user's. False, and counted, if it threw.
    template <class Hook>
    bool run(Hook&& hook) noexcept {
        const detail::CancellationHold no_cancellation;  // its unwinding could not pass
        try {
            hook();
            return true;
        } catch (...) {
            hook_exceptions.fetch_add(1, std::memory_order_relaxed);
            return false;
        }
    }

    template <class Budget>
    [[nodiscard]] Budget* budget_as() const noexcept {
        const auto* shared = std::get_if<std::shared_ptr<Budget>>(&budget);
        return shared != nullptr ? shared->get() : nullptr;
    }
    [[nodiscard]] RetryBudget* tokens() const noexcept { return budget_as<RetryBudget>(); }
    [[nodiscard]] ConcurrentRetryBudget* places() const noexcept { return budget_as<ConcurrentRetryBudget>(); }

    [[nodiscard]] std::optional<RetryStats::Budget> left(TimePoint now) const noexcept;
};

}  // namespace resilience::inline v1
