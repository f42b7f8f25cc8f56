#include "retry_extras.hpp"

#include <algorithm>
#include <utility>

namespace resilience::inline v1 {

bool Retry::has_delay_function() const noexcept { return extras_ && extras_->hooks.delay; }

std::optional<Duration> Retry::asked_delay(const AttemptEnd& end) const noexcept {
    if (!has_delay_function()) return std::nullopt;
    std::optional<Duration> answer;
    extras_->run([&] { answer = std::min(extras_->hooks.delay(end), config_.max_delay); });
    return answer;
}

void Retry::call_before_retry(const AttemptEnd& end, const Next& next) noexcept {
    if (extras_ && extras_->hooks.before_retry) {
        extras_->run([&] { extras_->hooks.before_retry(end, next); });
    }
}

void Retry::begin_call() noexcept {
    if (!extras_) return;
    if (ConcurrentRetryBudget* places = extras_->places()) places->begin_call();
}

void Retry::end_call(bool success, TimePoint at) noexcept {
    if (!extras_) return;
    if (RetryBudget* tokens = extras_->tokens(); tokens != nullptr && success) tokens->deposit(at);
    if (ConcurrentRetryBudget* places = extras_->places()) places->end_call();
}

bool Retry::begin_retry(TimePoint at) noexcept {
    if (!extras_) return true;
    RetryBudget* const tokens = extras_->tokens();
    ConcurrentRetryBudget* const places = extras_->places();
    const bool granted = tokens != nullptr ? tokens->withdraw(at) : places == nullptr || places->begin_retry();
    if (!granted) extras_->budget_rejections.fetch_add(1, std::memory_order_relaxed);
    if (!granted && events_.wants(EventKind::refused)) {
        events_.publish(Event{.kind = EventKind::refused,
                              .policy = PolicyKind::retry,
                              .name = name_,
                              .at = at,
                              .reason = RejectionReason::retry_budget_exhausted});
    }
    return granted;
}

void Retry::end_retry(bool began, TimePoint at) noexcept {
    if (!extras_) return;
    if (RetryBudget* tokens = extras_->tokens(); tokens != nullptr && !began) tokens->give_back(at);
    if (ConcurrentRetryBudget* places = extras_->places()) places->end_retry();
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

std::optional<RetryStats::Budget> Retry::Extras::left(TimePoint now) const noexcept {
    if (const RetryBudget* const bucket = tokens()) {
        const RetryBudgetStats stats = bucket->stats(now);
        return RetryStats::Budget{.balance = stats.balance, .capacity = static_cast<double>(stats.capacity)};
    }
    if (const ConcurrentRetryBudget* const share = places()) {
        const ConcurrentRetryBudgetStats stats = share->stats();
        const std::uint32_t free = stats.allowed - std::min(stats.retries, stats.allowed);  // fewer once calls end
        return RetryStats::Budget{.balance = static_cast<double>(free), .capacity = static_cast<double>(stats.allowed)};
    }
    return std::nullopt;
}

RetryStats Retry::stats(TimePoint now) const {
    // Ends first, with acquire: every end that is seen has its beginning seen too, so the difference is never negative.
    const std::uint64_t ended = counters_.read_acquire(sleeps_ended);
    RetryStats stats{.success_first = counters_.read(success_first),
                     .success_retried = counters_.read(success_retried),
                     .exhausted = counters_.read(exhausted),
                     .not_retryable = counters_.read(not_retryable),
                     .gave_up = counters_.read(gave_up),
                     .retries = counters_.read(retries),
                     .sleeping = counters_.read(sleeps_begun) - ended,
                     .hook_exceptions = extras_ ? extras_->hook_exceptions.load(std::memory_order_relaxed) : 0,
                     .budget_rejections = extras_ ? extras_->budget_rejections.load(std::memory_order_relaxed) : 0,
                     .listener_exceptions = events_.listener_exceptions(),
                     .events_dropped = events_.dropped(),
                     .budget = extras_ ? extras_->left(now) : std::nullopt};
    stats.calls = stats.success_first + stats.success_retried + stats.exhausted + stats.not_retryable + stats.gave_up;
    stats.attempts = stats.calls + stats.retries;
    return stats;
}

Subscription Retry::on_event(Listener listener, EventKinds kinds) {
    return events_.subscribe(std::move(listener), kinds);
}

}  // namespace resilience::inline v1
