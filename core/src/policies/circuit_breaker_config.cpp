#include <chrono>
#include <resilience/base/config_error.hpp>
#include <resilience/base/duration_text.hpp>
#include <resilience/policies/circuit_breaker_config.hpp>
#include <sstream>
#include <string>

namespace resilience::inline v1 {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t most_requests = 2'147'483'647;
constexpr std::uint32_t most_probes = 1000;
constexpr std::uint32_t most_buckets = 240;
constexpr Duration narrowest_bucket = 100us;
constexpr Duration shortest_window = 1ms;
constexpr Duration longest_window = std::chrono::days(7);

template <class Value>
std::string is(const Value& value, std::string_view advice) {
    std::ostringstream text;
    text << "is " << value << "; use " << advice;
    return text.str();
}
std::string is(Duration value, std::string_view advice) {
    // duration_text is for people and rounds; a value just outside a range must show on which side it is.
    const std::string exact = std::to_string(value.count()) + " ns";
    return is(value.count() % 1'000'000 == 0 && value >= 0ns ? duration_text(value) : exact, advice);
}

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
    } else if (successes_in_range && calls < config.success_threshold) {
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
}

}  // namespace resilience::inline v1
