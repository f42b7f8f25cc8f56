#include "out_of_range.hpp"

#include <chrono>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/circuit_breaker_config.hpp>
#include <string>

namespace resilience::inline v1 {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t most_requests = 2'147'483'647;
constexpr std::uint32_t most_probes = 1000;
constexpr std::uint32_t most_buckets = 240;
constexpr std::uint32_t most_window_calls = 1'000'000;
constexpr std::uint32_t most_in_a_row = 100'000;
constexpr std::uint32_t most_operations = 126;
constexpr Duration narrowest_bucket = 100us;
constexpr Duration shortest_window = 1ms;
constexpr Duration longest_window = std::chrono::days(7);

using detail::is;

void find_window_problems(const CircuitBreakerConfig& config, ConfigProblems& problems) {
    const bool window_in_range = config.window_size >= shortest_window && config.window_size <= longest_window;
    if (!window_in_range) problems.add("window_size", is(config.window_size, "1 ms to 7 days"));
    if (config.buckets < 1 || config.buckets > most_buckets) {
        problems.add("buckets", is(config.buckets, "1 to 240"));
    } else if (window_in_range && config.window_size / config.buckets < narrowest_bucket) {
        problems.add("buckets", is(config.buckets, "so few that window_size / buckets is at least 100 us"));
    }
}

void find_probe_problems(const CircuitBreakerConfig& config, ConfigProblems& problems) {
    const bool successes_in_range = config.success_threshold >= 1 && config.success_threshold <= most_probes;
    if (!successes_in_range) problems.add("success_threshold", is(config.success_threshold, "1 to 1000"));
    const std::uint32_t calls = config.half_open_calls == 0 ? config.success_threshold : config.half_open_calls;
    if (config.half_open_calls > most_probes) {
        problems.add("half_open_calls", is(config.half_open_calls, "success_threshold to 1000, or 0 for the former"));
    } else if (config.half_open_verdict == HalfOpenVerdict::early && successes_in_range &&
               calls < config.success_threshold) {
        problems.add("half_open_calls", is(config.half_open_calls, "at least success_threshold, which is " +
                                                                       std::to_string(config.success_threshold)));
    }
    if (config.half_open_max_calls > most_probes) {
        problems.add("half_open_max_calls",
                     is(config.half_open_max_calls, "1 to half_open_calls, or 0 for the latter"));
    } else if (config.half_open_max_calls > calls) {
        problems.add("half_open_max_calls",
                     is(config.half_open_max_calls, "at most half_open_calls, which is " + std::to_string(calls)));
    }
    if (config.probe_lease < 0ns) {
        problems.add("probe_lease", is(config.probe_lease, "more than 0, or 0 for the longer of timeout and 10 s"));
    }
}

void find_judging_problems(const CircuitBreakerConfig& config, ConfigProblems& problems) {
    if (config.window_calls > most_window_calls) {
        problems.add("window_calls", is(config.window_calls, "up to 1000000, or 0 for a time window"));
    } else if (config.window_calls != 0 && config.window_calls < config.min_requests) {
        problems.add("window_calls",
                     is(config.window_calls, "at least min_requests, which is " + std::to_string(config.min_requests)));
    }
    if (config.consecutive_failures > most_in_a_row) {
        problems.add("consecutive_failures", is(config.consecutive_failures, "up to 100000, or 0 for a ratio"));
    }
    if (config.slow_call_duration < 0ns) {
        problems.add("slow_call_duration", is(config.slow_call_duration, "more than 0, or 0 for none"));
    }
    if (config.judge_in_flight && config.slow_call_duration == 0ns) {
        problems.add("judge_in_flight", is("true", "a slow_call_duration with it"));
    }
    if (!(config.slow_call_ratio > 0 && config.slow_call_ratio <= 1)) {
        problems.add("slow_call_ratio", is(config.slow_call_ratio, "more than 0, up to 1"));
    }
}

void find_adaptive_problems(const CircuitBreakerConfig& config, ConfigProblems& problems) {
    if (!config.adaptive_threshold) return;
    const AdaptiveThreshold& adaptive = *config.adaptive_threshold;
    if (!(adaptive.min_rise > 0 && adaptive.min_rise <= 1)) {
        problems.add("adaptive_threshold.min_rise", is(adaptive.min_rise, "more than 0, up to 1"));
    }
    if (!(adaptive.confidence > 0 && adaptive.confidence <= 1000)) {
        problems.add("adaptive_threshold.confidence", is(adaptive.confidence, "more than 0, up to 1000"));
    }
    if (!(adaptive.max_threshold > 0 && adaptive.max_threshold <= 1)) {
        problems.add("adaptive_threshold.max_threshold", is(adaptive.max_threshold, "more than 0, up to 1"));
    }
    if (config.window_calls != 0 || config.consecutive_failures != 0) {
        problems.add("adaptive_threshold", is("given", "a time window without consecutive_failures with it"));
    }
}

void find_time_problems(const CircuitBreakerConfig& config, ConfigProblems& problems) {
    if (config.half_open_limit < 0ns) {
        problems.add("half_open_limit", is(config.half_open_limit, "more than 0, or 0 for none"));
    }
    if (!(config.timeout_multiplier >= 1 && config.timeout_multiplier <= 1000)) {
        problems.add("timeout_multiplier", is(config.timeout_multiplier, "1 to 1000"));
    }
    if (config.timeout >= 0ns && config.max_timeout < config.timeout) {
        problems.add("max_timeout",
                     is(config.max_timeout, "at least timeout, which is " + detail::exact_text(config.timeout)));
    }
    if (!(config.timeout_jitter >= 0 && config.timeout_jitter <= 1)) {
        problems.add("timeout_jitter", is(config.timeout_jitter, "0 to 1"));
    }
    if (config.recovery_ramp < 0ns) {
        problems.add("recovery_ramp", is(config.recovery_ramp, "more than 0, or 0 for none"));
    }
    if (!(config.ramp_from > 0 && config.ramp_from <= 1)) {
        problems.add("ramp_from", is(config.ramp_from, "more than 0, up to 1"));
    }
}

void find_choice_problems(const CircuitBreakerConfig& config, ConfigProblems& problems) {
    if (config.half_open_verdict != HalfOpenVerdict::early &&
        config.half_open_verdict != HalfOpenVerdict::rate_after_all) {
        problems.add("half_open_verdict", "is no known kind; use early or rate_after_all");
    }
    if (config.initial_state != CircuitState::closed && config.initial_state != CircuitState::open &&
        config.initial_state != CircuitState::metrics_only) {
        problems.add("initial_state", is(to_string(config.initial_state), "closed, open or metrics_only"));
    }
}

void find_operation_problems(const CircuitBreakerConfig& config, ConfigProblems& problems) {
    if (config.operation_mode != OperationMode::track && config.operation_mode != OperationMode::isolate) {
        problems.add("operation_mode", "is no known kind; use track or isolate");
    }
    if (config.operation_mode == OperationMode::isolate &&
        (config.window_calls != 0 || config.consecutive_failures != 0 || config.slow_call_duration != 0ns ||
         config.adaptive_threshold)) {
        problems.add("operation_mode", is("isolate", "failure_threshold over a time window alone with it"));
    }
    if (config.max_operations < 1 || config.max_operations > most_operations) {
        problems.add("max_operations", is(config.max_operations, "1 to 126"));
    }
}

}  // namespace

void find_problems(const CircuitBreakerConfig& config, ConfigProblems& problems) {
    // Written so that NaN, which compares false with everything, is refused.
    if (!(config.failure_threshold > 0 && config.failure_threshold <= 1)) {
        problems.add("failure_threshold", is(config.failure_threshold, "more than 0, up to 1"));
    }
    if (config.timeout < 0ns) problems.add("timeout", is(config.timeout, "0 or more"));
    if (config.min_requests < 1 || config.min_requests > most_requests) {
        problems.add("min_requests", is(config.min_requests, "1 to 2147483647"));
    }
    find_window_problems(config, problems);
    find_probe_problems(config, problems);
    find_judging_problems(config, problems);
    find_adaptive_problems(config, problems);
    find_time_problems(config, problems);
    find_choice_problems(config, problems);
    find_operation_problems(config, problems);
}

}  // namespace resilience::inline v1
