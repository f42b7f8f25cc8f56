#include <gtest/gtest.h>

#include <chrono>
#include <for_tests/origin.hpp>
#include <new>
#include <resilience/policies/circuit_breaker.hpp>
#include <type_traits>
#include <utility>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace circuit_breaker_test {

TimePoint at(Duration since_start) { return for_tests::origin() + 1h + since_start; }

void call(CircuitBreaker& breaker, Outcome outcome, TimePoint now) {
    auto permit = breaker.try_acquire(now);
    ASSERT_TRUE(permit.has_value());
    permit->settle(outcome, now);
}
void calls(CircuitBreaker& breaker, int count, Outcome outcome, TimePoint now) {
    for (int i = 0; i < count; ++i) call(breaker, outcome, now);
}
void expect_reconciled(const CircuitBreakerStats& stats) {
    EXPECT_EQ(stats.requests, stats.admitted + stats.rejected.total());
    EXPECT_EQ(stats.admitted, stats.success + stats.failure + stats.ignored + stats.in_flight);
    EXPECT_LE(stats.cancelled + stats.abandoned, stats.ignored);
}

TEST(CircuitBreaker, opens_when_half_of_the_calls_fail) {
    CircuitBreaker breaker{"breaker_test"};
    calls(breaker, 5, Outcome::success, at(0s));
    calls(breaker, 4, Outcome::failure, at(0s));
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::closed) << "nine calls are below min_requests";
    call(breaker, Outcome::failure, at(1s));
    EXPECT_EQ(breaker.state(at(1s)), CircuitState::open);
    const CircuitBreakerStats stats = breaker.stats(at(1s));
    EXPECT_EQ(stats.admitted, 10U);
    EXPECT_EQ(stats.failure, 5U);
    expect_reconciled(stats);
}

TEST(CircuitBreaker, opens_on_a_success_too_when_it_makes_the_minimum) {
    CircuitBreaker breaker{"breaker_test", {.min_requests = 4}};
    calls(breaker, 2, Outcome::failure, at(0s));
    call(breaker, Outcome::success, at(0s));
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::closed);
    call(breaker, Outcome::success, at(0s));
    EXPECT_EQ(breaker.state(at(0s)), CircuitState::open);
}

TEST(CircuitBreaker, compares_its_threshold_as_a_fraction) {
    struct Row {
        double threshold;
        std::uint32_t calls, failures;
    };
    // Counts that lie exactly on the threshold, where a comparison of doubles is too low or too high by one.
    for (const auto& [threshold, total, failures] : std::vector<Row>{
             {0.07, 100, 7}, {0.28, 25, 7}, {0.55, 100, 55}, {0.56, 100, 56}, {0.29, 100, 29}, {0.57, 100, 57}}) {
        CircuitBreaker on{"breaker_test", {.failure_threshold = threshold, .min_requests = total}};
        calls(on, static_cast<int>(failures), Outcome::failure, at(0s));
        calls(on, static_cast<int>(total - failures), Outcome::success, at(0s));
        EXPECT_EQ(on.state(at(0s)), CircuitState::open) << threshold;
        CircuitBreaker below{"breaker_test", {.failure_threshold = threshold, .min_requests = total}};
        calls(below, static_cast<int>(failures - 1), Outcome::failure, at(0s));
        calls(below, static_cast<int>(total - failures + 1), Outcome::success, at(0s));
        EXPECT_EQ(below.state(at(0s)), CircuitState::closed) << threshold;
    }
}

TEST(CircuitBreaker, forgets_what_has_left_the_window) {
    CircuitBreaker breaker{"breaker_test", {.min_requests = 4, .window_size = 10s}};
    calls(breaker, 3, Outcome::failure, at(0s));
    call(breaker, Outcome::failure, at(11s));
    EXPECT_EQ(breaker.state(at(11s)), CircuitState::closed);
    EXPECT_EQ(breaker.stats(at(11s)).window.requests, 1U);
    EXPECT_EQ(breaker.stats(at(30s)).window.requests, 0U);
    EXPECT_EQ(breaker.stats(at(30s)).failure, 4U) << "totals keep everything";
}

TEST(CircuitBreaker, says_when_it_is_worth_coming_back_and_keeps_its_word) {
    CircuitBreaker breaker{"card_host", {.timeout = 10s}};
    breaker.open(at(0s));
    const auto refused = breaker.try_acquire(at(3s));
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error(),
              (Rejection{.reason = RejectionReason::circuit_open, .policy = "card_host", .retry_after = 7s}));
    auto permit = breaker.try_acquire(at(3s) + *refused.error().retry_after);
    EXPECT_TRUE(permit.has_value());
}

TEST(CircuitBreaker, refuses_through_the_form_of_the_call_machine_alike) {
    CircuitBreaker breaker{"card_host", {.success_threshold = 1, .timeout = 10s}};
    CircuitBreaker::Permit permit;
    Rejection why{.reason = RejectionReason::cancelled};
    ASSERT_TRUE(breaker.enter(at(0s), permit, why));
    EXPECT_EQ(why.reason, RejectionReason::cancelled) << "written only on refusal";
    permit.settle(CallResult::success, at(0s));
    breaker.open(at(0s));
    EXPECT_FALSE(breaker.enter(at(4s), permit, why));
    EXPECT_EQ(why, (Rejection{.reason = RejectionReason::circuit_open, .policy = "card_host", .retry_after = 6s}));
    EXPECT_FALSE(permit.held());
    ASSERT_TRUE(breaker.enter(at(10s), permit, why));
    EXPECT_EQ(permit.admitted_at(), at(10s));
    CircuitBreaker::Permit second;
    EXPECT_FALSE(breaker.enter(at(11s), second, why));
    EXPECT_EQ(why.reason, RejectionReason::half_open_full);
    EXPECT_EQ(why.retry_after, 9s) << "the lease ends at 20 s, one open time is 10 s";
    permit.settle(CallResult::success, at(12s));
    EXPECT_EQ(breaker.state(at(12s)), CircuitState::closed);
}

TEST(CircuitBreaker, full_of_probes_asks_to_come_back_after_the_open_time_or_the_first_lease) {
    CircuitBreaker breaker{"breaker_test", {.success_threshold = 1, .timeout = 2s}};
    breaker.half_open(at(0s));
    auto probe = breaker.try_acquire(at(0s));
    ASSERT_TRUE(probe.has_value());
    EXPECT_EQ(breaker.try_acquire(at(1s)).error().retry_after, 2s);
    EXPECT_EQ(breaker.try_acquire(at(9s)).error().retry_after, 1s);
    EXPECT_EQ(breaker.stats(at(9s)).retry_after, 1s);
    EXPECT_EQ(breaker.stats(at(9s)).half_open.oldest_probe, 9s);
}

TEST(CircuitBreaker, stays_open_for_ever_when_told_so) {
    CircuitBreaker breaker{"breaker_test", {.timeout = Duration::max()}};
    breaker.open(at(0s));
    const auto refused = breaker.try_acquire(TimePoint::max() - 1ns);
    ASSERT_FALSE(refused.has_value());
    EXPECT_FALSE(refused.error().retry_after.has_value());
    EXPECT_FALSE(breaker.next_deadline().has_value());
    EXPECT_EQ(breaker.state(TimePoint::max()), CircuitState::open);
}

TEST(CircuitBreaker, works_at_both_ends_of_time) {
    for (const TimePoint start : {TimePoint::min(), for_tests::origin(), TimePoint::max() - 30s}) {
        CircuitBreaker breaker{"breaker_test", {.success_threshold = 1, .timeout = 10s, .min_requests = 1}};
        call(breaker, Outcome::failure, start);
        EXPECT_EQ(breaker.state(start), CircuitState::open);
        EXPECT_FALSE(breaker.try_acquire(start + 9s).has_value());
        auto probe = breaker.try_acquire(start + 10s);
        ASSERT_TRUE(probe.has_value());
        probe->settle(Outcome::success, start + 11s);
        EXPECT_EQ(breaker.state(start + 11s), CircuitState::closed);
    }
}

TEST(CircuitBreaker, reads_its_state_without_changing_it) {
    CircuitBreaker breaker{"breaker_test", {.timeout = 10s}};
    breaker.open(at(0s));
    const std::uint64_t generation = breaker.stats(at(0s)).generation;
    EXPECT_EQ(breaker.next_deadline(), at(10s));
    EXPECT_EQ(breaker.state(at(10s)), CircuitState::half_open);
    EXPECT_EQ(breaker.state(at(10s) - 1ns), CircuitState::open) << "looking ahead did not move it";
    EXPECT_EQ(breaker.stats(at(12s)).state, CircuitState::half_open);
    EXPECT_EQ(breaker.stats(at(12s)).in_state, 2s);
    EXPECT_EQ(breaker.stats(at(12s)).not_closed, 12s);
    EXPECT_EQ(breaker.stats(at(12s)).generation, generation);
    breaker.tick(at(12s));
    EXPECT_EQ(breaker.stats(at(12s)).generation, generation + 1);
    EXPECT_EQ(breaker.stats(at(13s)).in_state, 3s) << "it was due at 10 s";
    EXPECT_FALSE(breaker.next_deadline().has_value());
}

TEST(CircuitBreaker, treats_a_late_now_as_the_newest_seen) {
    CircuitBreaker breaker{"breaker_test", {.success_threshold = 1, .timeout = 10s}};
    breaker.open(at(0s));
    breaker.tick(at(20s));
    auto probe = breaker.try_acquire(at(5s));
    ASSERT_TRUE(probe.has_value()) << "its clock is behind, the breaker is half-open";
    EXPECT_EQ(probe->admitted_at(), at(20s));
    probe->settle(Outcome::failure, at(6s));
    EXPECT_EQ(breaker.next_deadline(), at(30s));
}

TEST(CircuitBreaker, lists_the_changes_that_happened) {
    CircuitBreaker breaker{"breaker_test", {.success_threshold = 1, .timeout = 10s, .min_requests = 1}};
    EXPECT_EQ(breaker.stats(at(0s)).transitions.size(), 4U) << "those that happen by themselves, at zero";
    call(breaker, Outcome::failure, at(0s));
    breaker.tick(at(10s));
    breaker.force_open(at(11s));
    bool found = false;
    for (const auto& [from, to, count] : breaker.stats(at(11s)).transitions) {
        const bool happened = (from == CircuitState::closed && to == CircuitState::open) ||
                              (from == CircuitState::open && to == CircuitState::half_open) ||
                              (from == CircuitState::half_open && to == CircuitState::forced_open);
        EXPECT_EQ(count, happened ? 1U : 0U) << from << " to " << to;
        found = found || to == CircuitState::forced_open;
    }
    EXPECT_TRUE(found);
}

TEST(CircuitBreaker, neither_copies_nor_moves) {
    static_assert(!std::is_copy_constructible_v<CircuitBreaker> && !std::is_move_constructible_v<CircuitBreaker>);
    static_assert(!std::is_copy_constructible_v<CircuitBreaker::Permit>);
    static_assert(std::is_nothrow_move_constructible_v<CircuitBreaker::Permit>);
    static_assert(sizeof(CircuitBreaker::Permit) == 24);
    static_assert(sizeof(CircuitBreaker) <= 640, "with 344 bytes of heap and two stripes a default one fits in 1 KB");
    const CircuitBreakerConfig config{.failure_threshold = 0.3};
    const CircuitBreaker breaker{"payment_api", config};
    EXPECT_EQ(breaker.name(), "payment_api");
    EXPECT_EQ(breaker.config(), config);
    EXPECT_EQ(CircuitBreaker(config).name(), "");
}

#ifndef NDEBUG
TEST(CircuitBreakerDeathTest, destroyed_before_its_permits_aborts_with_its_name) {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    EXPECT_DEATH(
        {
            alignas(CircuitBreaker) static unsigned char storage[sizeof(CircuitBreaker)];
            auto* const breaker = new (storage) CircuitBreaker{"too_early"};
            auto permit = breaker->try_acquire(at(0s));
            breaker->~CircuitBreaker();
        },
        "too_early.*1 of its permits");
}
#endif

TEST(CircuitBreaker, may_be_destroyed_while_results_of_allow_are_awaited) {
    CircuitBreaker breaker{"breaker_test", {.timeout = 1s}};
    EXPECT_TRUE(breaker.allow(at(0s)));
    breaker.open(at(0s));
    EXPECT_TRUE(breaker.allow(at(1s)));
    expect_reconciled(breaker.stats(at(1s)));
}

}  // namespace circuit_breaker_test
