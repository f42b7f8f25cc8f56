#pragma once

// What a bulkhead can be told, and the picture it gives of itself.

#include <cstdint>

namespace resilience::inline v1 {

struct BulkheadConfig {
    // Permits out at once. 1 to 2^24 - 1. Required. `set_max_concurrent(0)` later is the lever that drains.
    std::uint32_t max_concurrent = 0;

    // Places for callers that wait, 0 to 1,000,000. `try_acquire` never waits and neither does a pipeline in this
    // version: a full bulkhead refuses at once whatever stands here. The number is validated and shown in stats.
    std::uint32_t queue_size = 0;

    friend bool operator==(const BulkheadConfig&, const BulkheadConfig&) = default;
};

// requests = admitted + rejected and admitted = settled + in_use in every picture.
struct BulkheadStats {
    std::uint32_t in_use = 0;  // above max_concurrent for a while after the limit was lowered
    std::uint32_t max_concurrent = 0;
    std::uint32_t queue_size = 0;
    bool closed = false;  // refuses everything with shutting_down

    struct Rejected {
        std::uint64_t bulkhead_full = 0;
        std::uint64_t shutting_down = 0;
        [[nodiscard]] std::uint64_t total() const noexcept { return bulkhead_full + shutting_down; }
    } rejected;
    std::uint64_t requests = 0;
    std::uint64_t admitted = 0;
    std::uint64_t settled = 0;
    std::uint64_t listener_exceptions = 0;
    std::uint64_t events_dropped = 0;

    // Permits that could be had at once.
    [[nodiscard]] std::uint32_t available() const noexcept {
        return closed || in_use >= max_concurrent ? 0 : max_concurrent - in_use;
    }
};

}  // namespace resilience::inline v1
