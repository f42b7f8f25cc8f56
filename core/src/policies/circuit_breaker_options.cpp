#include <algorithm>
#include <resilience/policies/circuit_breaker_options.hpp>
#include <utility>

#include "circuit_operations.hpp"

namespace resilience::inline v1::detail {

std::uint32_t FailureRun::record(std::uint64_t generation, bool failed) noexcept {
    std::uint64_t seen = word_.load(std::memory_order_relaxed);
    for (;;) {
        const std::uint64_t counted = seen >> run_bits;
        if (counted > generation) return 0;
        const std::uint64_t before = counted == generation ? seen & run_mask : 0;
        const std::uint64_t run = failed ? std::min<std::uint64_t>(before + 1, longest) : 0;
        // A row of successes writes nothing.
        if (run == before && counted == generation) return static_cast<std::uint32_t>(run);
        if (word_.compare_exchange_weak(seen, (generation << run_bits) | run, std::memory_order_relaxed)) {
            return static_cast<std::uint32_t>(run);
        }
    }
}

std::uint32_t FailureRun::length(std::uint64_t generation) const noexcept {
    const std::uint64_t seen = word_.load(std::memory_order_relaxed);
    return seen >> run_bits == generation ? static_cast<std::uint32_t>(seen & run_mask) : 0;
}

SlowCallWindows::SlowCallWindows(const CircuitBreakerConfig& config, std::mutex& mutex)
    : of_period{RollingWindow(config.window_size, config.buckets, config.min_requests, quick.counter(0), mutex),
                RollingWindow(config.window_size, config.buckets, config.min_requests, quick.counter(1), mutex)},
      durations{DurationWindow(config.window_size, config.buckets, mutex),
                DurationWindow(config.window_size, config.buckets, mutex)} {}

bool LearnedThreshold::trips(WindowCounts counts) const noexcept {
    if (reaches(counts.failures, counts.calls, max_threshold)) return true;
    const double usual = baseline.rate().value_or(until_learned);
    // What is learned is measured and so needs no exact comparison.
    return static_cast<double>(counts.failures) >= limit() * static_cast<double>(counts.calls) &&
           rises_above(usual, counts.calls, counts.failures, config.confidence);
}

void LearnedThreshold::learn(WindowCounts totals) noexcept {
    baseline.learn(totals.calls - learned_to.calls, totals.failures - learned_to.failures);
    learned_to = totals;
}

void LearnedThreshold::leave_out(WindowCounts totals) noexcept {
    baseline.forget_recent();
    learned_to = totals;
}

OptionParts::OptionParts(const CircuitBreakerConfig& config, std::mutex& mutex) {
    const bool judges_slow_calls = config.slow_call_duration != Duration::zero();
    if (config.record_latency) latency = std::make_unique<LatencyHistogram>();
    if (config.window_calls != 0) {
        calls = std::make_unique<CallWindow>(
            config.window_calls, judges_slow_calls ? CallWindow::Durations::summed : CallWindow::Durations::ignored);
    } else if (judges_slow_calls) {
        slow = std::make_unique<SlowCallWindows>(config, mutex);
        for (int window = 0; window < 2; ++window) {
            slow_shapes.emplace_back(config.window_size, config.buckets, config.min_requests);
            duration_shapes.emplace_back(config.window_size, config.buckets);
        }
    }
    if (config.judge_in_flight) running = std::make_unique<RunningCalls>(config.slow_call_duration);
    if (config.adaptive_threshold) learned = std::make_unique<LearnedThreshold>(config.buckets);
}

CircuitBreakerOptions::CircuitBreakerOptions(const CircuitBreakerConfig& plain, CircuitBreakerHooks functions)
    : hooks(std::move(functions)), config(plain), open_time(plain.timeout) {}

CircuitBreakerOptions::~CircuitBreakerOptions() = default;

bool CircuitBreakerOptions::needed(const CircuitBreakerConfig& config, const CircuitBreakerHooks& hooks) noexcept {
    // What a plain breaker keeps itself.
    const CircuitBreakerConfig plain{.failure_threshold = config.failure_threshold,
                                     .success_threshold = config.success_threshold,
                                     .timeout = config.timeout,
                                     .min_requests = config.min_requests,
                                     .window_size = config.window_size,
                                     .buckets = config.buckets,
                                     .half_open_calls = config.half_open_calls,
                                     .half_open_max_calls = config.half_open_max_calls,
                                     .probe_lease = config.probe_lease};
    return config != plain || hooks.trips || hooks.open_time || hooks.manual_control != nullptr;
}

Watch CircuitBreakerOptions::watch() const noexcept {
    if (ramping || running != nullptr) return Watch::admissions;
    const bool judged =
        calls != nullptr || slow != nullptr || config.consecutive_failures != 0 || learned != nullptr || hooks.trips;
    return judged ? Watch::results : Watch::none;
}

}  // namespace resilience::inline v1::detail
