#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <resilience/base/config_error.hpp>
#include <resilience/manager/manager.hpp>
#include <resilience/pipeline/pipeline.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <resilience/policies/retry.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace manager_test {

constexpr TimePoint start{1000s};

// Every way to register, to be tried with the same name.
struct Registration {
    std::string_view kind;
    std::function<std::shared_ptr<void>(ResilienceManager&, const std::string&)> run;
    std::function<std::shared_ptr<void>(ResilienceManager&, const std::string&)> with_another_configuration;
    std::function<std::shared_ptr<void>(const ResilienceManager&, const std::string&)> find;
    std::string_view changed_field;
};

const std::vector<Registration>& registrations() {
    static const std::vector<Registration> all{
        {"circuit breaker", [](auto& manager, auto& name) { return manager.register_circuit_breaker(name); },
         [](auto& manager, auto& name) { return manager.register_circuit_breaker(name, {.min_requests = 11}); },
         [](auto& manager, auto& name) { return manager.circuit_breaker(name); }, "min_requests"},
        {"rate limiter", [](auto& manager, auto& name) { return manager.register_rate_limiter(name, 10, 5.0); },
         [](auto& manager, auto& name) { return manager.register_rate_limiter(name, 10, 5.5); },
         [](auto& manager, auto& name) { return manager.rate_limiter(name); }, "refill_rate"},
        {"bulkhead", [](auto& manager, auto& name) { return manager.register_bulkhead(name, 4, 2); },
         [](auto& manager, auto& name) { return manager.register_bulkhead(name, 4); },
         [](auto& manager, auto& name) { return manager.bulkhead(name); }, "queue_size"},
        {"retry", [](auto& manager, auto& name) { return manager.register_retry(name); },
         [](auto& manager, auto& name) { return manager.register_retry(name, {.jitter = false}); },
         [](auto& manager, auto& name) { return manager.retry(name); }, "jitter"},
    };
    return all;
}

std::size_t policies_in(const ResilienceStats& stats) {
    return stats.circuit_breakers.size() + stats.rate_limiters.size() + stats.bulkheads.size() + stats.retries.size();
}

TEST(ResilienceManager, finds_what_was_registered_and_nothing_else) {
    ResilienceManager manager;
    for (const Registration& row : registrations()) {
        EXPECT_EQ(row.find(manager, "payment_api"), nullptr) << row.kind;
        const auto made = row.run(manager, "payment_api");
        ASSERT_NE(made, nullptr) << row.kind;
        EXPECT_EQ(row.find(manager, "payment_api"), made) << row.kind;
        EXPECT_EQ(row.find(manager, "payment_ap"), nullptr) << row.kind;
        EXPECT_EQ(row.find(manager, ""), nullptr) << row.kind;
    }
    EXPECT_EQ(policies_in(manager.stats(start)), 4U) << "one name, one policy of each kind";
}

TEST(ResilienceManager, the_same_name_and_configuration_give_the_same_object) {
    ResilienceManager manager;
    for (const Registration& row : registrations()) {
        const auto first = row.run(manager, "orders");
        EXPECT_EQ(row.run(manager, "orders"), first) << row.kind;
        EXPECT_NE(row.run(manager, "other"), first) << row.kind;
    }
}

TEST(ResilienceManager, a_known_name_with_another_configuration_is_refused_and_says_what_differs) {
    ResilienceManager manager;
    for (const Registration& row : registrations()) {
        const auto first = row.run(manager, "orders");
        try {
            static_cast<void>(row.with_another_configuration(manager, "orders"));
            ADD_FAILURE() << row.kind << " accepted";
        } catch (const ConfigError& error) {
            ASSERT_EQ(error.problems().size(), 1U) << error.what();
            EXPECT_EQ(error.problems()[0].field, row.changed_field);
            EXPECT_NE(std::string(error.what()).find(std::string(row.kind) + " \"orders\""), std::string::npos)
                << error.what();
        }
        EXPECT_EQ(row.run(manager, "orders"), first) << row.kind;
    }
}

TEST(ResilienceManager, every_field_of_a_configuration_is_compared) {
    ResilienceManager manager;
    manager.register_circuit_breaker("a");
    for (const CircuitBreakerConfig& config :
         std::vector<CircuitBreakerConfig>{{.failure_threshold = 0.6},
                                           {.success_threshold = 6},
                                           {.timeout = 61s},
                                           {.min_requests = 9},
                                           {.window_size = 30s},
                                           {.buckets = 5},
                                           {.half_open_calls = 5},
                                           {.half_open_max_calls = 1},
                                           {.record_latency = true},
                                           {.probe_lease = 1ns},
                                           {.window_calls = 10},
                                           {.consecutive_failures = 5},
                                           {.slow_call_duration = 1s},
                                           {.slow_call_ratio = 0.5},
                                           {.half_open_limit = 1s},
                                           {.half_open_limit_closes = true},
                                           {.timeout_multiplier = 2},
                                           {.max_timeout = 60s},
                                           {.timeout_jitter = 0.1},
                                           {.recovery_ramp = 1s},
                                           {.ramp_from = 0.2},
                                           {.max_operations = 65},
                                           {.operation_mode = OperationMode::isolate}}) {
        EXPECT_THROW(manager.register_circuit_breaker("a", config), ConfigError);
    }
}

TEST(ResilienceManager, gives_policies_the_functions_and_budgets_of_their_first_registration) {
    ResilienceManager manager;
    const auto breaker = manager.register_circuit_breaker(
        "a", {}, {.trips = [](const ClosedPeriod& seen) { return seen.failures == 1; }});
    EXPECT_EQ(manager.register_circuit_breaker("a", {}, {.trips = [](const ClosedPeriod&) { return false; }}), breaker);
    breaker->record_result(false);
    EXPECT_EQ(breaker->state(), CircuitState::open);

    int asked = 0;
    const auto budget = std::make_shared<RetryBudget>();
    const auto retry =
        manager.register_retry("a", {.max_attempts = 3, .base_delay = 0s},
                               {.before_retry = [&](const AttemptEnd&, const Next&) { ++asked; }}, budget);
    Pipeline guarded{retry};
    EXPECT_THROW(static_cast<void>(guarded.execute([]() -> int { throw std::runtime_error("no"); })),
                 std::runtime_error);
    EXPECT_EQ(asked, 2);
}

TEST(ResilienceManager, choices_in_a_configuration_are_compared_too) {
    ResilienceManager manager;
    manager.register_circuit_breaker("a", {.slow_call_duration = 1s});
    for (const CircuitBreakerConfig& config : std::vector<CircuitBreakerConfig>{
             {.slow_call_duration = 1s, .judge_in_flight = true},
             {.slow_call_duration = 1s, .half_open_verdict = HalfOpenVerdict::rate_after_all},
             {.slow_call_duration = 1s, .adaptive_threshold = AdaptiveThreshold{}},
             {.slow_call_duration = 1s, .initial_state = CircuitState::open}}) {
        EXPECT_THROW(manager.register_circuit_breaker("a", config), ConfigError);
    }
    EXPECT_NO_THROW(manager.register_circuit_breaker("a", {.slow_call_duration = 1s}));
}

TEST(ResilienceManager, every_field_of_the_other_configurations_is_compared) {
    ResilienceManager manager;
    manager.register_retry("a");
    for (const RetryConfig& config : std::vector<RetryConfig>{{.max_attempts = 4},
                                                              {.base_delay = 99ms},
                                                              {.max_delay = 31s},
                                                              {.max_duration = 1h},
                                                              {.backoff_kind = BackoffKind::linear},
                                                              {.wait_for_circuit = true},
                                                              {.multiplier = 3},
                                                              {.jitter = false},
                                                              {.jitter_kind = JitterKind::full},
                                                              {.jitter_ratio = 0.5}}) {
        EXPECT_THROW(manager.register_retry("a", config), ConfigError);
    }
    manager.register_rate_limiter("a", 10, 1);
    EXPECT_THROW(manager.register_rate_limiter("a", 11, 1), ConfigError);
    EXPECT_THROW(manager.register_rate_limiter("a", 10, 2), ConfigError);
    manager.register_bulkhead("a", 10, 1);
    EXPECT_THROW(manager.register_bulkhead("a", 11, 1), ConfigError);
    EXPECT_THROW(manager.register_bulkhead("a", 10, 2), ConfigError);
    EXPECT_THROW(manager.register_bulkhead("a", {.max_concurrent = 10, .queue_size = 1, .record_wait = true}),
                 ConfigError);
}

TEST(ResilienceManager, what_counts_is_the_first_registration_not_what_was_set_since) {
    ResilienceManager manager;
    const auto limiter = manager.register_rate_limiter("a", 10, 1);
    limiter->set_rate({.capacity = 20, .refill_rate = 2}, start);
    EXPECT_EQ(manager.register_rate_limiter("a", {.capacity = 10, .refill_rate = 1}), limiter);
    EXPECT_THROW(manager.register_rate_limiter("a", 20, 2), ConfigError);
    const auto bulkhead = manager.register_bulkhead("a", 10);
    bulkhead->set_max_concurrent(5);
    EXPECT_EQ(manager.register_bulkhead("a", BulkheadConfig{.max_concurrent = 10}), bulkhead);
}

TEST(ResilienceManager, what_is_not_a_name_is_refused_and_leaves_nothing_behind) {
    ResilienceManager manager;
    const std::vector<std::string> bad_names{"", std::string("a\0b", 3), "\xff", std::string(129, 'x')};
    for (const Registration& row : registrations()) {
        for (const std::string& name : bad_names) {
            EXPECT_THROW(row.run(manager, name), ConfigError) << row.kind << ' ' << name.size();
        }
    }
    EXPECT_EQ(policies_in(manager.stats(start)), 0U);
    EXPECT_THROW(ResilienceManager("\xff"), ConfigError);
    EXPECT_THROW(ResilienceManager(std::string(129, 'x')), ConfigError);
}

TEST(ResilienceManager, hostile_but_valid_names_are_names) {
    ResilienceManager manager;
    for (const std::string name :
         {"\"}\n# HELP", "'; DROP TABLE policies; --", "\xf0\x9f\x94\xa5", "a=b level=error"}) {
        for (const Registration& row : registrations()) {
            const auto made = row.run(manager, name);
            EXPECT_EQ(row.find(manager, name), made) << row.kind;
        }
        EXPECT_TRUE(manager.stats(start).bulkheads.contains(name));
    }
}

TEST(ResilienceManager, a_bad_configuration_is_refused_and_the_name_stays_free) {
    ResilienceManager manager;
    EXPECT_THROW(manager.register_circuit_breaker("a", {.failure_threshold = 0}), ConfigError);
    EXPECT_THROW(manager.register_rate_limiter("a", 0, 1), ConfigError);
    EXPECT_THROW(manager.register_bulkhead("a", 0), ConfigError);
    EXPECT_THROW(manager.register_retry("a", {.max_attempts = 0}), ConfigError);
    EXPECT_EQ(policies_in(manager.stats(start)), 0U);
    for (const Registration& row : registrations()) EXPECT_NE(row.run(manager, "a"), nullptr) << row.kind;
}

TEST(ResilienceManager, stats_are_those_of_each_policy_at_the_given_moment) {
    ResilienceManager manager{"checkout"};
    const auto breaker = manager.register_circuit_breaker("api", {.timeout = 10s, .min_requests = 1});
    const auto limiter = manager.register_rate_limiter("api", 10, 1);
    const auto bulkhead = manager.register_bulkhead("api", 3);
    manager.register_retry("api");
    breaker->try_acquire(start)->settle(Outcome::failure, start);
    static_cast<void>(limiter->acquire(4, start));
    const auto permit = bulkhead->try_acquire();

    const ResilienceStats now = manager.stats(start);
    EXPECT_EQ(now.service, "checkout");
    EXPECT_GE(now.uptime, 0s);
    EXPECT_EQ(now.circuit_breakers.at("api").state, CircuitState::open);
    EXPECT_EQ(now.circuit_breakers.at("api").retry_after, 10s);
    EXPECT_EQ(now.circuit_breakers.at("api").failure, 1U);
    EXPECT_EQ(now.rate_limiters.at("api").available_tokens, 6U);
    EXPECT_EQ(now.bulkheads.at("api").in_use, 1U);
    EXPECT_EQ(now.retries.at("api").calls, 0U);

    const ResilienceStats later = manager.stats(start + 10s);
    EXPECT_EQ(later.circuit_breakers.at("api").state, CircuitState::half_open);
    EXPECT_EQ(later.rate_limiters.at("api").available_tokens, 10U);
}

TEST(ResilienceManager, is_not_ready_while_three_circuits_are_open) {
    ResilienceManager manager;
    std::vector<std::shared_ptr<CircuitBreaker>> breakers;
    for (const auto* name : {"a", "b", "c", "d"}) breakers.push_back(manager.register_circuit_breaker(name));
    EXPECT_EQ(manager.health({}, start).status, HealthStatus::healthy);
    breakers[0]->force_open(start);
    breakers[1]->open(start);
    EXPECT_TRUE(manager.ready(start));
    EXPECT_EQ(manager.health({}, start).status, HealthStatus::degraded);
    breakers[2]->open(start);
    EXPECT_FALSE(manager.ready(start));
    EXPECT_EQ(manager.health({}, start).status, HealthStatus::failing);
    EXPECT_EQ(manager.health({.max_open_circuits = 4}, start).status, HealthStatus::degraded);
    EXPECT_TRUE(manager.ready(start + 60s)) << "two of them are half-open then";
}

TEST(ResilienceManager, policies_live_on_without_their_manager) {
    std::optional<ResilienceManager> manager(std::in_place);
    const auto breaker = manager->register_circuit_breaker("api");
    manager.reset();
    EXPECT_TRUE(breaker->allow(start));
    EXPECT_EQ(breaker->name(), "api");
}

}  // namespace manager_test
