#include "out_of_range.hpp"

#include <algorithm>
#include <chrono>
#include <resilience/base/cancellation_hold.hpp>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/health_probing.hpp>
#include <string>
#include <utility>

namespace resilience::inline v1 {
namespace {

constexpr Duration shortest = std::chrono::milliseconds(1);
constexpr Duration longest = std::chrono::days(7);

using detail::is;

}  // namespace

void find_problems(const HealthProbeConfig& config, ConfigProblems& problems) {
    const bool interval_in_range = config.interval >= shortest && config.interval <= longest;
    if (!interval_in_range) problems.add("interval", is(config.interval, "1 ms to 7 days"));
    if (config.timeout < shortest || config.timeout > longest) {
        problems.add("timeout", is(config.timeout, "1 ms to interval"));
    } else if (interval_in_range && config.timeout > config.interval) {
        problems.add("timeout",
                     is(config.timeout, "at most interval, which is " + detail::exact_text(config.interval)));
    }
}

bool HealthProbe::succeeds(TimePoint admitted_at) const noexcept {
    const detail::CancellationHold no_cancellation;
    try {
        return function_ != nullptr && (*function_)(saturating_add(admitted_at, timeout_));
    } catch (...) {
        return false;  // counted as the failure that it is
    }
}

void CircuitBreaker::set_probe(const HealthProbeConfig& config, HealthProbe probe) {
    ConfigProblems problems{"health probe of circuit breaker \"" + std::string(name()) + "\""};
    find_problems(config, problems);
    problems.throw_if_any();
    auto probing = std::make_unique<detail::HealthProbing>();
    HealthProbe before;  // destroyed after the lock: what it holds is the user's
    const std::scoped_lock lock(mutex_);
    if (probes_.health() == nullptr) probes_.keep(std::move(probing));
    before = probes_.health()->replace(config, std::move(probe));
}

HealthProbe CircuitBreaker::probe() const noexcept {
    const std::scoped_lock lock(mutex_);
    return probes_.health() == nullptr ? HealthProbe{} : probes_.health()->probe();
}

std::optional<CircuitBreaker::Permit> CircuitBreaker::probe_due(TimePoint at) noexcept {
    Passage passage;
    bool sends = false;
    {
        const std::scoped_lock lock(mutex_);
        const TimePoint now = pass_time_locked(at);
        sends = probes_.health() != nullptr && probes_.health()->send(*this, now, passage);
    }
    if (sends && events_.wants(EventKind::permitted)) announce_permitted(passage.admitted_at);
    after_change();
    return sends ? std::optional<Permit>(Permit(*this, passage)) : std::nullopt;
}

std::optional<TimePoint> CircuitBreaker::next_probe() const noexcept {
    const std::scoped_lock lock(mutex_);
    // As next_deadline: its time begins with the first moment that is given.
    if (probes_.health() == nullptr || unborn_open()) return std::nullopt;
    const TimePoint next = probes_.health()->next(*this);
    return next == never ? std::nullopt : std::optional(next);
}

namespace detail {

HealthProbe HealthProbing::replace(const HealthProbeConfig& config, HealthProbe probe) noexcept {
    if (out_ == Out::waiting) ++counts_.undecided;
    out_ = Out::nothing;
    in_a_row_ = 0;  // it was another question that they answered
    config_ = config;
    probe.timeout_ = config.timeout;
    return std::exchange(probe_, std::move(probe));
}

bool HealthProbing::sends_in(CircuitWord word) const noexcept {
    if (!probe_) return false;
    if (word.state() == CircuitState::open) return config_.while_open && !word.held();
    return word.state() == CircuitState::half_open;
}

// Just after it has opened there is nothing new to hear; half-open asks at once.
TimePoint HealthProbing::next_turn(const CircuitBreaker& breaker, CircuitWord word) const noexcept {
    const Duration first = word.state() == CircuitState::open ? config_.interval : Duration::zero();
    return std::max(saturating_add(last_turn_, config_.interval), saturating_add(breaker.since_, first));
}

TimePoint HealthProbing::next(const CircuitBreaker& breaker) const noexcept {
    if (!probe_) return never;
    const CircuitWord word = breaker.state_.word();
    TimePoint next = std::min(breaker.state_.end_of(word), deadline());
    // A place that is never given back comes back then: nobody else may be asking.
    if (word.state() == CircuitState::half_open) {
        next = std::min(next, saturating_add(breaker.probes_.oldest_stamp(), breaker.lease()));
    }
    return sends_in(word) ? std::min(next, next_turn(breaker, word)) : next;
}

Duration HealthProbing::until_decided(const CircuitBreaker& breaker, TimePoint now) const noexcept {
    const std::uint32_t missing = breaker.probes_missing_locked();
    if (missing == 0) return Duration::zero();
    const CircuitWord word = breaker.state_.word();
    const TimePoint taken = place_taken_at(word);
    const TimePoint first = taken != never ? taken : std::max(now, next_turn(breaker, word));
    const Duration others = config_.interval * (missing - 1);  // at most 1000 times 7 days
    return time_between(now, saturating_add(saturating_add(first, others), config_.timeout));
}

bool HealthProbing::send(CircuitBreaker& breaker, TimePoint now, CircuitPassage& passage) noexcept {
    judge_overdue(breaker, now);
    breaker.renew_half_open_locked(now);
    const CircuitWord word = breaker.state_.word();
    if (!sends_in(word) || now < next_turn(breaker, word)) return false;
    last_turn_ = now;
    if (out_ == Out::overdue) {
        ++counts_.overlapped;
        // Where calls can close it, a function that never returns must not keep opening it.
        if (word.state() == CircuitState::open || config_.probes_only) judge(breaker, false, false, now);
        return false;
    }
    if (out_ == Out::waiting || (word.state() == CircuitState::half_open && breaker.probes_full_locked())) return false;
    out_ = Out::waiting;
    of_ = word.with_slot(slot);
    sent_at_ = now;
    ++counts_.sent;
    breaker.counters_.add(CircuitBreaker::admitted);
    passage = {of_, now};
    return true;
}

void HealthProbing::judge_overdue(CircuitBreaker& breaker, TimePoint now) noexcept {
    if (now < deadline() || out_ != Out::waiting) return;
    out_ = Out::overdue;
    ++counts_.timed_out;
    if (!of_.same_period(breaker.state_.word())) return;
    judge(breaker, false, false, now);
    // It may have opened, for no time at all even: whoever asks next finds what is at `now`.
    breaker.pass_time_locked(now);
}

void HealthProbing::settle(CircuitBreaker& breaker, const CircuitPassage& passage, Outcome outcome,
                           TimePoint now) noexcept {
    const bool known = out_ != Out::nothing && passage.word == of_ && passage.admitted_at == sent_at_;
    if (known) judge_overdue(breaker, now);
    if (!known || out_ == Out::overdue) {
        if (known) out_ = Out::nothing;
        return breaker.count_late();
    }
    out_ = Out::nothing;
    const bool current = of_.same_period(breaker.state_.word());
    if (!current) breaker.count_late();
    if (!current || outcome == Outcome::ignored) {
        ++counts_.undecided;
        return;
    }
    ++(outcome == Outcome::success ? counts_.succeeded : counts_.failed);
    judge(breaker, outcome == Outcome::success, breaker.is_slow(passage, now), now);
}

void HealthProbing::judge(CircuitBreaker& breaker, bool success, bool slow, TimePoint now) noexcept {
    const CircuitWord word = breaker.state_.word();
    if (word.state() == CircuitState::half_open) {
        return breaker.judge_probe_locked(success ? Outcome::success : Outcome::failure, slow, now);
    }
    if (row_of_ != word.generation()) in_a_row_ = 0;
    row_of_ = word.generation();
    in_a_row_ = success && !slow ? in_a_row_ + 1 : 0;
    // A lever may hold the period since the probe was sent.
    if (in_a_row_ < breaker.config_.success_threshold || word.held()) return;
    breaker.change_locked({.to = CircuitState::half_open,
                           .cause = TransitionCause::health_probes,
                           .due = now,
                           .until = breaker.half_open_until(now),
                           .requests = in_a_row_},
                          now);
    if (!config_.probes_only) return;
    breaker.probe_successes_ = static_cast<std::uint16_t>(std::min(in_a_row_, breaker.probe_verdicts()));
    breaker.decide_half_open_locked(now);
}

}  // namespace detail
}  // namespace resilience::inline v1
