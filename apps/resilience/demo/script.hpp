#pragma once

// The demo's script: what goes wrong, when and for how long.
//
//     # one event a line
//     at=0s   say calm
//     at=15s  payment error=0.8 for=20s
//     at=65s  load=5x for=20s
//
// Times are from the start and may stand in any order. Faults are those of fault.hpp. `load=0x` pauses the load.

#include <cstddef>
#include <expected>
#include <resilience/base/time.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "demo/fault.hpp"

namespace resilience::demo {

struct SayEvent {
    std::string text;
};
struct FaultEvent {
    UpstreamId upstream{};
    Fault fault;
    Duration period{};
};
struct LoadEvent {
    double factor = 1;
    Duration period{};
};

struct ScriptEvent {
    Duration at{};
    std::variant<SayEvent, FaultEvent, LoadEvent> what;
    std::size_t line = 0;  // where it stands; what happens at the same moment happens in this order
};

struct Script {
    std::vector<ScriptEvent> events;  // by rising time
    Duration loop{};                  // starts again after this long; zero: plays once
};

struct ScriptProblem {
    std::size_t line = 0;  // from 1
    std::string message;
};

// Every bad line with everything that is wrong with it, in the order of the file.
[[nodiscard]] std::expected<Script, std::vector<ScriptProblem>> parse_script(std::string_view text);

// What the demo plays when no script is given, again every 100 s: payment fails, inventory slows down, the load grows.
[[nodiscard]] Script default_script();

}  // namespace resilience::demo
