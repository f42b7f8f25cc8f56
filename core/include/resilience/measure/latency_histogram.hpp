#pragma once

// A histogram of durations that many threads fill without a lock and anybody reads while they do: how long calls take,
// with quantiles, in memory that does not grow.
//
//     LatencyHistogram latencies;
//     latencies.add(12ms);                                   // any thread
//     const LatencyPicture picture = latencies.picture();    // any thread
//     picture.quantile(0.99);                                // at least 99 % took no longer than this
//     picture.at_most(100ms);                                // so many took no longer than 100 ms
//
// Promises: nothing added is lost or counted twice. `count` is the sum of the buckets in every picture. Two pictures
// taken by one thread never fall, in no bucket. A quantile is never below the true one (the smallest duration that at
// least this share of the others does not exceed) and at most one bucket above it: with the standard scale (see
// latency_scale.hpp) at most 28 % between 100 us and 10 s. It is never above the longest duration seen. `sum` is read
// at another instant than the buckets; at rest it is exact.
//
// Cost of adding: two locked additions to the thread's own stripe and about 100 instructions; the longest duration so
// far is noted by a compare-exchange only when it is exceeded. Memory: 8 bytes a bucket and 16 more, rounded up to
// whole cache lines, for each stripe; with the standard scale 512 bytes. Allocated in the constructor.

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <resilience/base/atomics.hpp>
#include <resilience/base/time.hpp>
#include <resilience/measure/latency_scale.hpp>
#include <resilience/measure/striped_counters.hpp>
#include <vector>

namespace resilience::inline v1 {

// What a histogram held at one moment.
struct LatencyPicture {
    std::uint64_t count = 0;
    Duration sum{};
    Duration max{};
    std::vector<std::uint64_t> buckets{};  // how many fell into each
    const LatencyScale* scale = &LatencyScale::standard();

    // The upper edge of the bucket in which this share of all is reached, or `max` if that is less. Zero when there is
    // none. `share` is 0 to 1.
    [[nodiscard]] Duration quantile(double share) const noexcept;
    // How many were no longer than `edge`, which is one of the scale's: for another one, what is sure to be no longer.
    [[nodiscard]] std::uint64_t at_most(Duration edge) const noexcept;
};

template <class Atomics = StandardAtomics>
class BasicLatencyHistogram {
  public:
    // The scale must outlive the histogram. Throws std::bad_alloc.
    explicit BasicLatencyHistogram(const LatencyScale& scale = LatencyScale::standard(),
                                   std::uint32_t stripes = detail::default_stripes())
        : scale_(scale),
          lines_each_((first_bucket + scale.buckets() + Line::size - 1) / Line::size),
          mask_(std::bit_ceil(std::max(stripes, 1U)) - 1),
          lines_(std::make_unique<Line[]>((std::size_t{mask_} + 1) * lines_each_)) {}

    BasicLatencyHistogram(const BasicLatencyHistogram&) = delete;
    BasicLatencyHistogram& operator=(const BasicLatencyHistogram&) = delete;

    // Below zero counts as zero.
    void add(Duration duration) noexcept {
        const auto nanoseconds = static_cast<std::uint64_t>(std::max(duration, Duration::zero()).count());
        const std::uint32_t stripe = detail::own_thread_number() & mask_;
        word(stripe, first_bucket + scale_.bucket_of(duration)).fetch_add(1, std::memory_order_relaxed);
        word(stripe, sum_at).fetch_add(nanoseconds, std::memory_order_relaxed);
        Word& longest = word(stripe, max_at);
        std::uint64_t seen = longest.load(std::memory_order_relaxed);
        while (nanoseconds > seen && !longest.compare_exchange_weak(seen, nanoseconds, std::memory_order_relaxed)) {
        }
    }

    // Throws std::bad_alloc.
    [[nodiscard]] LatencyPicture picture() const;

  private:
    using Line = CounterLine<Atomics>;
    using Word = typename Atomics::template Atomic<std::uint64_t>;

    // The words of a stripe.
    static constexpr std::size_t sum_at = 0;
    static constexpr std::size_t max_at = 1;
    static constexpr std::size_t first_bucket = 2;

    [[nodiscard]] Word& word(std::uint32_t stripe, std::size_t index) const noexcept {
        return lines_[stripe * lines_each_ + index / Line::size].words[index % Line::size];
    }

    const LatencyScale& scale_;
    std::size_t lines_each_;
    std::uint32_t mask_;
    std::unique_ptr<Line[]> lines_;
};

template <class Atomics>
LatencyPicture BasicLatencyHistogram<Atomics>::picture() const {
    LatencyPicture picture{.buckets = std::vector<std::uint64_t>(scale_.buckets()), .scale = &scale_};
    std::uint64_t sum = 0;
    std::uint64_t max = 0;
    for (std::uint32_t stripe = 0; stripe <= mask_; ++stripe) {
        for (std::size_t bucket = 0; bucket < picture.buckets.size(); ++bucket) {
            const std::uint64_t count = word(stripe, first_bucket + bucket).load(std::memory_order_relaxed);
            picture.buckets[bucket] += count;
            picture.count += count;
        }
        sum += word(stripe, sum_at).load(std::memory_order_relaxed);
        max = std::max(max, word(stripe, max_at).load(std::memory_order_relaxed));
    }
    picture.sum = Duration{static_cast<Duration::rep>(sum)};
    picture.max = Duration{static_cast<Duration::rep>(max)};
    return picture;
}

extern template class BasicLatencyHistogram<StandardAtomics>;

using LatencyHistogram = BasicLatencyHistogram<StandardAtomics>;

}  // namespace resilience::inline v1
