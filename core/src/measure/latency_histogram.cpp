#include <cmath>
#include <numeric>
#include <resilience/measure/latency_histogram.hpp>

namespace resilience::inline v1 {

Duration LatencyPicture::quantile(double share) const noexcept {
    if (count == 0) return Duration::zero();
    const double of_all = std::ceil(share * static_cast<double>(count));
    const std::uint64_t rank = of_all < 1 ? 1 : static_cast<std::uint64_t>(of_all);
    std::uint64_t reached = 0;
    for (std::size_t bucket = 0; bucket < scale->edges().size(); ++bucket) {
        reached += buckets[bucket];
        if (reached >= rank) return std::min(scale->edges()[bucket], max);
    }
    return max;
}

std::uint64_t LatencyPicture::at_most(Duration edge) const noexcept {
    // An edge that is not the scale's cuts through its bucket: that one is left out.
    const auto edges = scale->edges();
    const auto end = std::upper_bound(edges.begin(), edges.end(), edge) - edges.begin();
    return std::accumulate(buckets.begin(), buckets.begin() + end, std::uint64_t{0});
}

template class BasicLatencyHistogram<StandardAtomics>;

}  // namespace resilience::inline v1
