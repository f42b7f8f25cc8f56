#include <algorithm>
#include <resilience/base/config_error.hpp>
#include <resilience/base/quoted_text.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <string>
#include <utility>
#include <vector>

#include "circuit_operations.hpp"

// Everything that needs memory is made first, without the mutex; what the breaker had is freed after it. Under it the
// change is one: between two locked looks at the breaker it has the old configuration or the new one. A call that asks
// or settles without the mutex meanwhile reads single values, each the old or the new one; it is counted once in any
// case, since both windows stay where they are and only change their shape.

namespace resilience::inline v1 {
namespace detail {
namespace {

std::uint32_t probes_at_once(const CircuitBreakerConfig& config) noexcept {
    const std::uint32_t verdicts = config.half_open_calls == 0 ? config.success_threshold : config.half_open_calls;
    return config.half_open_max_calls == 0 ? verdicts : config.half_open_max_calls;
}

}  // namespace

CircuitReconfiguration::CircuitReconfiguration(const CircuitBreakerConfig& config, std::mutex& mutex)
    : probes(probes_at_once(config), ProbeSlots::RoomForHealth::reserved),
      parts(config, mutex),
      options(CircuitBreakerOptions::needed(config, {})
                  ? std::make_unique<CircuitBreakerOptions>(config, CircuitBreakerHooks{})
                  : nullptr) {
    for (int window = 0; window < 2; ++window) {
        shapes.emplace_back(config.window_size, config.buckets, config.min_requests);
    }
}

void CircuitBreakerOptions::adopt_locked(const CircuitBreakerConfig& given, OptionParts& parts, CircuitWord word,
                                         const RollingWindow& window, TimePoint now) noexcept {
    if (given.record_latency) {
        latency.on(std::move(parts.latency));
    } else {
        latency.off();
    }
    if (parts.calls != nullptr) {
        const RollingWindow* const slow_ones = slow == nullptr ? nullptr : &slow->of_period[word.window()];
        if (calls != nullptr) {
            parts.calls->take_over(*calls);
        } else {
            parts.calls->take_over_locked(window, slow_ones, now);
        }
    }
    std::swap(calls, parts.calls);
    adopt_slow_locked(given, parts, now);

    const bool goes_on =
        running != nullptr && given.judge_in_flight && given.slow_call_duration == config.slow_call_duration;
    if (!goes_on) {
        std::swap(running, parts.running);
        running_number = running_number % 1022 + 1;  // the last slot is that of health probes
    }
    adopt_learned_locked(given, parts);
    if (config.consecutive_failures == 0) run.begin(word.generation());
    consecutive_failures.store(given.consecutive_failures, std::memory_order_relaxed);
    under_mutex.store(calls != nullptr || running != nullptr, std::memory_order_relaxed);
    config = given;
}

// Those that were not counted before begin empty, as what they had is of another time.
void CircuitBreakerOptions::adopt_slow_locked(const CircuitBreakerConfig& given, OptionParts& parts,
                                              TimePoint now) noexcept {
    slow_call_duration.store(given.slow_call_duration.count(), std::memory_order_relaxed);
    slow_call_ratio.set(given.slow_call_ratio);
    if (parts.slow == nullptr) return slow.off();
    if (SlowCallWindows* const made = slow.made()) {
        const bool counted = slow != nullptr;
        for (std::size_t window = 0; window < parts.slow_shapes.size(); ++window) {
            if (!counted) made->forget_locked(window, now);
            made->of_period[window].reshape_locked(parts.slow_shapes[window], now);
            made->durations[window].reshape_locked(parts.duration_shapes[window], now);
        }
    }
    slow.on(std::move(parts.slow));
}

// What is learned is kept as long as it is learned of buckets of the same length.
void CircuitBreakerOptions::adopt_learned_locked(const CircuitBreakerConfig& given, OptionParts& parts) noexcept {
    if (parts.learned == nullptr) return learned.off();
    const bool same_buckets =
        learned != nullptr && given.window_size == config.window_size && given.buckets == config.buckets;
    if (LearnedThreshold* const made = learned.made(); made != nullptr && !same_buckets) {
        std::swap(made->baseline, parts.learned->baseline);
    }
    learned.on(std::move(parts.learned));
    learned->config = *given.adaptive_threshold;
    learned->max_threshold = simplest_fraction(given.adaptive_threshold->max_threshold);
    learned->until_learned = given.failure_threshold;
}

OperationReconfiguration::OperationReconfiguration(const CircuitBreakerConfig& config, std::mutex& mutex) {
    if (config.operation_mode == OperationMode::isolate) {
        // Only windows of slow calls keep the mutex, which isolate goes without: this one need not be the own state's.
        alone = std::make_unique<CircuitReconfiguration>(config_of_operation(config), mutex);
    }
    for (int window = 0; window < 2; ++window) shapes.emplace_back(config.window_size, config.buckets, 1);
}

std::size_t CircuitOperations::count_locked(const CircuitBreaker& breaker) noexcept {
    const CircuitOperations* const operations = of(breaker);
    if (operations == nullptr) return 0;
    return static_cast<std::size_t>(
        std::ranges::count_if(operations->all_, [](const auto& operation) { return operation != nullptr; }));
}

void CircuitOperations::reconfigure_locked(CircuitBreaker& breaker, const CircuitBreakerConfig& config,
                                           std::vector<OperationReconfiguration>& made, TimePoint now) noexcept {
    if (made.empty()) return;
    auto each = made.begin();
    for (const auto& operation : of(breaker)->all_) {
        if (operation != nullptr) operation->reconfigure_locked(config, *each++, now);
    }
}

void CircuitOperations::forget_window_locked(CircuitBreaker& breaker, TimePoint now) noexcept {
    const CircuitOperations* const operations = of(breaker);
    if (operations == nullptr) return;
    for (const auto& operation : operations->all_) {
        if (operation != nullptr) operation->windows[breaker.state_.word().window()].forget_locked(now);
    }
}

// Its windows keep the shape of the breaker's: what one has there is taken out of the other.
void CircuitOperation::reconfigure_locked(const CircuitBreakerConfig& config, OperationReconfiguration& made,
                                          TimePoint now) noexcept {
    const TimePoint as_of = whole.state_.word().counting() ? now : whole.not_closed_since_;
    for (std::size_t window = 0; window < made.shapes.size(); ++window) {
        windows[window].reshape_locked(made.shapes[window], as_of);
    }
    if (alone == nullptr) return;
    const std::scoped_lock lock(alone->mutex_);
    alone->reconfigure_locked(config_of_operation(config), *made.alone, alone->pass_time_locked(now));
    // Closed and still away: for one window of the new length, which may keep what it left in the breaker's for longer.
    // One that has come back stays.
    if (!away(now) || alone->state_.word().state() != CircuitState::closed) return;
    const TimePoint until = saturating_add(alone->since_, alone->windows_[0].window());
    alone->options_->away_until.store(until.time_since_epoch().count(), std::memory_order_relaxed);
}

}  // namespace detail

void CircuitBreaker::reconfigure(const CircuitBreakerConfig& config, TimePoint at) {
    ConfigProblems problems{name_length_ == 0 ? "circuit breaker" : "circuit breaker " + quoted_text(name())};
    find_problems(config, problems);
    problems.throw_if_any();
    detail::CircuitReconfiguration made(config, mutex_);
    std::vector<detail::OperationReconfiguration> operations;
    for (bool done = false; !done;) {
        {
            const std::scoped_lock lock(mutex_);
            const std::size_t count = detail::CircuitOperations::count_locked(*this);
            if (count > 0 && config.operation_mode != options_->config.operation_mode) {
                problems.add("operation_mode", "cannot change once the breaker has been asked for operations");
            } else if (count == operations.size()) {
                const TimePoint now = pass_time_locked(at);
                reconfigure_locked(config, made, now);
                detail::CircuitOperations::reconfigure_locked(*this, config, operations, now);
                done = true;
            }
        }
        problems.throw_if_any();
        // Another thread may ask for operations meanwhile.
        if (!done) operations.emplace_back(config, mutex_);
    }
    after_change();
}

// Options of a breaker that has none so far. They change nothing by themselves.
void CircuitBreaker::publish_options_locked(std::unique_ptr<detail::CircuitBreakerOptions> made) noexcept {
    const CircuitState state = state_.word().state();
    made->config = config_locked();
    made->open_time = config_.timeout;
    made->reopened = state == CircuitState::open || state == CircuitState::half_open ? 1 : 0;
    options_.publish(std::move(made));
}

void CircuitBreaker::reconfigure_locked(const CircuitBreakerConfig& config, detail::CircuitReconfiguration& made,
                                        TimePoint now) noexcept {
    const CircuitWord word = state_.word();
    // As the stats do: what opened the breaker stays to be seen.
    const TimePoint as_of = word.counting() ? now : not_closed_since_;
    RollingWindow& window = windows_[word.window()];
    const bool by_calls = options_ != nullptr && options_->calls != nullptr;
    if (made.options != nullptr && options_ == nullptr) publish_options_locked(std::move(made.options));
    if (options_ != nullptr) options_->adopt_locked(config, made.parts, word, window, as_of);
    // When the last calls came nobody knows.
    if (by_calls && config.window_calls == 0) {
        window.forget_locked(as_of);
        detail::CircuitOperations::forget_window_locked(*this, as_of);
    }

    config_ = basics_of(config);
    window_rest_ = static_cast<std::uint8_t>(config.window_size.count() % config.buckets);
    // Before the windows, which have the next result judged: it finds this threshold.
    threshold_.set(config.failure_threshold);
    for (std::size_t each = 0; each < made.shapes.size(); ++each) {
        windows_[each].reshape_locked(made.shapes[each], as_of);
    }
    // Probes that are out keep their slots, also where fewer are allowed now.
    if (made.probes.size() > probes_.size()) probes_.move_into(made.probes);

    if (options_ == nullptr || !word.counting()) return;
    if (options_->learned != nullptr) begin_learning_locked(word, now);
    state_.publish(word.with_watch(options_->watch()), state_.end_of(word));
}

}  // namespace resilience::inline v1
