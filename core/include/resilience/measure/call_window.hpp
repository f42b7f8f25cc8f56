#pragma once

// A window of the last so many calls: how many of them failed, how many were slow, and how long they took.
//
//     CallWindow window(100);
//     const CallCounts counts = window.record(false, true);   // a slow success: counts of the last 100, it included
//
//     CallWindow timed(100, CallWindow::Durations::summed);
//     timed.record(true, false, 20ms).average();              // 20 ms
//
// Exact at every call: the result that leaves is the oldest one, whatever the clock says. Such a window has one order
// of results and therefore one writer at a time: every function is called under the owner's mutex. Memory: two bits a
// call, and 8 bytes more where durations are summed, taken in the constructor, which may throw std::bad_alloc; nothing
// else allocates or throws. A record is a few instructions, whatever the length.

#include <cstdint>
#include <memory>
#include <resilience/base/time.hpp>
#include <resilience/measure/rolling_window.hpp>

namespace resilience::inline v1 {

struct CallCounts {
    std::uint64_t calls = 0;
    std::uint64_t failures = 0;
    std::uint64_t slow = 0;           // failed ones included
    std::uint64_t slow_failures = 0;  // of which: failed too
    Duration total{};                 // how long they took together, where that is summed

    // How long a call took, rounded down to whole nanoseconds; 0 while there are none.
    [[nodiscard]] constexpr Duration average() const noexcept {
        return calls == 0 ? Duration::zero() : Duration{total.count() / static_cast<std::int64_t>(calls)};
    }
    friend constexpr bool operator==(const CallCounts&, const CallCounts&) = default;
};

class CallWindow {
  public:
    enum class Durations : std::uint8_t { ignored, summed };

    // Room for `calls` results, at least one.
    explicit CallWindow(std::uint32_t calls, Durations durations = Durations::ignored);

    // Takes the place of the oldest result when full. Returns the counts with it. Less than no time counts as none, and
    // more than Duration::max() / size() as that, so that no sum overflows.
    CallCounts record(bool failed, bool slow, Duration took = {}) noexcept;

    [[nodiscard]] CallCounts counts() const noexcept;
    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }

    // The result that is `age` records old, 0 the newest; only for an age below counts().calls.
    [[nodiscard]] bool failed(std::uint32_t age) const noexcept;
    [[nodiscard]] bool slow(std::uint32_t age) const noexcept;

    [[nodiscard]] Duration took(std::uint32_t age) const noexcept;

    void forget() noexcept;

    // Takes over the newest results of `other`, as many as fit, in their order.
    void take_over(const CallWindow& other) noexcept;

    // Takes over the newest results of a window of time as it is at `now`, as many as fit: bucket by bucket, those of
    // one bucket evenly mixed, since nobody knows their order. Of a bucket that fits in part only, no share grows:
    // failures are rounded down. In `slow`, if there is one, a slow call is what a failure is in the other. How long
    // they took is not known: no time.
    void take_over_locked(const RollingWindow& window, const RollingWindow* slow, TimePoint now) noexcept;

  private:
    static constexpr std::uint32_t calls_in_a_word = 32;

    [[nodiscard]] std::uint32_t place_of(std::uint32_t age) const noexcept;
    [[nodiscard]] std::uint64_t bits_at(std::uint32_t place) const noexcept;

    void record_mixed(std::uint64_t kept, WindowCounts bucket, std::uint64_t slow) noexcept;

    std::unique_ptr<std::uint64_t[]> words_;  // for each call one bit "failed", and beside it one bit "slow"
    std::unique_ptr<Duration[]> durations_;   // how long it took, where that is summed
    Duration total_{};
    std::uint32_t size_;
    std::uint32_t held_ = 0;
    std::uint32_t next_ = 0;  // the place that is written next
    std::uint32_t failures_ = 0;
    std::uint32_t slow_ = 0;
    std::uint32_t slow_failures_ = 0;
};

}  // namespace resilience::inline v1
