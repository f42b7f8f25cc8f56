#include <gtest/gtest.h>

#include <cstddef>
#include <for_tests/counted_allocations.hpp>
#include <for_tests/failing_allocations.hpp>
#include <functional>
#include <memory>
#include <new>
#include <resilience/manager/manager.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <resilience/policies/retry.hpp>
#include <string>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;
using for_tests::allocated_bytes;
using for_tests::allocations;
using for_tests::fail_after;
using for_tests::failures_until_success;

namespace allocation_test {

constexpr TimePoint start{1000s};

std::size_t policies_in(const ResilienceManager& manager) {
    const ResilienceStats stats = manager.stats(start);
    return stats.circuit_breakers.size() + stats.rate_limiters.size() + stats.bulkheads.size() + stats.retries.size();
}

TEST(ManagerAllocation, a_registration_that_fails_at_any_allocation_changes_nothing) {
    const std::string name = "a name that is longer than a string keeps in itself";
    const std::vector<std::function<void(ResilienceManager&)>> registrations{
        [&](ResilienceManager& manager) { manager.register_circuit_breaker(name); },
        [&](ResilienceManager& manager) { manager.register_rate_limiter(name, 10, 1); },
        [&](ResilienceManager& manager) { manager.register_bulkhead(name, 10); },
        [&](ResilienceManager& manager) { manager.register_retry(name); },
        [&](ResilienceManager& manager) {
            manager.register_circuit_breaker(name, {.record_latency = true, .slow_call_duration = 1s},
                                             {.trips = [](const ClosedPeriod&) { return false; }});
        },
        [&](ResilienceManager& manager) {
            manager.register_rate_limiter(name, {.capacity = 10, .refill_rate = 1, .max_wait = 1s});
        },
        [&](ResilienceManager& manager) { manager.register_bulkhead(name, {.max_concurrent = 10, .queue_size = 5}); },
        [&](ResilienceManager& manager) {
            manager.register_retry(name, {}, {.before_retry = [](const AttemptEnd&, const Next&) {}});
        },
    };
    for (const auto& registration : registrations) {
        ResilienceManager manager;
        const auto known = manager.register_circuit_breaker("known");
        int heard = 0;
        std::vector<Subscription> listening;
        for (int listener = 0; listener < 3; ++listener) {
            listening.push_back(
                manager.on_event([&](const Event&) { ++heard; }, EventKinds::changes | EventKinds::calls));
        }
        const std::size_t failures = failures_until_success([&] { registration(manager); },
                                                            [&](std::size_t) {
                                                                EXPECT_EQ(policies_in(manager), 1U);
                                                                EXPECT_EQ(manager.circuit_breaker(name), nullptr);
                                                            });
        EXPECT_GE(failures, 5U) << "a policy, a node, and what three listeners need";
        EXPECT_EQ(policies_in(manager), 2U);
        known->force_open(start);
        EXPECT_EQ(heard, 3) << "listeners are neither lost nor doubled";
        if (const auto breaker = manager.circuit_breaker(name)) breaker->force_open(start);
        if (const auto bulkhead = manager.bulkhead(name)) bulkhead->set_max_concurrent(2);
        if (const auto limiter = manager.rate_limiter(name)) static_cast<void>(limiter->acquire(1, start));
        EXPECT_EQ(heard, manager.retry(name) ? 3 : 6);
    }
}

TEST(ManagerAllocation, a_listener_that_cannot_be_added_hears_nothing) {
    ResilienceManager manager;
    const auto breaker = manager.register_circuit_breaker("a");
    const auto bulkhead = manager.register_bulkhead("a", 10);
    int heard = 0;
    Subscription subscription;
    const std::size_t failures =
        failures_until_success([&] { subscription = manager.on_event([&heard](const Event&) { ++heard; }); },
                               [&](std::size_t) {
                                   breaker->force_open(start);
                                   breaker->reset(start);
                                   bulkhead->set_max_concurrent(5);
                                   bulkhead->set_max_concurrent(10);
                                   EXPECT_EQ(heard, 0);
                               });
    EXPECT_GE(failures, 5U);
    breaker->force_open(start);
    bulkhead->set_max_concurrent(5);
    EXPECT_EQ(heard, 2);
}

TEST(ManagerAllocation, stats_that_fail_at_any_allocation_can_be_asked_again) {
    ResilienceManager manager{"service"};
    manager.register_circuit_breaker("a name that is longer than a string keeps in itself");
    manager.register_bulkhead("a", 10);
    ResilienceStats stats;
    EXPECT_GE(failures_until_success([&] { stats = manager.stats(start); }, [](std::size_t) {}), 3U);
    EXPECT_EQ(stats.circuit_breakers.size() + stats.bulkheads.size(), 2U);
}

// What shows, forgets or prepares: after each failure everything is as before.
TEST(ManagerAllocation, whatever_else_a_manager_does_changes_nothing_when_it_fails_at_any_allocation) {
    const std::string name = "a name that is longer than a string keeps in itself";
    struct Row {
        const char* what;
        std::size_t least_allocations;
        std::function<void(ResilienceManager&)> work;
    };
    const std::vector<Row> rows{
        {"is made", 2, [&](ResilienceManager&) { const ResilienceManager other(name, {.history = 100}); }},
        {"health", 1, [](ResilienceManager& manager) { static_cast<void>(manager.health({}, start)); }},
        {"readiness", 0, [](ResilienceManager& manager) { static_cast<void>(manager.ready(start)); }},
        {"history", 1, [](ResilienceManager& manager) { static_cast<void>(manager.history()); }},
        {"a template", 1,
         [&](ResilienceManager& manager) {
             manager.circuit_breaker_templates().define(name,
                                                        [](CircuitBreakerConfig& config) { config.min_requests = 5; });
         }},
        {"removal", 1, [&](ResilienceManager& manager) { EXPECT_TRUE(manager.remove(PolicyKind::bulkhead, name)); }},
        {"a first sweep", 1, [](ResilienceManager& manager) { static_cast<void>(manager.expire_idle(1h, start)); }},
    };
    for (const Row& row : rows) {
        ResilienceManager manager{"checkout", {.history = 10}};
        const auto breaker = manager.register_circuit_breaker(name);
        manager.register_bulkhead(name, 10);
        breaker->force_open(start);
        const std::size_t events = manager.history().size();
        const std::size_t templates = manager.circuit_breaker_templates().names().size();
        const std::size_t failures =
            failures_until_success([&] { row.work(manager); },
                                   [&](std::size_t) {
                                       EXPECT_EQ(policies_in(manager), 2U) << row.what;
                                       EXPECT_EQ(manager.history().size(), events) << row.what;
                                       EXPECT_EQ(manager.circuit_breaker_templates().names().size(), templates);
                                   });
        EXPECT_GE(failures, row.least_allocations) << row.what;
    }
}

TEST(ManagerAllocation, an_expiry_that_fails_at_any_allocation_has_told_of_whatever_is_gone) {
    for (std::size_t failing = 0;; ++failing) {
        ResilienceManager manager{"checkout", {.history = 10}};
        for (const auto* name : {"a", "b", "c"}) manager.register_bulkhead(name, 10);
        manager.expire_idle(1h, start);
        const std::size_t events = manager.history().size();
        fail_after = failing;
        bool failed = false;
        try {
            static_cast<void>(manager.expire_idle(1h, start + 2h));
        } catch (const std::bad_alloc&) {
            failed = true;
        }
        fail_after = for_tests::never;
        EXPECT_EQ(manager.history().size() - events, 3 - policies_in(manager)) << failing;
        if (!failed) {
            EXPECT_EQ(policies_in(manager), 0U);
            EXPECT_GE(failing, 3U);
            break;
        }
    }
}

TEST(ManagerAllocation, removing_a_name_that_fails_at_any_allocation_removes_none_of_its_policies) {
    ResilienceManager manager{"checkout", {.max_components = 1, .history = 64}};
    for (const auto* name : {"own", "beyond"}) {
        manager.register_circuit_breaker(name);
        manager.register_rate_limiter(name, 10, 1);
        manager.register_bulkhead(name, 10);
        manager.register_retry(name);
    }
    for (const auto* name : {"beyond", "own"}) {
        const std::size_t policies = policies_in(manager);
        const std::size_t events = manager.history().size();
        const std::size_t failures = failures_until_success([&] { EXPECT_EQ(manager.remove(name), 4U); },
                                                            [&](std::size_t) {
                                                                EXPECT_EQ(policies_in(manager), policies) << name;
                                                                EXPECT_EQ(manager.history().size(), events) << name;
                                                            });
        EXPECT_GE(failures, 3U) << name;
        EXPECT_EQ(policies_in(manager), policies - 4);
    }
    EXPECT_EQ(manager.stats(start).overflow.circuit_breakers.removed->transitions.size(), 4U);
}

TEST(ManagerAllocation, looking_up_allocates_nothing) {
    ResilienceManager manager;
    const std::string name = "a name that is longer than a string keeps in itself";
    manager.register_circuit_breaker(name);
    manager.register_rate_limiter(name, 10, 1);
    const std::string_view asked = name;
    const std::size_t before = allocations;
    const bool found = manager.circuit_breaker(asked) && manager.rate_limiter(asked) && !manager.bulkhead(asked) &&
                       !manager.retry(asked) && manager.rate_limiter(asked)->acquire(1, start);
    EXPECT_EQ(allocations, before);
    EXPECT_TRUE(found);
}

TEST(ManagerAllocation, ten_services_of_three_policies_fit_in_32_kilobytes) {
    std::vector<std::string> names;
    for (int service = 0; service < 10; ++service) names.push_back("service_" + std::to_string(service));
    const std::size_t before = allocated_bytes;
    auto manager = std::make_unique<ResilienceManager>("checkout");
    for (const std::string& name : names) {
        manager->register_circuit_breaker(name);
        manager->register_rate_limiter(name, 100, 10);
        manager->register_bulkhead(name, 50, 10);
    }
    const std::size_t bytes = allocated_bytes - before;
    RecordProperty("bytes", std::to_string(bytes));
    EXPECT_LE(bytes, 32U * 1024U);
    EXPECT_GE(bytes, 10 * (sizeof(CircuitBreaker) + sizeof(RateLimiter) + sizeof(Bulkhead)));
}

TEST(ReservationAllocation, only_the_first_reservation_of_a_limiter_allocates) {
    RateLimiter limiter(100, 10);
    const std::size_t before = allocations;
    for (int call = 0; call < 10; ++call) {
        auto reservation = limiter.reserve(5, start);
        ASSERT_TRUE(reservation.has_value());
        EXPECT_EQ(reservation->settle(3, start).returned, 2U);
        EXPECT_TRUE(limiter.acquire(1, start));
    }
    EXPECT_EQ(allocations - before, 1U);
}

TEST(ReservationAllocation, without_memory_the_tokens_are_taken_and_none_come_back) {
    RateLimiter limiter(10, 1);
    fail_after = 0;
    auto first = limiter.reserve(4, start);
    fail_after = for_tests::never;
    ASSERT_TRUE(first.has_value());
    EXPECT_EQ(limiter.stats(start).available_tokens, 6U);
    EXPECT_EQ(first->settle(0, start).returned, 0U);
    auto second = limiter.reserve(6, start);
    ASSERT_TRUE(second.has_value());
    EXPECT_EQ(second->settle(1, start).returned, 5U);
    EXPECT_EQ(limiter.stats(start).available_tokens, 5U);
}

// A breaker that was listened to by a manager with that history, and that outlives it.
std::shared_ptr<CircuitBreaker> after_a_thousand_events(std::size_t history) {
    ResilienceManager manager{"checkout", {.history = history}};
    const Subscription listening = history == 0 ? manager.on_event([](const Event&) {}) : Subscription{};
    EXPECT_TRUE(manager.history().empty());
    auto breaker = manager.register_circuit_breaker("api");
    for (int round = 0; round < 500; ++round) {
        breaker->force_open(start + round * 2s);
        breaker->reset(start + round * 2s + 1s);
    }
    const std::vector<RecordedEvent> kept = manager.history();
    EXPECT_EQ(kept.size(), history);
    for (std::size_t index = 0; index < kept.size(); ++index) {
        EXPECT_EQ(kept[index].event.kind, EventKind::transition);
        EXPECT_EQ(kept[index].event.name, "api");
        EXPECT_EQ(kept[index].event.at, start + (1000 - history + index) * 1s) << "the newest, in order";
        EXPECT_GT(kept[index].time.time_since_epoch(), 0s);
    }
    return breaker;
}

TEST(Conformance, MX_14_the_newest_hundred_of_a_thousand_events_are_kept_and_freed_with_their_manager) {
    const auto live_after = [](std::size_t history) {
        const std::size_t before = allocations - for_tests::deallocations;
        const auto breaker = after_a_thousand_events(history);
        return allocations - for_tests::deallocations - before;
    };
    after_a_thousand_events(100);  // names and threads are known from now on
    EXPECT_EQ(live_after(100), live_after(0)) << "nothing of the history is left";
}

}  // namespace allocation_test
