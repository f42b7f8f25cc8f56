#include <gtest/gtest.h>

#include <for_tests/origin.hpp>
#include <optional>
#include <resilience/policies/place_in_line.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <utility>
#include <vector>

namespace resilience::inline v1 {
namespace reservation_test {

using namespace std::chrono_literals;

const TimePoint start = for_tests::origin() + 1h;

TEST(Reservation, takes_an_estimate_and_returns_what_was_not_used) {
    RateLimiter limiter("model", {.capacity = 1000, .refill_rate = 10});
    auto reservation = limiter.reserve(800, start);
    ASSERT_TRUE(reservation);
    EXPECT_EQ(reservation->estimate(), 800U);
    EXPECT_EQ(limiter.stats(start).available_tokens, 200U);
    EXPECT_EQ(reservation->settle(300, start).returned, 500U);
    const RateLimiterStats stats = limiter.stats(start);
    EXPECT_EQ(stats.available_tokens, 700U);
    EXPECT_EQ(stats.returned_tokens, 500U);
    EXPECT_EQ(stats.admitted, 1U);
    EXPECT_EQ(stats.requests, 1U);
}

TEST(Reservation, charges_a_surplus_when_it_is_reported) {
    RateLimiter limiter("model", {.capacity = 1000, .refill_rate = 10});
    auto reservation = limiter.reserve(800, start);
    ASSERT_TRUE(reservation);
    EXPECT_EQ(reservation->settle(1300, start).surplus, 500U);
    const RateLimiterStats stats = limiter.stats(start);
    EXPECT_EQ(stats.surplus_tokens, 500U);
    EXPECT_EQ(stats.debt_tokens, 300U);
    EXPECT_EQ(stats.available_tokens, 0U);
    EXPECT_EQ(limiter.reserve(1, start).error().retry_after, 30s + 100ms);
}

TEST(Reservation, counts_the_surplus_of_an_estimate_of_nothing) {
    RateLimiter limiter("model", {.capacity = 1000, .refill_rate = 10});
    auto reservation = limiter.reserve(0, start);
    ASSERT_TRUE(reservation);
    EXPECT_EQ(reservation->settle(300, start).surplus, 300U);
    EXPECT_EQ(limiter.stats(start).available_tokens, 700U);
    EXPECT_EQ(limiter.stats(start).surplus_tokens, 300U) << "what was charged is counted, the first time, too";
}

TEST(Reservation, sums_of_surpluses_do_not_fall_however_much_is_reported) {
    constexpr std::uint64_t most = ~std::uint64_t{0};
    RateLimiter limiter("model", {.capacity = 1000, .refill_rate = 10});
    auto first = limiter.reserve(1, start);
    auto second = limiter.reserve(1, start);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->settle(most, start).surplus, most - 1);
    EXPECT_EQ(second->settle(most, start).surplus, most - 1);
    EXPECT_EQ(limiter.stats(start).surplus_tokens, most);
}

TEST(Reservation, owes_four_years_of_refill_or_more_however_much_is_reported) {
    for (const double rate : {1e-8, 0.3, 1.0, 16.67, 999.0, 7e8, 1e9 * 16 / 17, 1e9 * 17 / 18, 1e9}) {
        RateLimiter limiter(1, rate);
        auto reservation = limiter.reserve(1, start);
        ASSERT_TRUE(reservation);
        reservation->settle(~std::uint64_t{0}, start);
        EXPECT_GT(limiter.stats(start).retry_after, 24h * 365 * 4) << rate;
    }
}

TEST(Reservation, is_refused_as_any_request_and_takes_nothing) {
    RateLimiter limiter("model", {.capacity = 10, .refill_rate = 1});
    const auto too_much = limiter.reserve(11, start);
    ASSERT_FALSE(too_much);
    EXPECT_EQ(too_much.error().reason, RejectionReason::exceeds_capacity);
    ASSERT_TRUE(limiter.acquire(8, start));
    const auto refused = limiter.reserve(5, start);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, RejectionReason::rate_limited);
    EXPECT_EQ(refused.error().retry_after, 3s);
    EXPECT_EQ(refused.error().policy, "model");
    const RateLimiterStats stats = limiter.stats(start);
    EXPECT_EQ(stats.available_tokens, 2U);
    EXPECT_EQ(stats.rejected.exceeds_capacity, 1U);
    EXPECT_EQ(stats.rejected.rate_limited, 1U);
    EXPECT_EQ(stats.requests, 3U);
    limiter.close();
    EXPECT_EQ(limiter.reserve(1, start).error().reason, RejectionReason::shutting_down);
}

TEST(Reservation, dropped_it_stays_charged_as_estimated) {
    RateLimiter limiter(10, 1);
    EXPECT_TRUE(limiter.reserve(6, start).has_value());
    EXPECT_EQ(limiter.stats(start).available_tokens, 4U);
    EXPECT_EQ(limiter.stats(start).returned_tokens, 0U);
}

TEST(Reservation, counts_once_however_often_it_is_settled_or_moved) {
    RateLimiter limiter(10, 1);
    auto reservation = limiter.reserve(10, start);
    ASSERT_TRUE(reservation);
    Reservation moved = std::move(*reservation);
    EXPECT_TRUE(moved.is_open());
    EXPECT_FALSE(reservation->is_open());
    EXPECT_EQ(reservation->settle(0, start).returned, 0U);
    EXPECT_EQ(moved.settle(4, start).returned, 6U);
    EXPECT_FALSE(moved.is_open());
    EXPECT_EQ(moved.settle(0, start).returned, 0U);
    EXPECT_EQ(moved.settle(100, start).surplus, 0U);
    EXPECT_EQ(limiter.stats(start).available_tokens, 6U);
}

TEST(Reservation, one_that_is_assigned_over_is_dropped) {
    RateLimiter limiter(10, 1);
    auto first = limiter.reserve(4, start);
    auto second = limiter.reserve(5, start);
    ASSERT_TRUE(first && second);
    *first = std::move(*second);
    EXPECT_EQ(first->settle(0, start).returned, 5U);
    EXPECT_EQ(limiter.stats(start).available_tokens, 6U);
}

TEST(Reservation, what_comes_back_serves_those_who_wait) {
    RateLimiter limiter("line", {.capacity = 10, .refill_rate = 1});
    auto reservation = limiter.reserve(10, start);
    ASSERT_TRUE(reservation);
    ASSERT_TRUE(limiter.opens_line(4));
    PlaceInLine<RateLimiter> place(limiter);
    const Waker waker{[](void*, Waiter& waiter) noexcept { waiter.arrive(); }, nullptr};
    Rejection why;
    ASSERT_TRUE(place.join(waker, start, {.tokens = 4}, why));
    ASSERT_EQ(place.look(start, false, why), PlaceInLine<RateLimiter>::Look::waiting);
    EXPECT_EQ(limiter.reserve(1, start).error().retry_after, 5s) << "behind the one who waits";
    EXPECT_EQ(reservation->settle(3, start).returned, 7U);
    EXPECT_EQ(place.look(start, false, why), PlaceInLine<RateLimiter>::Look::granted);
    static_cast<void>(place.adopt(start));
    EXPECT_EQ(limiter.stats(start).available_tokens, 3U);
    EXPECT_EQ(limiter.stats(start).waiting, 0U);
}

TEST(Reservation, what_a_change_of_rate_has_replaced_is_not_returned) {
    RateLimiter limiter("changed", {.capacity = 10, .refill_rate = 1});
    auto reservation = limiter.reserve(10, start);
    ASSERT_TRUE(reservation);
    limiter.set_rate({.capacity = 20, .refill_rate = 1}, start);
    EXPECT_EQ(reservation->settle(0, start).returned, 0U);
    auto next = limiter.reserve(1, start + 1s);
    ASSERT_TRUE(next);
    EXPECT_EQ(next->settle(0, start + 1s).returned, 1U) << "the new block hands out reservations too";
}

TEST(Reservation, is_small) { EXPECT_EQ(sizeof(Reservation), 40U); }

}  // namespace reservation_test
}  // namespace resilience::inline v1
