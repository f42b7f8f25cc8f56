#pragma once

// A time for the blocking driver in tests: waiting moves the clock instead of the thread.
//
//     ManualTime time;
//     auto answer = guarded.execute_in(time, CallOptions{}, {}, [&] { time.advance(2s); return 200; });
//
// Several threads may read and advance it; each wait moves it at least to its own end.

#include <atomic>
#include <cstdint>
#include <resilience/base/parker.hpp>
#include <resilience/base/random.hpp>
#include <resilience/base/time.hpp>
#include <stop_token>

namespace resilience::inline v1 {

class ManualTime {
  public:
    explicit ManualTime(std::uint64_t seed = 1, TimePoint start = TimePoint{}) noexcept
        : now_(start.time_since_epoch().count()), random_(seed) {}

    [[nodiscard]] TimePoint now() const noexcept { return TimePoint{Duration{now_.load(std::memory_order_relaxed)}}; }
    void advance(Duration by) noexcept { move_to(saturating_add(now(), by)); }
    // Without a moment to wait for, somebody has to wake the thread.
    void wait_until(TimePoint until, const std::stop_token& stop, Parker& parker) {
        if (until == never) return parker.park(until, stop);
        if (!stop.stop_requested()) move_to(until);
    }
    [[nodiscard]] Random& random() noexcept { return random_; }

  private:
    void move_to(TimePoint moment) noexcept {
        std::int64_t seen = now_.load(std::memory_order_relaxed);
        const std::int64_t wanted = moment.time_since_epoch().count();
        while (seen < wanted && !now_.compare_exchange_weak(seen, wanted, std::memory_order_relaxed)) {
        }
    }

    std::atomic<std::int64_t> now_;
    Random random_;  // of one thread at a time
};

}  // namespace resilience::inline v1
