#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <resilience/base/config_error.hpp>
#include <resilience/manager/manager.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <resilience/policies/retry.hpp>
#include <resilience/testing.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace manager_threads_test {

// Threads that begin their work together.
class Together {
  public:
    explicit Together(std::size_t threads) : expected_(threads) {}
    void arrive_and_wait() {
        ++arrived_;
        while (arrived_ < expected_) std::this_thread::yield();
    }

  private:
    std::size_t expected_;
    std::atomic<std::size_t> arrived_{0};
};

TEST(ManagerThreads, sixty_four_threads_that_ask_for_the_same_names_get_one_object_each) {
    constexpr std::size_t threads = 64;
    constexpr std::size_t names = 30;
    ResilienceManager manager;
    Together together(threads);
    std::vector<std::vector<std::shared_ptr<RateLimiter>>> limiters(threads);
    std::vector<std::size_t> refused(threads);
    {
        std::vector<std::jthread> workers;
        for (std::size_t worker = 0; worker < threads; ++worker) {
            workers.emplace_back([&, worker] {
                together.arrive_and_wait();
                for (std::size_t name = 0; name < names; ++name) {
                    limiters[worker].push_back(manager.register_rate_limiter("shared_" + std::to_string(name), 10, 1));
                    try {
                        manager.register_bulkhead("contested_" + std::to_string(name), worker % 2 == 0 ? 10 : 20);
                    } catch (const ConfigError&) {
                        ++refused[worker];
                    }
                }
            });
        }
    }
    for (const auto& of_worker : limiters) EXPECT_EQ(of_worker, limiters[0]);
    const std::set<std::shared_ptr<RateLimiter>> distinct(limiters[0].begin(), limiters[0].end());
    EXPECT_EQ(distinct.size(), names);
    EXPECT_FALSE(distinct.contains(nullptr));
    std::size_t refusals = 0;
    for (const std::size_t of_worker : refused) refusals += of_worker;
    EXPECT_EQ(refusals, names * threads / 2) << "whichever half came first to a name, the other half differs";
}

TEST(ManagerThreads, registering_looking_up_and_reading_stats_go_together) {
    constexpr int names = 50;
    ResilienceManager manager;
    Together together(4);
    std::atomic<bool> done{false};
    std::jthread reader([&] {
        std::size_t before = 0;
        together.arrive_and_wait();
        while (!done) {
            const std::size_t now = manager.stats().circuit_breakers.size();
            EXPECT_GE(now, before);
            before = now;
        }
    });
    {
        std::vector<std::jthread> workers;
        for (int worker = 0; worker < 3; ++worker) {
            workers.emplace_back([&] {
                together.arrive_and_wait();
                for (int index = 0; index < names; ++index) {
                    const std::string name = "policy_" + std::to_string(index);
                    const auto made = manager.register_circuit_breaker(name);
                    EXPECT_EQ(manager.circuit_breaker(name), made);
                    manager.register_bulkhead(name, 10);
                    EXPECT_NE(manager.bulkhead(name), nullptr);
                }
            });
        }
    }
    done = true;
    EXPECT_EQ(manager.stats().circuit_breakers.size(), static_cast<std::size_t>(names));
}

// One pass through every policy, each settled in a way that depends on `call`.
void hammer(ResilienceManager& manager, unsigned call) {
    const auto breaker = manager.circuit_breaker("api");
    const auto bulkhead = manager.bulkhead("api");
    const auto retry = manager.retry("api");
    static_cast<void>(manager.rate_limiter("api")->acquire(call % 40 == 0 ? 30 : 1));
    auto place = bulkhead->try_acquire();
    if (auto permit = breaker->try_acquire()) {
        switch (call % 8) {
            case 0:
                permit->settle(Outcome::ignored, Clock::now());
                break;
            case 1:
                break;  // dropped
            case 2:
                permit->settle(Outcome::failure, Clock::now());
                break;
            default:
                permit->settle(Outcome::success, Clock::now());
        }
    }
    if (breaker->allow()) breaker->record_result(call % 5 != 0);
    if (call % 3 == 0) {
        retry->count_first_success();
    } else {
        retry->count_end(call % 2 == 0, call % 2 == 0 ? RetryStop::succeeded : RetryStop::exhausted, 3);
    }
    if (call % 512 == 0) breaker->open(1us);
}

void expect_not_below(const CircuitBreakerStats& now, const CircuitBreakerStats& before) {
    EXPECT_GE(now.requests, before.requests);
    EXPECT_GE(now.admitted, before.admitted);
    EXPECT_GE(now.success, before.success);
    EXPECT_GE(now.failure, before.failure);
    EXPECT_GE(now.ignored, before.ignored);
    EXPECT_GE(now.rejected.total(), before.rejected.total());
}

TEST(ManagerThreads, the_counters_of_every_policy_reconcile_while_two_threads_hammer) {
    ResilienceManager manager;
    const auto breaker = manager.register_circuit_breaker("api", {.failure_threshold = 0.9, .timeout = 1us});
    manager.register_rate_limiter("api", 20, 1000);
    manager.register_bulkhead("api", 1);
    manager.register_retry("api");
    std::atomic<bool> done{false};
    std::atomic<std::uint64_t> calls{0};
    std::vector<std::jthread> workers;
    for (int worker = 0; worker < 2; ++worker) {
        workers.emplace_back([&] {
            for (unsigned call = 0; !done; ++call) {
                hammer(manager, call);
                ++calls;
            }
        });
    }
    CircuitBreakerStats before;
    int pictures = 0;
    const auto begin = std::chrono::steady_clock::now();
    while (pictures < 200 || std::chrono::steady_clock::now() - begin < 300ms) {
        const ResilienceStats stats = manager.stats();
        EXPECT_NO_THROW(expect_reconciled(stats));
        const CircuitBreakerStats& now = stats.circuit_breakers.at("api");
        EXPECT_LE(now.in_flight, now.admitted) << "below zero";
        EXPECT_LE(stats.bulkheads.at("api").in_use, 1U);
        expect_not_below(now, before);
        before = now;
        if (::testing::Test::HasFailure()) break;
        ++pictures;
    }
    done = true;
    workers.clear();
    const ResilienceStats rest = manager.stats();
    EXPECT_NO_THROW(expect_reconciled(rest));
    EXPECT_EQ(rest.circuit_breakers.at("api").in_flight, 0U);
    EXPECT_EQ(rest.bulkheads.at("api").in_use, 0U);
    EXPECT_EQ(rest.bulkheads.at("api").requests, calls);
    EXPECT_EQ(rest.rate_limiters.at("api").requests, calls);
    EXPECT_EQ(rest.retries.at("api").calls, calls);
}

TEST(ManagerThreads, listeners_come_and_go_while_policies_are_registered_and_speak) {
    ResilienceManager manager;
    manager.register_circuit_breaker("0");
    std::atomic<bool> done{false};
    Together together(3);
    std::jthread registering([&] {
        together.arrive_and_wait();
        for (int name = 0; !done; ++name) manager.register_bulkhead(std::to_string(name % 200), 10);
    });
    std::jthread speaking([&] {
        together.arrive_and_wait();
        for (std::uint32_t limit = 1; !done; limit = limit % 10 + 1) {
            for (int name = 0; name < 200; ++name) {
                if (const auto bulkhead = manager.bulkhead(std::to_string(name))) bulkhead->set_max_concurrent(limit);
            }
        }
    });
    together.arrive_and_wait();
    std::atomic<int> heard{0};
    for (int round = 0; round < 100 || (heard == 0 && round < 100'000); ++round) {
        // Freed when the subscription has ended: a late call is a use after free that sanitizers see.
        auto alive = std::make_unique<std::atomic<bool>>(true);
        std::atomic<bool>* const watched = alive.get();
        std::atomic<int> late{0};
        Subscription subscription = manager.on_event([watched, &late, &heard](const Event&) {
            if (!watched->load()) ++late;
            ++heard;
        });
        std::this_thread::yield();
        subscription.reset();
        alive->store(false);
        alive.reset();
        ASSERT_EQ(late, 0);
    }
    done = true;
    EXPECT_GT(heard, 0);
}

}  // namespace manager_threads_test
