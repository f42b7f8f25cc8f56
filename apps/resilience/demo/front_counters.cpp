#include "demo/front_counters.hpp"

#include <algorithm>

namespace resilience::demo {

void FrontCounters::count(const ShopAnswer& answer, Duration took) noexcept {
    const auto ending = static_cast<std::size_t>(answer.ending);
    statuses_[static_cast<std::size_t>(std::clamp(answer.status, 0, 599))].fetch_add(1, std::memory_order_relaxed);
    by_ending_[ending].fetch_add(1, std::memory_order_relaxed);
    latencies_[ending].add(took);
    const bool refused = answer.ending == Ending::refused_at_once || answer.ending == Ending::refused_after_try;
    if (refused) rejected_.add(took);
    if (refused && answer.tells_when) with_retry_after_.fetch_add(1, std::memory_order_relaxed);
}

FrontPicture FrontCounters::picture() const {
    FrontPicture seen;
    for (std::size_t ending = 0; ending < endings; ++ending) {
        seen.by_ending[ending] = by_ending_[ending].load(std::memory_order_relaxed);
        seen.requests += seen.by_ending[ending];
    }
    for (std::size_t status = 0; status < most_status; ++status) {
        const std::uint64_t count = statuses_[status].load(std::memory_order_relaxed);
        if (count > 0) seen.statuses[static_cast<int>(status)] = count;
    }
    seen.refused_with_retry_after = with_retry_after_.load(std::memory_order_relaxed);
    seen.malformed = malformed.load(std::memory_order_relaxed);
    seen.too_slow = too_slow.load(std::memory_order_relaxed);
    seen.gone = gone.load(std::memory_order_relaxed);
    seen.connections = connections.load(std::memory_order_relaxed);
    seen.connections_refused = connections_refused.load(std::memory_order_relaxed);
    seen.connections_open = connections_open.load(std::memory_order_relaxed);
    const auto latency = [&](Ending ending) { return latencies_[static_cast<std::size_t>(ending)].picture(); };
    seen.answered = latency(Ending::answered);
    seen.refused_at_once = latency(Ending::refused_at_once);
    seen.refused_after_try = latency(Ending::refused_after_try);
    seen.failed = latency(Ending::failed);
    seen.rejected = rejected_.picture();
    return seen;
}

}  // namespace resilience::demo
