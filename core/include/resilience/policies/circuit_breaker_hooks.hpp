#pragma once

// Functions of yours that decide with a circuit breaker: when it opens, and for how long.
//
//     CircuitBreaker breaker{"card_host", {.timeout = 5s},
//                            {.trips = [](const ClosedPeriod& seen) { return seen.failures > 100; },
//                             .open_time = [](const Opening& opening) { return 1s * (1 << opening.reopened); },
//                             .manual_control = maintenance}};
//
// They run on the threads that call the breaker, several at once, and never under a lock: they may read the breaker and
// pull its levers. One that throws is counted in `stats().hook_exceptions` and decides nothing: the breaker stays
// closed, the open time is `timeout`.

#include <cstdint>
#include <functional>
#include <memory>
#include <resilience/base/circuit_state.hpp>
#include <resilience/base/time.hpp>

namespace resilience::inline v1 {

class ManualControl;

// What a trip predicate sees: the window with the result that has just been recorded. Other threads' results may be in
// it as well.
struct ClosedPeriod {
    std::uint64_t requests = 0;
    std::uint64_t failures = 0;
    std::uint64_t slow = 0;                  // with slow_call_duration only
    std::uint64_t consecutive_failures = 0;  // with consecutive_failures only
};

struct Opening {
    std::uint32_t reopened = 0;  // open periods before this one since the breaker was last closed
    TransitionCause cause{};     // why it opens
};

struct CircuitBreakerHooks {
    // Asked after every result recorded while closed, success or failure, instead of failure_threshold, min_requests,
    // consecutive_failures and slow_call_ratio. True opens the breaker. judge_in_flight has no say then. Costs two
    // short locks a call.
    std::function<bool(const ClosedPeriod&)> trips{};

    // Asked once for every open period that has no end of its own, instead of timeout, timeout_multiplier and
    // timeout_jitter; max_timeout still holds, and less than 0 counts as 0. It is asked just after the breaker has
    // opened, so the event of the opening does not say for how long.
    std::function<Duration(const Opening&)> open_time{};

    // One lever over several breakers: see manual_control.hpp.
    std::shared_ptr<ManualControl> manual_control{};
};

}  // namespace resilience::inline v1
