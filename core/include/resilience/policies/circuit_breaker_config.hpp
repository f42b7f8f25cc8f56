#pragma once

// What a circuit breaker can be told, field by field: unit, range, default.
//
//     CircuitBreaker breaker{"card_host", {.failure_threshold = 0.3, .timeout = 10s, .min_requests = 5}};
//
// A field outside its range is refused when the breaker is made: ConfigError lists every bad field at once.
//
// Changed while it runs: `breaker.reconfigure(config)`, every field. What it does to what is under way:
//   - The state, its generation and its end stay, and so do all counters. Permits stay valid and no verdict is lost; a
//     permit counts in the window as it is when it is settled. No event.
//   - The window keeps what the new one can hold and never gains. Time to time: results count from when their old
//     bucket began, so a shorter window may lose some early. Calls to calls: the newest. Time to calls: the newest,
//     bucket by bucket, those of one bucket evenly mixed. Calls to time: it begins empty, since nobody knows when they
//     came. Slow calls, and failures in a row, begin to be counted when they are asked for.
//   - Nothing is judged by the change itself, only by the next result; half-open, where there may be none, by the next
//     call or `tick`.
//   - Probes that are out keep their slots, and leases have the new length. An open period, a limit of half-open and
//     levers keep their ends. With judge_in_flight calls that were out already are judged when they end; so are all
//     that were out when slow_call_duration changes. What adaptive_threshold has learned is kept while window_size and
//     buckets stay. initial_state has had its effect.
//   - Operations change with the breaker; operation_mode cannot once one has been asked for.
// Cost: as making a breaker, and one short lock; a window of calls is copied under it. Memory: what an option needs is
// kept until the breaker goes, so that it can be switched on again; a breaker that has had options, or windows of other
// shapes, needs no more for each further change.

#include <chrono>
#include <cstdint>
#include <optional>
#include <resilience/base/circuit_state.hpp>
#include <resilience/base/time.hpp>

namespace resilience::inline v1 {

class ConfigProblems;

// When probes are judged.
enum class HalfOpenVerdict : std::uint8_t {
    early,           // as soon as their verdict is certain: see half_open_calls
    rate_after_all,  // when all half_open_calls have reported, by failure_threshold and slow_call_ratio
};

// What a breaker keeps apart for the operations that it is asked for.
enum class OperationMode : std::uint8_t {
    track,    // a window and counters for each; the breaker judges all calls together
    isolate,  // and a state: one that fails alone opens alone, and its calls leave the breaker's window
};

// A failure threshold that is learned: open when calls fail more often than they used to, and surely so. The baseline b
// is the failure ratio of the last ten windows (measure/failure_baseline.hpp) in which the breaker was closed or only
// measured, without those in which it opened, or would have. With n calls and f failures in the window it opens when
//
//     f >= (b + min_rise) n   and   f - n b >= L/3 + sqrt(L^2/9 + 2 L n b (1 - b)),   L = confidence (Bernstein),
//
// or when f >= max_threshold n. Until one window is learned, which takes two, failure_threshold stands for b and for b
// + min_rise. Small windows cannot prove much: at 20 calls nothing but max_threshold opens a breaker whose calls fail
// now and then.
struct AdaptiveThreshold {
    double min_rise = 0.1;        // (0, 1]
    double confidence = 20.7;     // ln(1 / chance of a wrong decision); 20.7 is one in a billion. (0, 1000]
    double max_threshold = 0.95;  // (0, 1]
    friend bool operator==(const AdaptiveThreshold&, const AdaptiveThreshold&) = default;
};

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

    // ---- Options. None is on by default, and what is off adds nothing to a call. Those that look at every call while
    // closed take it off the shortest path; those marked (mutex) also take the breaker's short mutex once a call.

    // Instead of a time window, one of the last so many calls (mutex). 0: off. Up to 1,000,000 and at least
    // min_requests; two bits of memory a call. window_size and buckets are then read for operations only.
    std::uint32_t window_calls = 0;

    // Instead of a failure ratio: opens after so many failures in a row, whatever the time between them. 0: off. Up to
    // 100,000. failure_threshold is then not read, min_requests only by slow calls and window_calls.
    std::uint32_t consecutive_failures = 0;

    // Calls that took strictly longer than this are slow. 0: off. The breaker opens too when, with min_requests calls
    // in the window, at least slow_call_ratio of them were slow; (0, 1]. A slow failure counts in both ratios. The
    // stats then also say how long the calls in the window took.
    Duration slow_call_duration{};
    double slow_call_ratio = 1;

    // Whether calls that are still running count as slow from the moment they are overdue, so that a breaker opens
    // although none of them has come back; needs slow_call_duration (mutex, twice a call). Never early, at most an
    // eighth of slow_call_duration late. A call counts once, however long it runs; one admitted by `allow()`, which
    // nobody can tell from another, only when it ends.
    bool judge_in_flight = false;

    // With `early` a slow success counts against a probe like a failure. With `rate_after_all` success_threshold only
    // says how many verdicts a half_open_calls of 0 stands for, and failure_threshold judges, whatever is learned.
    HalfOpenVerdict half_open_verdict = HalfOpenVerdict::early;

    // How long a half-open period may last without a verdict. 0: for ever. Then it opens again, or closes.
    Duration half_open_limit{};
    bool half_open_limit_closes = false;

    // Each open period since the breaker was last closed is this many times as long as the one before, up to
    // max_timeout. 1 to 1000; max_timeout at least timeout.
    double timeout_multiplier = 1;
    Duration max_timeout = Duration::max();

    // Each open period is drawn from [1 - timeout_jitter, 1 + timeout_jitter] times its length, up to max_timeout, so
    // that many processes do not probe at once. 0 to 1.
    double timeout_jitter = 0;

    // After probes have closed the breaker, the share of calls that are admitted rises from ramp_from to all of them
    // over this time; the others are refused as `throttled`. 0: off. ramp_from: (0, 1]. (mutex, during the ramp)
    Duration recovery_ramp{};
    double ramp_from = 0.1;

    // Instead of failure_threshold alone: a limit above what is usual. Needs a time window and no consecutive_failures.
    std::optional<AdaptiveThreshold> adaptive_threshold{};

    // closed, open or metrics_only. The time of an initial open period begins with the first `now` that is given.
    CircuitState initial_state = CircuitState::closed;

    // ---- Operations (circuit_breaker_operation.hpp). They cost nothing until one is asked for.

    // track, or isolate: an operation then has thresholds, open time and probes as set here. isolate needs
    // failure_threshold over a time window: no window_calls, consecutive_failures, slow_call_duration or
    // adaptive_threshold.
    OperationMode operation_mode = OperationMode::track;

    // How many operations are told apart; all further ones are one, "other". 1 to 126.
    std::uint32_t max_operations = 64;

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
