#pragma once

// How a rejection is told over HTTP, so that it never looks like an answer of the callee.
//
//     HTTP/1.1 503 Service Unavailable
//     X-Resilience: rejected; reason=circuit_open; policy=payment_api
//     Retry-After: 5
//     Content-Type: application/problem+json
//
//     {"type":"about:blank","title":"Service Unavailable","status":503,"reason":"circuit_open",
//      "policy":"payment_api","retry_after_seconds":4.6}
//
// Plain functions for whatever server the program uses; all may be called from any thread, and allocate.

#include <resilience/base/rejection.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace resilience::inline v1 {

// The content type of problem_json (RFC 9457).
inline constexpr std::string_view problem_content_type = "application/problem+json";

// rate_limited and exceeds_capacity: 429. deadline_exceeded: 504. cancelled: 499, for logs, as the client is gone.
// All others, those of breakers, bulkheads, queues, shedding, throttles and shut-down: 503. A retry_budget_exhausted
// is 503 too; whoever still has the callee's last answer sends that instead.
[[nodiscard]] int http_status_of(RejectionReason reason) noexcept;

// "Service Unavailable"; "Unknown Status" for a number without a name.
[[nodiscard]] std::string_view http_status_title(int status) noexcept;

// The problem document. policy is null when unnamed, retry_after_seconds null when unknown and otherwise rounded up to
// a millisecond, so that it is usable as given.
[[nodiscard]] std::string problem_json(int status, std::string_view title, const Rejection& rejection);
[[nodiscard]] std::string problem_json(const Rejection& rejection);  // with the status and title of its reason

// A problem without a rejection: {"type":"about:blank","title":…,"status":…,"detail":…}.
[[nodiscard]] std::string problem_json(int status, std::string_view title, std::string_view detail);

// X-Resilience and, when it is known, Retry-After in whole seconds, rounded up, at least 1. Bytes of a policy's name
// other than letters, digits and _ . : / - are percent-encoded; an unnamed policy is left out.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> rejection_headers(const Rejection& rejection);

}  // namespace resilience::inline v1
