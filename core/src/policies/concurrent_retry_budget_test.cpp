#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <cmath>
#include <limits>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/concurrent_retry_budget.hpp>
#include <string>
#include <thread>
#include <vector>

#include <for_tests/watched_atomics.hpp>

namespace resilience::inline v1 {
namespace concurrent_retry_budget_test {

using Fields = std::vector<std::string>;

Fields bad_fields(const ConcurrentRetryBudgetConfig& config) {
    Fields fields;
    try {
        const ConcurrentRetryBudget budget(config);
    } catch (const ConfigError& error) {
        for (const ConfigProblem& problem : error.problems()) fields.push_back(problem.field);
    }
    return fields;
}

TEST(ConcurrentRetryBudgetConfig, each_field_at_and_just_outside_its_range) {
    struct Row {
        ConcurrentRetryBudgetConfig config;
        Fields bad;
    };
    const std::vector<Row> rows{
        {{}, {}},
        {{.rate = 0}, {}},
        {{.rate = 1}, {}},
        {{.rate = std::nextafter(1.0, 2.0)}, {"rate"}},
        {{.rate = -0.0}, {"rate"}},
        {{.rate = std::numeric_limits<double>::quiet_NaN()}, {"rate"}},
        {{.minimum = 0}, {}},
        {{.rate = 0, .minimum = 0}, {"minimum"}},
        {{.minimum = 1, .maximum = 1}, {}},
        {{.minimum = 2, .maximum = 1}, {"minimum"}},
        {{.minimum = 0, .maximum = 0}, {"maximum"}},
        {{.maximum = 1'000'000}, {}},
        {{.maximum = 1'000'001}, {"maximum"}},
        {{.rate = 2, .minimum = 9, .maximum = 0}, {"rate", "maximum", "minimum"}},
    };
    for (std::size_t row = 0; row < rows.size(); ++row) EXPECT_EQ(bad_fields(rows[row].config), rows[row].bad) << row;
}

TEST(ConcurrentRetryBudget, grants_a_share_of_the_calls_within_its_bounds) {
    ConcurrentRetryBudget budget({.rate = 0.5, .minimum = 1, .maximum = 4});
    const std::vector<std::uint32_t> allowed{1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 4, 4};
    for (std::uint32_t calls = 0; calls < allowed.size(); ++calls) {
        EXPECT_EQ(budget.stats().allowed, allowed[calls]) << calls;
        std::uint32_t granted = 0;
        while (budget.begin_retry()) ++granted;
        EXPECT_EQ(granted, allowed[calls]) << calls;
        EXPECT_EQ(budget.stats().retries, granted);
        while (granted-- > 0) budget.end_retry();
        budget.begin_call();
    }
    EXPECT_EQ(budget.stats().calls, allowed.size());
    EXPECT_EQ(budget.stats().rejected, allowed.size());
    for (std::size_t call = 0; call < allowed.size(); ++call) budget.end_call();
    EXPECT_EQ(budget.stats().calls, 0U);
    EXPECT_EQ(budget.stats().retries, 0U);
}

TEST(ConcurrentRetryBudget, lets_what_is_in_flight_end_when_fewer_calls_would_be_granted_less) {
    ConcurrentRetryBudget budget({.rate = 0.2, .minimum = 3});
    for (int call = 0; call < 100; ++call) budget.begin_call();
    for (int retry = 0; retry < 20; ++retry) ASSERT_TRUE(budget.begin_retry());
    for (int call = 0; call < 80; ++call) budget.end_call();
    EXPECT_EQ(budget.stats().retries, 20U);
    EXPECT_EQ(budget.stats().allowed, 4U);
    for (int retry = 20; retry > 4; --retry) {
        EXPECT_FALSE(budget.begin_retry());
        budget.end_retry();
    }
    EXPECT_FALSE(budget.begin_retry());
    budget.end_retry();
    EXPECT_TRUE(budget.begin_retry());
}

TEST(ConcurrentRetryBudget, reads_its_rate_as_a_fraction) {
    ConcurrentRetryBudget budget({.rate = 0.28, .minimum = 0});
    for (int call = 0; call < 25; ++call) budget.begin_call();
    EXPECT_EQ(budget.stats().allowed, 7U);
}

TEST(ConcurrentRetryBudget, never_goes_beyond_its_bound_where_two_threads_meet) {
    using Watched = BasicConcurrentRetryBudget<WatchedAtomics>;
    bool inserted = true;
    for (int position = 0; inserted; ++position) {
        Watched budget({.rate = 0, .minimum = 1, .maximum = 1});
        int granted = 0;
        const auto ask = [&] { granted += budget.begin_retry() ? 1 : 0; };
        inserted = run_with_insertion(position, ask, ask);
        EXPECT_EQ(granted, 1) << "at operation " << position;
        EXPECT_EQ(budget.stats().retries, 1U);
        budget.end_retry();
        EXPECT_TRUE(budget.begin_retry());
    }
}

TEST(Conformance, BU_5_grants_exactly_the_last_ten_to_sixty_four_threads_that_ask_at_once) {
    constexpr int askers = 64;
    for (int round = 0; round < 20; ++round) {
        ConcurrentRetryBudget budget({.rate = 1, .minimum = 0, .maximum = 10});
        std::barrier together(askers);
        std::atomic<int> granted{0};
        std::vector<std::thread> threads;
        for (int asker = 0; asker < askers; ++asker) {
            threads.emplace_back([&] {
                budget.begin_call();
                together.arrive_and_wait();
                if (budget.begin_retry()) ++granted;
                together.arrive_and_wait();
                budget.end_call();
            });
        }
        for (std::thread& thread : threads) thread.join();
        ASSERT_EQ(granted, 10);
        EXPECT_EQ(budget.stats().rejected, 54U);
        EXPECT_EQ(budget.stats().retries, 10U);
        EXPECT_EQ(budget.stats().calls, 0U);
    }
}

// Few machines have the cores on which sixty-four threads meet between two operations: here one is stopped at each.
TEST(Conformance, BU_5_grants_exactly_ten_wherever_one_of_sixty_four_is_when_the_others_ask) {
    bool inserted = true;
    for (int position = 0; inserted; ++position) {
        BasicConcurrentRetryBudget<WatchedAtomics> budget({.rate = 1, .minimum = 0, .maximum = 10});
        for (int asker = 0; asker < 64; ++asker) budget.begin_call();
        int granted = 0;
        const auto ask = [&] { granted += budget.begin_retry() ? 1 : 0; };
        for (int asker = 0; asker < 9; ++asker) ask();
        inserted = run_with_insertion(position, ask, [&] {
            for (int asker = 0; asker < 54; ++asker) ask();
        });
        if (!inserted) break;
        EXPECT_EQ(granted, 10) << "at operation " << position;
        EXPECT_EQ(budget.stats().retries, 10U);
        EXPECT_EQ(budget.stats().rejected, 54U);
    }
}

TEST(ConcurrentRetryBudget, from_many_threads_is_at_rest_when_they_are) {
    ConcurrentRetryBudget budget({.rate = 0.5, .minimum = 1, .maximum = 2});
    std::atomic<int> retrying{0};
    std::vector<std::thread> threads;
    for (int worker = 0; worker < 4; ++worker) {
        threads.emplace_back([&] {
            for (int round = 0; round < 10'000; ++round) {
                budget.begin_call();
                if (budget.begin_retry()) {
                    EXPECT_LE(++retrying, 2);
                    --retrying;
                    budget.end_retry();
                }
                budget.end_call();
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(budget.stats().calls, 0U);
    EXPECT_EQ(budget.stats().retries, 0U);
}

TEST(ConcurrentRetryBudget, fits_in_two_cache_lines) { EXPECT_LE(sizeof(ConcurrentRetryBudget), 2 * cache_line); }

}  // namespace concurrent_retry_budget_test
}  // namespace resilience::inline v1
