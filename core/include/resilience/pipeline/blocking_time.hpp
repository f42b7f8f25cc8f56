#pragma once

// What the blocking driver needs from time: to read it, and to let some of it pass.

#include <concepts>
#include <resilience/base/parker.hpp>
#include <resilience/base/random.hpp>
#include <resilience/base/time.hpp>
#include <stop_token>

namespace resilience::inline v1 {

// A time that a blocked thread can live in. `wait_until` returns at `until`, as soon as `stop` is requested or the
// parker is woken, or earlier for no reason.
template <class Time>
concept BlockingTime = requires(Time& time, TimePoint until, const std::stop_token& stop, Parker& parker) {
    { time.now() } noexcept -> std::same_as<TimePoint>;
    time.wait_until(until, stop, parker);
    { time.random() } noexcept -> std::same_as<Random&>;
};

// The monotonic clock and this thread's sleep.
struct RealTime {
    [[nodiscard]] static TimePoint now() noexcept { return Clock::now(); }
    static void wait_until(TimePoint until, const std::stop_token& stop, Parker& parker) { parker.park(until, stop); }
    [[nodiscard]] static Random& random() noexcept { return thread_random(); }
};

}  // namespace resilience::inline v1
