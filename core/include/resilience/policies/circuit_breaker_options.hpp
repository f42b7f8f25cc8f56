#pragma once

// What a circuit breaker keeps for options that are off by default, so that a plain one does not carry it.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <resilience/base/atomics.hpp>
#include <resilience/base/time.hpp>
#include <resilience/measure/call_window.hpp>
#include <resilience/measure/duration_window.hpp>
#include <resilience/measure/failure_baseline.hpp>
#include <resilience/measure/fraction.hpp>
#include <resilience/measure/latency_histogram.hpp>
#include <resilience/measure/rolling_window.hpp>
#include <resilience/measure/running_calls.hpp>
#include <resilience/measure/striped_counters.hpp>
#include <resilience/policies/circuit_breaker_config.hpp>
#include <resilience/policies/circuit_breaker_hooks.hpp>
#include <resilience/policies/circuit_breaker_parts.hpp>
#include <resilience/policies/circuit_breaker_probes.hpp>
#include <resilience/policies/circuit_breaker_state.hpp>
#include <resilience/policies/late_parts.hpp>
#include <vector>

namespace resilience::inline v1::detail {

// How many failures in a row the present period has seen: generation:46 | run:18. The generation keeps a thread that
// slept through a change of state from adding to a later period's run.
class FailureRun {
  public:
    static constexpr std::uint32_t longest = 100'000;

    // The length of the run with this result. 0 for one of a period that is over.
    std::uint32_t record(std::uint64_t generation, bool failed) noexcept;
    [[nodiscard]] std::uint32_t length(std::uint64_t generation) const noexcept;
    // Begins to be counted.
    void begin(std::uint64_t generation) noexcept { word_.store(generation << run_bits, std::memory_order_relaxed); }
    // Of the newest period that had any.
    [[nodiscard]] std::uint32_t length() const noexcept {
        return static_cast<std::uint32_t>(word_.load(std::memory_order_relaxed) & run_mask);
    }

  private:
    static constexpr unsigned run_bits = 18;
    static constexpr std::uint64_t run_mask = (std::uint64_t{1} << run_bits) - 1;
    std::atomic<std::uint64_t> word_{0};
};

// Something to be asked outside the mutex by one thread at a time: whoever raises it while another thread asks leaves
// it to that one. Of the two read-modify-writes of `asking_` one is the later, and its thread finds that it was raised,
// or that nobody asks any more. None is forgotten; one that meets a thread at its last round waits for the next.
template <class Atomics = StandardAtomics>
class BasicOpenQuestion {
  public:
    // Release: whoever finds it raised finds what it is about.
    void raise() noexcept { raised_.store(true, std::memory_order_release); }
    [[nodiscard]] bool raised() const noexcept { return raised_.load(std::memory_order_acquire); }

    // Calls `ask()` once for each time it was raised before, unless that was left to another thread, at most `most`
    // times: what is raised after that, by `ask` itself or beside it, waits for the next thread then.
    template <class Ask>
    void ask(int most, Ask&& ask) noexcept {
        while (most > 0 && raised() && !asking_.exchange(true, std::memory_order_acq_rel)) {
            for (; most > 0 && raised_.exchange(false, std::memory_order_acq_rel); --most) ask();
            asking_.exchange(false, std::memory_order_acq_rel);
        }
    }

  private:
    typename Atomics::template Atomic<bool> asking_{false};
    typename Atomics::template Atomic<bool> raised_{false};
};

// Slow calls in a time window are a second pair of windows, in which a slow call is what a failure is in the first: the
// breaker is judged by them. Beside each, for the picture alone, how long the calls took.
struct SlowCallWindows {
    SlowCallWindows(const CircuitBreakerConfig& config, std::mutex& mutex);

    void forget_locked(std::size_t window, TimePoint now) noexcept {
        of_period[window].forget_locked(now);
        durations[window].forget_locked(now);
    }

    StripedCounters<2> quick{};
    RollingWindow of_period[2];
    DurationWindow durations[2];
};

// What adaptive_threshold has learned, and until where.
struct LearnedThreshold {
    explicit LearnedThreshold(std::uint32_t buckets) : baseline(buckets) {}

    // What the ratio must reach before anything else is asked.
    [[nodiscard]] double limit() const noexcept {
        const std::optional<double> rate = baseline.rate();
        return std::min(rate ? *rate + config.min_rise : until_learned, config.max_threshold);
    }
    [[nodiscard]] bool trips(WindowCounts counts) const noexcept;
    void learn(WindowCounts totals) noexcept;
    // Nothing of what is not learned yet: it is of an outage.
    void leave_out(WindowCounts totals) noexcept;

    // When the present bucket ends and can be learned; and the limit in millionths, rounded down. Both only say whether
    // to look closer, under the mutex.
    std::atomic<std::int64_t> bucket_end{0};
    std::atomic<std::uint32_t> limit_in_millionths{0};

    // Guarded by the mutex.
    AdaptiveThreshold config{};
    Fraction max_threshold{};  // that of `config`
    double until_learned = 1;
    FailureBaseline baseline;
    WindowCounts learned_to{};  // of the totals of the present period's window
};

// What the options of a configuration need, made outside the mutex. Afterwards it holds what is no longer needed.
struct OptionParts {
    OptionParts(const CircuitBreakerConfig& config, std::mutex& mutex);

    std::unique_ptr<LatencyHistogram> latency{};
    std::unique_ptr<CallWindow> calls{};
    std::unique_ptr<SlowCallWindows> slow{};
    std::vector<RollingWindow::Shape> slow_shapes{};  // one for each of its windows
    std::vector<DurationWindow::Shape> duration_shapes{};
    std::unique_ptr<RunningCalls> running{};
    std::unique_ptr<LearnedThreshold> learned{};
};

// What a new configuration of a breaker needs, likewise.
struct CircuitReconfiguration {
    CircuitReconfiguration(const CircuitBreakerConfig& config, std::mutex& mutex);

    std::vector<RollingWindow::Shape> shapes{};  // one for each window
    ProbeSlots probes;
    OptionParts parts;
    std::unique_ptr<struct CircuitBreakerOptions> options{};  // if any are needed
};

class CircuitOperations;
struct CircuitOperation;

struct CircuitBreakerOptions {
    // With a configuration without options: it is `adopt_locked` that brings any.
    CircuitBreakerOptions(const CircuitBreakerConfig& plain, CircuitBreakerHooks functions);
    ~CircuitBreakerOptions();

    // Whether this configuration or these hooks need any of it.
    [[nodiscard]] static bool needed(const CircuitBreakerConfig& config, const CircuitBreakerHooks& hooks) noexcept;

    // This configuration from now on (circuit_breaker_reconfigure.cpp). `window` is the one in use, as of `now`.
    void adopt_locked(const CircuitBreakerConfig& given, OptionParts& parts, CircuitWord word,
                      const RollingWindow& window, TimePoint now) noexcept;

    [[nodiscard]] bool is_slow(Duration took) const noexcept {
        const Duration limit{slow_call_duration.load(std::memory_order_relaxed)};
        return limit != Duration::zero() && took > limit;
    }
    [[nodiscard]] Fraction slow_ratio() const noexcept { return slow_call_ratio.read(); }
    [[nodiscard]] Watch watch() const noexcept;
    void adopt_slow_locked(const CircuitBreakerConfig& given, OptionParts& parts, TimePoint now) noexcept;
    void adopt_learned_locked(const CircuitBreakerConfig& given, OptionParts& parts) noexcept;

    const CircuitBreakerHooks hooks;

    // What calls read without the mutex. Relaxed: a call beside a change is judged by what it finds.
    std::atomic<Duration::rep> slow_call_duration{0};
    CircuitThreshold slow_call_ratio{1};
    std::atomic<std::uint32_t> consecutive_failures{0};
    std::atomic<bool> under_mutex{false};  // results are recorded there
    Switched<LatencyHistogram> latency;    // record_latency
    Switched<SlowCallWindows> slow;        // slow_call_duration, unless `calls` counts them
    Switched<LearnedThreshold> learned;    // adaptive_threshold

    // Guarded by the mutex.
    CircuitBreakerConfig config;
    std::unique_ptr<CallWindow> calls;      // window_calls
    std::unique_ptr<RunningCalls> running;  // judge_in_flight
    // Which of the RunningCalls so far this is, 1 to 1022. The permits it has to do with carry it as their slot.
    std::uint32_t running_number = 0;

    FailureRun run;
    std::atomic<std::uint64_t> slow_calls{0};
    std::atomic<std::uint64_t> hook_exceptions{0};
    BasicOpenQuestion<> open_time_question;  // an open period waits for its end: see ask_open_time

    // Guarded by the mutex.
    Duration open_time;          // of the present or last open period; before the first its usual one
    TimePoint open_from{};       // when the period began that a function is asked about
    TimePoint open_until{};      // and its end until that has answered
    std::uint32_t reopened = 0;  // open periods since the breaker was last closed, the present one included
    TransitionCause opened_by{};
    std::uint32_t probes_slow = 0;
    bool ramping = false;
    TimePoint ramp_began{};
    double ramp_credit = 0;  // of a call: one is admitted for each whole one
    std::uint64_t throttled = 0;

    // Of a breaker that is the state of an operation: that one.
    const CircuitOperation* part_of = nullptr;
    // Made under the mutex by the first that asks for one. A permit of an operation finds it without: whoever has a
    // handle knows that it has been made.
    std::unique_ptr<CircuitOperations> operations;
    // Of a breaker that is the state of one operation: until when that one's calls count for nobody else. Relaxed: it
    // says so about the time after it, and what was counted before is taken out under the mutex.
    std::atomic<std::int64_t> away_until{TimePoint::min().time_since_epoch().count()};
};

}  // namespace resilience::inline v1::detail
