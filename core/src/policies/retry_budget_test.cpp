#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <for_tests/origin.hpp>
#include <limits>
#include <memory>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/concurrent_retry_budget.hpp>
#include <resilience/policies/retry.hpp>
#include <resilience/policies/retry_budget.hpp>
#include <string>
#include <thread>
#include <vector>

#include <for_tests/watched_atomics.hpp>

namespace resilience::inline v1 {
namespace retry_budget_test {

using namespace std::chrono_literals;

const TimePoint start = for_tests::origin() + 1h;
using Fields = std::vector<std::string>;

Fields bad_fields(const RetryBudgetConfig& config) {
    Fields fields;
    try {
        const RetryBudget budget(config);
    } catch (const ConfigError& error) {
        for (const ConfigProblem& problem : error.problems()) fields.push_back(problem.field);
    }
    return fields;
}

// How many retries it grants at once.
template <class Budget>
int granted(Budget& budget, TimePoint now, int at_most = 1'000'000) {
    int count = 0;
    while (count < at_most && budget.withdraw(now)) ++count;
    return count;
}

TEST(RetryBudgetConfig, each_field_at_and_just_outside_its_range) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    struct Row {
        RetryBudgetConfig config;
        Fields bad;
    };
    const std::vector<Row> rows{
        {{}, {}},
        {{.ratio = 0}, {}},
        {{.ratio = 1}, {}},
        {{.ratio = std::nextafter(1.0, 2.0)}, {"ratio"}},
        {{.ratio = -0.0}, {"ratio"}},
        {{.ratio = nan}, {"ratio"}},
        {{.capacity = 1}, {}},
        {{.capacity = 1'000'000}, {}},
        {{.capacity = 0}, {"capacity"}},
        {{.capacity = 1'000'001}, {"capacity"}},
        {{.trickle = 0}, {}},
        {{.trickle = 1000}, {}},
        {{.trickle = std::nextafter(1000.0, infinity)}, {"trickle"}},
        {{.trickle = -1e-9}, {"trickle"}},
        {{.trickle = infinity}, {"trickle"}},
        {{.ratio = 0, .trickle = 0}, {"trickle"}},
        {{.ratio = 2, .capacity = 0, .trickle = -1}, {"ratio", "capacity", "trickle"}},
    };
    for (std::size_t row = 0; row < rows.size(); ++row) EXPECT_EQ(bad_fields(rows[row].config), rows[row].bad) << row;
}

TEST(Conformance, BU_6_gives_a_hundred_at_once_and_one_more_after_a_tenth_of_a_second) {
    for (const TimePoint at : {for_tests::origin(), start, start + 59'123'456ns}) {
        RetryBudget budget({.ratio = 0.1, .capacity = 100, .trickle = 10});
        EXPECT_EQ(granted(budget, at, 101), 100);
        EXPECT_EQ(granted(budget, at + 100ms - 1us), 0);
        EXPECT_EQ(granted(budget, at + 100ms), 1);
        EXPECT_EQ(budget.stats(at).spent, 101U);
        EXPECT_EQ(budget.stats(at).rejected, 3U);
    }
}

TEST(RetryBudget, is_paid_for_by_exactly_as_many_successes_as_the_ratio_says) {
    struct Row {
        double ratio;
        int successes;
        int retries;
    };
    for (const Row& row : std::vector<Row>{{0.1, 10, 1},
                                           {0.1, 9, 0},
                                           {0.1, 1000, 100},
                                           {1.0 / 3, 3, 1},
                                           {1.0 / 3, 299, 99},
                                           {0.28, 25, 7},
                                           {1, 5, 5},
                                           {0, 1000, 0},
                                           {0.0001, 9999, 0},
                                           {0.0001, 10'000, 1},
                                           {2.0 / 3, 2, 1},
                                           {2.0 / 3, 3, 2}}) {
        RetryBudget budget({.ratio = row.ratio, .capacity = 1000, .trickle = row.ratio == 0 ? 0.001 : 0});
        EXPECT_EQ(granted(budget, start), 1000);
        for (int success = 0; success < row.successes; ++success) budget.deposit(start);
        EXPECT_EQ(granted(budget, start), row.retries) << row.ratio << " of " << row.successes;
    }
}

TEST(RetryBudget, holds_no_more_than_its_capacity_however_long_it_is_fed) {
    RetryBudget budget({.ratio = 0.5, .capacity = 3, .trickle = 1});
    for (int success = 0; success < 100; ++success) budget.deposit(start);
    EXPECT_EQ(granted(budget, start), 3);
    EXPECT_EQ(granted(budget, start + 24h), 3);
    for (int success = 0; success < 100; ++success) budget.deposit(start + 24h);
    EXPECT_EQ(budget.stats(start + 24h).balance, 3);
    EXPECT_EQ(granted(budget, start + 24h), 3);
}

TEST(RetryBudget, shows_its_balance) {
    RetryBudget budget;
    EXPECT_EQ(budget.stats(start).balance, 10);
    EXPECT_EQ(budget.stats(start).capacity, 10U);
    EXPECT_TRUE(budget.withdraw(start));
    EXPECT_EQ(budget.stats(start).balance, 9);
    budget.deposit(start);
    EXPECT_DOUBLE_EQ(budget.stats(start).balance, 9.1);
    EXPECT_NEAR(budget.stats(start + 1s).balance, 9.2, 1e-6);
    EXPECT_EQ(budget.stats(start + 1h).balance, 10);
}

TEST(RetryBudget, takes_back_what_a_retry_that_never_began_had_paid) {
    RetryBudget budget({.capacity = 2});
    EXPECT_EQ(granted(budget, start), 2);
    budget.give_back(start);
    EXPECT_EQ(budget.stats(start).given_back, 1U);
    EXPECT_EQ(granted(budget, start), 1);
    budget.give_back(start);
    budget.give_back(start);
    budget.give_back(start);
    EXPECT_EQ(granted(budget, start), 2);
}

TEST(RetryBudget, gives_a_window_as_many_more_as_come_back_in_it) {
    RetryBudget budget({.ratio = 0, .capacity = 3, .trickle = 1});
    EXPECT_EQ(granted(budget, start), 3) << "paid for, and cancelled in their delay";
    EXPECT_EQ(granted(budget, start + 1h), 3);
    budget.give_back(start + 1h);
    budget.give_back(start + 1h);
    EXPECT_EQ(granted(budget, start + 1h), 2);
    EXPECT_EQ(budget.stats(start + 1h).spent - budget.stats(start + 1h).given_back, 6U);
}

TEST(RetryBudget, counts_at_both_ends_of_the_clock) {
    for (const RetryBudgetConfig& config :
         std::vector<RetryBudgetConfig>{{},
                                        {.ratio = 0.0001, .capacity = 1'000'000, .trickle = 1000},
                                        {.ratio = 1, .capacity = 1'000'000, .trickle = 1e-9},
                                        {.ratio = 0.1234, .capacity = 1, .trickle = 999.999999},
                                        {.ratio = 0.3333, .capacity = 77, .trickle = 0}}) {
        RetryBudget budget(config);
        for (const TimePoint at : {TimePoint::min(), TimePoint{-1ns}, for_tests::origin(), never - 1h, never}) {
            const int before = granted(budget, at);
            EXPECT_LE(before, static_cast<int>(config.capacity));
            EXPECT_FALSE(budget.withdraw(at));
            budget.give_back(at);
            EXPECT_EQ(granted(budget, at), 1);
        }
        EXPECT_GE(budget.stats(never).balance, 0);
    }
}

TEST(RetryBudget, a_clock_that_steps_back_earns_nothing_twice) {
    RetryBudget budget({.ratio = 0.1, .capacity = 10, .trickle = 1});
    EXPECT_EQ(granted(budget, start), 10);
    EXPECT_EQ(granted(budget, start + 2s), 2);
    EXPECT_EQ(granted(budget, start + 1s), 0);
    EXPECT_EQ(granted(budget, start + 2s), 0);
    EXPECT_EQ(granted(budget, start + 3s), 1);
}

TEST(RetryBudget, loses_and_doubles_nothing_where_two_threads_meet) {
    using Watched = BasicRetryBudget<WatchedAtomics>;
    enum class Act { withdraw, deposit, give_back };
    // From 2 tokens of 10: what is granted and what remains, whichever comes first.
    const auto perform = [](Watched& budget, Act act, int& taken) {
        if (act == Act::withdraw) taken += budget.withdraw(start) ? 1 : 0;
        if (act == Act::deposit) budget.deposit(start);
        if (act == Act::give_back) budget.give_back(start);
    };
    for (const Act first : {Act::withdraw, Act::deposit, Act::give_back}) {
        for (const Act second : {Act::withdraw, Act::deposit, Act::give_back}) {
            bool inserted = true;
            for (int position = 0; inserted; ++position) {
                Watched budget({.ratio = 1, .capacity = 10, .trickle = 0});
                EXPECT_EQ(granted(budget, start, 8), 8);
                int taken = 0;
                inserted = run_with_insertion(
                    position, [&] { perform(budget, first, taken); }, [&] { perform(budget, second, taken); });
                int brought = 0;
                for (const Act act : inserted ? std::vector{first, second} : std::vector{first}) {
                    brought += act == Act::withdraw ? 0 : 1;
                }
                EXPECT_EQ(taken + granted(budget, start), 2 + brought) << "at operation " << position;
            }
        }
    }
}

TEST(RetryBudget, from_many_threads_gives_each_token_once) {
    RetryBudget budget({.ratio = 0.1, .capacity = 1'000'000, .trickle = 0});
    EXPECT_EQ(granted(budget, start), 1'000'000);
    constexpr int workers = 4;
    constexpr int rounds = 20'000;
    std::atomic<int> taken{0};
    std::vector<std::thread> threads;
    for (int worker = 0; worker < workers; ++worker) {
        threads.emplace_back([&] {
            for (int round = 0; round < rounds; ++round) {
                budget.deposit(start);
                if (!budget.withdraw(start)) continue;
                if (round % 2 == 0) {
                    budget.give_back(start);
                } else {
                    ++taken;
                }
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(taken + granted(budget, start), workers * rounds / 10);
    const RetryBudgetStats stats = budget.stats(start);
    EXPECT_EQ(stats.spent - stats.given_back, 1'000'000U + workers * rounds / 10);
}

TEST(RetryBudget, stands_in_the_stats_of_each_retry_that_shares_it) {
    EXPECT_FALSE(Retry{}.stats(start).budget.has_value());
    const auto budget = std::make_shared<RetryBudget>(RetryBudgetConfig{.ratio = 0.5, .capacity = 2, .trickle = 0});
    Retry first{RetryConfig{}, budget};
    Retry second{RetryConfig{}, budget};
    EXPECT_TRUE(first.begin_retry(start));
    EXPECT_TRUE(second.begin_retry(start));
    EXPECT_FALSE(first.begin_retry(start));
    first.end_call(true, start);
    for (const Retry* retry : {&first, &second}) {
        const RetryStats stats = retry->stats(start);
        EXPECT_EQ(stats.budget_rejections, retry == &first ? 1U : 0U) << "of its own calls";
        ASSERT_TRUE(stats.budget);
        EXPECT_EQ(stats.budget->balance, 0.5);
        EXPECT_EQ(stats.budget->capacity, 2);
    }
}

TEST(RetryBudget, of_what_is_in_flight_shows_what_may_start_now) {
    const auto budget = std::make_shared<ConcurrentRetryBudget>(ConcurrentRetryBudgetConfig{.rate = 0.5, .minimum = 1});
    Retry retry{RetryConfig{}, budget};
    for (int call = 0; call < 4; ++call) retry.begin_call();
    EXPECT_TRUE(retry.begin_retry(start));
    EXPECT_EQ(retry.stats(start).budget->balance, 1);
    EXPECT_EQ(retry.stats(start).budget->capacity, 2);
    EXPECT_TRUE(retry.begin_retry(start));
    for (int call = 0; call < 4; ++call) retry.end_call(false, start);
    EXPECT_EQ(retry.stats(start).budget->balance, 0) << "two retries of calls that have ended, where one may be";
    EXPECT_EQ(retry.stats(start).budget->capacity, 1);
    EXPECT_FALSE(retry.begin_retry(start));
    EXPECT_EQ(retry.stats(start).budget_rejections, 1U);
}

TEST(RetryBudget, fits_in_96_bytes) { EXPECT_LE(sizeof(RetryBudget), 96U); }

}  // namespace retry_budget_test
}  // namespace resilience::inline v1
