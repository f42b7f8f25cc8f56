#pragma once

// What the front counts of its customers, from many threads at once.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <resilience/base/time.hpp>

#include "demo/latency_histogram.hpp"
#include "demo/shop_message.hpp"

namespace resilience::demo {

// Latencies run from the request parsed to the last byte of the answer written.
struct FrontPicture {
    std::uint64_t requests = 0;  // whole requests that were answered: the sum of all endings
    std::array<std::uint64_t, endings> by_ending{};
    std::uint64_t refused_with_retry_after = 0;  // of both kinds of refusals
    std::map<int, std::uint64_t> statuses;

    std::uint64_t malformed = 0;            // answered 400, 413 or 431
    std::uint64_t too_slow = 0;             // cut off while they sent or read
    std::uint64_t gone = 0;                 // the client did not wait for its answer
    std::uint64_t connections = 0;          // accepted
    std::uint64_t connections_refused = 0;  // answered 503: all threads are taken
    std::uint64_t connections_open = 0;

    LatencyPicture answered, refused_at_once, refused_after_try, failed;
    LatencyPicture rejected;  // both kinds of refusals together

    [[nodiscard]] std::uint64_t of(Ending ending) const noexcept { return by_ending[static_cast<std::size_t>(ending)]; }
    [[nodiscard]] std::uint64_t refused() const noexcept {
        return of(Ending::refused_at_once) + of(Ending::refused_after_try);
    }
};

class FrontCounters {
  public:
    void count(const ShopAnswer& answer, Duration took) noexcept;
    [[nodiscard]] FrontPicture picture() const;

    std::atomic<std::uint64_t> malformed{0}, too_slow{0}, gone{0};
    std::atomic<std::uint64_t> connections{0}, connections_refused{0}, connections_open{0};

  private:
    static constexpr std::size_t most_status = 600;
    std::array<std::atomic<std::uint64_t>, most_status> statuses_{};
    std::array<std::atomic<std::uint64_t>, endings> by_ending_{};
    std::atomic<std::uint64_t> with_retry_after_{0};
    std::array<LatencyHistogram, endings> latencies_;
    LatencyHistogram rejected_;
};

}  // namespace resilience::demo
