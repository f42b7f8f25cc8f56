#pragma once

// A histogram of durations that many threads fill without a lock and one reads while they do.
//
// Buckets are log-scaled, 32 to a doubling: a quantile is at most 3.2 % above the truth and never below it. Adding is
// one relaxed addition to the thread's stripe and, rarely, a compare-exchange for the maximum. 77 KB in all.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <resilience/base/time.hpp>

namespace resilience::demo {

// What a histogram held at one moment.
struct LatencyPicture {
    std::uint64_t count = 0;
    Duration p50{}, p99{}, max{};
};

class LatencyHistogram {
  public:
    LatencyHistogram();

    void add(Duration duration) noexcept;  // below zero counts as zero, above an hour as an hour
    [[nodiscard]] LatencyPicture picture() const;

    // The bucket of a duration in ns, and the longest duration that falls into a bucket.
    [[nodiscard]] static std::size_t bucket_of(std::uint64_t nanoseconds) noexcept;
    [[nodiscard]] static std::uint64_t top_of(std::size_t bucket) noexcept;

  private:
    static constexpr std::size_t steps = 32;  // buckets per doubling
    static constexpr std::size_t buckets = 1216;
    static constexpr std::size_t stripes = 8;
    struct alignas(64) Stripe {
        std::array<std::atomic<std::uint64_t>, buckets> counts{};
    };
    [[nodiscard]] Stripe& own_stripe() noexcept;

    std::unique_ptr<std::array<Stripe, stripes>> stripes_;
    std::atomic<std::uint64_t> max_{0};
};

}  // namespace resilience::demo
