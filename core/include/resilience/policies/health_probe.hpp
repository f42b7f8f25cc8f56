#pragma once

// A health probe: a function of yours that asks whether what a circuit breaker guards is well again, so that no user
// has to be the one who finds out.
//
//     breaker.set_probe({.interval = 2s}, [](TimePoint deadline) {
//         return client.get("/health", deadline - Clock::now()).status == 200;
//     });
//     ProbeRunner runner;                                            // a thread that asks when it is due
//     runner.add(breaker);
//
// The breaker only says when a probe is due (`probe_due`) and judges it; it runs nothing by itself. There is one at a
// time. None is sent while the breaker is closed, forced or only measuring, nor in an open period that a lever with an
// end holds.
//
// half_open  a probe is a verdict like a call's, takes a place like one, and so counts with the calls that pass. One
//            that finds no place skips its turn.
// open       success_threshold probes that succeed in a row end the open period early (cause `health_probes`): it is
//            half-open at once, without verdicts yet, as an answering health check is not yet a served call. With
//            probes_only those are the first verdicts of the half-open period, which by default they close. Another
//            set_probe begins the row anew.
//
// A probe that returns false, throws or has not answered `timeout` after it was sent is a failure. Late answers decide
// nothing: after the timeout, after a change of state, after another set_probe. A timeout is noticed by the next
// `probe_due`, `tick` or half-open call. Probes count in the totals like calls, and in `stats().health_probes`.
//
// A function that has not even returned when the next probe is due has that turn `overlapped`: none is sent, and the
// turn is a failure while open, and half-open with probes_only. Half-open without it, the turn is skipped: calls close
// the breaker, though the function may hang for good. With probes_only it does not recover before that one returns, or
// another is set.
//
// A caller refused while the breaker is open is told when that period ends by itself: probes may end it before, and
// with probes_only it then hears half_open_full and another moment. `set_probe` does not wait for a function that runs:
// before what it uses goes, take the breaker from its runner.

#include <chrono>
#include <concepts>
#include <functional>
#include <memory>
#include <resilience/base/time.hpp>
#include <type_traits>
#include <utility>

namespace resilience::inline v1 {

class ConfigProblems;
namespace detail {
class HealthProbing;
}

struct HealthProbeConfig {
    // From one probe to the next, and from the beginning of an open period to its first. 1 ms to 7 days.
    Duration interval = std::chrono::seconds(5);

    // An answer after this or more is a failure. 1 ms to interval.
    Duration timeout = std::chrono::seconds(1);

    // Whether probes are sent during an open period too, or only once it is half-open.
    bool while_open = true;

    // Whether only probes may close a half-open breaker: calls are refused as half_open_full, with a retry_after by
    // which the probes that are missing can have answered. Without anybody who runs the probes it does not recover.
    bool probes_only = false;

    friend bool operator==(const HealthProbeConfig&, const HealthProbeConfig&) = default;
};

// Adds every field that is outside its range to `problems`.
void find_problems(const HealthProbeConfig& config, ConfigProblems& problems);

// Made of a `bool()` or of a `bool(TimePoint deadline)`: true says all is well. The deadline is when its timeout is
// over; nothing can stop a function, so one that waits should not wait longer. Copies share the function; it runs once
// at a time, unless an earlier run is still out when it is set again.
class HealthProbe {
  public:
    HealthProbe() noexcept = default;
    template <class Function>
        requires(!std::same_as<std::remove_cvref_t<Function>, HealthProbe> &&
                 (std::constructible_from<std::function<bool(TimePoint)>, Function> ||
                  std::constructible_from<std::function<bool()>, Function>))
    HealthProbe(Function&& function) {
        if constexpr (std::constructible_from<std::function<bool(TimePoint)>, Function>) {
            keep(std::function<bool(TimePoint)>(std::forward<Function>(function)));
        } else if (std::function<bool()> plain(std::forward<Function>(function)); plain) {
            keep([plain = std::move(plain)](TimePoint) { return plain(); });
        }
    }

    // Absent, or made of an empty function.
    [[nodiscard]] explicit operator bool() const noexcept { return function_ != nullptr; }
    // Runs it, for a permit of `probe_due` and with the deadline that follows from it. False for one that throws and
    // for an empty one. Cancellation of the thread (pthread_cancel) is held off meanwhile.
    [[nodiscard]] bool succeeds(TimePoint admitted_at) const noexcept;

  private:
    friend class detail::HealthProbing;
    void keep(std::function<bool(TimePoint)> function) {
        if (function) function_ = std::make_shared<const std::function<bool(TimePoint)>>(std::move(function));
    }

    std::shared_ptr<const std::function<bool(TimePoint)>> function_;
    Duration timeout_{};  // as configured when it was set
};

}  // namespace resilience::inline v1
