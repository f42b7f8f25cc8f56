#pragma once

// Stats, health and events as JSON text.
//
//     std::cout << resilience::to_json_text(manager.stats()) << '\n';              // pretty, two spaces
//     std::string line = resilience::to_json_text(manager.stats(), -1);            // one line
//     std::string page = resilience::to_json_text(filter(manager.stats(), "pay*", "circuit_breakers"));
//
// What every document keeps to:
//  - Keys stand in a fixed order. New keys may be added within format 1; none is renamed, removed or given another
//    meaning.
//  - A value that does not exist is null: never -1, never NaN, never a missing key.
//  - The unit is in the key: `_seconds` (a number, fractions allowed), `_ratio` (0 to 1), `_total` (a counter since the
//    policy was made). Counters are integers of 64 bits; a reader that keeps numbers in doubles is exact to 2^53.
//  - `rejected_total` has every reason its kind of policy can give, those that never happened with 0.
//  - Names are escaped. Bytes that are not valid UTF-8, which no registered name holds, become U+FFFD.
//
// Pure functions of their arguments, callable from any thread; no policy is touched. Cost: some allocations per value,
// about 20 us a policy; meant for a request of a person or a poller, not for a call path. All of them throw
// std::bad_alloc and nothing else. nlohmann-json does the work inside and is not needed to include this header.

#include <chrono>
#include <resilience/base/events.hpp>
#include <resilience/json/filter.hpp>
#include <resilience/manager/health.hpp>
#include <resilience/manager/recorded_event.hpp>
#include <resilience/manager/stats.hpp>
#include <string>
#include <vector>

namespace resilience::inline v1 {

// The document that GET /stats answers:
//
//     {"format":1,"service":"checkout","version":"0.1.0","time":"2026-01-05T12:00:00.250Z","uptime_seconds":812.4,
//      "health":{"status":"degraded","ready":true,"open_circuits":1,"max_open_circuits":3,"reasons":["..."]},
//      "circuit_breakers":{"payment_api":{"state":"open",...}},"rate_limiters":{},"bulkheads":{},"retries":{}}
//
// Keyed rate limiters stand among the others; theirs is a `keys` that is not null, and what only a key has is null.
// `indent` is the number of spaces per level; below 0 everything stands on one line. Policies are sorted by name.
// In each policy requests_total = admitted_total + the sum of rejected_total, and for a circuit breaker
// admitted_total = success_total + failure_total + ignored_total + in_flight.
//
// This form judges health by the default rules.
[[nodiscard]] std::string to_json_text(const ResilienceStats& stats, int indent = 2);

// The same with your rules.
[[nodiscard]] std::string to_json_text(const ResilienceStats& stats, const HealthRules& rules, int indent = 2);

// The same with a health that was judged before: of all policies, when `stats` holds only some of them.
[[nodiscard]] std::string to_json_text(const ResilienceStats& stats, const Health& health, int indent = 2);

// The document that GET /readyz answers:
//
//     {"status":"degraded","ready":true,"open_circuits":1,"max_open_circuits":3,"reasons":["..."]}
//
// `max_open_circuits` is null when no number of open circuits makes the service not ready.
[[nodiscard]] std::string to_json_text(const Health& health, int indent = 2);

// One event on one line, without a line end: time, event, kind of policy and its name first, then what the kind of
// event fills, then `sequence`.
//
//     {"time":"2026-01-05T12:00:00.250Z","event":"transition","kind":"circuit_breaker","name":"payment_api",
//      "from":"closed","to":"open","cause":"failure_ratio","value":0.575,"threshold":0.5,"requests":40,
//      "retry_after_seconds":60.0,"generation":8,"sequence":17}
//
// (broken here only for the width of the page). An event carries monotonic time, which says nothing to people; `time`
// is the wall time to print. The default fits a listener, which is called as the event happens.
[[nodiscard]] std::string to_json_text(const Event& event,
                                       std::chrono::system_clock::time_point time = std::chrono::system_clock::now());

// What a manager kept, as an array of such events, the oldest first:
//
//     std::cout << to_json_text(manager.history(), -1);
[[nodiscard]] std::string to_json_text(const std::vector<RecordedEvent>& events, int indent = 2);

}  // namespace resilience::inline v1
