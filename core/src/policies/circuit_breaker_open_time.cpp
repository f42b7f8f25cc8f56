#include <algorithm>
#include <cmath>
#include <resilience/base/random.hpp>
#include <resilience/policies/circuit_breaker.hpp>

namespace resilience::inline v1 {
namespace {

// Never more than `most`, whatever the factor.
Duration times(Duration time, double factor, Duration most) noexcept {
    const double product = static_cast<double>(time.count()) * factor;
    if (!(product < static_cast<double>(most.count()))) return most;
    return Duration{static_cast<std::int64_t>(product)};
}

Duration open_time_of(const CircuitBreakerConfig& config, std::uint32_t reopened) noexcept {
    Duration time = std::min(config.timeout, config.max_timeout);
    if (config.timeout_multiplier > 1) {
        time = times(config.timeout, std::pow(config.timeout_multiplier, reopened), config.max_timeout);
    }
    if (config.timeout_jitter > 0) {
        const double factor = 1 + config.timeout_jitter * (2 * thread_random().unit() - 1);
        time = times(time, factor, config.max_timeout);
    }
    return time;
}

}  // namespace

// Until when an open period lasts that begins at `from`. A function of the user's is asked outside the mutex; until it
// has answered the period is as long as without it, so that no moment finds a breaker that never ends.
TimePoint CircuitBreaker::open_until_locked(TimePoint from, TransitionCause cause) noexcept {
    if (options_ == nullptr) return saturating_add(from, config_.timeout);
    detail::CircuitBreakerOptions& options = *options_;
    options.opened_by = cause;
    options.open_time = open_time_of(options.config, options.reopened);
    // Release: with the mutex held the asker finds what it is asked about.
    if (options.hooks.open_time) options.open_time_asked.store(true, std::memory_order_release);
    return saturating_add(from, options.open_time);
}

Duration CircuitBreaker::present_open_time() const noexcept {
    return options_ == nullptr ? config_.timeout : options_->open_time;
}

TimePoint CircuitBreaker::half_open_until(TimePoint from) const noexcept {
    if (options_ == nullptr || options_->config.half_open_limit == Duration::zero()) return never;
    return saturating_add(from, options_->config.half_open_limit);
}

void CircuitBreaker::ask_open_time() noexcept {
    while (options_->open_time_asked.exchange(false, std::memory_order_acq_rel)) {
        Opening opening;
        std::uint64_t generation = 0;
        {
            const std::scoped_lock lock(mutex_);
            generation = state_.word().generation();
            opening = {.reopened = std::max(options_->reopened, 1U) - 1, .cause = options_->opened_by};
        }
        Duration time{};
        try {
            time = options_->hooks.open_time(opening);
        } catch (...) {
            options_->hook_exceptions.fetch_add(1, std::memory_order_relaxed);
            continue;
        }
        const std::scoped_lock lock(mutex_);
        const CircuitWord word = state_.word();
        if (word.generation() != generation || word.state() != CircuitState::open || word.held()) continue;
        options_->open_time = std::clamp(time, Duration::zero(), options_->config.max_timeout);
        const TimePoint until = saturating_add(since_, options_->open_time);
        state_.publish(word.with_ending(until == never ? detail::StateEnd::none : detail::StateEnd::open_time), until);
    }
}

// What the callee's verdict asks for. The verdict may itself have opened the breaker, for a shorter time.
void CircuitBreaker::open_as_asked(Passage passage, Duration open_for, TimePoint at) noexcept {
    {
        const std::scoped_lock lock(mutex_);
        const TimePoint now = pass_time_locked(at);
        const CircuitWord word = state_.word();
        const TimePoint until = saturating_add(now, open_for);
        const bool opened_by_it =
            word.state() == CircuitState::open && !word.held() && word.generation() == passage.word.generation() + 1;
        if (open_for <= Duration::zero()) return;
        if (opened_by_it && state_.end_of(word) < until) {
            state_.publish(word.with_ending(until == never ? detail::StateEnd::none : detail::StateEnd::open_time),
                           until);
        } else if (passage.word.same_period(word) &&
                   (word.state() == CircuitState::closed || word.state() == CircuitState::half_open)) {
            change_locked({.to = CircuitState::open, .cause = TransitionCause::asked, .due = now, .until = until}, now);
        }
    }
    after_change();
}

}  // namespace resilience::inline v1
