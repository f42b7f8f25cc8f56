#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <chrono>
#include <for_tests/origin.hpp>
#include <resilience/base/random.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace circuit_breaker_operations_threads_test {

using Operation = CircuitBreaker::Operation;

// A clock that all threads share and push on, so that states come and go while they run.
class SharedTime {
  public:
    TimePoint pass(Duration by) {
        return for_tests::origin() + Duration{now_.fetch_add(by.count(), std::memory_order_relaxed)};
    }
    TimePoint now() const { return for_tests::origin() + Duration{now_.load(std::memory_order_relaxed)}; }

  private:
    std::atomic<std::int64_t> now_{0};
};

constexpr int threads = 4;
constexpr int calls = 5000;

CircuitBreakerConfig quick(OperationMode mode) {
    return {.success_threshold = 2,
            .timeout = 50us,
            .min_requests = 20,
            .window_size = 1ms,
            .half_open_calls = 4,
            .probe_lease = 100us,
            .operation_mode = mode,
            .max_operations = 3};  // the fourth of the test is "other"
}

void one_call(CircuitBreaker& breaker, const Operation* operation, Random& random, SharedTime& time,
              std::uint64_t failing) {
    const std::uint64_t dice = random.next();
    const TimePoint now = time.pass(Duration{static_cast<std::int64_t>(dice % 1000)});
    auto permit = operation != nullptr ? operation->try_acquire(now) : breaker.try_acquire(now);
    if (!permit || (dice >> 8) % 16 == 0) return;  // refused or dropped
    const bool fails = (dice >> 16) % 100 < failing;
    permit->settle(fails ? Outcome::failure : Outcome::success, time.now());
}

void expect_reconciled(const CircuitBreakerStats& stats) {
    ASSERT_EQ(stats.requests, stats.admitted + stats.rejected.total());
    ASSERT_EQ(stats.admitted, stats.success + stats.failure + stats.ignored + stats.in_flight);
    for (const auto& each : stats.operations) {
        ASSERT_EQ(each.requests, each.admitted + each.rejected);
        ASSERT_EQ(each.admitted, each.success + each.failure + each.ignored + each.in_flight);
        ASSERT_LT(each.in_flight, std::uint64_t{1} << 32) << "settled calls were seen before they were admitted";
    }
}

// What its operations have done, as one.
CircuitBreakerStats::Operation sum_of(const CircuitBreakerStats& stats) {
    CircuitBreakerStats::Operation sum;
    for (const auto& each : stats.operations) {
        sum.requests += each.requests;
        sum.success += each.success;
        sum.failure += each.failure;
        sum.ignored += each.ignored;
        sum.rejected += each.rejected;
        sum.in_flight += each.in_flight;
    }
    return sum;
}

// Threads that look operations up, call them and pull levers, beside one that reads.
void run_beside_a_reader(CircuitBreaker& breaker) {
    SharedTime time;
    std::atomic<bool> stop{false};
    std::jthread reader([&] {
        while (!stop && !testing::Test::HasFatalFailure()) expect_reconciled(breaker.stats(time.now()));
    });
    {
        std::vector<std::jthread> running;
        for (int thread = 0; thread < threads; ++thread) {
            running.emplace_back([&, thread] {
                Random random(static_cast<std::uint64_t>(thread) + 1);
                for (int call = 0; call < calls; ++call) {
                    const auto number = static_cast<std::uint64_t>(call + thread) % 4;
                    const Operation operation = breaker.operation("operation_" + std::to_string(number));
                    // One of them fails always, and now and then everything does.
                    const std::uint64_t failing = number == 1 ? 100 : call % 1000 < 200 ? 90 : 10;
                    one_call(breaker, &operation, random, time, failing);
                    if (call % 1000 == 999) breaker.reset(time.now());
                }
            });
        }
    }
    stop = true;
    reader.join();
    const CircuitBreakerStats stats = breaker.stats(time.now());
    expect_reconciled(stats);
    const CircuitBreakerStats::Operation sum = sum_of(stats);
    EXPECT_EQ(stats.operations.size(), 4U);
    EXPECT_EQ(sum.requests, std::uint64_t{threads} * calls);
    EXPECT_EQ(sum.requests, stats.requests);
    EXPECT_EQ(sum.success, stats.success);
    EXPECT_EQ(sum.failure, stats.failure);
    EXPECT_EQ(sum.ignored, stats.ignored);
    EXPECT_EQ(sum.rejected, stats.rejected.total());
    EXPECT_EQ(sum.in_flight, 0U);
    EXPECT_GT(sum.rejected, 0U) << "nothing has opened";
}

TEST(CircuitBreakerOperations, lose_no_call_while_threads_share_them) {
    CircuitBreaker breaker{"operations_threads_test", quick(OperationMode::track)};
    run_beside_a_reader(breaker);
}

TEST(CircuitBreakerOperations, lose_no_call_while_they_open_and_close_alone) {
    CircuitBreaker breaker{"operations_threads_test", quick(OperationMode::isolate)};
    std::atomic<int> told{0};
    const Subscription listening =
        breaker.on_event([&](const Event&) { ++told; }, only(EventKind::operation_transition));
    run_beside_a_reader(breaker);
    EXPECT_GT(told, 0);
}

// Many threads at the failing one, many at the others: however they meet, only that one opens.
TEST(CircuitBreakerOperations, open_alone_however_threads_meet) {
    for (int round = 0; round < 30; ++round) {
        CircuitBreaker breaker{"operations_threads_test",
                               {.timeout = 1h, .min_requests = 10, .operation_mode = OperationMode::isolate}};
        const std::array operations{breaker.operation("failing"), breaker.operation("healthy")};
        {
            std::vector<std::jthread> running;
            for (int thread = 0; thread < threads; ++thread) {
                running.emplace_back([&, thread] {
                    const bool fails = thread % 2 == 0;
                    for (int call = 0; call < 300; ++call) {
                        auto permit = operations[fails ? 0 : 1].try_acquire(for_tests::origin() + 1s);
                        if (permit)
                            permit->settle(fails ? Outcome::failure : Outcome::success, for_tests::origin() + 1s);
                    }
                });
            }
        }
        const CircuitBreakerStats stats = breaker.stats(for_tests::origin() + 1s);
        ASSERT_EQ(stats.state, CircuitState::closed);
        ASSERT_EQ(stats.operations[0].state, CircuitState::open);
        ASSERT_EQ(stats.operations[1].success, 600U);
        ASSERT_EQ(stats.window.failures, 0U);
        ASSERT_EQ(stats.window.requests, 600U);
    }
}

// Failures that open operations, beside a lever that closes them: one comes after the other, and then all of it.
TEST(CircuitBreakerOperations, are_open_and_away_or_closed_and_counted_beside_a_reset) {
    constexpr int rounds = 300;
    const TimePoint now = for_tests::origin() + 1s;
    CircuitBreaker breaker{"operations_threads_test",
                           {.timeout = 1h, .min_requests = 1, .operation_mode = OperationMode::isolate}};
    std::vector<Operation> operations;
    for (int number = 0; number < 60; ++number) {
        operations.push_back(breaker.operation("operation_" + std::to_string(number)));
    }
    const auto call_each = [&](Outcome outcome) {
        for (const Operation& each : operations) {
            if (auto permit = each.try_acquire(now)) permit->settle(outcome, now);
        }
    };
    std::barrier meet(2);
    std::jthread failing([&] {
        for (int round = 0; round < rounds; ++round) {
            meet.arrive_and_wait();
            call_each(Outcome::failure);
            meet.arrive_and_wait();
        }
    });
    for (int round = 0; round < rounds; ++round) {
        meet.arrive_and_wait();
        for (int reset = 0; reset < 5; ++reset) breaker.reset(now);
        meet.arrive_and_wait();
        const auto closed = std::ranges::count_if(
            operations, [&](const Operation& each) { return each.state(now) == CircuitState::closed; });
        const std::uint64_t failures = breaker.stats(now).window.failures;
        EXPECT_EQ(failures, 0U) << "each has opened its operation";
        call_each(Outcome::success);
        EXPECT_EQ(breaker.stats(now).window.requests - failures, static_cast<std::uint64_t>(closed));
        breaker.reset(now);
    }
}

// A breaker without options gets them while others call it.
TEST(CircuitBreakerOperations, may_be_asked_for_while_plain_calls_run) {
    CircuitBreaker breaker{"operations_threads_test", {.failure_threshold = 1}};
    std::vector<std::jthread> running;
    for (int thread = 0; thread < threads; ++thread) {
        running.emplace_back([&breaker, thread] {
            Random random(static_cast<std::uint64_t>(thread) + 1);
            SharedTime time;
            for (int call = 0; call < 2000; ++call) {
                if (thread != 0 || call < 1000) {
                    one_call(breaker, nullptr, random, time, 10);
                } else {
                    const Operation operation = breaker.operation("late");
                    one_call(breaker, &operation, random, time, 10);
                }
            }
        });
    }
    running.clear();
    const CircuitBreakerStats stats = breaker.stats(for_tests::origin() + 1s);
    expect_reconciled(stats);
    EXPECT_EQ(stats.requests, std::uint64_t{threads} * 2000);
    EXPECT_EQ(stats.operations[0].requests, 1000U);
}

}  // namespace circuit_breaker_operations_threads_test
