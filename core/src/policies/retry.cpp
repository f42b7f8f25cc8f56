#include "checked_name.hpp"

#include <algorithm>
#include <cmath>
#include <resilience/base/config_error.hpp>
#include <resilience/base/duration_text.hpp>
#include <resilience/policies/retry.hpp>
#include <sstream>

namespace resilience::inline v1 {
namespace {

constexpr std::uint32_t most_attempts = 1'000'000;
constexpr double highest_multiplier = 1000;
// How far past a requested pause callers are spread.
constexpr double spread_after_request = 0.25;

std::string number_text(double number) {
    std::ostringstream text;
    text << number;
    return text.str();
}

void check_delays(const RetryConfig& config, ConfigProblems& problems) {
    if (config.base_delay < Duration::zero()) {
        problems.add("base_delay", "is " + duration_text(config.base_delay) + "; use 0 or more");
    }
    if (config.max_delay < Duration::zero()) {
        problems.add("max_delay", "is " + duration_text(config.max_delay) + "; use base_delay or more");
    } else if (config.max_delay < config.base_delay) {
        problems.add("max_delay", "is " + duration_text(config.max_delay) + ", below base_delay (" +
                                      duration_text(config.base_delay) + "); use base_delay or more");
    }
}

std::string_view checked(const std::string* name, const RetryConfig& config) {
    ConfigProblems problems{detail::policy_subject("retry", name)};
    if (config.max_attempts < 1 || config.max_attempts > most_attempts) {
        problems.add("max_attempts", "is " + std::to_string(config.max_attempts) +
                                         "; use 1 (no retry) to 1000000, the first attempt included");
    }
    check_delays(config, problems);
    if (!(config.multiplier >= 1 && config.multiplier <= highest_multiplier)) {
        problems.add("multiplier", "is " + number_text(config.multiplier) + "; use 1 to 1000");
    }
    if (config.jitter_kind > JitterKind::decorrelated) {
        problems.add("jitter_kind", "is " + std::to_string(static_cast<unsigned>(config.jitter_kind)) +
                                        "; use proportional, full, equal or decorrelated");
    }
    if (!(config.jitter_ratio >= 0 && config.jitter_ratio <= 1) || std::signbit(config.jitter_ratio)) {
        problems.add("jitter_ratio", "is " + number_text(config.jitter_ratio) + "; use 0 to 1");
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
    if (attempt <= 1 || config.multiplier == 1 || config.base_delay == Duration::zero()) {
        return std::min(config.base_delay, config.max_delay);
    }
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

Retry::Retry(RetryConfig config) : config_(config), name_(checked(nullptr, config)) {}

Retry::Retry(std::string name, RetryConfig config) : config_(config), name_(checked(&name, config)) {}

namespace {

Next stopped(RetryStop stop) noexcept { return Next{.stop = stop}; }

}  // namespace

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
    if (end.retry_after > config_.max_delay) return stopped(RetryStop::max_delay);
    return pause(end, random);
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
    if (end.retry_after > longest_backoff(config_, end.attempt, end.previous_delay)) {
        return stopped(RetryStop::circuit_open);
    }
    return pause(end, random);
}

Next Retry::pause(const AttemptEnd& end, Random& random) const noexcept {
    const double unit = config_.jitter ? random.unit() : 0;
    Duration delay = backoff_delay(config_, end.attempt, end.previous_delay, unit);
    const Duration left = end.deadline == never ? Duration::max() : time_between(end.at, end.deadline);
    if (end.retry_after && *end.retry_after > delay) {
        const Duration requested = *end.retry_after;
        delay = requested;
        if (config_.jitter) {
            // `left` itself would be too late.
            const Duration longest =
                std::min({scaled(requested, 1 + spread_after_request), config_.max_delay, left - Duration{1}});
            if (longest > requested) delay = between(requested, longest, random.unit());
        }
    }
    if (delay >= left) return stopped(RetryStop::deadline);
    return Next{.resume = saturating_add(end.at, delay), .delay = delay};
}

void Retry::count_end(bool success, RetryStop stop, std::uint32_t attempts) noexcept {
    if (attempts > 1) counters_.add(retries, attempts - 1);
    if (success || stop == RetryStop::not_needed || stop == RetryStop::succeeded) {
        counters_.add(attempts > 1 ? success_retried : success_first);
    } else if (stop == RetryStop::exhausted) {
        counters_.add(exhausted);
    } else if (stop == RetryStop::not_retryable) {
        counters_.add(not_retryable);
    } else {
        counters_.add(gave_up);
    }
}

void Retry::publish_retry(const AttemptEnd& end, const Next& next) noexcept {
    events_.publish(Event{.kind = EventKind::retry,
                          .policy = PolicyKind::retry,
                          .name = name_,
                          .at = end.at,
                          .retry_after = next.delay,
                          .reason = end.reason,
                          .result = end.result,
                          .attempt = end.attempt});
}

RetryStats Retry::stats() const {
    // Ends first, with acquire: every end that is seen has its beginning seen too, so the difference is never negative.
    const std::uint64_t ended = counters_.read_acquire(sleeps_ended);
    RetryStats stats{.success_first = counters_.read(success_first),
                     .success_retried = counters_.read(success_retried),
                     .exhausted = counters_.read(exhausted),
                     .not_retryable = counters_.read(not_retryable),
                     .gave_up = counters_.read(gave_up),
                     .retries = counters_.read(retries),
                     .sleeping = counters_.read(sleeps_begun) - ended,
                     .listener_exceptions = events_.listener_exceptions(),
                     .events_dropped = events_.dropped()};
    stats.calls = stats.success_first + stats.success_retried + stats.exhausted + stats.not_retryable + stats.gave_up;
    stats.attempts = stats.calls + stats.retries;
    return stats;
}

Subscription Retry::on_event(Listener listener, EventKinds kinds) {
    return events_.subscribe(std::move(listener), kinds);
}

}  // namespace resilience::inline v1
