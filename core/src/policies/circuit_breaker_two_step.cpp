#include <algorithm>
#include <cstddef>
#include <resilience/policies/circuit_breaker.hpp>
#include <utility>

namespace resilience::inline v1 {
namespace detail {

void LeftBehind::add(std::uint32_t admissions, TimePoint until) noexcept {
    if (admissions == 0) return;
    const std::size_t group = any() ? 1 : 0;
    until_[group] = open_[group] == 0 ? until : std::max(until_[group], until);
    open_[group] += admissions;
}

bool LeftBehind::take_oldest() noexcept {
    if (!any()) return false;
    if (--open_[0] == 0) drop_first();
    return true;
}

std::uint32_t LeftBehind::forget_oldest(TimePoint now) noexcept {
    if (!any() || until_[0] == never || now < until_[0]) return 0;
    const std::uint32_t forgotten = open_[0];
    drop_first();
    return forgotten;
}

void LeftBehind::extend(TimePoint at, TimePoint until) noexcept {
    for (TimePoint& end : until_) {
        if (end == at) end = until;
    }
    // The first must go on ending first: where it now ends last, the one behind it waits for it.
    if (open_[1] != 0) until_[1] = std::max(until_[0], until_[1]);
}

void LeftBehind::drop_first() noexcept {
    until_[0] = until_[1];
    open_[0] = std::exchange(open_[1], 0);
}

}  // namespace detail

// The state changed between the two steps of a lock-free `allow()`: the call was admitted in the state that is over.
void CircuitBreaker::allow_beside_change(CircuitWord word, TimePoint now) noexcept {
    const std::scoped_lock lock(mutex_);
    if (anonymous_.enter(word)) return;
    newest_ = std::max(newest_, now);
    left_behind_.add(1, saturating_add(newest_, lease()));
    anonymous_.set_older(true);
}

void CircuitBreaker::record_result_otherwise(CallResult result, TimePoint at, Duration took) noexcept {
    Passage passage;
    bool recorded = false;
    {
        const std::scoped_lock lock(mutex_);
        const TimePoint now = pass_time_locked(at);
        const CircuitWord word = state_.word();
        passage = {word, now - std::clamp(took, Duration::zero(), time_between(TimePoint::min(), now))};
        recorded = word.counting();
        if (left_behind_.take_oldest()) {
            if (!left_behind_.any()) anonymous_.set_older(false);
            count_outside(outcome_of(result));
            count_late();
            enqueue_finished(passage, result, now);
            recorded = false;
        } else if (word.state() == CircuitState::half_open && probes_.give_back_oldest_anonymous()) {
            count_outside(outcome_of(result));
            enqueue_finished(passage, result, now);
            judge_probe_locked(outcome_of(result), is_slow(passage, now), now);
        } else if (anonymous_.leave_locked()) {
            settle_locked(passage, result, now);
        } else if (word.counting()) {
            counters_.add(admitted);
            settle_locked(passage, result, now);
        } else {
            counters_.add(admitted);
            count_outside(outcome_of(result));
            unpaired_ += std::min(1U, ~unpaired_);
        }
    }
    if (recorded && trips_by_predicate()) ask_trip_predicate(passage, at);
    after_change();
}

}  // namespace resilience::inline v1
