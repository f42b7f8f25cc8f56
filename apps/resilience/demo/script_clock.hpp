#pragma once

// The script's time: real time since the start of the demo, times the speed.

#include <cmath>
#include <resilience/base/time.hpp>

namespace resilience::demo {

struct ScriptClock {
    TimePoint started{};
    double speed = 1;

    [[nodiscard]] Duration at(TimePoint now) const noexcept { return scaled(time_between(started, now), speed); }
    // How long something of the script lasts on the real clock.
    [[nodiscard]] Duration real(Duration in_script) const noexcept { return scaled(in_script, 1 / speed); }

  private:
    [[nodiscard]] static Duration scaled(Duration duration, double by) noexcept {
        return Duration{std::llround(static_cast<double>(duration.count()) * by)};
    }
};

}  // namespace resilience::demo
