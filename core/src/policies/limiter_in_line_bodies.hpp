#pragma once

// The bodies of LimiterInLine, for the files that instantiate it.

#include "out_of_range.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/limiter_in_line.hpp>
#include <string>
#include <thread>

namespace resilience::inline v1 {

namespace detail {

inline void check_waits(Duration max_wait, std::uint32_t max_waiters, ConfigProblems& problems) {
    constexpr std::uint32_t longest_line = 1'000'000;
    if (max_wait < Duration::zero()) problems.add("max_wait", "is negative; use 0 (never wait) or longer");
    if (max_waiters > longest_line) {
        problems.add("max_waiters", is(max_waiters, "0 to 1000000 (a negative number becomes a huge one)"));
    }
}

}  // namespace detail

template <class Source>
LimiterInLine<Source>::~LimiterInLine() {
    const std::unique_ptr<Line> own(line_.load(std::memory_order_acquire));
    if (own == nullptr) return;
    BasicDeliveries<> deliveries;
    send_everybody_away(*own, deliveries);
    deliveries.deliver();
    while (!own->empty_of_sleepers()) std::this_thread::yield();
}

template <class Source>
auto LimiterInLine<Source>::line() -> Line& {
    const std::scoped_lock lock(levers_);
    if (Line* const known = line_.load(std::memory_order_relaxed)) return *known;
    constexpr Waits by_default{};
    auto fresh = std::make_unique<Line>(by_default.max_wait, by_default.max_waiters);
    // Release: pairs with enter().
    line_.store(fresh.get(), std::memory_order_release);
    return *fresh.release();
}

template <class Source>
void LimiterInLine<Source>::close() {
    Line& closing = line();
    BasicDeliveries<> deliveries;
    {
        const std::scoped_lock lock(levers_);
        if (closing.closed()) return;
        send_everybody_away(closing, deliveries);
        events_.enqueue(
            Event{.kind = EventKind::lever, .policy = PolicyKind::rate_limiter, .name = name(), .at = Clock::now()});
    }
    deliveries.deliver();
    events_.deliver();
}

template <class Source>
void LimiterInLine<Source>::send_everybody_away(Line& closing, BasicDeliveries<>& deliveries) noexcept {
    const auto refuse_each = [this](Waiter& waiter) {
        waiter.why = rejection_of(RejectionReason::shutting_down);
        counters_.add(shutting_down);
        enqueue_refused(waiter.why, Clock::now());
    };
    closing.close(refuse_each, deliveries);
}

template <class Source>
RateLimiterStats LimiterInLine<Source>::stats(TimePoint now) const {
    std::unique_lock lock(levers_);
    const std::uint64_t capacity = source_.capacity();
    const double refill_rate = source_.refill_rate();
    lock.unlock();
    RateLimiterStats stats{.capacity = capacity,
                           .refill_rate = refill_rate,
                           .available_tokens = source_.available(now),
                           .rejected = {.rate_limited = counters_.read(rate_limited),
                                        .exceeds_capacity = counters_.read(exceeds_capacity),
                                        .queue_full = counters_.read(queue_full),
                                        .queue_timeout = counters_.read(queue_timeout),
                                        .deadline_exceeded = counters_.read(deadline_exceeded),
                                        .cancelled = counters_.read(cancelled),
                                        .shutting_down = counters_.read(shutting_down)},
                           .admitted = counters_.read(admitted),
                           .listener_exceptions = events_.listener_exceptions(),
                           .events_dropped = events_.dropped()};
    if constexpr (requires { source_.settled(); }) {
        stats.returned_tokens = source_.settled().returned;
        stats.surplus_tokens = source_.settled().surplus;
        stats.debt_tokens = source_.debt(now);
    }
    std::optional<std::uint64_t> ahead = 0;
    if (const Line* const line = line_.load(std::memory_order_acquire)) {
        const auto [depth, oldest_since] = line->waiting();
        stats.waiting = depth;
        if (oldest_since) stats.oldest_waiter = time_between(*oldest_since, now);
        ahead = line->ahead();
    }
    stats.closed = !ahead;
    const Duration wait = ahead ? source_.time_until(1, now, *ahead) : Duration::zero();
    if (wait > Duration::zero()) stats.retry_after = wait;
    stats.requests = stats.admitted + stats.rejected.total();
    return stats;
}

template <class Source>
Subscription LimiterInLine<Source>::on_event(Listener listener, EventKinds kinds) {
    return events_.subscribe(std::move(listener), kinds);
}

template <class Source>
auto LimiterInLine<Source>::counter_of(RejectionReason reason) noexcept -> Counter {
    switch (reason) {
        case RejectionReason::exceeds_capacity:
            return exceeds_capacity;
        case RejectionReason::queue_full:
            return queue_full;
        case RejectionReason::queue_timeout:
            return queue_timeout;
        case RejectionReason::deadline_exceeded:
            return deadline_exceeded;
        case RejectionReason::cancelled:
            return cancelled;
        case RejectionReason::shutting_down:
            return shutting_down;
        default:
            return rate_limited;
    }
}

template <class Source>
Rejection LimiterInLine<Source>::rejection_of(RejectionReason reason) const noexcept {
    return {.reason = reason, .kind = PolicyKind::rate_limiter, .policy = name()};
}

template <class Source>
Rejection LimiterInLine<Source>::too_many(std::uint64_t tokens) const noexcept {
    Rejection why = rejection_of(RejectionReason::exceeds_capacity);
    why.tokens_asked = tokens;
    why.capacity = source_.capacity();
    return why;
}

template <class Source>
Rejection LimiterInLine<Source>::rejection(std::uint64_t tokens, TimePoint now) const noexcept {
    const Line* const waiting = line_.load(std::memory_order_acquire);
    const std::optional<std::uint64_t> ahead = waiting == nullptr ? 0 : waiting->ahead();
    if (!ahead) return rejection_of(RejectionReason::shutting_down);
    if (never_fits(tokens)) return too_many(tokens);
    Rejection why = rejection_of(RejectionReason::rate_limited);
    why.retry_after = source_.time_until(tokens, now, *ahead);
    return why;
}

template <class Source>
bool LimiterInLine<Source>::acquire_beside_line(std::uint64_t tokens, TimePoint now) noexcept {
    if (enter(tokens, now)) return true;
    static_cast<void>(refuse(tokens, now));
    return false;
}

template <class Source>
Rejection LimiterInLine<Source>::refuse(std::uint64_t tokens, TimePoint now) noexcept {
    return refuse_because(rejection(tokens, now), now);
}

template <class Source>
Rejection LimiterInLine<Source>::refuse_because(const Rejection& why, TimePoint now) noexcept {
    // By the reason given, not by a second look at a capacity that may have changed meanwhile.
    counters_.add(counter_of(why.reason));
    if (events_.wants(EventKind::refused)) {
        enqueue_refused(why, now);
        events_.deliver();
    }
    return why;
}

template <class Source>
void LimiterInLine<Source>::publish_permitted(TimePoint now) noexcept {
    events_.publish(Event{.kind = EventKind::permitted, .policy = PolicyKind::rate_limiter, .name = name(), .at = now});
}

template <class Source>
void LimiterInLine<Source>::enqueue_refused(const Rejection& why, TimePoint now) noexcept {
    if (!events_.wants(EventKind::refused)) return;
    events_.enqueue(Event{.kind = EventKind::refused,
                          .policy = PolicyKind::rate_limiter,
                          .name = name(),
                          .at = now,
                          .retry_after = why.retry_after,
                          .reason = why.reason});
}

template <class Source>
std::expected<void, Rejection> LimiterInLine<Source>::acquire_for(std::uint64_t tokens, Duration max_wait,
                                                                  const std::stop_token& stop) {
    const TimePoint now = Clock::now();
    if (enter(tokens, now)) return {};
    if (max_wait <= Duration::zero() || !opens_line(tokens)) return std::unexpected(refuse(tokens, now));
    PlaceInLine<LimiterInLine> place(*this);
    Rejection why;
    const WaitTerms terms{.until = saturating_add(now, max_wait), .tokens = tokens, .blocking = true};
    if (!detail::sleep_in_line(place, terms, stop, now, why)) return std::unexpected(why);
    static_cast<void>(place.adopt(Clock::now()));
    return {};
}

template <class Source>
Duration LimiterInLine<Source>::longest_wait(std::uint64_t tokens) const noexcept {
    const Line* const waiting = line_.load(std::memory_order_acquire);
    return waiting == nullptr || never_fits(tokens) || waiting->closed() ? Duration::zero() : waiting->max_wait();
}

template <class Source>
bool LimiterInLine<Source>::join_line(Waiter& waiter, TimePoint now, const WaitTerms& terms, Rejection& why) noexcept {
    Line& standing = *line_.load(std::memory_order_acquire);
    const typename Line::Answer answer = standing.join(source_, waiter, now, terms.until, terms.deadline);
    switch (answer.joined) {
        case Line::Joined::yes:
            return true;
        case Line::Joined::closed:
            why = rejection_of(RejectionReason::shutting_down);
            break;
        case Line::Joined::too_many:
            why = too_many(terms.tokens);
            break;
        case Line::Joined::full:
            why = rejection_of(RejectionReason::queue_full);
            why.retry_after = answer.wait;
            break;
        case Line::Joined::too_late:
            why = rejection_of(RejectionReason::rate_limited);
            why.retry_after = answer.wait;
            break;
    }
    why = refuse_because(why, now);
    return false;
}

template <class Source>
TimePoint LimiterInLine<Source>::look_in_line(Waiter& waiter, TimePoint now) noexcept {
    return line_.load(std::memory_order_relaxed)->look(source_, waiter, now);
}

template <class Source>
bool LimiterInLine<Source>::leave_line(Waiter& waiter, RejectionReason reason, TimePoint now, Rejection& why) noexcept {
    const Rejection giving_up = rejection_of(reason);
    switch (line_.load(std::memory_order_relaxed)->withdraw(source_, waiter, now, giving_up)) {
        case Line::Withdrawn::gone:
            why = refuse_because(giving_up, now);
            return true;
        case Line::Withdrawn::after_delivery:
            static_cast<void>(refuse_because(giving_up, now));
            return false;
        case Line::Withdrawn::served_before:
            return false;
    }
    return false;
}

template <class Source>
auto LimiterInLine<Source>::waits() const noexcept -> Waits {
    const Line* const waiting = line_.load(std::memory_order_acquire);
    return waiting == nullptr ? Waits{} : Waits{waiting->max_wait(), waiting->max_waiters()};
}

template <class Source>
void LimiterInLine<Source>::set_waits(Waits waits) noexcept {
    Line* const waiting = line_.load(std::memory_order_acquire);
    if (waiting != nullptr) waiting->set_limits(waits.max_wait, waits.max_waiters);
}

template <class Source>
void LimiterInLine<Source>::judge_line(TimePoint now) noexcept {
    if (line_.load(std::memory_order_acquire) == nullptr) return;
    BasicDeliveries<> deliveries;
    {
        const std::scoped_lock lock(levers_);
        judge_line_locked(now, deliveries);
    }
    deliveries.deliver();
    events_.deliver();
}

template <class Source>
void LimiterInLine<Source>::judge_line_locked(TimePoint now, BasicDeliveries<>& deliveries) noexcept {
    Line* const waiting = line_.load(std::memory_order_relaxed);
    if (waiting == nullptr) return;
    const auto send_away = [this, now](Waiter& waiter) {
        waiter.why = rejection(waiter.tokens, now);
        counters_.add(exceeds_capacity);
        enqueue_refused(waiter.why, now);
    };
    waiting->judge_again(source_, now, send_away, deliveries);
}

}  // namespace resilience::inline v1
