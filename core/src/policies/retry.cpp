#include "checked_name.hpp"
#include "out_of_range.hpp"
#include "retry_extras.hpp"

#include <algorithm>
#include <cmath>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/retry.hpp>
#include <utility>

namespace resilience::inline v1 {
namespace {

constexpr std::uint32_t most_attempts = 1'000'000;
constexpr double highest_multiplier = 1000;
// How far past a requested pause callers are spread.
constexpr double spread_after_request = 0.25;

using detail::is;

void check_delays(const RetryConfig& config, ConfigProblems& problems) {
    if (config.base_delay < Duration::zero()) {
        problems.add("base_delay", is(config.base_delay, "0 or more"));
    }
    if (config.max_delay < Duration::zero()) {
        problems.add("max_delay", is(config.max_delay, "base_delay or more"));
    } else if (config.max_delay < config.base_delay) {
        problems.add("max_delay", "is " + detail::exact_text(config.max_delay) + ", below base_delay (" +
                                      detail::exact_text(config.base_delay) + "); use base_delay or more");
    }
}

std::string_view checked(const std::string* name, const RetryConfig& config) {
    ConfigProblems problems{detail::policy_subject("retry", name)};
    if ((config.max_attempts < 1 || config.max_attempts > most_attempts) &&
        config.max_attempts != RetryConfig::unlimited) {
        problems.add("max_attempts", is(config.max_attempts, "1 (no retry) to 1000000, the first attempt included"));
    }
    check_delays(config, problems);
    if (config.max_duration <= Duration::zero()) {
        problems.add("max_duration", is(config.max_duration, "more than 0"));
    }
    if (!(config.multiplier >= 1 && config.multiplier <= highest_multiplier)) {
        problems.add("multiplier", is(config.multiplier, "1 to 1000"));
    }
    if (config.backoff_kind > BackoffKind::constant) {
        problems.add("backoff_kind", is(static_cast<unsigned>(config.backoff_kind), "exponential, linear or constant"));
    }
    if (config.jitter_kind > JitterKind::decorrelated) {
        problems.add("jitter_kind",
                     is(static_cast<unsigned>(config.jitter_kind), "proportional, full, equal or decorrelated"));
    }
    if (!(config.jitter_ratio >= 0 && config.jitter_ratio <= 1) || std::signbit(config.jitter_ratio)) {
        problems.add("jitter_ratio", is(config.jitter_ratio, "0 to 1"));
    }
    const std::string_view interned = detail::checked_name(name, problems);
    problems.throw_if_any();
    return interned;
}

// `duration * factor` for factors from 0 up, to the nearest nanosecond, held at the longest Duration.
Duration scaled(Duration duration, double factor) noexcept {
    const double product = static_cast<double>(duration.count()) * factor;
    if (!(product < static_cast<double>(Duration::max().count()))) return Duration::max();
    return Duration{static_cast<std::int64_t>(std::llround(product))};
}

// The point that lies the share `unit` of the way from `from` to `to`.
Duration between(Duration from, Duration to, double unit) noexcept {
    return from + std::min(scaled(to - from, unit), to - from);
}

}  // namespace

Duration longest_backoff(const RetryConfig& config, std::uint32_t attempt, Duration previous) noexcept {
    if (config.jitter && config.jitter_kind == JitterKind::decorrelated) {
        return std::min(scaled(std::max(config.base_delay, previous), 3), config.max_delay);
    }
    // Also where a product would be 0 * infinity, or would round a delay that does not grow.
    if (attempt <= 1 || config.backoff_kind == BackoffKind::constant || config.base_delay == Duration::zero()) {
        return std::min(config.base_delay, config.max_delay);
    }
    if (config.backoff_kind == BackoffKind::linear) {
        std::int64_t delay = 0;
        if (__builtin_mul_overflow(config.base_delay.count(), attempt, &delay)) return config.max_delay;
        return std::min(Duration{delay}, config.max_delay);
    }
    if (config.multiplier == 1) return std::min(config.base_delay, config.max_delay);
    return std::min(scaled(config.base_delay, std::pow(config.multiplier, attempt - 1)), config.max_delay);
}

Duration backoff_delay(const RetryConfig& config, std::uint32_t attempt, Duration previous, double unit) noexcept {
    const Duration delay = longest_backoff(config, attempt, previous);
    if (!config.jitter) return delay;
    switch (config.jitter_kind) {
        case JitterKind::proportional: {
            const Duration reach = scaled(delay, config.jitter_ratio);
            const Duration longest = config.max_delay - delay < reach ? config.max_delay : delay + reach;
            return between(delay - reach, longest, unit);
        }
        case JitterKind::full:
            return between(Duration::zero(), delay, unit);
        case JitterKind::equal:
            return between(delay / 2, delay, unit);
        case JitterKind::decorrelated:
            return between(std::min(config.base_delay, delay), delay, unit);
    }
    return delay;
}

namespace {

// A null pointer is no budget.
bool is_budget(const SharedRetryBudget& budget) {
    const auto* tokens = std::get_if<std::shared_ptr<RetryBudget>>(&budget);
    const auto* places = std::get_if<std::shared_ptr<ConcurrentRetryBudget>>(&budget);
    return (tokens != nullptr && *tokens) || (places != nullptr && *places);
}

Next stopped(RetryStop stop) noexcept { return Next{.stop = stop}; }

}  // namespace

Retry::Retry(const std::string* name, const RetryConfig& config, RetryHooks hooks, SharedRetryBudget budget)
    : config_(config), name_(checked(name, config)) {
    if (!hooks.delay && !hooks.before_retry && !is_budget(budget)) return;
    extras_ = std::make_unique<Extras>();
    extras_->hooks = std::move(hooks);
    extras_->budget = std::move(budget);
}

Retry::Retry(RetryConfig config) : Retry(nullptr, config, {}, {}) {}
Retry::Retry(std::string name, RetryConfig config) : Retry(&name, config, {}, {}) {}
Retry::Retry(RetryConfig config, SharedRetryBudget budget) : Retry(nullptr, config, {}, std::move(budget)) {}
Retry::Retry(std::string name, RetryConfig config, SharedRetryBudget budget)
    : Retry(&name, config, {}, std::move(budget)) {}
Retry::Retry(RetryConfig config, RetryHooks hooks, SharedRetryBudget budget)
    : Retry(nullptr, config, std::move(hooks), std::move(budget)) {}
Retry::Retry(std::string name, RetryConfig config, RetryHooks hooks, SharedRetryBudget budget)
    : Retry(&name, config, std::move(hooks), std::move(budget)) {}
Retry::~Retry() = default;

Next Retry::next(const AttemptEnd& end, Random& random) const noexcept {
    if (end.refused) return after_refusal(end, random);
    switch (end.result) {
        case CallResult::cancelled:
            return stopped(RetryStop::cancelled);
        case CallResult::success:
        case CallResult::application_error:
        case CallResult::ignored:
            return stopped(end.attempt <= 1 ? RetryStop::not_needed : RetryStop::succeeded);
        case CallResult::failure:
        case CallResult::timed_out:
        case CallResult::overloaded:
            break;
    }
    if (!end.retryable) return stopped(RetryStop::not_retryable);
    if (end.result == CallResult::overloaded && !end.retry_after) return stopped(RetryStop::not_retryable);
    if (end.attempt >= config_.max_attempts) return stopped(RetryStop::exhausted);
    const std::optional<Duration> asked = asked_delay(end);
    if (asked && *asked < Duration::zero()) return stopped(RetryStop::not_retryable);
    if (end.retry_after > config_.max_delay) return stopped(RetryStop::max_delay);
    return pause(end, asked, random);
}

Next Retry::after_refusal(const AttemptEnd& end, Random& random) const noexcept {
    switch (end.reason) {
        case RejectionReason::cancelled:
            return stopped(RetryStop::cancelled);
        case RejectionReason::deadline_exceeded:
            return stopped(RetryStop::deadline);
        case RejectionReason::retry_budget_exhausted:
            return stopped(RetryStop::budget);
        case RejectionReason::exceeds_capacity:
        case RejectionReason::shutting_down:
            return stopped(RetryStop::not_retryable);
        default:
            break;
    }
    if (!end.retryable) return stopped(RetryStop::not_retryable);
    if (end.attempt >= config_.max_attempts) return stopped(RetryStop::exhausted);
    const bool circuit = end.reason == RejectionReason::circuit_open || end.reason == RejectionReason::half_open_full ||
                         end.reason == RejectionReason::forced_open;
    if (circuit && !end.retry_after) return stopped(RetryStop::circuit_open);
    const std::optional<Duration> asked = asked_delay(end);
    if (asked && *asked < Duration::zero()) return stopped(RetryStop::not_retryable);
    const Duration longest = asked ? *asked : longest_backoff(config_, end.attempt, end.previous_delay);
    if (end.retry_after > longest && !(circuit && config_.wait_for_circuit)) return stopped(RetryStop::circuit_open);
    return pause(end, asked, random);
}

Next Retry::pause(const AttemptEnd& end, std::optional<Duration> asked, Random& random) const noexcept {
    const double unit = config_.jitter ? random.unit() : 0;
    Duration delay = asked ? *asked : backoff_delay(config_, end.attempt, end.previous_delay, unit);
    const Duration before_deadline = end.deadline == never ? Duration::max() : time_between(end.at, end.deadline);
    const Duration of_duration = config_.max_duration == Duration::max()
                                     ? Duration::max()
                                     : time_between(end.at, saturating_add(end.call_began, config_.max_duration));
    const Duration left = std::min(before_deadline, of_duration);
    if (end.retry_after && *end.retry_after > delay) {
        const Duration requested = *end.retry_after;
        delay = requested;
        if (config_.jitter) {
            // Only a circuit that is waited for may ask for more than max_delay. `left` itself would be too late.
            const Duration most = requested > config_.max_delay ? Duration::max() : config_.max_delay;
            const Duration longest = std::min({scaled(requested, 1 + spread_after_request), most, left - Duration{1}});
            if (longest > requested) delay = between(requested, longest, random.unit());
        }
    }
    if (delay >= left) return stopped(of_duration < before_deadline ? RetryStop::max_duration : RetryStop::deadline);
    return Next{.resume = saturating_add(end.at, delay), .delay = delay};
}

}  // namespace resilience::inline v1
