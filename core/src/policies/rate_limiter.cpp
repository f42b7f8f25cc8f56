#include "checked_name.hpp"
#include "limiter_in_line_bodies.hpp"
#include "out_of_range.hpp"

#include <mutex>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <utility>

namespace resilience::inline v1 {
namespace {

constexpr std::uint64_t highest_capacity = 0xFFFF'FFFF;
constexpr double lowest_rate = 1e-8;
constexpr double highest_rate = 1e9;

using detail::is;

void check(const RateLimiterConfig& config, ConfigProblems& problems) {
    const bool capacity_fits = config.capacity >= 1 && config.capacity <= highest_capacity;
    if (!capacity_fits) {
        problems.add("capacity",
                     is(config.capacity,
                        "a whole number from 1 to 4294967295 (a fraction is cut, a negative number becomes huge)"));
    }
    if (!(config.refill_rate >= lowest_rate && config.refill_rate <= highest_rate)) {
        problems.add("refill_rate", is(config.refill_rate, "1e-8 to 1e9 tokens per second"));
    } else if (capacity_fits && !TokenBucket::representable(config.capacity, config.refill_rate)) {
        problems.add("refill_rate",
                     "is " + detail::exact_text(config.refill_rate) + " and would take more than 9.1 years to fill " +
                         std::to_string(config.capacity) + " tokens; use a higher rate or a smaller capacity");
    }
    detail::check_waits(config.max_wait, config.max_waiters, problems);
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
    : LimiterInLine(checked.name, Waits{checked.config.max_wait, checked.config.max_waiters}, checked.config.capacity,
                    checked.config.refill_rate) {}

RateLimiter::RateLimiter(std::uint64_t capacity, double refill_rate)
    : RateLimiter(RateLimiterConfig{.capacity = capacity, .refill_rate = refill_rate}) {}

RateLimiter::RateLimiter(RateLimiterConfig config) : RateLimiter(Checked(nullptr, config)) {}

RateLimiter::RateLimiter(std::string name, RateLimiterConfig config) : RateLimiter(Checked(&name, config)) {}

void RateLimiter::set_rate(RateLimiterConfig config, TimePoint now) {
    const std::string own_name(name());
    ConfigProblems problems{detail::policy_subject("rate limiter", own_name.empty() ? nullptr : &own_name)};
    check(config, problems);
    problems.throw_if_any();
    const Waits waits{config.max_wait, config.max_waiters};
    if (waits != Waits{}) static_cast<void>(line());
    BasicDeliveries<> deliveries;
    {
        const std::scoped_lock lock(levers_);
        const double rate_before = source().refill_rate();
        source().set_rate(config.capacity, config.refill_rate, now);
        set_waits(waits);
        judge_line_locked(now, deliveries);
        events().enqueue(Event{.kind = EventKind::limit_changed,
                               .policy = PolicyKind::rate_limiter,
                               .name = name(),
                               .at = now,
                               .limit_before = rate_before,
                               .limit_after = config.refill_rate});
    }
    deliveries.deliver();
    events().deliver();
}

std::uint64_t RateLimiter::drain(TimePoint now) noexcept {
    const std::uint64_t drained = source().drain(now);
    events().publish(Event{.kind = EventKind::lever, .policy = PolicyKind::rate_limiter, .name = name(), .at = now});
    return drained;
}

Admission<Reservation> RateLimiter::reserve(std::uint64_t estimate, TimePoint now) noexcept {
    if (!line_blocks(estimate)) {
        if (const auto reserved = source().try_reserve(estimate, now)) {
            count_admission(now);
            return Reservation(*this, *reserved);
        }
    }
    return std::unexpected(refuse(estimate, now));
}

Reservation::Settled RateLimiter::settle(const TokenBucket::Reserved& reserved, std::uint64_t actual,
                                         TimePoint now) noexcept {
    const Reservation::Settled settled = source().settle(reserved, actual, now);
    if (settled.returned != 0) judge_line(now);
    return settled;
}

Reservation::Settled Reservation::settle(std::uint64_t actual, TimePoint now) noexcept {
    if (limiter_ == nullptr) return {};
    return std::exchange(limiter_, nullptr)->settle(reserved_, actual, now);
}

RateLimiterConfig RateLimiter::config() const {
    const std::scoped_lock lock(levers_);
    const Waits now_in_force = waits();
    return {.capacity = source().capacity(),
            .refill_rate = source().refill_rate(),
            .max_wait = now_in_force.max_wait,
            .max_waiters = now_in_force.max_waiters};
}

template class LimiterInLine<TokenBucket>;

}  // namespace resilience::inline v1
