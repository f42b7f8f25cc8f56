#pragma once

// Rejection reasons as std::error_code, for code whose errors already are error codes.
//
//     std::error_code why = RejectionReason::circuit_open;               // category "resilience"
//     if (why == RejectionReason::circuit_open) …                        // exactly this reason
//     if (why == std::errc::resource_unavailable_try_again) …            // or what it means: see below
//
//     reason                                             equals std::errc
//     circuit_open, half_open_full, forced_open,         resource_unavailable_try_again
//     rate_limited, bulkhead_full, queue_full,
//     load_shed, throttled, retry_budget_exhausted
//     queue_timeout, deadline_exceeded                   timed_out
//     cancelled                                          operation_canceled
//     exceeds_capacity                                   value_too_large: asking again cannot help
//     shutting_down                                      none
//
// An error code with value 0 means "no error", so its value is the number of the reason + 1. Like those numbers it
// never changes. A code has no room for the policy and the moment to come back at; CallReport::refused has them.
// Threads: any. Cost: no allocation except by message().

#include <optional>
#include <resilience/base/rejection.hpp>
#include <system_error>
#include <type_traits>

template <>
struct std::is_error_code_enum<resilience::RejectionReason> : std::true_type {};

namespace resilience::inline v1 {

// The category named "resilience"; lives as long as the process. message() is the reason in words: "circuit open".
[[nodiscard]] const std::error_category& rejection_category() noexcept;

[[nodiscard]] std::error_code make_error_code(RejectionReason reason) noexcept;

// The reason that a code stands for; nothing for a code of another category, "no error", or an unknown value.
[[nodiscard]] std::optional<RejectionReason> rejection_reason(const std::error_code& code) noexcept;

}  // namespace resilience::inline v1
