#include <resilience/policies/rate_limiter.hpp>

namespace resilience::inline v1 {

std::expected<void, Rejection> RateLimiter::acquire_for(std::uint64_t tokens, Duration max_wait,
                                                        const std::stop_token& stop) {
    const TimePoint now = Clock::now();
    if (enter(tokens, now)) return {};
    if (max_wait <= Duration::zero() || !opens_line(tokens)) return std::unexpected(refuse(tokens, now));
    PlaceInLine<RateLimiter> place(*this);
    Rejection why;
    const WaitTerms terms{.until = saturating_add(now, max_wait), .tokens = tokens, .blocking = true};
    if (!detail::sleep_in_line(place, terms, stop, now, why)) return std::unexpected(why);
    static_cast<void>(place.adopt(Clock::now()));
    return {};
}

Duration RateLimiter::longest_wait(std::uint64_t tokens) const noexcept {
    const TokenLine* const waiting = line_.load(std::memory_order_acquire);
    return waiting == nullptr || never_fits(tokens) || waiting->closed() ? Duration::zero() : waiting->max_wait();
}

bool RateLimiter::join_line(Waiter& waiter, TimePoint now, const WaitTerms& terms, Rejection& why) noexcept {
    TokenLine& standing = *line_.load(std::memory_order_acquire);
    const TokenLine::Answer answer = standing.join(bucket_, waiter, now, terms.until, terms.deadline);
    switch (answer.joined) {
        case TokenLine::Joined::yes:
            return true;
        case TokenLine::Joined::closed:
            why = rejection_of(RejectionReason::shutting_down);
            break;
        case TokenLine::Joined::too_many:
            why = too_many(terms.tokens);
            break;
        case TokenLine::Joined::full:
            why = rejection_of(RejectionReason::queue_full);
            why.retry_after = answer.wait;
            break;
        case TokenLine::Joined::too_late:
            why = rejection_of(RejectionReason::rate_limited);
            why.retry_after = answer.wait;
            break;
    }
    why = refuse_because(why, now);
    return false;
}

TimePoint RateLimiter::look_in_line(Waiter& waiter, TimePoint now) noexcept {
    return line_.load(std::memory_order_relaxed)->look(bucket_, waiter, now);
}

bool RateLimiter::leave_line(Waiter& waiter, RejectionReason reason, TimePoint now, Rejection& why) noexcept {
    const Rejection giving_up = rejection_of(reason);
    switch (line_.load(std::memory_order_relaxed)->withdraw(bucket_, waiter, now, giving_up)) {
        case TokenLine::Withdrawn::gone:
            why = refuse_because(giving_up, now);
            return true;
        case TokenLine::Withdrawn::after_delivery:
            static_cast<void>(refuse_because(giving_up, now));
            return false;
        case TokenLine::Withdrawn::served_before:
            return false;
    }
    return false;
}

}  // namespace resilience::inline v1
