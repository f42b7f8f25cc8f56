#pragma once

// What a classifier says of one attempt.
//
//     Verdict operator()(const Response& response) const {
//         if (response.status == 429) return {.result = CallResult::overloaded, .retry_after = response.retry_after};
//         return Verdict::of(response.status >= 500 ? Outcome::failure : Outcome::success);
//     }
//
// A classifier may also return a bare Outcome. Each policy reads the part that concerns it: a breaker the result, a
// retry `retryable` and `retry_after`.

#include <optional>
#include <resilience/base/outcome.hpp>
#include <resilience/base/time.hpp>

namespace resilience::inline v1 {

struct Verdict {
    CallResult result = CallResult::success;
    bool retryable = true;                  // false: a retry stops here, whatever attempts are left
    std::optional<Duration> retry_after{};  // the callee's wish; a retry waits at least this long or not at all
    std::optional<Duration> open_for{};     // how long the callee asks to be left alone

    [[nodiscard]] static constexpr Verdict of(Outcome outcome) noexcept {
        return Verdict{.result = result_of(outcome)};
    }
};

}  // namespace resilience::inline v1
