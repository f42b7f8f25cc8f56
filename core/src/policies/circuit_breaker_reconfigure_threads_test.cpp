// A breaker is reconfigured beside calls on other threads: no verdict is lost, nothing is gained.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <for_tests/origin.hpp>
#include <resilience/base/random.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <thread>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace circuit_breaker_reconfigure_threads_test {

constexpr CircuitBreakerConfig base{.failure_threshold = 1, .min_requests = 20, .window_size = 1ms, .buckets = 10};

template <class Change>
CircuitBreakerConfig with(Change change) {
    CircuitBreakerConfig config = base;
    change(config);
    return config;
}

// Every kind of window, each after each other.
std::vector<CircuitBreakerConfig> kinds() {
    return {base,
            with([](auto& config) { config.window_calls = 50; }),
            with([](auto& config) { config.window_size = 3ms, config.buckets = 2, config.min_requests = 5; }),
            with([](auto& config) { config.consecutive_failures = 100'000, config.record_latency = true; }),
            with([](auto& config) { config.window_calls = 70, config.slow_call_duration = 1s; }),
            with([](auto& config) { config.slow_call_duration = 1s, config.slow_call_ratio = 0.9; }),
            with([](auto& config) {
                config.slow_call_duration = 1h;
                config.judge_in_flight = true;
            }),
            with([](auto& config) {
                config.failure_threshold = 0.99;
                config.adaptive_threshold = AdaptiveThreshold{.min_rise = 1, .confidence = 1000, .max_threshold = 1};
            })};
}

void expect_reconciled(const CircuitBreakerStats& stats) {
    ASSERT_EQ(stats.requests, stats.admitted + stats.rejected.total());
    ASSERT_EQ(stats.admitted, stats.success + stats.failure + stats.ignored + stats.in_flight);
    ASSERT_LT(stats.in_flight, std::uint64_t{1} << 32) << "settled calls were seen before they were admitted";
}

TEST(Conformance, TW_16_a_change_of_the_window_keeps_the_state_and_gains_nothing) {
    const std::vector<CircuitBreakerConfig> all = kinds();
    for (const CircuitBreakerConfig& from : all) {
        for (const CircuitBreakerConfig& to : all) {
            CircuitBreaker breaker("breaker", from);
            Random random(1);
            for (int call = 0; call < 300; ++call) {
                auto permit = breaker.try_acquire(for_tests::origin() + 10us * call);
                if (call % 7 != 6)
                    permit->settle(random.next() % 3 == 0 ? Outcome::failure : Outcome::success, permit->admitted_at());
            }
            const TimePoint now = for_tests::origin() + 3ms;
            const CircuitBreakerStats before = breaker.stats(now);
            breaker.reconfigure(to, now);
            const CircuitBreakerStats after = breaker.stats(now);
            EXPECT_EQ(after.state, before.state);
            EXPECT_EQ(after.generation, before.generation);
            EXPECT_EQ(after.success, before.success);
            EXPECT_EQ(after.failure, before.failure);
            EXPECT_LE(after.window.failures, before.window.failures);
            EXPECT_LE(after.window.requests - after.window.failures, before.window.requests - before.window.failures);
        }
    }
}

// Two callers settle what they have admitted, some of it after several changes; one in three fails, so nothing opens.
void call_beside_changes(CircuitBreaker& breaker, std::atomic<std::int64_t>& time, int calls,
                         std::array<std::atomic<std::uint64_t>, 3>& told) {
    std::vector<CircuitBreaker::Permit> out;
    for (int call = 0; call < calls; ++call) {
        const TimePoint now = for_tests::origin() + Duration{time.fetch_add(500, std::memory_order_relaxed)};
        if (auto permit = breaker.try_acquire(now)) out.push_back(std::move(*permit));
        if (out.size() < 8 && call + 1 < calls) continue;
        for (CircuitBreaker::Permit& permit : out) {
            const auto outcome = static_cast<Outcome>((call + static_cast<int>(&permit - out.data())) % 3);
            permit.settle(outcome, now);
            ++told[static_cast<std::size_t>(outcome)];
        }
        out.clear();
    }
}

TEST(Conformance, TW_16_no_admitted_call_loses_its_verdict_to_changes_beside_it) {
    CircuitBreaker breaker("breaker", base);
    const std::vector<CircuitBreakerConfig> all = kinds();
    std::atomic<std::int64_t> time{0};
    std::atomic<int> running{3};
    std::array<std::atomic<std::uint64_t>, 3> told{};
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < 3; ++caller) {
        callers.emplace_back([&] {
            call_beside_changes(breaker, time, 6000, told);
            --running;
        });
    }
    for (std::size_t change = 0; running > 0 || change < 100; ++change) {
        const TimePoint now = for_tests::origin() + Duration{time.load(std::memory_order_relaxed)};
        breaker.reconfigure(all[change * 3 % all.size()], now);
        const CircuitBreakerStats stats = breaker.stats(now);
        expect_reconciled(stats);
        ASSERT_EQ(stats.state, CircuitState::closed);
        ASSERT_EQ(stats.generation, 1U);
        std::this_thread::yield();
    }
    callers.clear();
    const CircuitBreakerStats stats = breaker.stats(for_tests::origin() + Duration{time.load()});
    EXPECT_EQ(stats.admitted, 18'000U);
    EXPECT_EQ(stats.in_flight, 0U);
    EXPECT_EQ(stats.success, told[static_cast<std::size_t>(Outcome::success)]);
    EXPECT_EQ(stats.failure, told[static_cast<std::size_t>(Outcome::failure)]);
    EXPECT_EQ(stats.ignored, told[static_cast<std::size_t>(Outcome::ignored)]);
    EXPECT_EQ(stats.late, 0U);
}

TEST(CircuitBreakerReconfigureThreads, pictures_reconcile_while_states_and_configurations_come_and_go) {
    std::vector<CircuitBreakerConfig> all = kinds();
    for (CircuitBreakerConfig& config : all) {
        config.failure_threshold = 0.5;
        config.timeout = 50us;
        config.success_threshold = 2;
        config.half_open_max_calls = 2;
        config.probe_lease = 100us;
    }
    all[1].half_open_calls = 9;
    all[3].success_threshold = 7;
    all[4].recovery_ramp = 200us;
    CircuitBreaker breaker("breaker", all[0]);
    std::atomic<std::int64_t> time{0};
    std::atomic<bool> stop{false};
    std::vector<std::jthread> callers;
    for (std::uint64_t caller = 0; caller < 2; ++caller) {
        callers.emplace_back([&, random = Random(caller)]() mutable {
            while (!stop) {
                const std::uint64_t dice = random.next();
                const TimePoint now =
                    for_tests::origin() + Duration{time.fetch_add(static_cast<std::int64_t>(dice % 1000))};
                if (dice % 16 == 0) {
                    if (breaker.allow(now) && dice % 64 != 0) breaker.record_result(dice % 3 != 0, now);
                    continue;
                }
                auto permit = breaker.try_acquire(now);
                if (permit && dice % 5 != 0) permit->settle(static_cast<Outcome>((dice >> 16) % 3), now);
            }
        });
    }
    for (std::size_t change = 0; change < 1500 && !HasFatalFailure(); ++change) {
        const TimePoint now = for_tests::origin() + Duration{time.load(std::memory_order_relaxed)};
        breaker.reconfigure(all[change * 3 % all.size()], now);
        expect_reconciled(breaker.stats(now));
        std::this_thread::yield();
    }
    stop = true;
    callers.clear();
    const TimePoint last = for_tests::origin() + Duration{time.load()} + 1s;
    breaker.reset(last);
    breaker.tick(last + 1s);
    const CircuitBreakerStats stats = breaker.stats(last + 1s);
    expect_reconciled(stats);
    EXPECT_EQ(stats.in_flight, 0U);
    EXPECT_GT(stats.generation, 2U);
}

TEST(CircuitBreakerReconfigure, ends_although_the_newest_bucket_grows_while_it_is_copied) {
    CircuitBreaker breaker("breaker", {.failure_threshold = 1});
    std::atomic<bool> over{false};
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < 2; ++caller) {
        callers.emplace_back([&] {
            while (!over.load(std::memory_order_relaxed)) {
                if (auto permit = breaker.try_acquire()) permit->settle(Outcome::success);
            }
        });
    }
    for (int change = 0; change < 100; ++change) {
        breaker.reconfigure({.failure_threshold = 1, .window_calls = 1'000'000});
        breaker.reconfigure({.failure_threshold = 1});
    }
    over.store(true, std::memory_order_relaxed);
    callers.clear();
    expect_reconciled(breaker.stats());
}

}  // namespace circuit_breaker_reconfigure_threads_test
