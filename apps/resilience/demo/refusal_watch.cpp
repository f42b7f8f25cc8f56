#include "demo/refusal_watch.hpp"

#include "demo/narration.hpp"
#include "text/figures.hpp"

namespace resilience::demo {

std::vector<std::string> RefusalWatch::look(const ResilienceStats& stats) {
    std::vector<std::string> lines;
    for (const auto& [name, limiter] : stats.rate_limiters) {
        look_at("rate limiter", name, limiter.requests, limiter.rejected.total(), lines);
    }
    for (const auto& [name, bulkhead] : stats.bulkheads) {
        look_at("bulkhead", name, bulkhead.requests, bulkhead.rejected.total(), lines);
    }
    return lines;
}

void RefusalWatch::look_at(std::string_view kind, std::string_view name, std::uint64_t requests, std::uint64_t refused,
                           std::vector<std::string>& lines) {
    constexpr int quiet_enough = 3;
    Seen& seen = seen_[std::string(kind) + "/" + std::string(name)];
    const std::uint64_t new_refused = refused - seen.refused;
    const std::uint64_t new_requests = requests - seen.requests;
    const auto tell = [&](std::string_view sign, std::string_view verb, const std::string& count) {
        lines.push_back(std::string(sign) + " " + name_column(name) +
                        program::padded(std::string(kind) + " " + std::string(verb), 20) + count);
    };
    if (new_refused > 0 && !seen.refusing) {
        seen.refusing = true;
        seen.refused_before = seen.refused;
        tell("▲", "refuses",
             program::with_separators(new_refused) + " of " + program::with_separators(new_requests) +
                 " calls in the last second");
    }
    seen.quiet = new_refused > 0 ? 0 : seen.quiet + 1;
    if (seen.refusing && seen.quiet >= quiet_enough) {
        seen.refusing = false;
        tell("▽", "is quiet again", program::with_separators(refused - seen.refused_before) + " calls were refused");
    }
    seen.refused = refused;
    seen.requests = requests;
}

}  // namespace resilience::demo
