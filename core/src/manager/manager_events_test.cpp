#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <resilience/base/config_error.hpp>
#include <resilience/manager/manager.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <resilience/policies/retry.hpp>
#include <string>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace manager_events_test {

constexpr TimePoint start{1000s};

using Seen = std::vector<std::string>;

Listener note_into(Seen& seen) {
    return [&seen](const Event& event) {
        seen.push_back(std::string(to_string(event.policy)) + ' ' + std::string(event.name) + ' ' +
                       std::string(to_string(event.kind)));
    };
}

TEST(ManagerEvents, a_listener_hears_policies_registered_before_and_after_it) {
    ResilienceManager manager;
    Seen seen;
    const auto before = manager.register_circuit_breaker("before");
    const Subscription subscription = manager.on_event(note_into(seen));
    const auto after = manager.register_circuit_breaker("after");
    const auto limiter = manager.register_rate_limiter("after", 10, 1);
    const auto bulkhead = manager.register_bulkhead("after", 10);
    before->force_open(start);
    after->force_open(start);
    limiter->set_rate({.capacity = 10, .refill_rate = 2}, start);
    bulkhead->set_max_concurrent(5);
    EXPECT_EQ(seen, (Seen{"circuit_breaker before transition", "circuit_breaker after transition",
                          "rate_limiter after limit_changed", "bulkhead after limit_changed"}));
}

TEST(ManagerEvents, calls_are_heard_only_when_asked_for) {
    ResilienceManager manager;
    Seen changes;
    Seen calls;
    const auto limiter = manager.register_rate_limiter("a", 1, 1);
    const Subscription of_changes = manager.on_event(note_into(changes));
    static_cast<void>(limiter->acquire(1, start));
    const Subscription of_calls = manager.on_event(note_into(calls), EventKinds::calls);
    static_cast<void>(limiter->acquire(1, start));
    const auto bulkhead = manager.register_bulkhead("b", 1);
    const auto permit = bulkhead->try_acquire();
    EXPECT_TRUE(changes.empty());
    EXPECT_EQ(calls, (Seen{"rate_limiter a refused", "bulkhead b permitted"}));
}

TEST(ManagerEvents, a_policy_registered_twice_is_heard_once) {
    ResilienceManager manager;
    Seen seen;
    const Subscription subscription = manager.on_event(note_into(seen));
    manager.register_circuit_breaker("a");
    manager.register_circuit_breaker("a")->force_open(start);
    EXPECT_EQ(seen.size(), 1U);
}

TEST(ManagerEvents, after_its_subscription_ended_a_listener_hears_nothing_and_is_gone) {
    ResilienceManager manager;
    Seen seen;
    auto captured = std::make_shared<int>(0);
    const std::weak_ptr<int> watched = captured;
    const auto breaker = manager.register_circuit_breaker("a");
    Subscription subscription =
        manager.on_event([note = note_into(seen), captured = std::move(captured)](const Event& event) { note(event); });
    const auto later = manager.register_circuit_breaker("b");
    breaker->force_open(start);
    subscription.reset();
    EXPECT_TRUE(watched.expired());
    breaker->reset(start);
    later->force_open(start);
    manager.register_circuit_breaker("c")->force_open(start);
    EXPECT_EQ(seen.size(), 1U);
}

TEST(ManagerEvents, a_subscription_outlives_its_manager_and_still_hears_the_policies_that_live) {
    Seen seen;
    Subscription subscription;
    std::shared_ptr<CircuitBreaker> breaker;
    {
        ResilienceManager manager;
        breaker = manager.register_circuit_breaker("a");
        manager.register_circuit_breaker("b");
        subscription = manager.on_event(note_into(seen));
    }
    breaker->force_open(start);
    EXPECT_EQ(seen.size(), 1U);
    subscription.reset();
    breaker->reset(start);
    EXPECT_EQ(seen.size(), 1U);
}

TEST(ManagerEvents, a_listener_may_register_look_up_and_read_stats) {
    ResilienceManager manager;
    const auto breaker = manager.register_circuit_breaker("a");
    std::size_t breakers = 0;
    const Subscription subscription = manager.on_event([&](const Event& event) {
        if (event.name != "a") return;
        manager.register_circuit_breaker("b")->force_open(start);
        breakers = manager.stats(start).circuit_breakers.size();
        EXPECT_FALSE(manager.circuit_breaker("b")->allow(start));
    });
    breaker->force_open(start);
    EXPECT_EQ(breakers, 2U);
}

TEST(ManagerEvents, a_listener_may_end_its_own_subscription) {
    ResilienceManager manager;
    const auto first = manager.register_circuit_breaker("a");
    const auto second = manager.register_circuit_breaker("b");
    int heard = 0;
    Subscription subscription;
    subscription = manager.on_event([&](const Event&) {
        ++heard;
        subscription.reset();
    });
    first->force_open(start);
    second->force_open(start);
    first->reset(start);
    EXPECT_EQ(heard, 1);
}

// Asks the manager when the last copy of it goes.
std::shared_ptr<void> asks_at_its_end(const ResilienceManager& manager, int& asked) {
    return {&asked, [&manager](void* count) {
                static_cast<void>(manager.stats(start));
                ++*static_cast<int*>(count);
            }};
}

TEST(ManagerEvents, what_a_hook_holds_may_ask_the_manager_when_it_is_given_up) {
    ResilienceManager manager;
    int asked = 0;
    const auto register_breaker = [&](const std::string& name, CircuitBreakerConfig config) {
        manager.register_circuit_breaker(
            name, config, {.trips = [held = asks_at_its_end(manager, asked)](const ClosedPeriod&) { return false; }});
    };
    register_breaker("a", {});
    EXPECT_THROW(register_breaker("b", {.failure_threshold = 0}), ConfigError);
    EXPECT_EQ(asked, 1) << "a configuration that is refused";
    EXPECT_THROW(register_breaker("a", {.min_requests = 11}), ConfigError);
    register_breaker("a", {});
    EXPECT_EQ(asked, 3) << "a name that is known";
    EXPECT_TRUE(manager.remove(PolicyKind::circuit_breaker, "a"));
    EXPECT_EQ(asked, 4);
    const auto retry_hooks = [&] {
        return RetryHooks{.before_retry = [held = asks_at_its_end(manager, asked)](const AttemptEnd&, const Next&) {}};
    };
    EXPECT_THROW(manager.register_retry("r", {.max_attempts = 0}, retry_hooks()), ConfigError);
    EXPECT_EQ(asked, 5);
}

TEST(ManagerEvents, exceptions_of_a_listener_are_counted_by_the_policy_that_called_it) {
    ResilienceManager manager;
    const auto breaker = manager.register_circuit_breaker("a");
    manager.register_circuit_breaker("b");
    const Subscription subscription = manager.on_event([](const Event&) { throw 1; });
    breaker->force_open(start);
    const ResilienceStats stats = manager.stats(start);
    EXPECT_EQ(stats.circuit_breakers.at("a").listener_exceptions, 1U);
    EXPECT_EQ(stats.circuit_breakers.at("b").listener_exceptions, 0U);
}

TEST(ManagerEvents, what_listeners_threw_stays_counted_when_the_policy_that_called_them_is_removed) {
    ResilienceManager manager{"", {.max_components = 1}};
    const Subscription subscription = manager.on_event([](const Event&) { throw 1; });
    for (const auto* name : {"own", "beyond"}) manager.register_circuit_breaker(name)->force_open(start);
    manager.register_bulkhead("own", 4)->set_max_concurrent(3);
    EXPECT_EQ(manager.stats(start).listener_exceptions, 0U) << "each policy shows its own";
    manager.remove("beyond");
    EXPECT_EQ(manager.stats(start).listener_exceptions, 1U);
    manager.remove("own");
    EXPECT_EQ(manager.stats(start).listener_exceptions, 3U);
    EXPECT_EQ(manager.stats(start).events_dropped, 0U);
}

TEST(ManagerEvents, history_begins_with_what_was_added_and_outlives_what_is_removed) {
    ResilienceManager manager{"", {.history = 8}};
    manager.register_bulkhead("a", 4)->set_max_concurrent(2);
    manager.remove("a");
    manager.register_retry("b");
    std::vector<EventKind> kinds;
    for (const RecordedEvent& each : manager.history()) kinds.push_back(each.event.kind);
    EXPECT_EQ(kinds, (std::vector<EventKind>{EventKind::added, EventKind::limit_changed, EventKind::removed,
                                             EventKind::added}));
    EXPECT_TRUE(ResilienceManager{}.history().empty());
    EXPECT_THROW((ResilienceManager{"", {.history = 65'537}}), ConfigError);
}

}  // namespace manager_events_test
