#include <gtest/gtest.h>

#include <resilience/manager/manager.hpp>
#include <resilience/policies/keyed_rate_limiter.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <resilience/policies/retry.hpp>
#include <resilience/prometheus/exporter.hpp>
#include <string>

#include "promtool.hpp"

namespace keyed_families_test {

using namespace resilience;
using namespace std::chrono_literals;
using detail::promtool_finds_nothing;
using detail::value_of;

std::size_t occurrences(const std::string& text, const std::string& part) {
    std::size_t count = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
    return count;
}

KeyedRateLimiterConfig one_key() { return {.tiers = {{"only", 10, 0.001}}, .max_keys = 1}; }

TEST(KeyedFamilies, show_what_a_managers_limiters_count) {
    ResilienceManager manager{"shop", {.hottest_keys = 5}};
    const auto plain = manager.register_rate_limiter("plain", 10, 1);
    const auto keyed = manager.register_keyed_rate_limiter("keyed", one_key());
    auto exceeded = plain->reserve(4);
    ASSERT_TRUE(exceeded);
    exceeded->settle(104);
    auto unused = keyed->reserve("alice@example.org", 8);
    ASSERT_TRUE(unused);
    unused->settle(3);
    EXPECT_FALSE(keyed->acquire("alice@example.org", 11));
    EXPECT_TRUE(keyed->acquire("bob@example.org", 2)) << "alice makes room";
    const std::string text = export_metrics(manager);
    EXPECT_EQ(value_of(text, R"(resilience_rate_limiter_keys{service="keyed"})"), 1);
    EXPECT_EQ(value_of(text, R"(resilience_rate_limiter_evicted_keys_total{service="keyed"})"), 1);
    EXPECT_EQ(value_of(text, R"(resilience_rate_limiter_requests_total{service="keyed"})"), 3);
    EXPECT_EQ(value_of(text, R"(resilience_rate_limiter_rejections_total{service="keyed"})"), 1);
    EXPECT_EQ(value_of(text, R"(resilience_rate_limiter_returned_tokens_total{service="keyed"})"), 5);
    EXPECT_EQ(value_of(text, R"(resilience_rate_limiter_surplus_tokens_total{service="plain"})"), 100);
    EXPECT_GT(value_of(text, R"(resilience_rate_limiter_debt_tokens{service="plain"})"), 0);
    EXPECT_FALSE(value_of(text, R"(resilience_rate_limiter_available_tokens{service="keyed"})"));
    EXPECT_FALSE(value_of(text, R"(resilience_rate_limiter_keys{service="plain"})"));
    EXPECT_EQ(text.find("example.org"), std::string::npos) << "keys are in no metrics";
    EXPECT_EQ(occurrences(text, "# TYPE resilience_rate_limiter_requests_total counter"), 1U);
    EXPECT_TRUE(promtool_finds_nothing(text));
}

TEST(KeyedFamilies, beyond_the_limit_are_one_sum_with_the_plain_ones) {
    ResilienceManager manager{"shop", {.max_components = 1}};
    // One of each has its own series.
    static_cast<void>(manager.register_rate_limiter("own_plain", 10, 1)->acquire());
    static_cast<void>(manager.register_keyed_rate_limiter("own_keyed", one_key())->acquire(1));
    static_cast<void>(manager.register_rate_limiter("plain", 10, 1)->acquire());
    const std::string before = export_metrics(manager);
    EXPECT_EQ(value_of(before, R"(resilience_rate_limiter_requests_total{service="overflow"})"), 1)
        << "the plain one beyond";
    static_cast<void>(manager.register_keyed_rate_limiter("keyed", one_key())->acquire(1));
    const std::string text = export_metrics(manager);
    EXPECT_EQ(value_of(text, R"(resilience_rate_limiter_requests_total{service="overflow"})"), 2);
    EXPECT_EQ(value_of(text, R"(resilience_rate_limiter_requests_total{service="own_plain"})"), 1);
    EXPECT_EQ(value_of(text, R"(resilience_rate_limiter_evicted_keys_total{service="overflow"})"), 0);
    EXPECT_FALSE(value_of(text, R"(resilience_rate_limiter_keys{service="overflow"})"))
        << "a sum of gauges says nothing";
    EXPECT_EQ(value_of(text, R"(resilience_metrics_dropped_components{service="shop"})"), 2);
    EXPECT_EQ(occurrences(text, "resilience_rate_limiter_requests_total{service=\"overflow\"}"), 1U);
    EXPECT_TRUE(promtool_finds_nothing(text));
}

TEST(RetryBudgetFamilies, show_the_budget_of_each_retry_that_has_one) {
    ResilienceManager manager;
    const auto shared = std::make_shared<RetryBudget>(RetryBudgetConfig{.capacity = 2, .trickle = 0});
    const auto reads = manager.register_retry("reads", {}, {}, shared);
    manager.register_retry("writes", {}, {}, shared);
    manager.register_retry("plain");
    const TimePoint now = Clock::now();
    EXPECT_TRUE(reads->begin_retry(now));
    std::string text = export_metrics(manager);
    for (const char* service : {"reads", "writes"}) {
        const std::string label = std::string("{service=\"") + service + "\"}";
        EXPECT_EQ(value_of(text, "resilience_retry_budget_balance" + label), 1) << "one budget for both";
        EXPECT_EQ(value_of(text, "resilience_retry_budget_capacity" + label), 2);
    }
    EXPECT_FALSE(value_of(text, R"(resilience_retry_budget_balance{service="plain"})"));
    EXPECT_TRUE(reads->begin_retry(now));
    EXPECT_FALSE(reads->begin_retry(now));
    text = export_metrics(manager);
    EXPECT_EQ(value_of(text, R"(resilience_retry_budget_rejections_total{service="reads"})"), 1);
    EXPECT_EQ(value_of(text, R"(resilience_retry_budget_rejections_total{service="writes"})"), 0);
    EXPECT_EQ(value_of(text, R"(resilience_retry_budget_rejections_total{service="plain"})"), 0);
    EXPECT_TRUE(promtool_finds_nothing(text));
}

}  // namespace keyed_families_test
