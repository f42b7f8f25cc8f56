#pragma once

// Notices when limiters and bulkheads begin to refuse and when they stop: they have no state that could change.
//
// It compares pictures that are taken about once a second. A policy that refused nothing in three of them in a row
// refuses no more.

#include <cstdint>
#include <map>
#include <resilience/manager/stats.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::demo {

class RefusalWatch {
  public:
    // Lines for the narration: "▲ inventory_api bulkhead refuses   14 of 60 calls in the last second".
    [[nodiscard]] std::vector<std::string> look(const ResilienceStats& stats);

  private:
    struct Seen {
        std::uint64_t requests = 0;
        std::uint64_t refused = 0;
        std::uint64_t refused_before = 0;  // when it began to refuse
        int quiet = 0;                     // pictures in a row without a refusal
        bool refusing = false;
    };
    void look_at(std::string_view kind, std::string_view name, std::uint64_t requests, std::uint64_t refused,
                 std::vector<std::string>& lines);

    std::map<std::string, Seen, std::less<>> seen_;  // by kind and name
};

}  // namespace resilience::demo
