#include "demo/latency_histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

namespace resilience::demo {
namespace {

constexpr std::uint64_t longest = 3'600'000'000'000;  // an hour

Duration in_nanoseconds(std::uint64_t count) { return Duration{static_cast<Duration::rep>(count)}; }

}  // namespace

LatencyHistogram::LatencyHistogram() : stripes_(std::make_unique<std::array<Stripe, stripes>>()) {
    static_assert((std::bit_width(longest) - 4) * steps == buckets);  // every length above 5 bits has its own 32
}

// Below 32 ns each nanosecond has its own bucket; above, the five bits after the leading one choose within a doubling.
std::size_t LatencyHistogram::bucket_of(std::uint64_t nanoseconds) noexcept {
    const std::uint64_t value = std::min(nanoseconds, longest);
    if (value < steps) return value;
    const auto shift = static_cast<std::size_t>(std::bit_width(value)) - 6;
    return (shift + 1) * steps + static_cast<std::size_t>((value >> shift) - steps);
}

std::uint64_t LatencyHistogram::top_of(std::size_t bucket) noexcept {
    if (bucket < steps) return bucket;
    const std::size_t shift = bucket / steps - 1;
    return ((static_cast<std::uint64_t>(steps + bucket % steps) + 1) << shift) - 1;
}

LatencyHistogram::Stripe& LatencyHistogram::own_stripe() noexcept {
    static std::atomic<std::size_t> next{0};
    thread_local const std::size_t mine = next.fetch_add(1, std::memory_order_relaxed) % stripes;
    return (*stripes_)[mine];
}

void LatencyHistogram::add(Duration duration) noexcept {
    const auto value = static_cast<std::uint64_t>(std::max<Duration::rep>(duration.count(), 0));
    own_stripe().counts[bucket_of(value)].fetch_add(1, std::memory_order_relaxed);
    std::uint64_t most = max_.load(std::memory_order_relaxed);
    while (value > most && !max_.compare_exchange_weak(most, value, std::memory_order_relaxed)) {
    }
}

LatencyPicture LatencyHistogram::picture() const {
    std::vector<std::uint64_t> sums(buckets);
    LatencyPicture picture;
    for (const Stripe& stripe : *stripes_) {
        for (std::size_t bucket = 0; bucket < buckets; ++bucket) {
            sums[bucket] += stripe.counts[bucket].load(std::memory_order_relaxed);
        }
    }
    for (const std::uint64_t sum : sums) picture.count += sum;
    const std::uint64_t max = max_.load(std::memory_order_relaxed);
    const auto quantile = [&](double share) {
        const auto rank = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(picture.count)));
        std::uint64_t below = 0;
        for (std::size_t bucket = 0; bucket < buckets; ++bucket) {
            below += sums[bucket];
            if (sums[bucket] != 0 && below >= rank) return in_nanoseconds(std::min(top_of(bucket), max));
        }
        return Duration::zero();
    };
    picture.p50 = quantile(0.50);
    picture.p99 = quantile(0.99);
    picture.max = in_nanoseconds(max);
    return picture;
}

}  // namespace resilience::demo
