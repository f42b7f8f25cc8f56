#pragma once

// Durations in words a tired person reads at once: "9.8 s", "41 ms", "1 min 5 s".

#include <resilience/base/time.hpp>
#include <string>

namespace resilience::inline v1 {

// Two or three significant digits and one unit below a minute ("250 ns", "12.5 ms", "9.8 s"), two units above ("2 min 5
// s").
[[nodiscard]] std::string duration_text(Duration duration);

}  // namespace resilience::inline v1
