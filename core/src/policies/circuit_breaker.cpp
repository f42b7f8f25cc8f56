#include <algorithm>
#include <chrono>
#include <resilience/base/config_error.hpp>
#include <resilience/base/names.hpp>
#include <resilience/base/quoted_text.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <utility>

#ifndef NDEBUG
#include <cstdio>
#include <cstdlib>
#endif

namespace resilience::inline v1 {
namespace {

constexpr Duration shortest_default_lease = std::chrono::seconds(10);

std::uint32_t verdicts_of(const CircuitBreakerConfig& config) noexcept {
    return config.half_open_calls == 0 ? config.success_threshold : config.half_open_calls;
}

}  // namespace

CircuitBreaker::Checked CircuitBreaker::checked(const std::string* name, const CircuitBreakerConfig& config) {
    std::string subject = "circuit breaker";
    if (name != nullptr) subject += " " + quoted_text(std::string_view(*name).substr(0, 128));
    ConfigProblems problems{std::move(subject)};
    std::string_view interned = "";
    try {
        if (name != nullptr) interned = intern_name(*name);
    } catch (const ConfigError& error) {
        for (const ConfigProblem& problem : error.problems()) problems.add(problem.field, problem.message);
    }
    find_problems(config, problems);
    problems.throw_if_any();
    return {interned, config};
}

CircuitBreaker::CircuitBreaker(std::string name, CircuitBreakerConfig config)
    : CircuitBreaker(checked(&name, config)) {}

CircuitBreaker::CircuitBreaker(const CircuitBreakerConfig& config) : CircuitBreaker(checked(nullptr, config)) {}

CircuitBreaker::CircuitBreaker(const Checked& checked)
    : latency_(checked.config.record_latency ? std::make_unique<LatencyHistogram>() : nullptr),
      name_(checked.name.data()),
      name_length_(static_cast<std::uint8_t>(checked.name.size())),
      windows_{RollingWindow(checked.config.window_size, checked.config.buckets, checked.config.min_requests,
                             counters_.counter(success_in_window), mutex_),
               RollingWindow(checked.config.window_size, checked.config.buckets, checked.config.min_requests,
                             counters_.counter(success_in_other_window), mutex_)},
      config_(checked.config),
      threshold_(threshold_of(checked.config.failure_threshold)),
      probes_(probes_at_once()) {}

CircuitBreaker::Threshold CircuitBreaker::threshold_of(double ratio) noexcept {
    const Fraction fraction = simplest_fraction(ratio);  // of at most 1, so both fit
    return {static_cast<std::uint32_t>(fraction.numerator), static_cast<std::uint32_t>(fraction.denominator)};
}

CircuitBreaker::~CircuitBreaker() {
#ifndef NDEBUG
    CircuitBreakerStats last;
    count_calls(last);
    const std::uint64_t anonymous = anonymous_.open() + left_behind_.open() + probes_.clear();
    if (last.in_flight > anonymous) {
        std::fprintf(stderr, "circuit breaker \"%.*s\" destroyed before %llu of its permits\n",
                     static_cast<int>(name_length_), name_,
                     static_cast<unsigned long long>(last.in_flight - anonymous));
        std::abort();
    }
#endif
}

std::uint32_t CircuitBreaker::probe_verdicts() const noexcept { return verdicts_of(config_); }

std::uint32_t CircuitBreaker::probes_at_once() const noexcept {
    return config_.half_open_max_calls == 0 ? probe_verdicts() : config_.half_open_max_calls;
}

Duration CircuitBreaker::lease() const noexcept {
    return config_.probe_lease == Duration::zero() ? std::max(config_.timeout, shortest_default_lease)
                                                   : config_.probe_lease;
}

Subscription CircuitBreaker::on_event(Listener listener, EventKinds kinds) {
    return events_.subscribe(std::move(listener), kinds);
}

}  // namespace resilience::inline v1
