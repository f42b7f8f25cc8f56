#pragma once

// What a caller may say of one call, and what it may learn about it afterwards.
//
//     CallReport report;
//     auto answer = guarded.execute(CallOptions{.timeout = 2s, .report = &report}, fetch);
//
// Both are plain aggregates without destructors of their own: a closure beside them in an awaited expression is safe.

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <resilience/base/outcome.hpp>
#include <resilience/base/rejection.hpp>
#include <resilience/base/time.hpp>
#include <string_view>

namespace resilience::inline v1 {

// Why a retry made no further attempt.
enum class RetryStop : std::uint8_t {
    not_needed = 0,     // no retry in the pipeline, or the first attempt succeeded
    succeeded = 1,      // a later attempt succeeded
    exhausted = 2,      // max_attempts made
    not_retryable = 3,  // the verdict says so, or the delay function
    deadline = 4,       // the next attempt would begin at or after the deadline
    budget = 5,         // the retry budget is spent
    max_delay = 6,      // the callee asked for a longer pause than max_delay
    circuit_open = 7,   // refused inside, and the refusal outlasts the pause this attempt would have made
    cancelled = 8,      // the caller gave up
    max_duration = 9,   // the next attempt would begin after max_duration
};
[[nodiscard]] std::string_view to_string(RetryStop stop) noexcept;
std::ostream& operator<<(std::ostream& out, RetryStop stop);

// Filled when the call ends, also when it ends with an exception.
struct CallReport {
    std::uint32_t attempts = 0;    // functions begun; a refused attempt is not one
    Duration waited_in_queue{};    // in the lines of bulkheads and rate limiters
    Duration waited_in_backoff{};  // between attempts
    RetryStop retry_stopped = RetryStop::not_needed;
    std::optional<Rejection> refused{};  // the last refusal met on the way, even when the call was answered
    std::string_view served_by{};        // empty: the function; "fallback": execute_or's
};

namespace detail {
struct CircuitOperation;
}

// What the call is about, for the one breaker that tracks it: `breaker.operation("charge")`, see
// policies/circuit_breaker_operation.hpp. Every other policy on the way ignores it. Copied like a pointer.
class OperationHandle {
  public:
    // Of no operation.
    constexpr OperationHandle() noexcept = default;
    friend constexpr bool operator==(OperationHandle, OperationHandle) = default;

  protected:
    friend class CircuitBreaker;
    explicit constexpr OperationHandle(detail::CircuitOperation* operation) noexcept : operation_(operation) {}

    detail::CircuitOperation* operation_ = nullptr;
};

struct CallOptions {
    std::optional<Duration> timeout{};    // from the start of `execute`; at or below 0 is refused at once
    std::optional<TimePoint> deadline{};  // on the monotonic clock; the earlier of the two wins
    Priority priority = Priority::normal;
    std::uint64_t tokens = 1;      // what every rate limiter on the way is asked for
    CallReport* report = nullptr;  // written at the end of the call, if given
    OperationHandle operation{};   // what the breaker that it belongs to counts the call as
};

}  // namespace resilience::inline v1
