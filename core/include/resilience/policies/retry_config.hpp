#pragma once

// What a retry can be told, and the picture it gives of itself.
//
// The delay before attempt n + 1, cut at max_delay:
//     exponential    base_delay * multiplier^(n-1)
//     linear         base_delay * n
//     constant       base_delay
//
// and then jittered:
//     none           the delay itself (jitter = false)
//     proportional   uniform in [delay * (1 - ratio), min(delay * (1 + ratio), max_delay)]
//     full           uniform in [0, delay]
//     equal          uniform in [delay / 2, delay]
//     decorrelated   uniform in [base_delay, min(3 * previous delay, max_delay)]; the first time 3 * base_delay. It
//                    grows by itself: the kind of back-off is not looked at
// full, equal and decorrelated are those of "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <resilience/base/time.hpp>
#include <string_view>

namespace resilience::inline v1 {

enum class BackoffKind : std::uint8_t { exponential = 0, linear = 1, constant = 2 };
[[nodiscard]] std::string_view to_string(BackoffKind kind) noexcept;
std::ostream& operator<<(std::ostream& out, BackoffKind kind);

enum class JitterKind : std::uint8_t { proportional = 0, full = 1, equal = 2, decorrelated = 3 };
[[nodiscard]] std::string_view to_string(JitterKind kind) noexcept;
std::ostream& operator<<(std::ostream& out, JitterKind kind);

struct RetryConfig {
    // As max_attempts: no end but that of deadline, max_duration, budget or the caller's patience. Without a delay it
    // is a busy loop for as long as the callee fails.
    static constexpr std::uint32_t unlimited = 0xFFFF'FFFF;

    // Attempts in all, the first included. 1 (no retry) to 1,000,000, or unlimited.
    std::uint32_t max_attempts = 3;

    // Before the second attempt. 0 (at once) to Duration::max().
    Duration base_delay = std::chrono::milliseconds(100);

    // No delay is longer, jitter included. At least base_delay. A callee that asks for more ends the retry.
    Duration max_delay = std::chrono::seconds(30);

    // From the start of the call, a wait in line before it included: no attempt but the first begins that late or later
    // (one that then stands in a line inside may reach the function later). It shortens no delay; what does not fit is
    // not begun, and the call ends at once. 1 ns to Duration::max(), which is no limit.
    Duration max_duration = Duration::max();

    // Growth per attempt, exponential only. 1 to 1000.
    double multiplier = 2.0;
    BackoffKind backoff_kind = BackoffKind::exponential;

    // Wait for an open circuit inside until it lets a probe through, however long it says that takes, as far as
    // deadline and max_duration allow; max_delay does not count here. Off: stop at once where that is longer than the
    // delay, since blocking callers is what a breaker exists to avoid. A circuit forced open names no time: never
    // waited for.
    bool wait_for_circuit = false;

    // Spread the delays so that callers which failed together do not come back together.
    bool jitter = true;
    JitterKind jitter_kind = JitterKind::proportional;

    // Of the proportional kind. 0 to 1.
    double jitter_ratio = 0.25;

    friend bool operator==(const RetryConfig&, const RetryConfig&) = default;

    // For what may be repeated safely: 5 attempts.
    [[nodiscard]] static constexpr RetryConfig idempotent() noexcept { return {.max_attempts = 5}; }
    // For what must not be repeated: one attempt.
    [[nodiscard]] static constexpr RetryConfig not_idempotent() noexcept { return {.max_attempts = 1}; }
    // Against an overloaded callee: full jitter, 50 ms growing to at most 1 s.
    [[nodiscard]] static constexpr RetryConfig overload() noexcept {
        return {.base_delay = std::chrono::milliseconds(50),
                .max_delay = std::chrono::seconds(1),
                .jitter_kind = JitterKind::full};
    }
};

// Calls that ended, by how: calls = success_first + success_retried + exhausted + not_retryable + gave_up, and
// attempts = calls + retries, in every picture. A call is counted when it ends: one that never needed a retry costs one
// addition in all.
struct RetryStats {
    std::uint64_t calls = 0;            // calls that ended
    std::uint64_t success_first = 0;    // answered by the first attempt
    std::uint64_t success_retried = 0;  // answered by a later one
    std::uint64_t exhausted = 0;        // failed max_attempts times
    std::uint64_t not_retryable = 0;    // verdict or delay function said stop, or the refusal can never be granted
    std::uint64_t gave_up = 0;          // deadline, max_duration, budget, max_delay, an open circuit inside, cancelled
    std::uint64_t attempts = 0;         // of the calls that ended, the first included; refused ones too
    std::uint64_t retries = 0;          // attempts that were not the first
    std::uint64_t sleeping = 0;         // calls between two attempts now
    std::uint64_t hook_exceptions = 0;  // thrown by the RetryHooks
    std::uint64_t budget_rejections = 0;  // retries of its calls that the budget refused
    std::uint64_t listener_exceptions = 0;
    std::uint64_t events_dropped = 0;

    // What the budget has left for everybody who shares it.
    struct Budget {
        double balance = 0;   // retries that may start now
        double capacity = 0;  // at most; of a ConcurrentRetryBudget: with so many calls in flight as now
    };
    std::optional<Budget> budget{};  // absent without one
};

}  // namespace resilience::inline v1
