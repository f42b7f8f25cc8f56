#pragma once

// What a circuit breaker keeps for health probes once one is set: the function, whether one is out, and what came of
// them.
//
// Every function is called under the breaker's mutex; none calls the user's function. A probe's permit has a slot
// number that no slot has, and is known by the moment it was sent at, which never comes twice.

#include <cstdint>
#include <resilience/base/outcome.hpp>
#include <resilience/base/time.hpp>
#include <resilience/policies/circuit_breaker_parts.hpp>
#include <resilience/policies/circuit_breaker_state.hpp>
#include <resilience/policies/circuit_breaker_stats.hpp>
#include <resilience/policies/health_probe.hpp>

namespace resilience::inline v1 {

class CircuitBreaker;

namespace detail {

class HealthProbing {
  public:
    static constexpr std::uint32_t slot = 1023;

    // Returns what was set before, which is to be destroyed without the mutex. One that is out decides nothing then.
    HealthProbe replace(const HealthProbeConfig& config, HealthProbe probe) noexcept;

    [[nodiscard]] const HealthProbe& probe() const noexcept { return probe_; }
    [[nodiscard]] const CircuitBreakerStats::HealthProbes& counts() const noexcept { return counts_; }
    // Half-open or not, calls wait for the probes.
    [[nodiscard]] bool keeps_calls_out() const noexcept { return probe_ && config_.probes_only; }
    // When the one that is out was sent, if it takes a place in the half-open period of `word`; else `never`.
    [[nodiscard]] TimePoint place_taken_at(CircuitWord word) const noexcept {
        const bool takes = out_ == Out::waiting && word.state() == CircuitState::half_open && of_.same_period(word);
        return takes ? sent_at_ : never;
    }
    // Until when the one that is out may still answer; `never` when none is.
    [[nodiscard]] TimePoint deadline() const noexcept {
        return out_ == Out::waiting ? saturating_add(sent_at_, config_.timeout) : never;
    }
    // When `send` has something to do next, if nothing else changes; `never`: nothing.
    [[nodiscard]] TimePoint next(const CircuitBreaker& breaker) const noexcept;
    // How long it takes at `now` until the probes that are missing in a half-open period can all have answered.
    [[nodiscard]] Duration until_decided(const CircuitBreaker& breaker, TimePoint now) const noexcept;

    // True, and what the permit is made of, if a probe is to be sent at `now`.
    bool send(CircuitBreaker& breaker, TimePoint now, CircuitPassage& passage) noexcept;
    void judge_overdue(CircuitBreaker& breaker, TimePoint now) noexcept;
    void settle(CircuitBreaker& breaker, const CircuitPassage& passage, Outcome outcome, TimePoint now) noexcept;

  private:
    // What the permit that was given last is doing. Overdue: its timeout was judged, its function still runs.
    enum class Out : std::uint8_t { nothing, waiting, overdue };

    [[nodiscard]] bool sends_in(CircuitWord word) const noexcept;
    [[nodiscard]] TimePoint next_turn(const CircuitBreaker& breaker, CircuitWord word) const noexcept;
    void judge(CircuitBreaker& breaker, bool success, bool slow, TimePoint now) noexcept;

    HealthProbeConfig config_{};
    HealthProbe probe_;
    CircuitWord of_{};  // the period the last probe was sent in
    TimePoint sent_at_ = TimePoint::min();
    TimePoint last_turn_ = TimePoint::min();  // the last moment at which one was due, sent or not
    std::uint64_t row_of_ = 0;                // the generation of the open period in which so many
    std::uint32_t in_a_row_ = 0;              // probes have succeeded
    Out out_ = Out::nothing;
    CircuitBreakerStats::HealthProbes counts_{};
};

}  // namespace detail
}  // namespace resilience::inline v1
