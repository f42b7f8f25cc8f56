#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <for_tests/origin.hpp>
#include <resilience/base/random.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <thread>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace circuit_breaker_threads_test {

template <class Work>
void in_threads(int threads, Work work) {
    std::vector<std::jthread> running;
    for (int thread = 0; thread < threads; ++thread) running.emplace_back([&work, thread] { work(thread); });
}

// A clock that all threads share and push on, so that states come and go while they run.
class SharedTime {
  public:
    TimePoint now() const { return for_tests::origin() + Duration{now_.load(std::memory_order_relaxed)}; }
    TimePoint pass(Duration by) {
        return for_tests::origin() + Duration{now_.fetch_add(by.count(), std::memory_order_relaxed)};
    }

  private:
    std::atomic<std::int64_t> now_{0};
};

void expect_reconciled(const CircuitBreakerStats& stats) {
    ASSERT_EQ(stats.requests, stats.admitted + stats.rejected.total());
    ASSERT_EQ(stats.admitted, stats.success + stats.failure + stats.ignored + stats.in_flight);
    ASSERT_LT(stats.in_flight, std::uint64_t{1} << 32) << "settled calls were seen before they were admitted";
    ASSERT_LE(stats.cancelled, stats.ignored);
    ASSERT_LE(stats.late, stats.success + stats.failure + stats.ignored);
}

void expect_no_counter_fell(const CircuitBreakerStats& before, const CircuitBreakerStats& after) {
    ASSERT_LE(before.requests, after.requests);
    ASSERT_LE(before.admitted, after.admitted);
    ASSERT_LE(before.success, after.success);
    ASSERT_LE(before.failure, after.failure);
    ASSERT_LE(before.ignored, after.ignored);
    ASSERT_LE(before.late, after.late);
    ASSERT_LE(before.cancelled, after.cancelled);
    ASSERT_LE(before.abandoned, after.abandoned);
    ASSERT_LE(before.generation, after.generation);
}

void one_call(CircuitBreaker& breaker, Random& random, SharedTime& time) {
    const std::uint64_t dice = random.next();
    const TimePoint now = time.pass(Duration{static_cast<std::int64_t>(dice % 1000)});
    if (dice % 16 == 0) {
        // Not every result is told.
        if (breaker.allow(now) && dice % 64 != 0) breaker.record_result(dice % 3 != 0, time.now());
        return;
    }
    auto permit = breaker.try_acquire(now);
    if (!permit) return;
    if ((dice >> 8) % 8 == 0) return;  // dropped
    permit->settle(static_cast<Outcome>((dice >> 16) % 3), time.now());
}

constexpr CircuitBreakerConfig quick{.success_threshold = 2,
                                     .timeout = 50us,
                                     .min_requests = 20,
                                     .window_size = 1ms,
                                     .buckets = 10,
                                     .half_open_calls = 4,
                                     .half_open_max_calls = 3,
                                     .probe_lease = 100us};

void expect_pictures_to_reconcile(CircuitBreaker& breaker, int least_pictures) {
    SharedTime time;
    std::atomic<bool> stop{false};
    std::atomic<int> pictures{0};
    std::jthread reader([&] {
        CircuitBreakerStats before = breaker.stats(time.now());
        while (!stop || pictures < least_pictures) {
            const CircuitBreakerStats now = breaker.stats(time.now());
            expect_reconciled(now);
            expect_no_counter_fell(before, now);
            EXPECT_LE(now.half_open.in_flight, 3U);
            before = now;
            ++pictures;
            if (testing::Test::HasFatalFailure()) return;
        }
    });
    in_threads(3, [&](int thread) {
        Random random(static_cast<std::uint64_t>(thread) + 1);
        const int calls = 20 * least_pictures;
        for (int i = 0; (i < calls || pictures < least_pictures) && !testing::Test::HasFatalFailure(); ++i) {
            one_call(breaker, random, time);
        }
    });
    stop = true;
    reader.join();
    breaker.tick(time.now());
    breaker.reset(time.now() + 1s);
    breaker.tick(time.now() + 3s);
    const CircuitBreakerStats last = breaker.stats(time.now() + 3s);
    expect_reconciled(last);
    EXPECT_EQ(last.in_flight, 0U) << "every permit was settled or dropped, every open allow() forgotten";
    EXPECT_GE(pictures, least_pictures);
}

TEST(CircuitBreakerThreads, pictures_reconcile_and_never_fall_while_states_come_and_go) {
    CircuitBreaker breaker{"threads_test", quick};
    expect_pictures_to_reconcile(breaker, 1000);
    EXPECT_GT(breaker.stats(TimePoint::max()).generation, 10U);
}

TEST(CircuitBreakerThreads, pictures_reconcile_with_every_option_as_well) {
    const auto with = [](auto change) {
        CircuitBreakerConfig config = quick;
        change(config);
        return config;
    };
    const CircuitBreakerConfig rows[] = {
        with([](auto& config) { config.window_calls = 50; }),
        with([](auto& config) { config.consecutive_failures = 3; }),
        with([](auto& config) { config.slow_call_duration = 1us, config.slow_call_ratio = 0.9; }),
        with([](auto& config) {
            config.slow_call_duration = 2us;
            config.slow_call_ratio = 0.9;
            config.judge_in_flight = true;
        }),
        with([](auto& config) { config.recovery_ramp = 200us, config.half_open_limit = 30us; }),
        with([](auto& config) { config.initial_state = CircuitState::metrics_only; }),
    };
    for (const CircuitBreakerConfig& config : rows) {
        CircuitBreaker breaker{"threads_test", config};
        expect_pictures_to_reconcile(breaker, 200);
    }
    CircuitBreaker hooked{"threads_test",
                          quick,
                          {.trips = [](const ClosedPeriod& seen) { return seen.failures > 10; },
                           .open_time = [](const Opening& opening) { return 10us * (opening.reopened + 1); }}};
    expect_pictures_to_reconcile(hooked, 200);
    EXPECT_GT(hooked.stats(TimePoint::max()).generation, 4U);
}

TEST(CircuitBreakerThreads, no_picture_shows_more_settled_than_admitted) {
    CircuitBreaker breaker{"threads_test"};
    std::atomic<bool> stop{false};
    std::jthread caller([&] {
        while (!stop) {
            auto permit = breaker.try_acquire(for_tests::origin());
            if (permit) permit->settle(Outcome::success, for_tests::origin());
        }
    });
    for (int picture = 0; picture < 5'000 || breaker.stats(for_tests::origin()).admitted < 10'000; ++picture) {
        const CircuitBreakerStats stats = breaker.stats(for_tests::origin());
        expect_reconciled(stats);
        if (HasFatalFailure()) break;
    }
    stop = true;
}

TEST(CircuitBreakerThreads, no_more_is_in_flight_than_callers_have_out) {
    CircuitBreaker breaker{"threads_test"};
    std::atomic<bool> stop{false};
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < 3; ++caller) {
        callers.emplace_back([&] {
            while (!stop) {
                auto permit = breaker.try_acquire(for_tests::origin());
                // A callee that answers at once would outrun the reader.
                for (const TimePoint until = Clock::now() + 20us; Clock::now() < until;) std::this_thread::yield();
                if (permit) permit->settle(Outcome::success, for_tests::origin());
            }
        });
    }
    std::uint64_t most = 0;
    for (int picture = 0; picture < 2000; ++picture)
        most = std::max(most, breaker.stats(for_tests::origin()).in_flight);
    stop = true;
    callers.clear();
    EXPECT_LE(most, 3U);
    EXPECT_EQ(breaker.stats(for_tests::origin()).in_flight, 0U);
}

TEST(CircuitBreakerThreads, opens_exactly_once_however_many_threads_see_the_threshold_reached) {
    for (int round = 0; round < 200; ++round) {
        CircuitBreaker breaker{"threads_test", {.min_requests = 8}};
        std::atomic<int> opened{0};
        const auto listening = breaker.on_event([&](const Event&) { ++opened; });
        in_threads(4, [&](int) {
            for (int i = 0; i < 10; ++i) {
                auto permit = breaker.try_acquire(for_tests::origin());
                if (permit) permit->settle(Outcome::failure, for_tests::origin());
            }
        });
        EXPECT_EQ(opened, 1);
        const CircuitBreakerStats stats = breaker.stats(for_tests::origin());
        expect_reconciled(stats);
        EXPECT_GE(stats.failure, 8U);
        EXPECT_EQ(stats.requests, 40U);
    }
}

TEST(CircuitBreakerThreads, opens_at_100_failures_of_200_and_not_at_99_whoever_comes_last) {
    for (const int failures : {99, 100}) {
        for (int round = 0; round < 200; ++round) {
            // Nothing is judged before all 200 are there, so the last of them must see all the others.
            CircuitBreaker breaker{"threads_test", {.min_requests = 200}};
            std::atomic<int> ready{0};
            in_threads(4, [&](int thread) {
                ++ready;
                while (ready != 4) std::this_thread::yield();
                const int own_failures = thread == 0 ? failures - 75 : 25;
                for (int call = 0; call < 50; ++call) {
                    auto permit = breaker.try_acquire(for_tests::origin());
                    ASSERT_TRUE(permit);
                    const bool failed = round % 2 == 0 ? call < own_failures : call >= 50 - own_failures;
                    permit->settle(failed ? Outcome::failure : Outcome::success, for_tests::origin());
                }
            });
            ASSERT_EQ(breaker.state(for_tests::origin()), failures == 100 ? CircuitState::open : CircuitState::closed)
                << failures << " failures, round " << round;
        }
    }
}

TEST(CircuitBreakerThreads, two_step_results_are_neither_lost_nor_doubled_over_changes_of_state) {
    CircuitBreaker breaker{"threads_test", {.success_threshold = 1, .timeout = 10us}};
    std::atomic<std::uint64_t> admitted{0};
    SharedTime time;
    std::atomic<bool> stop{false};
    std::jthread levers([&] {
        while (!stop) {
            breaker.reset(time.pass(1us));
            breaker.half_open(time.pass(1us));
            breaker.force_closed(time.pass(1us));
            breaker.open(time.pass(1us));
        }
    });
    in_threads(3, [&](int) {
        for (int i = 0; i < 20'000; ++i) {
            if (!breaker.allow(time.now())) continue;
            ++admitted;
            breaker.record_result(true, time.now());
        }
    });
    stop = true;
    levers.join();
    const CircuitBreakerStats stats = breaker.stats(time.now());
    expect_reconciled(stats);
    EXPECT_EQ(stats.admitted, admitted + stats.unpaired_results);
    EXPECT_EQ(stats.success, admitted.load());
    EXPECT_EQ(stats.in_flight, 0U);
    EXPECT_EQ(stats.abandoned + stats.unpaired_results, 0U) << "no lease ends in this time";
}

}  // namespace circuit_breaker_threads_test
