#include "checked_name.hpp"

#include <algorithm>
#include <mutex>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <sstream>

namespace resilience::inline v1 {
namespace {

constexpr std::uint64_t highest_capacity = 0xFFFF'FFFF;
constexpr double lowest_rate = 1e-8;
constexpr double highest_rate = 1e9;

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
    : bucket_(checked.config.capacity, checked.config.refill_rate), name_(checked.name) {}

RateLimiter::RateLimiter(std::uint64_t capacity, double refill_rate)
    : RateLimiter(RateLimiterConfig{.capacity = capacity, .refill_rate = refill_rate}) {}

RateLimiter::RateLimiter(RateLimiterConfig config) : RateLimiter(Checked(nullptr, config)) {}

RateLimiter::RateLimiter(std::string name, RateLimiterConfig config) : RateLimiter(Checked(&name, config)) {}

void RateLimiter::set_rate(RateLimiterConfig config, TimePoint now) {
    const std::string name(name_);
    ConfigProblems problems{detail::policy_subject("rate limiter", name_.empty() ? nullptr : &name)};
    check(config, problems);
    problems.throw_if_any();
    {
        const std::scoped_lock lock(levers);
        const double rate_before = bucket_.refill_rate();
        bucket_.set_rate(config.capacity, config.refill_rate, now);
        events_.enqueue(Event{.kind = EventKind::limit_changed,
                              .policy = PolicyKind::rate_limiter,
                              .name = name_,
                              .at = now,
                              .limit_before = rate_before,
                              .limit_after = config.refill_rate});
    }
    events_.deliver();
}

std::uint64_t RateLimiter::drain(TimePoint now) noexcept {
    const std::uint64_t drained = bucket_.drain(now);
    events_.publish(Event{.kind = EventKind::lever, .policy = PolicyKind::rate_limiter, .name = name_, .at = now});
    return drained;
}

RateLimiterConfig RateLimiter::config() const {
    const std::scoped_lock lock(levers);
    return {.capacity = bucket_.capacity(), .refill_rate = bucket_.refill_rate()};
}

RateLimiterStats RateLimiter::stats(TimePoint now) const {
    const RateLimiterConfig current = config();
    RateLimiterStats stats{.capacity = current.capacity,
                           .refill_rate = current.refill_rate,
                           .available_tokens = bucket_.available(now),
                           .rejected = {.rate_limited = counters_.read(rate_limited),
                                        .exceeds_capacity = counters_.read(exceeds_capacity)},
                           .admitted = counters_.read(admitted),
                           .listener_exceptions = events_.listener_exceptions(),
                           .events_dropped = events_.dropped()};
    const Duration wait = bucket_.time_until(1, now);
    if (wait > Duration::zero()) stats.retry_after = wait;
    stats.requests = stats.admitted + stats.rejected.total();
    return stats;
}

Subscription RateLimiter::on_event(Listener listener, EventKinds kinds) {
    return events_.subscribe(std::move(listener), kinds);
}

Rejection RateLimiter::rejection(std::uint64_t tokens, TimePoint now) const noexcept {
    Rejection why{.reason = RejectionReason::rate_limited, .kind = PolicyKind::rate_limiter, .policy = name_};
    if (never_fits(tokens)) {
        why.reason = RejectionReason::exceeds_capacity;
        why.tokens_asked = tokens;
        why.capacity = bucket_.capacity();
    } else {
        why.retry_after = bucket_.time_until(tokens, now);
    }
    return why;
}

Rejection RateLimiter::refuse(std::uint64_t tokens, TimePoint now) noexcept {
    const Rejection why = rejection(tokens, now);
    // By the reason given, not by a second look at a capacity that may have changed meanwhile.
    counters_.add(why.reason == RejectionReason::exceeds_capacity ? exceeds_capacity : rate_limited);
    if (events_.wants(EventKind::refused)) publish_refused(why, now);
    return why;
}

void RateLimiter::publish_permitted(TimePoint now) noexcept {
    events_.publish(Event{.kind = EventKind::permitted, .policy = PolicyKind::rate_limiter, .name = name_, .at = now});
}

void RateLimiter::publish_refused(const Rejection& why, TimePoint now) noexcept {
    events_.publish(Event{.kind = EventKind::refused,
                          .policy = PolicyKind::rate_limiter,
                          .name = name_,
                          .at = now,
                          .retry_after = why.retry_after,
                          .reason = why.reason});
}

}  // namespace resilience::inline v1
