#include <gtest/gtest.h>

#include <optional>
#include <resilience/base/config_error.hpp>
#include <resilience/manager/manager.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/bulkhead_partition.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <resilience/policies/retry.hpp>
#include <string>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace series_overflow_test {

constexpr TimePoint start{1000s};
using Names = std::vector<std::string>;

TEST(SeriesOverflow, names_what_was_registered_beyond_the_limit_of_each_kind) {
    ResilienceManager manager{"", {.max_components = 2}};
    for (const auto* name : {"c", "d", "a", "b"}) manager.register_retry(name);
    manager.register_bulkhead("a", 1);
    const ResilienceStats stats = manager.stats(start);
    EXPECT_EQ(stats.retries.size(), 4U) << "all of them are in the stats";
    EXPECT_EQ(stats.overflow.retries.names, (Names{"a", "b"})) << "the first two have their own, whatever their names";
    EXPECT_TRUE(stats.overflow.bulkheads.names.empty());
    EXPECT_EQ(stats.overflow.retries.removed.has_value(), false);
}

TEST(SeriesOverflow, gives_a_place_that_became_free_to_the_next_that_is_registered) {
    ResilienceManager manager{"", {.max_components = 1}};
    for (const auto* name : {"a", "b"}) manager.register_retry(name);
    manager.remove("a");
    EXPECT_EQ(manager.stats(start).overflow.retries.names, (Names{"b"})) << "nobody changes sides";
    manager.register_retry("c");
    manager.register_retry("d");
    EXPECT_EQ(manager.stats(start).overflow.retries.names, (Names{"b", "d"}));
}

TEST(SeriesOverflow, keeps_its_name_for_itself) {
    ResilienceManager manager;
    const std::string name{overflow_name};
    EXPECT_THROW(manager.register_circuit_breaker(name), ConfigError);
    EXPECT_THROW(manager.register_rate_limiter(name, 10, 1), ConfigError);
    EXPECT_THROW(manager.register_keyed_rate_limiter(name, {.tiers = {{"only", 10, 1}}}), ConfigError);
    EXPECT_THROW(manager.register_bulkhead(name, 10), ConfigError);
    try {
        manager.register_retry(name);
        ADD_FAILURE() << "accepted";
    } catch (const ConfigError& error) {
        EXPECT_STREQ(error.what(),
                     "retry \"overflow\":\n  name is that of the sum of policies without metrics of their own");
    }
    EXPECT_TRUE(manager.stats(start).retries.empty());
    EXPECT_NE(manager.register_retry("overflow_"), nullptr);
    EXPECT_EQ(CircuitBreaker(name).name(), name) << "without a manager there is no sum";
}

TEST(SeriesOverflow, keeps_what_removed_policies_counted) {
    ResilienceManager manager{"", {.max_components = 1}};
    manager.register_bulkhead("own", 1);
    for (const int round : {1, 2}) {
        const auto bulkhead = manager.register_bulkhead("other", 1);
        const auto place = bulkhead->try_acquire();
        EXPECT_FALSE(bulkhead->try_acquire().has_value());
        manager.remove("other");
        const auto removed = manager.stats(start).overflow.bulkheads.removed;
        ASSERT_TRUE(removed);
        EXPECT_EQ(removed->requests, 2U * static_cast<unsigned>(round));
        EXPECT_EQ(removed->rejected.bulkhead_full, static_cast<unsigned>(round));
        EXPECT_EQ(removed->in_use, 0U) << "only what rises is added up";
    }
    manager.remove("own");
    EXPECT_EQ(manager.stats(start).overflow.bulkheads.removed->requests, 4U) << "its own series went with it";
}

TEST(SeriesOverflow, adds_changes_of_state_one_by_one_and_latencies_bucket_by_bucket) {
    CircuitBreaker first{"first", {.min_requests = 1, .record_latency = true}};
    CircuitBreaker second{"second", {.min_requests = 1, .record_latency = true}};
    first.try_acquire(start)->settle(Outcome::failure, start + 5ms);
    second.try_acquire(start)->settle(Outcome::success, start + 7ms);
    second.force_open(start);
    CircuitBreakerStats sum;
    add_counters(sum, first.stats(start));
    add_counters(sum, second.stats(start));
    add_counters(sum, CircuitBreakerStats{});
    EXPECT_EQ(sum.requests, 2U);
    EXPECT_EQ(sum.failure, 1U);
    EXPECT_EQ(sum.success, 1U);
    EXPECT_EQ(sum.state, CircuitState::closed);
    ASSERT_TRUE(sum.latency);
    EXPECT_EQ(sum.latency->count, 2U);
    EXPECT_EQ(sum.latency->sum, 12ms);
    EXPECT_EQ(sum.latency->at_most(5ms), 1U);
    EXPECT_EQ(sum.latency->quantile(1), 7ms);
    std::uint64_t changes = 0;
    for (const auto& transition : sum.transitions) {
        changes += transition.count;
        if (transition.from == CircuitState::closed && transition.to == CircuitState::open) {
            EXPECT_EQ(transition.count, 1U);
        }
    }
    EXPECT_EQ(changes, 2U);
}

TEST(SeriesOverflow, adds_waits_and_forgets_the_partitions_of_removed_bulkheads) {
    ResilienceManager manager{"", {.max_components = 1}};
    manager.register_bulkhead("own", 1);
    for (const int round : {1, 2}) {
        const auto bulkhead =
            manager.register_bulkhead("other", {.max_concurrent = 2, .queue_size = 1, .record_wait = true});
        {
            const BulkheadPartition part = bulkhead->partition("part", {.reserved = 1});
            EXPECT_TRUE(bulkhead->try_acquire().has_value());
            EXPECT_EQ(manager.stats(start).bulkheads.at("other").partitions.size(), 1U);
            manager.remove("other");
        }
        const auto removed = manager.stats(start).overflow.bulkheads.removed;
        ASSERT_TRUE(removed && removed->wait);
        EXPECT_EQ(removed->wait->count, static_cast<unsigned>(round));
        EXPECT_TRUE(removed->partitions.empty());
    }
}

TEST(SeriesOverflow, adds_every_reason_of_a_refusal) {
    BulkheadStats bulkhead;
    bulkhead.rejected = {.bulkhead_full = 1,
                         .queue_full = 2,
                         .queue_timeout = 3,
                         .deadline_exceeded = 4,
                         .cancelled = 5,
                         .shutting_down = 6};
    BulkheadStats bulkheads = bulkhead;
    add_counters(bulkheads, bulkhead);
    for (const RejectionCount& each : bulkheads.rejected.by_reason()) EXPECT_EQ(each.count % 2, 0U);
    EXPECT_EQ(bulkheads.rejected.total(), 42U);
    RateLimiterStats limiter;
    limiter.rejected = {.rate_limited = 1,
                        .exceeds_capacity = 2,
                        .queue_full = 3,
                        .queue_timeout = 4,
                        .deadline_exceeded = 5,
                        .cancelled = 6,
                        .shutting_down = 7};
    RateLimiterStats limiters;
    add_counters(limiters, limiter);
    EXPECT_EQ(limiters.rejected.total(), 28U);
    RetryStats retry;
    retry.success_first = retry.success_retried = retry.exhausted = retry.not_retryable = retry.gave_up = 1;
    retry.calls = 5;
    retry.attempts = 9;
    retry.retries = 4;
    retry.budget_rejections = 1;
    RetryStats retries = retry;
    add_counters(retries, retry);
    EXPECT_EQ(retries.calls, retries.success_first + retries.success_retried + retries.exhausted +
                                 retries.not_retryable + retries.gave_up);
    EXPECT_EQ(retries.attempts, retries.calls + retries.retries);
    EXPECT_EQ(retries.budget_rejections, 2U);
}

TEST(ManagerConfig, is_refused_with_the_field_that_is_wrong) {
    for (const std::size_t bad : {std::size_t{0}, std::size_t{65'537}}) {
        try {
            ResilienceManager manager{"", {.max_components = bad}};
            ADD_FAILURE() << bad;
        } catch (const ConfigError& error) {
            ASSERT_EQ(error.problems().size(), 1U);
            EXPECT_EQ(error.problems()[0].field, "max_components");
        }
    }
}

}  // namespace series_overflow_test
