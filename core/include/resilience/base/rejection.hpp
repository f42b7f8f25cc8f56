#pragma once

// A rejection: a policy did not let an attempt start, and says when it is worth coming back.
//
// It is a value, never an exception, and never looks like an answer of the callee. It prints as one sentence:
//
//     rejected by circuit breaker "card_host": circuit open, retry after 9.8 s
//     rejected by rate limiter "per_user": 30 tokens asked, capacity 20: can never be granted

#include <array>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <resilience/base/time.hpp>
#include <string>
#include <string_view>

namespace resilience::inline v1 {

// Why. Values are pinned by a test and appended to, never renumbered.
enum class RejectionReason : std::uint8_t {
    circuit_open = 0,
    half_open_full = 1,
    forced_open = 2,
    rate_limited = 3,
    exceeds_capacity = 4,
    bulkhead_full = 5,
    queue_full = 6,
    queue_timeout = 7,
    load_shed = 8,
    throttled = 9,
    deadline_exceeded = 10,
    retry_budget_exhausted = 11,
    cancelled = 12,
    shutting_down = 13,
};
inline constexpr std::size_t rejection_reasons = 14;

// Which kind of policy.
enum class PolicyKind : std::uint8_t {
    circuit_breaker = 0,
    rate_limiter = 1,
    bulkhead = 2,
    retry = 3,
    timeout = 4,
    hedge = 5,
    throttle = 6,
    load_shedder = 7,
    fallback = 8,
    pipeline = 9,
};

struct Rejection {
    RejectionReason reason = RejectionReason::circuit_open;
    PolicyKind kind = PolicyKind::circuit_breaker;
    std::string_view policy{};              // the policy's name: lives as long as the process; empty when unnamed
    std::optional<Duration> retry_after{};  // usable as given: asking again exactly then can succeed. Absent: unknown
    std::uint64_t tokens_asked = 0;         // with exceeds_capacity only: what was asked for,
    std::uint64_t capacity = 0;             // and the most that can ever be granted

    friend bool operator==(const Rejection&, const Rejection&) = default;
};

// How often a policy gave a reason.
struct RejectionCount {
    RejectionReason reason{};
    std::uint64_t count = 0;
};
template <std::size_t Reasons>
[[nodiscard]] constexpr std::uint64_t total_of(const std::array<RejectionCount, Reasons>& counts) noexcept {
    std::uint64_t total = 0;
    for (const RejectionCount& each : counts) total += each.count;
    return total;
}

[[nodiscard]] std::string_view to_string(RejectionReason reason) noexcept;  // "circuit_open": for labels and headers
[[nodiscard]] std::string_view to_string(PolicyKind kind) noexcept;         // "circuit_breaker"
[[nodiscard]] std::string to_string(const Rejection& rejection);            // the sentence; may throw bad_alloc
std::ostream& operator<<(std::ostream& out, RejectionReason reason);
std::ostream& operator<<(std::ostream& out, PolicyKind kind);
std::ostream& operator<<(std::ostream& out, const Rejection& rejection);

}  // namespace resilience::inline v1
