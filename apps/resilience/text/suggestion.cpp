#include "text/suggestion.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace resilience::program {
namespace {

// Optimal string alignment distance, three rows at a time.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0u : 1u)});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = std::min(row[j], before[j - 2] + 1);
            }
        }
        std::swap(before, last);
        std::swap(last, row);
    }
    return last[b.size()];
}

}  // namespace

std::string_view nearest_name(std::string_view typed, std::span<const std::string_view> known) {
    constexpr std::size_t longest_name = 64;  // what is longer is no slip, and would cost its square
    if (typed.empty() || typed.size() > longest_name) return {};
    std::string_view nearest;
    std::size_t least = longest_name;
    for (const std::string_view name : known) {
        const std::size_t steps = distance(typed, name);
        if (steps < least && steps * 3 <= std::max(typed.size(), name.size())) {
            nearest = name;
            least = steps;
        }
    }
    return nearest;
}

std::string did_you_mean(std::string_view typed, std::span<const std::string_view> known) {
    const std::string_view nearest = nearest_name(typed, known);
    return nearest.empty() ? std::string{} : "; did you mean '" + std::string(nearest) + "'?";
}

}  // namespace resilience::program
