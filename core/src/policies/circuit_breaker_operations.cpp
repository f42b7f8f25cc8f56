#include <algorithm>
#include <resilience/base/names.hpp>
#include <utility>

#include "circuit_operations.hpp"

namespace resilience::inline v1 {

CircuitBreaker::Operation CircuitBreaker::operation(std::string_view name) {
    const std::scoped_lock lock(mutex_);
    if (options_ == nullptr) {
        publish_options_locked(std::make_unique<detail::CircuitBreakerOptions>(config_locked(), CircuitBreakerHooks{}));
    }
    if (options_->operations == nullptr) options_->operations = std::make_unique<detail::CircuitOperations>();
    return Operation(options_->operations->find_or_make_locked(*this, name));
}

Admission<CircuitBreaker::Permit> CircuitBreaker::Operation::try_acquire(TimePoint now) const noexcept {
    Permit permit;
    Rejection why;
    if (!operation_->enter(now, permit, why)) return std::unexpected(why);
    return permit;
}

CircuitState CircuitBreaker::Operation::state(TimePoint now) const noexcept { return operation_->state(now); }

std::string_view CircuitBreaker::Operation::name() const noexcept { return operation_->name; }

bool CircuitBreaker::Operation::enter(OperationHandle handle, CircuitBreaker& breaker, TimePoint now, Permit& permit,
                                      Rejection& why) noexcept {
    detail::CircuitOperation& operation = *handle.operation_;
    return &operation.whole == &breaker ? operation.enter(now, permit, why) : breaker.enter(now, permit, why);
}

namespace detail {
namespace {

// No share reaches it: nobody judges what an operation has in the breaker's window.
constexpr Fraction nobody_judges{2, 1};

WindowCounts without(WindowCounts counts, WindowCounts gone) noexcept {
    const std::uint64_t calls = counts.calls - std::min(gone.calls, counts.calls);
    return {calls, std::min(counts.failures - std::min(gone.failures, counts.failures), calls)};
}

bool counts_results(CircuitState state) noexcept {
    return state == CircuitState::closed || state == CircuitState::metrics_only;
}

}  // namespace

CircuitBreakerConfig config_of_operation(CircuitBreakerConfig config) noexcept {
    config.record_latency = false;
    config.initial_state = CircuitState::closed;
    return config;
}

// ---- the operations of a breaker

CircuitOperation& CircuitOperations::find_or_make_locked(CircuitBreaker& breaker, std::string_view name) {
    if (CircuitOperation* const known = find(name)) return *known;
    const CircuitBreakerConfig& config = breaker.options_->config;
    if (size_ >= config.max_operations && name != other) {
        // Not interned: names that come from outside would fill the table.
        check_name(name);
        return find_or_make_locked(breaker, other);
    }
    const std::string_view interned = intern_name(name);
    std::unique_ptr<CircuitBreaker> alone;
    if (config.operation_mode == OperationMode::isolate) {
        CircuitBreakerConfig own = config_of_operation(config);
        const CircuitWord present = breaker.state_.word();
        const bool measuring = present.state() == CircuitState::metrics_only;
        if (measuring && !present.held()) own.initial_state = CircuitState::metrics_only;
        alone = std::make_unique<CircuitBreaker>(own);
        if (measuring && present.held()) {
            alone->metrics_only(time_between(breaker.newest_, breaker.state_.until()), breaker.newest_);
        }
    }
    // "other" has the last place, which is nobody else's.
    const bool shared = interned == other;
    const std::size_t index = shared ? other_place : size_;
    all_[index] = std::make_unique<CircuitOperation>(breaker, interned, index, std::move(alone));
    if (!shared) ++size_;
    return *all_[index];
}

CircuitOperation* CircuitOperations::find(std::string_view name) const noexcept {
    const auto found = std::ranges::find_if(
        all_, [name](const auto& operation) { return operation != nullptr && operation->name == name; });
    return found == all_.end() ? nullptr : found->get();
}

const CircuitOperations* CircuitOperations::of(const CircuitBreaker& breaker) noexcept {
    return breaker.options_ == nullptr ? nullptr : breaker.options_->operations.get();
}

bool CircuitOperations::begin(CircuitBreaker& breaker, const CircuitChange& change, TimePoint now) noexcept {
    // For a breaker that is the state of an operation. What it had elsewhere has expired a window after it came back.
    const TimePoint away_until = change.cause == TransitionCause::lever ? TimePoint::min()
                                 : change.to == CircuitState::closed ? saturating_add(now, breaker.windows_[0].window())
                                                                     : never;
    breaker.options_->away_until.store(away_until.time_since_epoch().count(), std::memory_order_relaxed);

    const CircuitOperations* const operations = of(breaker);
    if (operations == nullptr) return false;
    const std::uint32_t window = breaker.state_.word().window() ^ 1U;
    bool any_apart = false;
    for (const auto& operation : operations->all_) {
        if (operation != nullptr && operation->begin_locked(change, window, now)) any_apart = true;
    }
    return any_apart;
}

void CircuitOperations::measure_until(CircuitBreaker& breaker, TimePoint end, TimePoint now) noexcept {
    const CircuitOperations* const operations = of(breaker);
    if (operations == nullptr) return;
    for (const auto& operation : operations->all_) {
        if (operation == nullptr || operation->alone == nullptr) continue;
        const std::scoped_lock lock(operation->alone->mutex_);
        operation->pull_locked(CircuitState::metrics_only, end, operation->alone->pass_time_locked(now));
    }
}

void CircuitOperations::leave_for_one_window(CircuitBreaker& breaker, TimePoint now) noexcept {
    const TimePoint until = saturating_add(now, breaker.windows_[0].window());
    breaker.options_->away_until.store(until.time_since_epoch().count(), std::memory_order_relaxed);
}

void CircuitOperations::tick(CircuitBreaker& breaker, TimePoint now) noexcept {
    const CircuitOperations* const operations = of(breaker);
    if (operations == nullptr) return;
    for (const auto& operation : operations->all_) {
        if (operation != nullptr && operation->alone != nullptr) operation->alone->tick(now);
    }
}

TimePoint CircuitOperations::next_deadline_locked(const CircuitBreaker& breaker) noexcept {
    TimePoint next = never;
    const CircuitOperations* const operations = of(breaker);
    if (operations == nullptr) return next;
    for (const auto& operation : operations->all_) {
        if (operation == nullptr || operation->alone == nullptr) continue;
        next = std::min(next, operation->alone->next_deadline().value_or(never));
    }
    return next;
}

WindowCounts CircuitOperations::without_away(const CircuitBreaker& breaker, WindowCounts counts,
                                             TimePoint now) noexcept {
    const CircuitOperations* const operations = of(breaker);
    if (operations == nullptr) return counts;
    for (const auto& operation : operations->all_) {
        if (operation == nullptr || !operation->away(now)) continue;
        counts = without(counts, operation->windows[breaker.state_.word().window()].counts_locked(now));
    }
    return counts;
}

bool CircuitOperations::due_to_one(const CircuitBreaker& breaker, WindowCounts counts, TimePoint now) noexcept {
    const CircuitOperations* const operations = of(breaker);
    if (operations == nullptr) return false;
    const std::uint32_t window = breaker.state_.word().window();
    return std::ranges::any_of(operations->all_, [&](const auto& operation) {
        return operation != nullptr && operation->alone != nullptr && !operation->away(now) &&
               !breaker.trips(without(counts, operation->windows[window].counts_locked(now)));
    });
}

void CircuitOperations::describe(const CircuitBreaker& breaker, CircuitBreakerStats& stats,
                                 const CircuitPosition& position, TimePoint now) {
    const CircuitOperations* const operations = of(breaker);
    if (operations == nullptr) return;
    const CircuitWord word = breaker.state_.word();
    const bool tripped = position.state == CircuitState::open || position.state == CircuitState::half_open;
    const TimePoint as_of = word.counting() ? now : breaker.not_closed_since_;
    for (const auto& operation : operations->all_) {
        if (operation == nullptr) continue;
        CircuitBreakerStats::Operation& picture = stats.operations.emplace_back();
        picture.name = operation->name;
        operation->count_calls(picture);
        if (operation->alone != nullptr) {
            const CircuitBreakerStats own = operation->alone->stats(now);
            picture.state = own.state;
            picture.window.requests = own.window.requests;
            picture.window.failures = own.window.failures;
        } else if (word.counting() || tripped) {
            const WindowCounts counts = operation->windows[word.window()].counts_locked(as_of);
            picture.window.requests = counts.calls;
            picture.window.failures = counts.failures;
        }
        if (picture.window.requests > 0) {
            picture.window.failure_ratio =
                static_cast<double>(picture.window.failures) / static_cast<double>(picture.window.requests);
        }
    }
}

// ---- one operation

CircuitOperation::CircuitOperation(CircuitBreaker& breaker, std::string_view interned_name, std::size_t place,
                                   std::unique_ptr<CircuitBreaker> own_state)
    : whole(breaker),
      name(interned_name),
      index(place),
      windows{RollingWindow(breaker.windows_[0].window(), breaker.windows_[0].buckets(), 1,
                            counters.counter(success_in_window), breaker.mutex_),
              RollingWindow(breaker.windows_[0].window(), breaker.windows_[0].buckets(), 1,
                            counters.counter(success_in_other_window), breaker.mutex_)},
      alone(std::move(own_state)) {
    if (alone != nullptr) alone->options_->part_of = this;
}

bool CircuitOperation::away(TimePoint now) const noexcept {
    return alone != nullptr &&
           now.time_since_epoch().count() < alone->options_->away_until.load(std::memory_order_relaxed);
}

CircuitState CircuitOperation::state(TimePoint now) const noexcept {
    const CircuitState of_whole = whole.state(now);
    if (alone == nullptr) return of_whole;
    const CircuitState own = alone->state(now);
    if (of_whole == CircuitState::closed) return own;
    return of_whole == CircuitState::half_open && own == CircuitState::open ? own : of_whole;
}

// Before the breaker's new period is published: nobody counts in it yet.
bool CircuitOperation::begin_locked(const CircuitChange& change, std::uint32_t window, TimePoint now) noexcept {
    if (counts_results(change.to)) windows[window].forget_locked(now);
    if (alone == nullptr) return false;
    // Once for all that follows: a call that settles beside it finds the operation as it was or as it will be.
    const std::scoped_lock lock(alone->mutex_);
    const TimePoint at = alone->pass_time_locked(now);
    const CircuitState before = alone->state_.word().state();
    follow_locked(change, at);
    return before == CircuitState::open || before == CircuitState::half_open;
}

// What it had left in the breaker's window is forgotten there; away_until follows the own state.
void CircuitOperation::follow_locked(const CircuitChange& change, TimePoint now) noexcept {
    if (counts_results(change.to) && change.cause == TransitionCause::lever) {
        return pull_locked(change.to, change.until, now);
    }
    // A lever with an end is over where the breaker's is, whatever has ended that one.
    if (alone->state_.word().held()) {
        alone->end_by_time_locked(now);
        alone->pass_time_locked(now);
    }
    if (!counts_results(change.to)) return;
    const CircuitState own = alone->state_.word().state();
    if (change.to == CircuitState::closed && (own == CircuitState::open || own == CircuitState::half_open)) return;
    pull_locked(change.to, never, now);
}

void CircuitOperation::pull_locked(CircuitState target, TimePoint end, TimePoint now) noexcept {
    alone->pull_locked(target, end == never ? std::nullopt : std::optional(time_between(now, end)), now);
}

// Settled before admitted, as CircuitBreaker::count_calls.
void CircuitOperation::count_calls(Stats& stats) const noexcept {
    constexpr int attempts = 32;
    for (int attempt = 1; attempt <= attempts; ++attempt) {
        const std::uint64_t before = stats.success + stats.failure + stats.ignored;
        stats.ignored = counters.read_acquire(ignored);
        stats.success = counters.read_acquire(success_outside);
        stats.failure = counters.read_acquire(failure_outside);
        for (const RollingWindow& window : windows) {
            const WindowCounts totals = window.totals();
            stats.success += totals.calls - totals.failures;
            stats.failure += totals.failures;
        }
        const std::uint64_t settled = stats.success + stats.failure + stats.ignored;
        if (attempt > 1 && settled == before) break;
        stats.admitted = counters.read_acquire(admitted);
        stats.in_flight = stats.admitted - settled;
    }
    stats.rejected = counters.read(rejected);
    stats.requests = stats.admitted + stats.rejected;
}

// ---- settling

void CircuitOperation::settle(CircuitBreaker& breaker, CircuitPassage passage, CallResult result, TimePoint now,
                              std::optional<Duration> open_for) noexcept {
    const OperationWord word(passage.word);
    breaker.options_->operations->at(word.operation()).settle(passage, result, now, open_for);
}

// The operation's own state first, then its part of the breaker's window, then the breaker: where the breaker's counts
// reach its threshold, an operation that has failed alone is away already, with all it has there.
void CircuitOperation::settle(CircuitPassage passage, CallResult result, TimePoint now,
                              std::optional<Duration> open_for) noexcept {
    const OperationWord kept(passage.word);
    const Outcome outcome = outcome_of(result);
    if (kept.own()) {
        const CircuitPassage own{kept.of_own(alone->state_.word()), passage.admitted_at};
        if (open_for) {
            alone->settle_as_asked(own, result, now, *open_for);
            open_for = Duration::zero();  // heard: the breaker counts it, and opens by its window only
        } else {
            alone->settle_otherwise(own, result, now);
        }
    }
    const CircuitWord present = whole.state_.word();
    const CircuitPassage of_whole{kept.of_whole(present), passage.admitted_at};
    const bool in_window = of_whole.word.same_period(present) && present.counting() && outcome != Outcome::ignored;
    const bool elsewhere = in_window && kept.own() && away(now);
    count(outcome, in_window && !elsewhere ? &present : nullptr, now);
    if (elsewhere) {
        if (open_for && whole.options_ != nullptr) whole.record_latency(time_between(passage.admitted_at, now));
        whole.count_outside(outcome);
        whole.enqueue_finished(of_whole, result, now);
        whole.after_change();
    } else if (open_for) {
        whole.settle_as_asked(of_whole, result, now, *open_for);
    } else {
        whole.settle_otherwise(of_whole, result, now);
    }
}

void CircuitOperation::count(Outcome outcome, const CircuitWord* counting_in, TimePoint now) noexcept {
    // Release: whoever reads the result finds the call among the admitted ones read after it.
    if (outcome == Outcome::ignored) return counters.add_release(ignored);
    const bool failed = outcome == Outcome::failure;
    if (counting_in == nullptr) return counters.add_release(failed ? failure_outside : success_outside);
    RollingWindow& window = windows[counting_in->window()];
    static_cast<void>(failed ? window.record_failure(now, nobody_judges) : window.record_success(now));
}

}  // namespace detail
}  // namespace resilience::inline v1
