#pragma once

// What the tests of your own service need: virtual time, scripted callees, a check that counters reconcile.
//
//     VirtualTime time;                                              // starts at zero and never sleeps
//     CircuitBreaker breaker{"card_host", {.success_threshold = 2, .timeout = 10s, .min_requests = 4}};
//     Pipeline guarded{RetryConfig{.max_attempts = 2, .jitter = false}, breaker};
//     auto refused = time.execute(guarded, pay);
//     time.advance(*refused.error().retry_after);                    // usable exactly as given
//
//     CardHost host{in_virtual_time(time, guarded)};                 // for a class that takes an AnyPipeline
//
// No test framework inside: failures are exceptions, so any framework reports them. Not for production code.

#include <cstdint>
#include <resilience/manager/stats.hpp>
#include <resilience/pipeline/manual_time.hpp>
#include <resilience/pipeline/scripted_call.hpp>
#include <resilience/pipeline/virtual_pipeline.hpp>
#include <resilience/pipeline/virtual_probes.hpp>
#include <resilience/pipeline/virtual_time.hpp>
#include <resilience/resilience.hpp>

namespace resilience::inline v1 {

// A repeatable generator for policies' decisions.
[[nodiscard]] inline Random scripted_random(std::uint64_t seed) noexcept { return Random(seed); }

// Throws std::logic_error that names every policy whose counters do not add up:
// requests = admitted + rejected, admitted = success + failure + ignored + in flight (breakers), settled + in use
// (bulkheads); a retry's calls are the sum of their endings.
void expect_reconciled(const ResilienceStats& stats);

}  // namespace resilience::inline v1
