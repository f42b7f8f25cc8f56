#include "differences.hpp"

#include <array>
#include <charconv>
#include <resilience/base/duration_text.hpp>
#include <string>

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
std::string text_of(JitterKind value) { return std::string(to_string(value)); }
// Rounded text could show two different durations as the same.
std::string text_of(Duration value) { return duration_text(value) + " (" + std::to_string(value.count()) + " ns)"; }

template <class Value>
void compare(ConfigProblems& problems, std::string_view field, const Value& registered, const Value& given) {
    if (given == registered) return;
    problems.add(field, "is " + text_of(given) + "; the name is registered with " + text_of(registered));
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
}

void add_differences(ConfigProblems& problems, const RateLimiterConfig& registered, const RateLimiterConfig& given) {
    compare(problems, "capacity", registered.capacity, given.capacity);
    compare(problems, "refill_rate", registered.refill_rate, given.refill_rate);
    compare(problems, "max_wait", registered.max_wait, given.max_wait);
    compare(problems, "max_waiters", registered.max_waiters, given.max_waiters);
}

void add_differences(ConfigProblems& problems, const BulkheadConfig& registered, const BulkheadConfig& given) {
    compare(problems, "max_concurrent", registered.max_concurrent, given.max_concurrent);
    compare(problems, "queue_size", registered.queue_size, given.queue_size);
    compare(problems, "max_wait", registered.max_wait, given.max_wait);
}

void add_differences(ConfigProblems& problems, const RetryConfig& registered, const RetryConfig& given) {
    compare(problems, "max_attempts", registered.max_attempts, given.max_attempts);
    compare(problems, "base_delay", registered.base_delay, given.base_delay);
    compare(problems, "max_delay", registered.max_delay, given.max_delay);
    compare(problems, "multiplier", registered.multiplier, given.multiplier);
    compare(problems, "jitter", registered.jitter, given.jitter);
    compare(problems, "jitter_kind", registered.jitter_kind, given.jitter_kind);
    compare(problems, "jitter_ratio", registered.jitter_ratio, given.jitter_ratio);
}

}  // namespace resilience::inline v1::detail
