#include <algorithm>
#include <cstddef>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/health_probing.hpp>

#include "circuit_operations.hpp"

namespace resilience::inline v1 {
namespace {

bool is_forced(CircuitState state) noexcept {
    return state == CircuitState::forced_open || state == CircuitState::forced_closed ||
           state == CircuitState::metrics_only;
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
        decide_due_locked(now);
        if (counts_running() && state_.word().counting()) judge_running_locked(now);
        detail::CircuitOperations::tick(*this, now);
    }
    after_change();
}

// What is decided without a verdict: by a probe that is overdue, or by what the verdicts are now enough for.
void CircuitBreaker::decide_due_locked(TimePoint now) noexcept {
    if (probes_.health() != nullptr) probes_.health()->judge_overdue(*this, now);
    renew_half_open_locked(now);
}

void CircuitBreaker::pull(CircuitState target, std::optional<Duration> hold, TimePoint at) noexcept {
    {
        const std::scoped_lock lock(mutex_);
        pull_locked(target, hold, pass_time_locked(at));
    }
    after_change();
}

void CircuitBreaker::pull_locked(CircuitState target, std::optional<Duration> hold, TimePoint now) noexcept {
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
        until = open_until_locked(now, TransitionCause::lever);
    } else if (target == CircuitState::half_open) {
        until = half_open_until(now);
    }
    const Change change{
        .to = target, .cause = TransitionCause::lever, .due = now, .until = until, .lever = hold.has_value()};
    if (!repeated) {
        change_locked(change, now);
    } else if (target == CircuitState::closed) {
        const bool by_calls = options_ != nullptr && options_->calls != nullptr;
        const bool counted =
            by_calls ? options_->calls->counts().calls != 0 : windows_[word.window()].counts_locked(now).calls != 0;
        const bool closes_one = options_ != nullptr && detail::CircuitOperations::begin(*this, change, now);
        begin_period_locked(target, until, hold.has_value(), now);
        if (counted || closes_one) events_.enqueue({.kind = EventKind::lever, .name = name(), .at = now});
    } else {
        state_.publish(word.with_ending(ending_of(until, hold.has_value())), until);
        if (target == CircuitState::metrics_only) detail::CircuitOperations::measure_until(*this, until, now);
    }
}

// Makes everything happen that was due by `at`, in the order in which it was due. Returns the newest moment seen.
TimePoint CircuitBreaker::pass_time_locked(TimePoint at) noexcept {
    newest_ = std::max(newest_, at);
    if (since_ == TimePoint::min()) be_born_locked(newest_);
    if (unborn_open()) {
        const TimePoint until = open_until_locked(since_, TransitionCause::lever);
        options_->reopened = 1;
        state_.publish(state_.word().with_ending(ending_of(until, false)), until);
    }
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
        if (word.state() == CircuitState::half_open) return end_half_open_locked(due);
        left_behind_.extend(due, saturating_add(due, lease()));
        change_locked({.to = CircuitState::half_open,
                       .cause = TransitionCause::open_time_over,
                       .due = due,
                       .until = half_open_until(due)},
                      newest_);
        return;
    }
    const TimePoint until = before_ == CircuitState::half_open ? half_open_until(due) : before_until_;
    if (before_ == word.state()) {
        state_.publish(word.with_ending(ending_of(until, false)), until);
    } else {
        change_locked({.to = before_, .cause = TransitionCause::lever_expired, .due = due, .until = until}, newest_);
    }
}

// The limit of a half-open period. Where the open period that follows is over as well before anybody notices, the next
// half-open one begins now: an idle breaker does not run through all the periods it has slept through.
void CircuitBreaker::end_half_open_locked(TimePoint due) noexcept {
    Change change{.to = CircuitState::closed, .cause = TransitionCause::half_open_limit, .due = due};
    if (!options_->config.half_open_limit_closes) {
        change.to = CircuitState::open;
        // How long it was is not known where a function says so: that one is asked about a period that begins now.
        if (options_->hooks.open_time) change.due = newest_;
        change.until = open_until_locked(change.due, change.cause);
    }
    change_locked(change, newest_);
    if (change.to != CircuitState::open || change.until > newest_) return;
    change_locked({.to = CircuitState::half_open,
                   .cause = TransitionCause::open_time_over,
                   .due = newest_,
                   .until = half_open_until(newest_)},
                  newest_);
}

void CircuitBreaker::change_locked(const Change& change, TimePoint now) noexcept {
    const CircuitState from = state_.word().state();
    if (options_ != nullptr) detail::CircuitOperations::begin(*this, change, now);
    begin_period_locked(change.to, change.until, change.lever, now, change.ramp);
    since_ = change.due;
    if (from == CircuitState::closed) not_closed_since_ = change.due;
    if (options_ != nullptr) {
        if (change.to == CircuitState::closed) options_->reopened = 0;
        if (change.to == CircuitState::open && change.cause != TransitionCause::lever_expired) ++options_->reopened;
    }

    ++changes_[index_of_change(from, change.to)];

    const detail::CircuitOperation* const operation = options_ == nullptr ? nullptr : options_->part_of;
    const EventKind kind = operation == nullptr ? EventKind::transition : EventKind::operation_transition;
    EventChannel& events = operation == nullptr ? events_ : operation->whole.events_;
    if (!events.wants(kind)) return;
    // What a lever of the breaker does to its operations is told by the breaker.
    const bool by_hand = change.cause == TransitionCause::lever || change.cause == TransitionCause::lever_expired;
    if (operation != nullptr && by_hand) return;
    Event event{.kind = kind,
                .name = operation == nullptr ? name() : operation->whole.name(),
                .at = now,
                .due = change.due,
                .from = from,
                .to = change.to,
                .cause = change.cause,
                .generation = state_.word().generation()};
    if (operation != nullptr) event.operation = operation->name;
    describe_cause(change, event);
    if (change.to == CircuitState::open && change.until != never) event.retry_after = time_between(now, change.until);
    events.enqueue(event);
}

// The numbers that decided, and the limit they reached.
void CircuitBreaker::describe_cause(const Change& change, Event& event) const noexcept {
    event.requests = change.requests;
    if (change.cause == TransitionCause::consecutive_failures) {
        event.value = static_cast<double>(change.failures);
        event.threshold = options_->config.consecutive_failures;
        return;
    }
    if (change.requests > 0) {
        event.value = static_cast<double>(change.failures) / static_cast<double>(change.requests);
    }
    if (change.cause == TransitionCause::failure_ratio) event.threshold = present_threshold_locked();
    if (change.cause == TransitionCause::slow_ratio) event.threshold = options_->config.slow_call_ratio;
}

void CircuitBreaker::begin_period_locked(CircuitState to, TimePoint until, bool lever, TimePoint now,
                                         bool ramp) noexcept {
    const CircuitWord over = state_.word();
    const bool counts = to == CircuitState::closed || to == CircuitState::metrics_only;
    const std::uint32_t window = counts ? over.window() ^ 1U : over.window();
    CircuitWord word(to, over.generation() + 1, window, ending_of(until, lever));
    if (counts) windows_[window].forget_locked(now);
    if (options_ != nullptr) {
        options_->ramping = ramp;
        prepare_options_locked(counts, window, now);
        if (counts) word = word.with_watch(options_->watch());
        if (options_->learned != nullptr && !counts) options_->learned->baseline.forget_recent();
        if (options_->learned != nullptr && counts) begin_learning_locked(word, now);
    }
    thresholds_reached_ = 0;
    probe_successes_ = 0;
    probe_failures_ = 0;
    const std::uint32_t left = probes_.clear() + anonymous_.begin(word);
    if (left > 0) {
        left_behind_.add(left, saturating_add(now, lease()));
        anonymous_.set_older(true);
    }
    state_.publish(word, until);
}

void CircuitBreaker::prepare_options_locked(bool counts, std::uint32_t window, TimePoint now) noexcept {
    detail::CircuitBreakerOptions& options = *options_;
    options.probes_slow = 0;
    options.ramp_began = now;
    options.ramp_credit = 0;
    if (!counts) return;
    if (options.calls != nullptr) options.calls->forget();
    if (options.running != nullptr) options.running->forget();
    if (options.slow != nullptr) options.slow->forget_locked(window, now);
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

// What a half-open call finds done before it asks for a place: for those who ask without being one. A change of the
// numbers may have decided it.
void CircuitBreaker::renew_half_open_locked(TimePoint now) noexcept {
    if (state_.word().state() != CircuitState::half_open) return;
    reclaim_leases_locked(now);
    decide_half_open_locked(now);
    pass_time_locked(now);  // it may have opened, for no time at all even
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
