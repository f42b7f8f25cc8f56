#include <algorithm>
#include <cstddef>
#include <resilience/policies/circuit_breaker.hpp>

namespace resilience::inline v1 {
namespace {

bool is_forced(CircuitState state) noexcept {
    return state == CircuitState::forced_open || state == CircuitState::forced_closed;
}

detail::StateEnd ending_of(TimePoint until, bool lever) noexcept {
    if (until == never) return detail::StateEnd::none;
    return lever ? detail::StateEnd::lever : detail::StateEnd::open_time;
}

}  // namespace

void CircuitBreaker::tick(TimePoint at) noexcept {
    {
        const std::scoped_lock lock(mutex_);
        const TimePoint now = pass_time_locked(at);
        if (state_.word().state() == CircuitState::half_open) reclaim_leases_locked(now);
    }
    events_.deliver();
}

void CircuitBreaker::pull(CircuitState target, std::optional<Duration> hold, TimePoint at) noexcept {
    {
        const std::scoped_lock lock(mutex_);
        const TimePoint now = pass_time_locked(at);
        const CircuitWord word = state_.word();
        const bool repeated = word.state() == target;
        if (!word.held() && !(repeated && is_forced(target))) {
            before_ = word.state();
            before_until_ = state_.end_of(word);
        }

        TimePoint until = never;
        if (hold) {
            until = saturating_add(now, std::max(*hold, Duration::zero()));
        } else if (target == CircuitState::open) {
            until = saturating_add(now, config_.timeout);
        }
        if (!repeated) {
            change_locked(
                {.to = target, .cause = TransitionCause::lever, .due = now, .until = until, .lever = hold.has_value()},
                now);
        } else if (target == CircuitState::closed) {
            const bool counted = windows_[word.window()].counts_locked(now).calls != 0;
            begin_period_locked(target, until, hold.has_value(), now);
            if (counted) events_.enqueue({.kind = EventKind::lever, .name = name(), .at = now});
        } else {
            state_.publish(word.with_ending(ending_of(until, hold.has_value())), until);
        }
    }
    events_.deliver();
}

// Makes everything happen that was due by `at`, in the order in which it was due. Returns the newest moment seen.
TimePoint CircuitBreaker::pass_time_locked(TimePoint at) noexcept {
    newest_ = std::max(newest_, at);
    if (since_ == TimePoint::min()) since_ = newest_;
    for (;;) {
        const CircuitWord word = state_.word();
        const TimePoint due = state_.until();
        if (!word.ends() || due > newest_) break;
        while (left_behind_.forgotten_at() < due) forget_left_behind_locked(left_behind_.forgotten_at());
        end_by_time_locked(due);
    }
    forget_left_behind_locked(newest_);
    return newest_;
}

void CircuitBreaker::end_by_time_locked(TimePoint due) noexcept {
    const CircuitWord word = state_.word();
    if (!word.held()) {
        left_behind_.extend(due, saturating_add(due, lease()));
        change_locked({.to = CircuitState::half_open, .cause = TransitionCause::open_time_over, .due = due}, newest_);
        return;
    }
    if (before_ == word.state()) {
        state_.publish(word.with_ending(ending_of(before_until_, false)), before_until_);
    } else {
        change_locked({.to = before_, .cause = TransitionCause::lever_expired, .due = due, .until = before_until_},
                      newest_);
    }
}

void CircuitBreaker::change_locked(const Change& change, TimePoint now) noexcept {
    const CircuitState from = state_.word().state();
    begin_period_locked(change.to, change.until, change.lever, now);
    since_ = change.due;
    if (from == CircuitState::closed) not_closed_since_ = change.due;

    ++changes_[index_of_change(from, change.to)];

    if (!events_.wants(EventKind::transition)) return;
    Event event{.kind = EventKind::transition,
                .name = name(),
                .at = now,
                .due = change.due,
                .from = from,
                .to = change.to,
                .cause = change.cause,
                .generation = state_.word().generation(),
                .requests = change.requests};
    if (change.requests > 0) {
        event.value = static_cast<double>(change.failures) / static_cast<double>(change.requests);
    }
    if (change.cause == TransitionCause::failure_ratio) event.threshold = config_.failure_threshold;
    if (change.to == CircuitState::open && change.until != never) event.retry_after = time_between(now, change.until);
    events_.enqueue(event);
}

void CircuitBreaker::begin_period_locked(CircuitState to, TimePoint until, bool lever, TimePoint now) noexcept {
    const CircuitWord over = state_.word();
    const std::uint32_t window = to == CircuitState::closed ? over.window() ^ 1U : over.window();
    const CircuitWord word(to, over.generation() + 1, window, ending_of(until, lever));
    if (to == CircuitState::closed) windows_[window].forget_locked(now);
    probe_successes_ = 0;
    probe_failures_ = 0;
    const std::uint32_t left = probes_.clear() + anonymous_.begin(word);
    if (left > 0) {
        left_behind_.add(left, saturating_add(now, lease()));
        anonymous_.set_older(true);
    }
    state_.publish(word, until);
}

// Before their results come, if they come: the calls count as ignored, and their results as nobody's.
void CircuitBreaker::forget_left_behind_locked(TimePoint now) noexcept {
    if (!left_behind_.any()) return;
    while (const std::uint32_t forgotten = left_behind_.forget_oldest(now)) {
        counters_.add_release(ignored, forgotten);
        abandoned_ += std::min(forgotten, ~abandoned_);
    }
    if (!left_behind_.any()) anonymous_.set_older(false);
}

void CircuitBreaker::reclaim_leases_locked(TimePoint now) noexcept {
    while (const auto reclaimed = probes_.reclaim_one(now, lease())) {
        ++leases_reclaimed_;
        if (reclaimed->holder == ProbeHolder::anonymous) {
            // Nobody holds a permit that could still settle it.
            counters_.add_release(ignored);
            abandoned_ += std::min(1U, ~abandoned_);
        }
        if (!events_.wants(EventKind::lease_reclaimed)) continue;
        events_.enqueue({.kind = EventKind::lease_reclaimed,
                         .name = name(),
                         .at = now,
                         .due = saturating_add(reclaimed->stamp, lease()),
                         .took = time_between(reclaimed->stamp, now)});
    }
}

}  // namespace resilience::inline v1
