#include "demo/latency_histogram.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace resilience::demo {
namespace {

constexpr std::size_t steps = 32;      // buckets per doubling
constexpr std::size_t doublings = 37;  // from 32 ns on: an hour is less than 2^42 ns

// Each nanosecond up to 32 by itself, then each doubling in equal steps.
constexpr std::array<Duration, steps*(doublings + 1)> fine_edges() {
    std::array<Duration, steps*(doublings + 1)> edges{};
    auto edge = edges.begin();
    for (std::size_t nanosecond = 1; nanosecond <= steps; ++nanosecond) {
        *edge++ = Duration{static_cast<Duration::rep>(nanosecond)};
    }
    for (std::size_t doubling = 0; doubling < doublings; ++doubling) {
        for (std::size_t step = steps + 1; step <= 2 * steps; ++step) {
            *edge++ = Duration{static_cast<Duration::rep>(step << doubling)};
        }
    }
    return edges;
}

constexpr auto edges = fine_edges();
constexpr LatencyScale fine{edges};

}  // namespace

const LatencyScale& LatencyHistogram::scale() noexcept { return fine; }

LatencyPicture LatencyHistogram::picture() const {
    const resilience::LatencyPicture seen = latencies_.picture();
    return {.count = seen.count, .p50 = seen.quantile(0.50), .p99 = seen.quantile(0.99), .max = seen.max};
}

}  // namespace resilience::demo
