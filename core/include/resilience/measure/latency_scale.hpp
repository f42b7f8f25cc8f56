#pragma once

// Where the buckets of a latency histogram end: any ascending list of durations, searched in a few steps.
//
//     LatencyScale::standard().bucket_of(3ms);   // the bucket of everything longer than 2.5 ms, up to 3.2 ms
//
// An edge belongs to the bucket below it, as Prometheus' `le` does. What is longer than the last edge is in one bucket
// more; what is below zero counts as zero.
//
// The standard scale has the preferred numbers of ISO 3 (R10: 1, 1.25, 1.6, 2, 2.5, 3.2, 4, 5, 6.3, 8 in each decade)
// from 100 us to 10 s, so a bucket's edges are at most 28 % apart there, and coarser ones down to 10 us and up to 100
// s.
//
// A scale is a constant: it owns nothing, and its edges must live as long as it does.

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <resilience/base/time.hpp>
#include <span>

namespace resilience::inline v1 {

class LatencyScale {
  public:
    // `edges` ascends, is positive, and has at most 65,535 entries.
    explicit constexpr LatencyScale(std::span<const Duration> edges) noexcept : edges_(edges) {
        std::size_t edge = 0;
        for (std::size_t bits = 0; bits < first_.size(); ++bits) {
            const std::uint64_t least = bits == 0 ? 0 : std::uint64_t{1} << (bits - 1);
            while (edge < edges.size() && static_cast<std::uint64_t>(edges[edge].count()) < least) ++edge;
            first_[bits] = static_cast<std::uint16_t>(edge);
        }
    }

    [[nodiscard]] static const LatencyScale& standard() noexcept;

    [[nodiscard]] constexpr std::span<const Duration> edges() const noexcept { return edges_; }
    [[nodiscard]] constexpr std::size_t buckets() const noexcept { return edges_.size() + 1; }

    // The number of the first edge that is not below `duration`; the number of edges when all are.
    [[nodiscard]] constexpr std::size_t bucket_of(Duration duration) const noexcept {
        const Duration at_least_zero = std::max(duration, Duration::zero());
        // Only the edges with as many bits are left to choose from, and the first that has more.
        const auto bits = static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(at_least_zero.count())));
        const auto from = edges_.begin() + first_[bits];
        const auto to = edges_.begin() + first_[bits + 1];
        return static_cast<std::size_t>(std::lower_bound(from, to, at_least_zero) - edges_.begin());
    }

  private:
    std::span<const Duration> edges_;
    // By how many bits a count of nanoseconds has: the first edge of at least so many. A Duration has at most 63.
    std::array<std::uint16_t, 65> first_{};
};

namespace detail {

constexpr std::array<Duration, 60> standard_latency_edges() {
    constexpr std::array preferred{125, 160, 200, 250, 320, 400, 500, 630, 800, 1000};
    constexpr std::array coarse_below{10, 20, 50, 100};          // us
    constexpr std::array coarse_above{15, 20, 30, 40, 60, 100};  // s
    std::array<Duration, 60> edges{};
    auto edge = edges.begin();
    for (const int number : coarse_below) *edge++ = std::chrono::microseconds(number);
    for (std::int64_t decade = 1; decade <= 10'000; decade *= 10) {
        for (const int number : preferred) *edge++ = std::chrono::microseconds(number * decade);
    }
    for (const int number : coarse_above) *edge++ = std::chrono::seconds(number);
    return edges;
}

inline constexpr auto latency_edges = standard_latency_edges();
inline constexpr LatencyScale latency_scale{latency_edges};

}  // namespace detail

inline const LatencyScale& LatencyScale::standard() noexcept { return detail::latency_scale; }

}  // namespace resilience::inline v1
