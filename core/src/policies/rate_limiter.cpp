#include "checked_name.hpp"

#include <algorithm>
#include <mutex>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <sstream>
#include <thread>

namespace resilience::inline v1 {
namespace {

constexpr std::uint64_t highest_capacity = 0xFFFF'FFFF;
constexpr double lowest_rate = 1e-8;
constexpr double highest_rate = 1e9;
constexpr std::uint32_t longest_line = 1'000'000;

// One for all limiters: a change of rate is rare and short, and a lock in each would cost a sixth of its memory. Keeps
// capacity and rate of one change together, and events in the order of the changes. Never destroyed in effect.
constinit std::mutex levers;

std::string number_text(double number) {
    std::ostringstream text;
    text.precision(10);
    text << number;
    return text.str();
}

void check(const RateLimiterConfig& config, ConfigProblems& problems) {
    const bool capacity_fits = config.capacity >= 1 && config.capacity <= highest_capacity;
    if (!capacity_fits) {
        problems.add(
            "capacity",
            "is " + std::to_string(config.capacity) +
                "; use a whole number from 1 to 4294967295 (a fraction is cut, a negative number becomes huge)");
    }
    if (!(config.refill_rate >= lowest_rate && config.refill_rate <= highest_rate)) {
        problems.add("refill_rate", "is " + number_text(config.refill_rate) + "; use 1e-8 to 1e9 tokens per second");
    } else if (capacity_fits && !TokenBucket::representable(config.capacity, config.refill_rate)) {
        problems.add("refill_rate",
                     "is " + number_text(config.refill_rate) + " and would take more than 9.1 years to fill " +
                         std::to_string(config.capacity) + " tokens; use a higher rate or a smaller capacity");
    }
    if (config.max_wait < Duration::zero()) problems.add("max_wait", "is negative; use 0 (never wait) or longer");
    if (config.max_waiters > longest_line) {
        problems.add("max_waiters", "is " + std::to_string(config.max_waiters) +
                                        "; use 0 to 1000000 (a negative number becomes a huge one)");
    }
}

// What a limiter without a line of its own is configured with.
bool needs_line(const RateLimiterConfig& config) noexcept {
    constexpr RateLimiterConfig by_default{};
    return config.max_wait != by_default.max_wait || config.max_waiters != by_default.max_waiters;
}

}  // namespace

struct RateLimiter::Checked {
    Checked(const std::string* given_name, RateLimiterConfig given) : config(given) {
        ConfigProblems problems{detail::policy_subject("rate limiter", given_name)};
        check(config, problems);
        name = detail::checked_name(given_name, problems);
        problems.throw_if_any();
    }
    std::string_view name;
    RateLimiterConfig config;
};

RateLimiter::RateLimiter(const Checked& checked)
    : bucket_(checked.config.capacity, checked.config.refill_rate),
      name_(checked.name.data()),
      name_length_(static_cast<std::uint8_t>(checked.name.size())) {
    if (needs_line(checked.config)) line().set_limits(checked.config.max_wait, checked.config.max_waiters);
}

RateLimiter::~RateLimiter() {
    const std::unique_ptr<TokenLine> own(line_.load(std::memory_order_acquire));
    if (own == nullptr) return;
    BasicDeliveries<> deliveries;
    send_everybody_away(*own, deliveries);
    deliveries.deliver();
    while (!own->empty_of_sleepers()) std::this_thread::yield();
}

TokenLine& RateLimiter::line() {
    const std::scoped_lock lock(levers);
    if (TokenLine* const known = line_.load(std::memory_order_relaxed)) return *known;
    constexpr RateLimiterConfig by_default{};
    auto fresh = std::make_unique<TokenLine>(by_default.max_wait, by_default.max_waiters);
    // Release: pairs with enter().
    line_.store(fresh.get(), std::memory_order_release);
    return *fresh.release();
}

RateLimiter::RateLimiter(std::uint64_t capacity, double refill_rate)
    : RateLimiter(RateLimiterConfig{.capacity = capacity, .refill_rate = refill_rate}) {}

RateLimiter::RateLimiter(RateLimiterConfig config) : RateLimiter(Checked(nullptr, config)) {}

RateLimiter::RateLimiter(std::string name, RateLimiterConfig config) : RateLimiter(Checked(&name, config)) {}

void RateLimiter::set_rate(RateLimiterConfig config, TimePoint now) {
    const std::string own_name(name());
    ConfigProblems problems{detail::policy_subject("rate limiter", own_name.empty() ? nullptr : &own_name)};
    check(config, problems);
    problems.throw_if_any();
    if (needs_line(config)) static_cast<void>(line());
    BasicDeliveries<> deliveries;
    {
        const std::scoped_lock lock(levers);
        const double rate_before = bucket_.refill_rate();
        bucket_.set_rate(config.capacity, config.refill_rate, now);
        if (TokenLine* const waiting = line_.load(std::memory_order_relaxed)) {
            waiting->set_limits(config.max_wait, config.max_waiters);
            waiting->judge_again(
                bucket_, now,
                [this, now](Waiter& waiter) {
                    waiter.why = rejection(waiter.tokens, now);
                    counters_.add(exceeds_capacity);
                    enqueue_refused(waiter.why, now);
                },
                deliveries);
        }
        events_.enqueue(Event{.kind = EventKind::limit_changed,
                              .policy = PolicyKind::rate_limiter,
                              .name = name(),
                              .at = now,
                              .limit_before = rate_before,
                              .limit_after = config.refill_rate});
    }
    deliveries.deliver();
    events_.deliver();
}

void RateLimiter::close() {
    TokenLine& closing = line();
    BasicDeliveries<> deliveries;
    {
        const std::scoped_lock lock(levers);
        if (closing.closed()) return;
        send_everybody_away(closing, deliveries);
        events_.enqueue(
            Event{.kind = EventKind::lever, .policy = PolicyKind::rate_limiter, .name = name(), .at = Clock::now()});
    }
    deliveries.deliver();
    events_.deliver();
}

void RateLimiter::send_everybody_away(TokenLine& closing, BasicDeliveries<>& deliveries) noexcept {
    const auto refuse_each = [this](Waiter& waiter) {
        waiter.why = rejection_of(RejectionReason::shutting_down);
        counters_.add(shutting_down);
        enqueue_refused(waiter.why, Clock::now());
    };
    closing.close(refuse_each, deliveries);
}

std::uint64_t RateLimiter::drain(TimePoint now) noexcept {
    const std::uint64_t drained = bucket_.drain(now);
    events_.publish(Event{.kind = EventKind::lever, .policy = PolicyKind::rate_limiter, .name = name(), .at = now});
    return drained;
}

RateLimiterConfig RateLimiter::config() const {
    const std::scoped_lock lock(levers);
    RateLimiterConfig config{.capacity = bucket_.capacity(), .refill_rate = bucket_.refill_rate()};
    if (const TokenLine* const waiting = line_.load(std::memory_order_relaxed)) {
        config.max_wait = waiting->max_wait();
        config.max_waiters = waiting->max_waiters();
    }
    return config;
}

RateLimiterStats RateLimiter::stats(TimePoint now) const {
    const RateLimiterConfig current = config();
    RateLimiterStats stats{.capacity = current.capacity,
                           .refill_rate = current.refill_rate,
                           .available_tokens = bucket_.available(now),
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
    std::optional<std::uint64_t> ahead = 0;
    if (const TokenLine* const waiting = line_.load(std::memory_order_acquire)) {
        stats.waiting = waiting->waiting();
        ahead = waiting->ahead();
    }
    stats.closed = !ahead;
    const Duration wait = ahead ? bucket_.time_until(1, now, *ahead) : Duration::zero();
    if (wait > Duration::zero()) stats.retry_after = wait;
    stats.requests = stats.admitted + stats.rejected.total();
    return stats;
}

Subscription RateLimiter::on_event(Listener listener, EventKinds kinds) {
    return events_.subscribe(std::move(listener), kinds);
}

RateLimiter::Counter RateLimiter::counter_of(RejectionReason reason) noexcept {
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

Rejection RateLimiter::rejection_of(RejectionReason reason) const noexcept {
    return {.reason = reason, .kind = PolicyKind::rate_limiter, .policy = name()};
}

Rejection RateLimiter::too_many(std::uint64_t tokens) const noexcept {
    Rejection why = rejection_of(RejectionReason::exceeds_capacity);
    why.tokens_asked = tokens;
    why.capacity = bucket_.capacity();
    return why;
}

Rejection RateLimiter::rejection(std::uint64_t tokens, TimePoint now) const noexcept {
    const TokenLine* const waiting = line_.load(std::memory_order_acquire);
    const std::optional<std::uint64_t> ahead = waiting == nullptr ? 0 : waiting->ahead();
    if (!ahead) return rejection_of(RejectionReason::shutting_down);
    if (never_fits(tokens)) return too_many(tokens);
    Rejection why = rejection_of(RejectionReason::rate_limited);
    why.retry_after = bucket_.time_until(tokens, now, *ahead);
    return why;
}

bool RateLimiter::acquire_beside_line(std::uint64_t tokens, TimePoint now) noexcept {
    if (enter(tokens, now)) return true;
    static_cast<void>(refuse(tokens, now));
    return false;
}

Rejection RateLimiter::refuse(std::uint64_t tokens, TimePoint now) noexcept {
    return refuse_because(rejection(tokens, now), now);
}

Rejection RateLimiter::refuse_because(const Rejection& why, TimePoint now) noexcept {
    // By the reason given, not by a second look at a capacity that may have changed meanwhile.
    counters_.add(counter_of(why.reason));
    if (events_.wants(EventKind::refused)) {
        enqueue_refused(why, now);
        events_.deliver();
    }
    return why;
}

void RateLimiter::publish_permitted(TimePoint now) noexcept {
    events_.publish(Event{.kind = EventKind::permitted, .policy = PolicyKind::rate_limiter, .name = name(), .at = now});
}

void RateLimiter::enqueue_refused(const Rejection& why, TimePoint now) noexcept {
    if (!events_.wants(EventKind::refused)) return;
    events_.enqueue(Event{.kind = EventKind::refused,
                          .policy = PolicyKind::rate_limiter,
                          .name = name(),
                          .at = now,
                          .retry_after = why.retry_after,
                          .reason = why.reason});
}

}  // namespace resilience::inline v1
