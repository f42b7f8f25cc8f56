#pragma once

// "Did you mean": the known name that is nearest to what somebody typed.

#include <span>
#include <string>
#include <string_view>

namespace resilience::program {

// The nearest of `known` when it is near enough to be a slip of the fingers, else an empty view. Distance counts
// insertions, deletions, replacements and swaps of neighbours; a third of the longer word's letters may differ.
[[nodiscard]] std::string_view nearest_name(std::string_view typed, std::span<const std::string_view> known);

// "; did you mean 'payment'?", or nothing when no name is near.
[[nodiscard]] std::string did_you_mean(std::string_view typed, std::span<const std::string_view> known);

}  // namespace resilience::program
