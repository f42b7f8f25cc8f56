#pragma once

// A picture of one circuit breaker at one moment.
//
// In every picture requests = admitted + rejected and admitted = success + failure + ignored + in_flight, also while
// calls run on other threads, and no counter is below that of an earlier picture taken by the same thread. `in_flight`
// is what was out at one instant; only where results arrive faster than the picture can be read does it also show calls
// that came and went meanwhile.

#include <cstdint>
#include <optional>
#include <resilience/base/circuit_state.hpp>
#include <resilience/base/time.hpp>
#include <resilience/measure/latency_histogram.hpp>
#include <string_view>
#include <vector>

namespace resilience::inline v1 {

struct CircuitBreakerStats {
    CircuitState state = CircuitState::closed;
    Duration in_state{};                      // since the last change of state
    std::optional<Duration> not_closed{};     // since it was last closed; absent while closed
    std::optional<Duration> retry_after{};    // until it is worth coming back; absent if unknown, or up to a lever
    bool manual = false;                      // a lever holds the state
    std::optional<Duration> lever_expires{};  // until a lever with an end reverts by itself
    std::uint64_t generation = 0;             // rises with every change of state

    // Closed: the rolling window now. Open and half-open: as it stood when the circuit opened. Else empty.
    struct Window {
        std::uint64_t requests = 0;
        std::uint64_t failures = 0;
        // With slow_call_duration only, as are the durations.
        std::uint64_t slow = 0;
        std::uint64_t slow_failures = 0;  // of the slow ones
        // How long the calls took, from their admission: together, and on average, rounded down to whole nanoseconds
        // and absent while there are none. One counts with 2.4 hours at most; a record_result without a duration, and
        // with window_calls a call of before slow_call_duration was switched on, with none. In a time window the calls
        // of before are left out.
        Duration total_duration{};
        std::optional<Duration> average_duration{};
        double failure_ratio = 0;  // 0 while there are no requests
        double slow_ratio = 0;
        double failure_threshold = 0;             // with adaptive_threshold what is learned by now
        std::optional<double> slow_call_ratio{};  // the limit; absent without slow_call_duration
        std::uint64_t consecutive_failures = 0;   // with consecutive_failures only
        std::uint32_t min_requests = 0;
    } window;

    struct HalfOpen {
        std::uint32_t in_flight = 0;
        std::uint32_t max_calls = 0;
        std::uint32_t successes = 0;
        std::uint32_t failures = 0;
        std::uint32_t success_threshold = 0;
        std::optional<Duration> oldest_probe{};  // age; absent when none is out
    } half_open;

    // Of health probes, which count as calls too; absent until one is set. sent = succeeded + failed + timed_out +
    // undecided, and at most one more that is out.
    struct HealthProbes {
        std::uint64_t sent = 0;
        std::uint64_t succeeded = 0;
        std::uint64_t failed = 0;      // said no, or threw
        std::uint64_t timed_out = 0;   // had not answered in time
        std::uint64_t undecided = 0;   // ended without a verdict, or what they were to decide was over
        std::uint64_t overlapped = 0;  // was due and not sent, as one that had timed out still ran
    };
    std::optional<HealthProbes> health_probes{};

    struct Rejected {
        std::uint64_t circuit_open = 0;
        std::uint64_t half_open_full = 0;
        std::uint64_t forced_open = 0;
        std::uint64_t throttled = 0;  // by a ramp after recovery
        [[nodiscard]] std::uint64_t total() const noexcept {
            return circuit_open + half_open_full + forced_open + throttled;
        }
    } rejected;

    std::uint64_t requests = 0;  // attempts that asked
    std::uint64_t admitted = 0;
    std::uint64_t success = 0;
    std::uint64_t failure = 0;
    std::uint64_t ignored = 0;
    std::uint64_t in_flight = 0;  // admitted and not settled

    // How long settled calls took, from their admission: with record_latency only. Those of permits that were dropped,
    // and of record_result without a duration, nobody knows.
    std::optional<LatencyPicture> latency{};

    std::uint64_t slow = 0;               // of which: longer than slow_call_duration, in any state
    std::uint64_t late = 0;               // of which: settled after the state they were admitted in was over
    std::uint64_t cancelled = 0;          // of which ignored: dropped or cancelled by the caller
    std::uint64_t abandoned = 0;          // of which ignored: allow() without record_result, given up after a lease
    std::uint64_t leases_reclaimed = 0;   // probe slots taken back from probes that never reported
    std::uint64_t unpaired_results = 0;   // record_result without allow() while not closed
    std::uint64_t window_saturated = 0;   // results that did not fit into a bucket of the window
    std::uint64_t classifier_errors = 0;  // classifiers that threw
    std::uint64_t hook_exceptions = 0;    // hooks that threw
    std::uint64_t listener_exceptions = 0;
    std::uint64_t events_dropped = 0;

    // One for each operation that was asked for, in that order. Here as well requests = admitted + rejected and
    // admitted = success + failure + ignored + in_flight. Calls of no operation are in none of them.
    struct Operation {
        std::string_view name{};              // lives as long as the process
        std::optional<CircuitState> state{};  // its own; with OperationMode::isolate only
        std::uint64_t requests = 0;
        std::uint64_t admitted = 0;
        std::uint64_t rejected = 0;
        std::uint64_t success = 0;
        std::uint64_t failure = 0;
        std::uint64_t ignored = 0;
        std::uint64_t in_flight = 0;
        // What it has in the breaker's window; with isolate in its own.
        struct Window {
            std::uint64_t requests = 0;
            std::uint64_t failures = 0;
            double failure_ratio = 0;  // 0 while there are no requests
        } window;
    };
    std::vector<Operation> operations;

    struct Transition {
        CircuitState from{};
        CircuitState to{};
        std::uint64_t count = 0;
    };
    std::vector<Transition>
        transitions;  // those that can happen by themselves always, those by hand once they happened
};

}  // namespace resilience::inline v1
