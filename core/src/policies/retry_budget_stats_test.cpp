#include <gtest/gtest.h>

#include <for_tests/origin.hpp>
#include <memory>
#include <resilience/policies/retry.hpp>

namespace resilience::inline v1 {
namespace retry_budget_stats_test {

using namespace std::chrono_literals;

const TimePoint start = for_tests::origin() + 1h;

TEST(Retry, shows_its_budget_and_what_it_refused) {
    const auto budget = std::make_shared<RetryBudget>(RetryBudgetConfig{.capacity = 2, .trickle = 1});
    Retry first{"first", {}, budget};
    Retry second{"second", {}, budget};
    EXPECT_EQ(first.stats(start).budget->balance, 2.0);
    for (int retry = 0; retry < 3; ++retry) EXPECT_EQ(first.begin_retry(start), retry < 2);
    EXPECT_EQ(first.stats(start).budget_rejections, 1U);
    EXPECT_EQ(second.stats(start).budget_rejections, 0U) << "each counts its own";
    EXPECT_EQ(second.stats(start).budget->balance, 0.0) << "one balance";
    EXPECT_EQ(second.stats(start + 1500ms).budget->balance, 1.5) << "that at the moment of asking";
    EXPECT_EQ(second.stats(start).budget->capacity, 2.0);
}

TEST(Retry, shows_a_budget_of_places_as_what_is_free_now) {
    const auto budget = std::make_shared<ConcurrentRetryBudget>(ConcurrentRetryBudgetConfig{.rate = 0.5, .minimum = 1});
    Retry retry{"reads", {}, budget};
    for (int call = 0; call < 6; ++call) retry.begin_call();
    EXPECT_TRUE(retry.begin_retry(start));
    EXPECT_EQ(retry.stats(start).budget->balance, 2.0);
    EXPECT_EQ(retry.stats(start).budget->capacity, 3.0);
    EXPECT_TRUE(retry.begin_retry(start));
    EXPECT_TRUE(retry.begin_retry(start));
    EXPECT_FALSE(retry.begin_retry(start));
    EXPECT_EQ(retry.stats(start).budget_rejections, 1U);
    for (int call = 0; call < 5; ++call) retry.end_call(true, start);
    EXPECT_EQ(retry.stats(start).budget->balance, 0.0) << "three are out and one is allowed";
    EXPECT_EQ(retry.stats(start).budget->capacity, 1.0);
}

TEST(Retry, without_a_budget_shows_none) {
    Retry plain;
    Retry hooked{{}, RetryHooks{.delay = [](const AttemptEnd&) { return 1ms; }}};
    EXPECT_FALSE(plain.stats(start).budget);
    EXPECT_FALSE(hooked.stats(start).budget);
    EXPECT_TRUE(hooked.begin_retry(start));
    EXPECT_EQ(hooked.stats(start).budget_rejections, 0U);
}

}  // namespace retry_budget_stats_test
}  // namespace resilience::inline v1
