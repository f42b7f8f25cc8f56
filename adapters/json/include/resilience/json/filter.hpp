#pragma once

// A part of a manager's stats: some kinds of policy, some names.
//
//     auto few = filter(manager.stats(), "payment_*", "circuit_breakers");
//
// This is what GET /stats?name=GLOB&kind=KIND applies. Pure functions, callable from any thread.

#include <array>
#include <resilience/manager/stats.hpp>
#include <string_view>

namespace resilience::inline v1 {

// The kinds a filter knows: the keys of the stats document.
inline constexpr std::array<std::string_view, 4> stats_kinds = {"circuit_breakers", "rate_limiters", "bulkheads",
                                                                "retries"};

// Whether `kind` is one of those, exactly as written there. Ask before you filter by what a user typed, so that a typo
// is answered with the list and not with an empty document.
[[nodiscard]] bool is_stats_kind(std::string_view kind) noexcept;

// Whether the whole of `text` matches: `*` stands for any number of characters, none included, `?` for exactly one
// character (a whole UTF-8 sequence), everything else for itself. Case matters; there is no escape. At most
// text.size() * glob.size() steps, so a hostile glob costs little; no allocation.
[[nodiscard]] bool matches_glob(std::string_view text, std::string_view glob) noexcept;

// What is left of `stats` when only policies of that kind whose name matches that glob stay. An empty glob or an empty
// kind lets all pass; an unknown kind leaves no policy. `service`, `taken` and `uptime` stay. What removed policies
// counted for the overflow stays with a kind as a whole: nobody knows what they were called.
//
// Judge health before you filter: what is left out is still open.
[[nodiscard]] ResilienceStats filter(ResilienceStats stats, std::string_view name_glob, std::string_view kind = {});

}  // namespace resilience::inline v1
