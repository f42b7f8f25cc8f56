#include <algorithm>
#include <chrono>
#include <resilience/base/config_error.hpp>
#include <resilience/base/names.hpp>
#include <resilience/base/quoted_text.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/manual_control.hpp>
#include <utility>

#ifndef NDEBUG
#include <cstdio>
#include <cstdlib>
#endif

namespace resilience::inline v1 {
namespace {

constexpr Duration shortest_default_lease = std::chrono::seconds(10);

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

CircuitBreaker::CircuitBreaker(std::string name, CircuitBreakerConfig config, CircuitBreakerHooks hooks)
    : CircuitBreaker(checked(&name, config), std::move(hooks)) {}

CircuitBreaker::CircuitBreaker(const CircuitBreakerConfig& config) : CircuitBreaker(checked(nullptr, config), {}) {}

CircuitBreaker::CircuitBreaker(const Checked& checked, CircuitBreakerHooks hooks)
    : options_(detail::CircuitBreakerOptions::needed(checked.config, hooks)
                   ? std::make_unique<detail::CircuitBreakerOptions>(checked.config, std::move(hooks))
                   : nullptr),
      name_(checked.name.data()),
      name_length_(static_cast<std::uint8_t>(checked.name.size())),
      window_rest_(static_cast<std::uint8_t>(checked.config.window_size.count() % checked.config.buckets)),
      windows_{RollingWindow(checked.config.window_size, checked.config.buckets, checked.config.min_requests,
                             counters_.counter(success_in_window), mutex_),
               RollingWindow(checked.config.window_size, checked.config.buckets, checked.config.min_requests,
                             counters_.counter(success_in_other_window), mutex_)},
      config_(basics_of(checked.config)),
      threshold_(checked.config.failure_threshold),
      probes_(probes_at_once()) {
    if (options_ == nullptr) return;
    detail::OptionParts parts(checked.config, mutex_);
    // A manual control may pull its lever as soon as it knows the breaker.
    const std::scoped_lock lock(mutex_);
    options_->adopt_locked(checked.config, parts, state_.word(), windows_[0], TimePoint::min());
    CircuitState initial = options_->config.initial_state;
    if (initial == CircuitState::metrics_only) before_ = initial;
    if (options_->hooks.manual_control != nullptr && options_->hooks.manual_control->add(*this)) {
        initial = CircuitState::forced_open;
    }
    // An open period whose end is before all time: it begins with the first moment that is given.
    const bool open = initial == CircuitState::open;
    const CircuitWord word(initial, 1, 0, open ? detail::StateEnd::open_time : detail::StateEnd::none);
    state_.publish(word.counting() ? word.with_watch(options_->watch()) : word, open ? TimePoint::min() : never);
}

CircuitBreaker::Basics CircuitBreaker::basics_of(const CircuitBreakerConfig& config) noexcept {
    return {.failure_threshold = config.failure_threshold,
            .timeout = config.timeout,
            .probe_lease = config.probe_lease,
            .success_threshold = static_cast<std::uint16_t>(config.success_threshold),
            .half_open_calls = static_cast<std::uint16_t>(config.half_open_calls),
            .half_open_max_calls = static_cast<std::uint16_t>(config.half_open_max_calls)};
}

CircuitBreaker::~CircuitBreaker() {
    if (options_ != nullptr && options_->hooks.manual_control != nullptr) {
        options_->hooks.manual_control->remove(*this);
    }
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

CircuitBreakerConfig CircuitBreaker::config() const noexcept {
    const std::scoped_lock lock(mutex_);
    return config_locked();
}

CircuitBreakerConfig CircuitBreaker::config_locked() const noexcept {
    if (options_ != nullptr) return options_->config;
    return {.failure_threshold = config_.failure_threshold,
            .success_threshold = config_.success_threshold,
            .timeout = config_.timeout,
            .min_requests = min_requests(),
            .window_size = windows_[0].window() + Duration{window_rest_},
            .buckets = windows_[0].buckets(),
            .half_open_calls = config_.half_open_calls,
            .half_open_max_calls = config_.half_open_max_calls,
            .probe_lease = config_.probe_lease};
}

std::uint32_t CircuitBreaker::probe_verdicts() const noexcept {
    return config_.half_open_calls == 0 ? config_.success_threshold : config_.half_open_calls;
}

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
