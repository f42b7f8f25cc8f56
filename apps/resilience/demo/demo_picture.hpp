#pragma once

// Everything the demo has counted at one moment, and how it is told: the summary for people and for programs.

#include <array>
#include <cstdint>
#include <optional>
#include <resilience/base/time.hpp>
#include <string>
#include <vector>

#include "demo/front_counters.hpp"
#include "demo/load_generator.hpp"
#include "demo/upstream_set.hpp"

namespace resilience::demo {

// One shop: its front, what the load's customers got there, and its upstreams.
struct ShopPicture {
    FrontPicture front;
    std::optional<LoadPicture> load;  // absent with --no-load
    UpstreamPictures upstreams;
};

struct DemoPicture {
    Duration elapsed{};
    ShopPicture shop;
    std::optional<ShopPicture> unguarded;  // its twin
};

// summary 100 s: 21,400 requests · 97.1 % answered · 2.2 % refused with Retry-After · 0.7 % failed
// and a line each about refusals and the load, then the comparison. Ends with a line end.
[[nodiscard]] std::string summary_text(const DemoPicture& picture);

// One JSON document, {"format":1,…}.
[[nodiscard]] std::string summary_json(const DemoPicture& picture);

// ---- the shop beside its unguarded twin

// Whether the two can be held against each other, and what stands against it, in sentences.
struct Fairness {
    bool comparable = true;
    std::vector<std::string> cautions;  // also about figures that can be compared with care
};
// Needs both and their load.
[[nodiscard]] Fairness fairness_of(const ShopPicture& shop, const ShopPicture& twin);

// What guarding changed, as a table, or why nothing can be said. Empty without a twin or a load.
[[nodiscard]] std::string comparison_text(const DemoPicture& picture);

}  // namespace resilience::demo
