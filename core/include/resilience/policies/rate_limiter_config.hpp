#pragma once

// What a rate limiter can be told, and the picture it gives of itself.

#include <array>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <optional>
#include <resilience/base/rejection.hpp>
#include <resilience/base/time.hpp>

namespace resilience::inline v1 {

struct RateLimiterConfig {
    // Most tokens the bucket holds, the largest burst. 1 to 2^32 - 1. Required.
    std::uint64_t capacity = 0;

    // Tokens per second that flow back. 1e-8 to 1e9; capacity / refill_rate at most 2^58 ns (9.1 years). Required.
    double refill_rate = 0;

    // The longest wait of a call in a pipeline, 0 to Duration::max(). 0: a pipeline never waits here. A wait that
    // cannot fit is refused at once. `acquire_for` brings its own.
    Duration max_wait = Duration::zero();

    // Callers that wait at once, 0 to 1,000,000.
    std::uint32_t max_waiters = 100;

    friend bool operator==(const RateLimiterConfig&, const RateLimiterConfig&) = default;

    // The rate as contracts put it: `per(1000, 1min, 100)` is 1000 tokens a minute, at most 100 of them at once. The
    // rate is kept exactly (50/3 per second here), not as the rounded 16.67. A period at or below 0 is refused by the
    // limiter it is given to.
    [[nodiscard]] static constexpr RateLimiterConfig per(std::uint64_t tokens, Duration period,
                                                         std::uint64_t burst) noexcept {
        if (period <= Duration::zero()) return {.capacity = burst, .refill_rate = 0};
        // Of whole numbers, so that it is rounded once: in seconds, 11 ms would be rounded before.
        constexpr std::int64_t second = Duration{std::chrono::seconds(1)}.count();
        const std::int64_t shared = std::gcd(period.count(), second);
        const std::int64_t multiplier = second / shared;
        const std::int64_t divisor = period.count() / shared;
        const double tokens_in_seconds = static_cast<double>(tokens) * static_cast<double>(multiplier);
        return {.capacity = burst, .refill_rate = tokens_in_seconds / static_cast<double>(divisor)};
    }
};

// requests = admitted + rejected in every picture; callers in the line are in neither until they are answered.
// `available_tokens` is what is in the bucket: those who wait are served first.
struct RateLimiterStats {
    std::uint64_t capacity = 0;
    double refill_rate = 0;
    std::uint64_t available_tokens = 0;
    std::optional<Duration> retry_after{};    // until somebody new gets one token; absent when there is one now
    std::uint32_t waiting = 0;                // callers in the line
    std::optional<Duration> oldest_waiter{};  // how long the first in the line has waited
    bool closed = false;                      // refuses everything with shutting_down

    struct Rejected {
        std::uint64_t rate_limited = 0;
        std::uint64_t exceeds_capacity = 0;
        std::uint64_t queue_full = 0;
        std::uint64_t queue_timeout = 0;
        std::uint64_t deadline_exceeded = 0;
        std::uint64_t cancelled = 0;
        std::uint64_t shutting_down = 0;
        // Every reason a rate limiter can give.
        [[nodiscard]] std::array<RejectionCount, 7> by_reason() const noexcept {
            return {{{RejectionReason::rate_limited, rate_limited},
                     {RejectionReason::exceeds_capacity, exceeds_capacity},
                     {RejectionReason::queue_full, queue_full},
                     {RejectionReason::queue_timeout, queue_timeout},
                     {RejectionReason::deadline_exceeded, deadline_exceeded},
                     {RejectionReason::cancelled, cancelled},
                     {RejectionReason::shutting_down, shutting_down}}};
        }
        [[nodiscard]] std::uint64_t total() const noexcept { return total_of(by_reason()); }
    } rejected;
    std::uint64_t requests = 0;  // calls that asked, whatever number of tokens
    std::uint64_t admitted = 0;
    // With reservations only: what settling them has brought back and has charged beyond their estimates, and what the
    // bucket owes now (a caller that was ahead of `now` counts as owed, too).
    std::uint64_t returned_tokens = 0;
    std::uint64_t surplus_tokens = 0;
    std::uint64_t debt_tokens = 0;
    std::uint64_t listener_exceptions = 0;
    std::uint64_t events_dropped = 0;
};

}  // namespace resilience::inline v1
