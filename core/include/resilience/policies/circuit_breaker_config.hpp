#pragma once

// What a circuit breaker can be told, field by field: unit, range, default.
//
//     CircuitBreaker breaker{"card_host", {.failure_threshold = 0.3, .timeout = 10s, .min_requests = 5}};
//
// A field outside its range is refused when the breaker is made: ConfigError lists every bad field at once.

#include <chrono>
#include <cstdint>
#include <resilience/base/time.hpp>

namespace resilience::inline v1 {

class ConfigProblems;

struct CircuitBreakerConfig {
    // Open at or above this share of failed calls in the window. (0, 1]. Read as the simplest fraction that this double
    // can mean and compared in integers: 99 of 200 never opens a 50 % breaker, 100 of 200 always does.
    double failure_threshold = 0.5;

    // Probes that must succeed to close a half-open breaker. 1 to 1000.
    std::uint32_t success_threshold = 5;

    // Time the breaker stays open before probes are let through. 0 to Duration::max() (never by itself).
    Duration timeout = std::chrono::seconds(60);

    // No verdict below this many calls in the window. 1 to 2^31 - 1.
    std::uint32_t min_requests = 10;

    // Length of the rolling window. 1 ms to 7 days.
    Duration window_size = std::chrono::seconds(60);

    // Time buckets the window is made of. 1 to 240, each at least 100 us. A bucket is window_size / buckets, rounded
    // down; the effective window is that times buckets.
    std::uint32_t buckets = 10;

    // Probe verdicts a half-open period takes in all: success_threshold of them close, as soon as that many can no
    // longer be reached it re-opens. 0: as many as success_threshold, so the first failure re-opens. Up to 1000.
    std::uint32_t half_open_calls = 0;

    // Probes in flight at once while half-open. 0: as many as half_open_calls. At most half_open_calls.
    std::uint32_t half_open_max_calls = 0;

    // Whether to keep how long settled calls took, for `stats().latency`. Costs two more additions and about 100
    // instructions a call, and half a kilobyte for each stripe of the machine's counters (one for each hardware thread,
    // up to 8); nothing but one test of a pointer when off.
    bool record_latency = false;

    // A probe that has not reported for this long gives its slot back. 0: the longer of timeout and 10 s. Up to
    // Duration::max() (never).
    Duration probe_lease{};

    friend bool operator==(const CircuitBreakerConfig&, const CircuitBreakerConfig&) = default;

    // For what fails fast and recovers fast, a cache: threshold 0.3, timeout 10 s, min_requests 5.
    [[nodiscard]] static constexpr CircuitBreakerConfig fast_failing() noexcept {
        return {.failure_threshold = 0.3, .timeout = std::chrono::seconds(10), .min_requests = 5};
    }
    // For a slow external API: threshold 0.6, timeout 60 s, min_requests 20.
    [[nodiscard]] static constexpr CircuitBreakerConfig slow_api() noexcept {
        return {.failure_threshold = 0.6, .timeout = std::chrono::seconds(60), .min_requests = 20};
    }
};

// Adds every field that is outside its range to `problems`. The breaker's constructor asks this; so may whoever reads
// configurations from elsewhere and wants all problems of all policies in one list.
void find_problems(const CircuitBreakerConfig& config, ConfigProblems& problems);

}  // namespace resilience::inline v1
