#pragma once

// What the blocking driver needs from time: to read it, and to let some of it pass.

#include <concepts>
#include <resilience/base/random.hpp>
#include <resilience/base/time.hpp>
#include <stop_token>

namespace resilience::inline v1 {

// A time that a blocked thread can live in. `wait_until` returns at `until` at the earliest, or as soon as `stop` is
// requested.
template <class Time>
concept BlockingTime = requires(Time& time, TimePoint until, const std::stop_token& stop) {
    { time.now() } noexcept -> std::same_as<TimePoint>;
    time.wait_until(until, stop);
    { time.random() } noexcept -> std::same_as<Random&>;
};

// The monotonic clock and this thread's sleep.
struct RealTime {
    [[nodiscard]] static TimePoint now() noexcept { return Clock::now(); }
    static void wait_until(TimePoint until, const std::stop_token& stop);
    [[nodiscard]] static Random& random() noexcept { return thread_random(); }
};

}  // namespace resilience::inline v1
