#pragma once

// What a bulkhead can be told, and the picture it gives of itself.

#include <array>
#include <cstdint>
#include <optional>
#include <resilience/base/rejection.hpp>
#include <resilience/base/time.hpp>
#include <resilience/measure/latency_histogram.hpp>
#include <string_view>
#include <vector>

namespace resilience::inline v1 {

struct BulkheadConfig {
    // Permits out at once. 1 to 2^24 - 1. Required. `set_max_concurrent(0)` later is the lever that drains.
    std::uint32_t max_concurrent = 0;

    // Places for callers that wait, 0 to 1,000,000. 0: a full bulkhead refuses at once. More places than callers could
    // be served in the time they have (max_concurrent * allowed wait / mean latency) only make everybody late.
    std::uint32_t queue_size = 0;

    // The longest wait of a call in a pipeline, 0 to Duration::max(); a call's own deadline ends it earlier. 0: a
    // pipeline never waits here. `acquire_for` brings its own.
    Duration max_wait = Duration::max();

    // Keep how long calls wait for their permit: BulkheadStats::wait and a histogram among the metrics, of one stripe.
    // A call that gets in at once costs nothing more, one that waits about 100 instructions. Refused without a queue,
    // where nobody waits.
    bool record_wait = false;

    friend bool operator==(const BulkheadConfig&, const BulkheadConfig&) = default;
};

// What a part of a bulkhead's callers can be given: see bulkhead_partition.hpp.
struct PartitionConfig {
    // Places that only they get, 0 to what is not reserved yet.
    std::uint32_t reserved = 0;
};

// One part of a bulkhead. requests = admitted_reserved + admitted_shared + rejected in every picture, and shared_in_use
// is 0 unless reserved_in_use is `reserved`.
struct BulkheadPartitionStats {
    std::string_view name{};  // lives as long as the process
    std::uint32_t reserved = 0;
    std::uint32_t reserved_in_use = 0;
    std::uint32_t shared_in_use = 0;
    std::uint64_t requests = 0;
    std::uint64_t admitted_reserved = 0;
    std::uint64_t admitted_shared = 0;
    std::uint64_t rejected = 0;
};

// Of a bulkhead with partitions: what is not reserved, max_concurrent included, and all refusals.
// requests = admitted + rejected and admitted = settled + in_use in every picture. Callers in the queue are in neither
// until they are answered.
struct BulkheadStats {
    std::uint32_t in_use = 0;  // above max_concurrent for a while after the limit was lowered
    std::uint32_t max_concurrent = 0;
    std::uint32_t queue_depth = 0;  // callers that wait now
    std::uint32_t queue_size = 0;
    std::optional<Duration> oldest_waiter{};  // how long the first in the queue has waited
    bool closed = false;                      // refuses everything with shutting_down

    struct Rejected {
        std::uint64_t bulkhead_full = 0;  // nowhere to wait, or nobody wanted to
        std::uint64_t queue_full = 0;
        std::uint64_t queue_timeout = 0;      // the longest wait was over
        std::uint64_t deadline_exceeded = 0;  // the call's deadline came first
        std::uint64_t cancelled = 0;          // its caller gave up
        std::uint64_t shutting_down = 0;
        // Every reason a bulkhead can give.
        [[nodiscard]] std::array<RejectionCount, 6> by_reason() const noexcept {
            return {{{RejectionReason::bulkhead_full, bulkhead_full},
                     {RejectionReason::queue_full, queue_full},
                     {RejectionReason::queue_timeout, queue_timeout},
                     {RejectionReason::deadline_exceeded, deadline_exceeded},
                     {RejectionReason::cancelled, cancelled},
                     {RejectionReason::shutting_down, shutting_down}}};
        }
        [[nodiscard]] std::uint64_t total() const noexcept { return total_of(by_reason()); }
    } rejected;
    std::uint64_t requests = 0;
    std::uint64_t admitted = 0;
    std::uint64_t settled = 0;
    std::uint64_t listener_exceptions = 0;
    std::uint64_t events_dropped = 0;
    // With record_wait only: the time from request to permit of every call that got one, 0 for those that did not wait.
    std::optional<LatencyPicture> wait{};
    std::vector<BulkheadPartitionStats> partitions{};  // those that live, in the order in which they were made

    // Permits that could be had at once.
    [[nodiscard]] std::uint32_t available() const noexcept {
        return closed || queue_depth != 0 || in_use >= max_concurrent ? 0 : max_concurrent - in_use;
    }
};

}  // namespace resilience::inline v1
