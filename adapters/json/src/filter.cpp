#include <algorithm>
#include <map>
#include <resilience/json/filter.hpp>
#include <utility>

namespace resilience::inline v1 {

namespace {

bool continues_a_character(char byte) noexcept { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

// The index behind the character that begins at `at`.
std::size_t next_character(std::string_view text, std::size_t at) noexcept {
    ++at;
    while (at < text.size() && continues_a_character(text[at])) ++at;
    return at;
}

template <class Stats>
void keep(StatsByName<Stats>& policies, SeriesOverflow<Stats>& overflow, bool kind_asked, std::string_view glob) {
    if (!kind_asked) {
        policies.clear();
        overflow = {};
    } else if (!glob.empty()) {
        std::erase_if(policies, [glob](const auto& entry) { return !matches_glob(entry.first, glob); });
        std::erase_if(overflow.names, [glob](const auto& name) { return !matches_glob(name, glob); });
        overflow.removed.reset();
    }
}

}  // namespace

bool is_stats_kind(std::string_view kind) noexcept {
    return std::find(stats_kinds.begin(), stats_kinds.end(), kind) != stats_kinds.end();
}

bool matches_glob(std::string_view text, std::string_view glob) noexcept {
    constexpr std::size_t none = std::string_view::npos;
    std::size_t at = 0;
    std::size_t pattern = 0;
    // Only the last star ever has to take more: what it takes can replace whatever an earlier one would have taken.
    std::size_t last_star = none;
    std::size_t star_took_to = 0;
    while (at < text.size()) {
        if (pattern < glob.size() && glob[pattern] == '*') {
            last_star = pattern++;
            star_took_to = at;
        } else if (pattern < glob.size() && glob[pattern] == '?') {
            at = next_character(text, at);
            ++pattern;
        } else if (pattern < glob.size() && glob[pattern] == text[at]) {
            ++at;
            ++pattern;
        } else if (last_star != none) {
            star_took_to = next_character(text, star_took_to);
            at = star_took_to;
            pattern = last_star + 1;
        } else {
            return false;
        }
    }
    return glob.find_first_not_of('*', pattern) == none;
}

ResilienceStats filter(ResilienceStats stats, std::string_view name_glob, std::string_view kind) {
    const auto asked = [kind](std::string_view section) { return kind.empty() || kind == section; };
    auto& overflow = stats.overflow;
    keep(stats.circuit_breakers, overflow.circuit_breakers, asked("circuit_breakers"), name_glob);
    keep(stats.rate_limiters, overflow.rate_limiters, asked("rate_limiters"), name_glob);
    keep(stats.keyed_rate_limiters, overflow.keyed_rate_limiters, asked("rate_limiters"), name_glob);
    keep(stats.bulkheads, overflow.bulkheads, asked("bulkheads"), name_glob);
    keep(stats.retries, overflow.retries, asked("retries"), name_glob);
    return stats;
}

}  // namespace resilience::inline v1
