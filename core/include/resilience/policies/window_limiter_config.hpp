#pragma once

// What a limiter that counts per window can be told: the fixed window and the sliding log.

#include <cstdint>
#include <resilience/base/time.hpp>

namespace resilience::inline v1 {

struct WindowLimiterConfig {
    // Most tokens in one window. Required. Fixed window 1 to 2^24 - 1; sliding log 1 to 1,000,000, as it keeps 8 bytes
    // for each.
    std::uint64_t limit = 0;

    // The length of the window, up to 2^58 ns (9.1 years). Required. Fixed window from 1 ms, sliding log from 1 ns.
    Duration period = Duration::zero();

    // The longest wait of a call in a pipeline, 0 to Duration::max(). 0: a pipeline never waits here. `acquire_for`
    // brings its own.
    Duration max_wait = Duration::zero();

    // Callers that wait at once, 0 to 1,000,000.
    std::uint32_t max_waiters = 100;

    friend bool operator==(const WindowLimiterConfig&, const WindowLimiterConfig&) = default;
};

}  // namespace resilience::inline v1
