#include "differences.hpp"

#include <array>
#include <charconv>
#include <optional>
#include <resilience/base/duration_text.hpp>
#include <resilience/base/quoted_text.hpp>
#include <string>
#include <vector>

namespace resilience::inline v1::detail {
namespace {

std::string text_of(double value) {
    std::array<char, 32> text{};
    const auto written = std::to_chars(text.data(), text.data() + text.size(), value);
    return std::string(text.data(), written.ptr);
}
std::string text_of(std::uint32_t value) { return std::to_string(value); }
std::string text_of(std::uint64_t value) { return std::to_string(value); }
std::string text_of(bool value) { return value ? "true" : "false"; }
std::string text_of(BackoffKind value) { return std::string(to_string(value)); }
std::string text_of(CircuitState value) { return std::string(to_string(value)); }
std::string text_of(HalfOpenVerdict value) { return value == HalfOpenVerdict::early ? "early" : "rate_after_all"; }
std::string text_of(OperationMode value) { return value == OperationMode::track ? "track" : "isolate"; }
std::string text_of(const std::optional<AdaptiveThreshold>& value) {
    if (!value) return "off";
    return "min_rise " + text_of(value->min_rise) + ", confidence " + text_of(value->confidence) + ", max_threshold " +
           text_of(value->max_threshold);
}
std::string text_of(JitterKind value) { return std::string(to_string(value)); }
// Rounded text could show two different durations as the same.
std::string text_of(Duration value) { return duration_text(value) + " (" + std::to_string(value.count()) + " ns)"; }

std::string text_of(WhenFull value) { return value == WhenFull::refuse_new ? "refuse_new" : "evict_idle"; }
std::string text_of(const std::vector<KeyTierConfig>& tiers) {
    std::string text;
    for (const KeyTierConfig& tier : tiers) {
        if (!text.empty()) text += ", ";
        text += quoted_text(tier.name) + " of " + text_of(tier.capacity) + " at " + text_of(tier.refill_rate) + "/s";
    }
    return text;
}
// Its numbers are nobody's business.
std::string text_of(const std::optional<KeySeed>& seed) { return seed ? "one that is given" : "random"; }

template <class Value>
void compare(ConfigProblems& problems, std::string_view field, const Value& registered, const Value& given) {
    if (given == registered) return;
    problems.add(field, "is " + text_of(given) + "; the name is registered with " + text_of(registered));
}

void compare_options(ConfigProblems& problems, const CircuitBreakerConfig& registered,
                     const CircuitBreakerConfig& given) {
    compare(problems, "window_calls", registered.window_calls, given.window_calls);
    compare(problems, "consecutive_failures", registered.consecutive_failures, given.consecutive_failures);
    compare(problems, "slow_call_duration", registered.slow_call_duration, given.slow_call_duration);
    compare(problems, "slow_call_ratio", registered.slow_call_ratio, given.slow_call_ratio);
    compare(problems, "judge_in_flight", registered.judge_in_flight, given.judge_in_flight);
    compare(problems, "half_open_verdict", registered.half_open_verdict, given.half_open_verdict);
    compare(problems, "half_open_limit", registered.half_open_limit, given.half_open_limit);
    compare(problems, "half_open_limit_closes", registered.half_open_limit_closes, given.half_open_limit_closes);
    compare(problems, "timeout_multiplier", registered.timeout_multiplier, given.timeout_multiplier);
    compare(problems, "max_timeout", registered.max_timeout, given.max_timeout);
    compare(problems, "timeout_jitter", registered.timeout_jitter, given.timeout_jitter);
    compare(problems, "recovery_ramp", registered.recovery_ramp, given.recovery_ramp);
    compare(problems, "ramp_from", registered.ramp_from, given.ramp_from);
    compare(problems, "adaptive_threshold", registered.adaptive_threshold, given.adaptive_threshold);
    compare(problems, "initial_state", registered.initial_state, given.initial_state);
    compare(problems, "operation_mode", registered.operation_mode, given.operation_mode);
    compare(problems, "max_operations", registered.max_operations, given.max_operations);
}

}  // namespace

void add_differences(ConfigProblems& problems, const CircuitBreakerConfig& registered,
                     const CircuitBreakerConfig& given) {
    compare(problems, "failure_threshold", registered.failure_threshold, given.failure_threshold);
    compare(problems, "success_threshold", registered.success_threshold, given.success_threshold);
    compare(problems, "timeout", registered.timeout, given.timeout);
    compare(problems, "min_requests", registered.min_requests, given.min_requests);
    compare(problems, "window_size", registered.window_size, given.window_size);
    compare(problems, "buckets", registered.buckets, given.buckets);
    compare(problems, "half_open_calls", registered.half_open_calls, given.half_open_calls);
    compare(problems, "half_open_max_calls", registered.half_open_max_calls, given.half_open_max_calls);
    compare(problems, "record_latency", registered.record_latency, given.record_latency);
    compare(problems, "probe_lease", registered.probe_lease, given.probe_lease);
    compare_options(problems, registered, given);
}

void add_differences(ConfigProblems& problems, const RateLimiterConfig& registered, const RateLimiterConfig& given) {
    compare(problems, "capacity", registered.capacity, given.capacity);
    compare(problems, "refill_rate", registered.refill_rate, given.refill_rate);
    compare(problems, "max_wait", registered.max_wait, given.max_wait);
    compare(problems, "max_waiters", registered.max_waiters, given.max_waiters);
}

void add_differences(ConfigProblems& problems, const KeyedRateLimiterConfig& registered,
                     const KeyedRateLimiterConfig& given) {
    compare(problems, "tiers", registered.tiers, given.tiers);
    compare(problems, "max_keys", registered.max_keys, given.max_keys);
    compare(problems, "when_full", registered.when_full, given.when_full);
    compare(problems, "idle", registered.idle, given.idle);
    compare(problems, "shards", registered.shards, given.shards);
    compare(problems, "seed", registered.seed, given.seed);
}

void add_differences(ConfigProblems& problems, const BulkheadConfig& registered, const BulkheadConfig& given) {
    compare(problems, "max_concurrent", registered.max_concurrent, given.max_concurrent);
    compare(problems, "queue_size", registered.queue_size, given.queue_size);
    compare(problems, "max_wait", registered.max_wait, given.max_wait);
    compare(problems, "record_wait", registered.record_wait, given.record_wait);
}

void add_differences(ConfigProblems& problems, const RetryConfig& registered, const RetryConfig& given) {
    compare(problems, "max_attempts", registered.max_attempts, given.max_attempts);
    compare(problems, "base_delay", registered.base_delay, given.base_delay);
    compare(problems, "max_delay", registered.max_delay, given.max_delay);
    compare(problems, "max_duration", registered.max_duration, given.max_duration);
    compare(problems, "multiplier", registered.multiplier, given.multiplier);
    compare(problems, "backoff_kind", registered.backoff_kind, given.backoff_kind);
    compare(problems, "wait_for_circuit", registered.wait_for_circuit, given.wait_for_circuit);
    compare(problems, "jitter", registered.jitter, given.jitter);
    compare(problems, "jitter_kind", registered.jitter_kind, given.jitter_kind);
    compare(problems, "jitter_ratio", registered.jitter_ratio, given.jitter_ratio);
}

}  // namespace resilience::inline v1::detail
