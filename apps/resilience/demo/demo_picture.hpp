#pragma once

// Everything the demo has counted at one moment, and how it is told: the summary for people and for programs.

#include <array>
#include <cstdint>
#include <optional>
#include <resilience/base/time.hpp>
#include <string>

#include "demo/fault.hpp"
#include "demo/front_counters.hpp"
#include "demo/load_generator.hpp"
#include "demo/upstream.hpp"

namespace resilience::demo {

struct UpstreamPicture {
    std::uint16_t port = 0;
    UpstreamCounts counts;
    std::optional<ActiveFault> fault;
    // What the front's threads saw of it: see UpstreamTraffic.
    std::uint64_t exchanges = 0, answered = 0, unreachable = 0, broken = 0, timed_out = 0, resent = 0;
};

struct DemoPicture {
    Duration elapsed{};
    FrontPicture front;
    std::optional<LoadPicture> load;  // absent with --no-load
    std::array<UpstreamPicture, upstream_names.size()> upstreams;
};

// summary 100 s: 21,400 requests · 97.1 % answered · 2.2 % refused with Retry-After · 0.7 % failed
// and a line each about refusals and the load. Ends with a line end.
[[nodiscard]] std::string summary_text(const DemoPicture& picture);

// One JSON document, {"format":1,…}.
[[nodiscard]] std::string summary_json(const DemoPicture& picture);

}  // namespace resilience::demo
