#pragma once

// The demo's narration: one line an event, with the moment in the script, a sign and plain words.
//
//     00:15  ▶ payment starts failing 80 % of its calls
//     00:16  ■ payment_api   closed → open       failure ratio 0.54 ≥ 0.50 of 26 calls; next probe in 5.0 s
//     00:36  ● payment_api   half_open → closed  5 of 5 probes succeeded

#include <optional>
#include <resilience/base/events.hpp>
#include <resilience/base/time.hpp>
#include <string>
#include <string_view>

namespace resilience::demo {

// "00:15"; from an hour on "1:00:15".
[[nodiscard]] std::string moment_text(Duration since_start);

// The line of an event, without its moment; nothing for kinds that a demo does not tell.
[[nodiscard]] std::optional<std::string> narrated(const Event& event);

// "▶ payment starts failing …": what somebody did to the shop.
[[nodiscard]] std::string narrated_deed(std::string_view deed);

// "inventory_api " in a column of its own.
[[nodiscard]] std::string name_column(std::string_view policy);

}  // namespace resilience::demo
