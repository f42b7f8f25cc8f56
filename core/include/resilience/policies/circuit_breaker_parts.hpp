#pragma once

// The small values that a circuit breaker's parts hand to each other.

#include <atomic>
#include <cstdint>
#include <resilience/base/circuit_state.hpp>
#include <resilience/base/time.hpp>
#include <resilience/measure/fraction.hpp>
#include <resilience/measure/rolling_window.hpp>
#include <resilience/policies/circuit_breaker_state.hpp>

namespace resilience::inline v1::detail {

// The fields that a breaker without options reads. The window's own are kept by the windows. Guarded by the mutex.
struct CircuitBasics {
    double failure_threshold;
    Duration timeout;
    Duration probe_lease;
    std::uint16_t success_threshold;
    std::uint16_t half_open_calls;
    std::uint16_t half_open_max_calls;
};

// What settling needs to know of an admission.
struct CircuitPassage {
    CircuitWord word;
    TimePoint admitted_at;
    // Some RunningCalls wait for its end: see CircuitBreakerOptions::running_number.
    [[nodiscard]] bool counted_as_running() const noexcept { return word.counting() && word.slot() != 0; }
};

// A threshold, a Fraction of at most 1, in one word: calls read it while it changes.
class CircuitThreshold {
  public:
    explicit CircuitThreshold(double ratio) noexcept : word_(word_of(ratio)) {}
    void set(double ratio) noexcept { word_.store(word_of(ratio), std::memory_order_relaxed); }
    [[nodiscard]] Fraction read() const noexcept {
        const std::uint64_t word = word_.load(std::memory_order_relaxed);
        return {word & 0xffff'ffff, word >> 32};
    }

  private:
    static std::uint64_t word_of(double ratio) noexcept {
        const Fraction fraction = simplest_fraction(ratio);  // of at most 1, so both fit
        return fraction.numerator | fraction.denominator << 32;
    }
    std::atomic<std::uint64_t> word_;
};

// A change of state and what led to it.
struct CircuitChange {
    CircuitState to;
    TransitionCause cause;
    TimePoint due;
    TimePoint until = never;
    bool lever = false;  // `until` is the end of a lever
    bool ramp = false;   // closed, and not for all calls at once
    std::uint64_t failures = 0;
    std::uint64_t requests = 0;
};

// What a recorded result found: the counts to judge by. Empty: nothing to judge.
struct CircuitFindings {
    WindowCounts window{};
    WindowCounts slow{};  // slow calls in the place of failures
    std::uint32_t run = 0;
};

// How admitted calls have ended.
struct CircuitSettled {
    std::uint64_t success = 0, failure = 0, ignored = 0;
    std::uint64_t late = 0, cancelled = 0;  // of which
    [[nodiscard]] std::uint64_t sum() const noexcept { return success + failure + ignored; }
};

// The state as it is at some moment, seen without changing anything.
struct CircuitPosition {
    CircuitState state;
    bool held;  // by a lever with an end
    TimePoint since;
    TimePoint until;
};

}  // namespace resilience::inline v1::detail
