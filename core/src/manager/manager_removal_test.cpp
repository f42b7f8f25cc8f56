#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <resilience/manager/manager.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/bulkhead_partition.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <resilience/policies/retry.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace manager_removal_test {

constexpr TimePoint start{1000s};

void register_one_of_each(ResilienceManager& manager, const std::string& name) {
    manager.register_circuit_breaker(name);
    manager.register_rate_limiter(name, 50, 50.0 / 3);
    manager.register_bulkhead(name, 4, 2);
    manager.register_retry(name);
}

std::size_t policies_in(const ResilienceManager& manager) {
    const ResilienceStats stats = manager.stats(start);
    return stats.circuit_breakers.size() + stats.rate_limiters.size() + stats.bulkheads.size() + stats.retries.size();
}

using Seen = std::vector<std::string>;

Listener note_into(Seen& seen) {
    return [&seen](const Event& event) {
        seen.push_back(std::string(to_string(event.kind)) + ' ' + std::string(to_string(event.policy)) + ' ' +
                       std::string(event.name));
    };
}

TEST(Conformance, MX_1_sixty_four_threads_get_one_instance_and_one_added_event) {
    constexpr std::size_t threads = 64;
    ResilienceManager manager;
    std::atomic<int> added{0};
    const Subscription subscription = manager.on_event(
        [&](const Event& event) {
            EXPECT_EQ(event.kind, EventKind::added);
            EXPECT_EQ(event.name, "payment_api");
            ++added;
        },
        EventKinds::registrations);
    std::vector<std::shared_ptr<CircuitBreaker>> got(threads);
    std::atomic<std::size_t> arrived{0};
    {
        std::vector<std::jthread> workers;
        for (std::size_t worker = 0; worker < threads; ++worker) {
            workers.emplace_back([&, worker] {
                ++arrived;
                while (arrived < threads) std::this_thread::yield();
                got[worker] = manager.register_circuit_breaker("payment_api");
            });
        }
    }
    for (const auto& breaker : got) EXPECT_EQ(breaker, manager.circuit_breaker("payment_api"));
    EXPECT_EQ(added, 1);
}

TEST(Conformance, MX_4_listeners_and_stats_continue_on_the_policy_that_replaces_another) {
    ResilienceManager manager;
    Seen seen;
    const Subscription subscription = manager.on_event(note_into(seen));
    const auto old = manager.register_circuit_breaker("api", {.min_requests = 1});
    old->force_open(start);
    EXPECT_TRUE(manager.remove(PolicyKind::circuit_breaker, "api"));
    const auto fresh = manager.register_circuit_breaker("api", {.min_requests = 2});
    ASSERT_NE(fresh, old);
    seen.clear();
    old->reset(start);
    EXPECT_TRUE(seen.empty()) << "the one that was removed is not heard";
    EXPECT_TRUE(fresh->allow(start));
    fresh->record_result(false, start);
    fresh->force_open(start);
    EXPECT_EQ(seen, (Seen{"transition circuit_breaker api"}));
    const ResilienceStats stats = manager.stats(start);
    ASSERT_EQ(stats.circuit_breakers.size(), 1U);
    EXPECT_EQ(stats.circuit_breakers.at("api").failure, 1U);
    EXPECT_EQ(stats.circuit_breakers.at("api").window.min_requests, 2U);
}

TEST(ManagerRemoval, forgets_one_policy_or_all_of_a_name) {
    ResilienceManager manager;
    register_one_of_each(manager, "a");
    register_one_of_each(manager, "b");
    EXPECT_TRUE(manager.remove(PolicyKind::bulkhead, "a"));
    EXPECT_FALSE(manager.remove(PolicyKind::bulkhead, "a")) << "it is gone";
    EXPECT_FALSE(manager.remove(PolicyKind::hedge, "a")) << "the manager has none of that kind";
    EXPECT_EQ(manager.bulkhead("a"), nullptr);
    EXPECT_NE(manager.circuit_breaker("a"), nullptr);
    EXPECT_EQ(policies_in(manager), 7U);
    EXPECT_EQ(manager.remove("a"), 3U);
    EXPECT_EQ(manager.remove("a"), 0U);
    EXPECT_EQ(policies_in(manager), 4U);
    EXPECT_NE(manager.bulkhead("b"), nullptr);
    EXPECT_NE(manager.register_bulkhead("a", 9), nullptr) << "with another configuration than before";
}

TEST(ManagerRemoval, lets_those_who_hold_a_policy_go_on_and_destroys_the_rest) {
    ResilienceManager manager;
    const auto held = manager.register_circuit_breaker("held");
    const std::weak_ptr<CircuitBreaker> dropped = manager.register_circuit_breaker("dropped");
    manager.remove("held");
    manager.remove("dropped");
    EXPECT_TRUE(held->allow(start));
    EXPECT_TRUE(dropped.expired());
}

TEST(ManagerRemoval, tells_of_every_policy_that_comes_and_goes) {
    ResilienceManager manager;
    Seen seen;
    manager.register_retry("before");
    const Subscription subscription = manager.on_event(note_into(seen), EventKinds::registrations);
    manager.register_bulkhead("a", 4);
    manager.register_bulkhead("a", 4);
    manager.remove("a");
    manager.remove("a");
    manager.remove("before");
    EXPECT_EQ(seen, (Seen{"added bulkhead a", "removed bulkhead a", "removed retry before"}));
}

TEST(ManagerRemoval, inside_a_listener_of_that_policy_is_possible) {
    ResilienceManager manager;
    int heard = 0;
    const Subscription subscription = manager.on_event([&](const Event& event) {
        ++heard;
        manager.remove(event.name);
    });
    const auto breaker = manager.register_circuit_breaker("a");
    breaker->force_open(start);
    breaker->reset(start);
    EXPECT_EQ(heard, 1) << "the listener no longer hears what is removed";
    EXPECT_EQ(manager.circuit_breaker("a"), nullptr);
}

TEST(ManagerExpiry, takes_what_two_sweeps_saw_at_rest_for_long_enough) {
    ResilienceManager manager;
    register_one_of_each(manager, "idle");
    EXPECT_EQ(manager.expire_idle(30min, start), 0U) << "looked at for the first time";
    EXPECT_EQ(manager.expire_idle(30min, start + 30min - 1ns), 0U);
    EXPECT_EQ(policies_in(manager), 4U);
    EXPECT_EQ(manager.expire_idle(30min, start + 30min), 4U);
    EXPECT_EQ(policies_in(manager), 0U);
}

TEST(ManagerExpiry, of_many_tells_of_each_in_order_and_loses_none) {
    ResilienceManager manager;
    for (int index = 100; index < 300; ++index) manager.register_retry("r" + std::to_string(index));
    Seen seen;
    const Subscription subscription = manager.on_event(note_into(seen), EventKinds::registrations);
    EXPECT_EQ(manager.expire_idle(0s, start), 200U);
    ASSERT_EQ(seen.size(), 200U);
    EXPECT_EQ(seen.front(), "removed retry r100");
    EXPECT_EQ(seen.back(), "removed retry r299");
}

// What must keep a policy from being removed. Each is undone by what `keep` returns.
struct Keeper {
    const char* what;
    std::function<std::shared_ptr<void>(ResilienceManager&)> keep{};
};

std::vector<Keeper> keepers() {
    return {
        {"a shared_ptr", [](ResilienceManager& manager) { return manager.circuit_breaker("a"); }},
        {"a call in flight",
         [](ResilienceManager& manager) {
             auto permit = manager.circuit_breaker("a")->try_acquire(start);
             return std::make_shared<CircuitBreaker::Permit>(std::move(*permit));
         }},
        {"a place in use",
         [](ResilienceManager& manager) {
             return std::make_shared<Bulkhead::Permit>(std::move(*manager.bulkhead("a")->try_acquire()));
         }},
        {"a partition that nobody uses",
         [](ResilienceManager& manager) {
             return std::make_shared<BulkheadPartition>(*manager.bulkhead("a"), "part", PartitionConfig{.reserved = 1});
         }},
        {"an open circuit",
         [](ResilienceManager& manager) {
             manager.circuit_breaker("a")->open(24h, start);
             return std::shared_ptr<void>(
                 &manager, [](void* all) { static_cast<ResilienceManager*>(all)->circuit_breaker("a")->reset(start); });
         }},
        {"a lever",
         [](ResilienceManager& manager) {
             manager.circuit_breaker("a")->force_closed(start);
             return std::shared_ptr<void>(
                 &manager, [](void* all) { static_cast<ResilienceManager*>(all)->circuit_breaker("a")->reset(start); });
         }},
        {"a configuration that was changed",
         [](ResilienceManager& manager) {
             manager.circuit_breaker("a")->reconfigure({.timeout = 1s}, start);
             return std::shared_ptr<void>(&manager, [](void* all) {
                 static_cast<ResilienceManager*>(all)->circuit_breaker("a")->reconfigure({}, start);
             });
         }},
        {"a health probe",
         [](ResilienceManager& manager) {
             manager.circuit_breaker("a")->set_probe({}, [] { return true; });
             return std::shared_ptr<void>(&manager, [](void* all) {
                 static_cast<ResilienceManager*>(all)->circuit_breaker("a")->set_probe({}, {});
             });
         }},
        {"a limit that was changed",
         [](ResilienceManager& manager) {
             manager.bulkhead("a")->set_max_concurrent(3);
             return std::shared_ptr<void>(&manager, [](void* all) {
                 static_cast<ResilienceManager*>(all)->bulkhead("a")->set_max_concurrent(4);
             });
         }},
        {"a rate that was changed",
         [](ResilienceManager& manager) {
             manager.rate_limiter("a")->set_rate({.capacity = 50, .refill_rate = 1}, start);
             return std::shared_ptr<void>(&manager, [](void* all) {
                 static_cast<ResilienceManager*>(all)->rate_limiter("a")->set_rate(
                     {.capacity = 50, .refill_rate = 50.0 / 3}, start);
             });
         }},
    };
}

TEST(ManagerExpiry, never_takes_what_is_held_in_flight_or_differs_from_a_fresh_one) {
    for (const Keeper& row : keepers()) {
        ResilienceManager manager;
        register_one_of_each(manager, "a");
        auto kept = row.keep(manager);
        manager.expire_idle(30min, start);
        EXPECT_EQ(manager.expire_idle(30min, start + 1h), 3U) << row.what;
        EXPECT_EQ(policies_in(manager), 1U) << row.what;
        kept.reset();
        manager.expire_idle(30min, start + 1h);  // at rest for the first time
        manager.expire_idle(30min, start + 2h);
        EXPECT_EQ(policies_in(manager), 0U) << row.what;
    }
}

TEST(ManagerExpiry, never_takes_a_breaker_whose_operations_somebody_may_hold) {
    ResilienceManager manager;
    register_one_of_each(manager, "a");
    const auto charge = manager.circuit_breaker("a")->operation("charge");
    for (const Duration later : {0h, 1h, 2h}) manager.expire_idle(30min, start + later);
    EXPECT_EQ(policies_in(manager), 1U);
    EXPECT_EQ(charge.state(start), CircuitState::closed);
}

TEST(ManagerExpiry, begins_anew_with_each_call_and_waits_for_a_bucket_to_fill) {
    ResilienceManager manager;
    manager.register_rate_limiter("a", 10, 0.001);
    manager.expire_idle(30min, start);
    ASSERT_TRUE(manager.rate_limiter("a")->acquire(3, start + 29min));
    EXPECT_EQ(manager.expire_idle(30min, start + 40min), 0U) << "somebody asked";
    EXPECT_EQ(manager.expire_idle(30min, start + 75min), 0U) << "two tokens are missing: a fresh one would give them";
    EXPECT_EQ(manager.expire_idle(30min, start + 80min), 0U) << "full, for the first time";
    EXPECT_EQ(manager.expire_idle(30min, start + 110min), 1U);
}

TEST(ManagerExpiry, counts_from_the_first_sweep_after_the_last_call) {
    ResilienceManager manager;
    manager.register_bulkhead("a", 4);
    manager.register_circuit_breaker("a");
    manager.expire_idle(30min, start);
    static_cast<void>(manager.bulkhead("a")->try_acquire());
    manager.circuit_breaker("a")->try_acquire(start + 29min)->settle(Outcome::success, start + 29min);
    EXPECT_EQ(manager.expire_idle(30min, start + 40min), 0U);
    EXPECT_EQ(manager.expire_idle(30min, start + 70min - 1ns), 0U);
    EXPECT_EQ(manager.expire_idle(30min, start + 70min), 2U);
}

TEST(ManagerExpiry, sweeps_beside_threads_that_register_and_call) {
    ResilienceManager manager;
    std::atomic<bool> stop{false};
    std::atomic<std::size_t> calls{0};
    std::size_t expired = 0;
    {
        std::vector<std::jthread> workers;
        for (int worker = 0; worker < 2; ++worker) {
            workers.emplace_back([&, worker] {
                for (int call = 0; !stop; ++call) {
                    const auto bulkhead = manager.register_bulkhead("b" + std::to_string((call + worker) % 7), 4);
                    const auto permit = bulkhead->try_acquire();
                    ASSERT_TRUE(permit.has_value());
                    ++calls;
                }
            });
        }
        while (calls < 2000 || expired < 20) expired += manager.expire_idle(0s, start);
        stop = true;
    }
    expired = manager.expire_idle(0s, start);
    EXPECT_EQ(policies_in(manager), 0U);
}

}  // namespace manager_removal_test
