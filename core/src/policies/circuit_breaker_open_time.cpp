#include <algorithm>
#include <cmath>
#include <resilience/base/cancellation_hold.hpp>
#include <resilience/base/random.hpp>
#include <resilience/policies/circuit_breaker.hpp>

namespace resilience::inline v1 {
namespace {

// Never more than `most`, whatever the factor.
Duration times(Duration time, double factor, Duration most) noexcept {
    if (time == Duration::zero()) return time;
    const double product = static_cast<double>(time.count()) * factor;
    if (!(product < static_cast<double>(most.count()))) return most;
    return Duration{static_cast<std::int64_t>(product)};
}

Duration usual_open_time(const CircuitBreakerConfig& config, std::uint32_t reopened) noexcept {
    if (config.timeout_multiplier == 1) return config.timeout;
    return times(config.timeout, std::pow(config.timeout_multiplier, reopened), config.max_timeout);
}

Duration drawn_open_time(const CircuitBreakerConfig& config, std::uint32_t reopened) noexcept {
    const Duration usual = usual_open_time(config, reopened);
    if (config.timeout_jitter == 0) return usual;
    return times(usual, 1 + config.timeout_jitter * (2 * thread_random().unit() - 1), config.max_timeout);
}

}  // namespace

// Until when an open period lasts that begins at `from`. A function of the user's is asked outside the mutex; until it
// has answered the period is as long as without it, so that no moment finds a breaker that never ends.
TimePoint CircuitBreaker::open_until_locked(TimePoint from, TransitionCause cause) noexcept {
    if (options_ == nullptr) return saturating_add(from, config_.timeout);
    detail::CircuitBreakerOptions& options = *options_;
    options.opened_by = cause;
    // A lever over an open period goes on with that one.
    const bool open_already = state_.word().state() == CircuitState::open && options.reopened > 0;
    options.open_time = drawn_open_time(options.config, options.reopened - (open_already ? 1 : 0));
    options.open_from = from;
    options.open_until = saturating_add(from, options.open_time);
    if (options.hooks.open_time) options.open_time_question.raise();
    return options.open_until;
}

// How long the next open period will be, but for chance and functions.
Duration CircuitBreaker::next_open_time() const noexcept {
    return options_ == nullptr ? config_.timeout : usual_open_time(options_->config, options_->reopened);
}

Duration CircuitBreaker::present_open_time() const noexcept {
    return options_ == nullptr ? config_.timeout : options_->open_time;
}

TimePoint CircuitBreaker::half_open_until(TimePoint from) const noexcept {
    if (options_ == nullptr || options_->config.half_open_limit == Duration::zero()) return never;
    return saturating_add(from, options_->config.half_open_limit);
}

// Bounded: a function that itself opens the breaker raises the next question, which waits for the next caller then.
// Refused calls do not ask.
void CircuitBreaker::ask_open_time() noexcept {
    constexpr int most = 8;
    options_->open_time_question.ask(most, [this] {
        Opening opening;
        std::uint64_t generation = 0;
        {
            const std::scoped_lock lock(mutex_);
            generation = state_.word().generation();
            opening = {.reopened = std::max(options_->reopened, 1U) - 1, .cause = options_->opened_by};
        }
        Duration time{};
        const detail::CancellationHold no_cancellation;
        try {
            time = options_->hooks.open_time(opening);
        } catch (...) {
            options_->hook_exceptions.fetch_add(1, std::memory_order_relaxed);
            return;
        }
        const std::scoped_lock lock(mutex_);
        const CircuitWord word = state_.word();
        if (word.generation() != generation || word.state() != CircuitState::open || word.held()) return;
        options_->open_time = std::clamp(time, Duration::zero(), options_->config.max_timeout);
        const TimePoint until = saturating_add(options_->open_from, options_->open_time);
        // Where the end has been moved meanwhile, by a lever or at the callee's wish, the later one holds.
        if (state_.end_of(word) == options_->open_until || until > state_.end_of(word)) end_open_at_locked(until);
    });
}

void CircuitBreaker::end_open_at_locked(TimePoint until) noexcept {
    const auto ending = until == never ? detail::StateEnd::none : detail::StateEnd::open_time;
    state_.publish(state_.word().with_ending(ending), until);
}

// What the callee's verdict asks for, after that verdict has been counted: it may itself have opened the breaker, for a
// shorter time, or have closed it as the last probe that was missing.
void CircuitBreaker::open_as_asked_locked(Passage passage, Duration open_for, TimePoint now) noexcept {
    const CircuitWord word = state_.word();
    const Duration asked = options_ == nullptr ? open_for : std::min(open_for, options_->config.max_timeout);
    const TimePoint until = saturating_add(now, asked);
    const bool same = passage.word.same_period(word);
    const bool by_itself = !word.held() && word.generation() == passage.word.generation() + 1;
    if (by_itself && word.state() == CircuitState::open) {
        if (state_.end_of(word) < until) end_open_at_locked(until);
        return;
    }
    const bool closed_by_itself = by_itself && passage.word.state() == CircuitState::half_open;
    const bool may_open = word.state() == CircuitState::closed || word.state() == CircuitState::half_open;
    if (!may_open || !(same || closed_by_itself)) return;
    change_locked({.to = CircuitState::open, .cause = TransitionCause::asked, .due = now, .until = until}, now);
}

}  // namespace resilience::inline v1
