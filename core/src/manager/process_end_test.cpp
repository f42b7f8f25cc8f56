#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <resilience/manager/manager.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <resilience/policies/retry.hpp>
#include <thread>

using namespace resilience;

// How programs end while policies are in use. Each case is a process of its own; sanitizers watch it to its very end.
namespace {

ResilienceManager& function_static_manager() {
    static ResilienceManager manager{"ends"};
    return manager;
}

// Ends the process at once with a failure that the test sees.
void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "failed at exit: %s\n", what);
    std::_Exit(1);
}

void call_through_the_manager() {
    ResilienceManager& manager = function_static_manager();
    const auto breaker = manager.register_circuit_breaker("api");
    require(breaker->allow(), "an ordinary call");
    breaker->record_result(true);
    require(manager.rate_limiter("api")->acquire(), "tokens");
    require(manager.bulkhead("api")->stats().in_use == 0, "thread-local permits are gone before");
    require(manager.stats().circuit_breakers.at("api").in_flight == 0, "nothing in flight");
    std::fputs("called at exit", stderr);
}

[[noreturn]] void end_with_a_thread_local_permit_and_an_exit_handler() {
    ResilienceManager& manager = function_static_manager();
    static const Subscription listening =
        manager.on_event([](const Event& event) { require(!event.name.empty(), "a name"); }, EventKinds::all);
    manager.register_circuit_breaker("api");
    manager.register_rate_limiter("api", 10, 1);
    std::atexit(call_through_the_manager);
    thread_local std::optional<CircuitBreaker::Permit> permit;
    thread_local std::optional<Bulkhead::Permit> place;
    permit = std::move(*manager.circuit_breaker("api")->try_acquire());
    place = std::move(*manager.register_bulkhead("api", 1)->try_acquire());
    std::exit(0);
}

TEST(ProcessEndDeathTest, a_static_manager_a_thread_local_permit_and_an_exit_handler_are_clean) {
    EXPECT_EXIT(end_with_a_thread_local_permit_and_an_exit_handler(), ::testing::ExitedWithCode(0), "called at exit");
}

std::shared_ptr<CircuitBreaker>& breaker_held_elsewhere() {
    static std::shared_ptr<CircuitBreaker> breaker;
    return breaker;
}

// Registered before the manager is made, so it runs after the manager is destroyed.
void call_without_the_manager() {
    require(breaker_held_elsewhere()->name() == "survivor", "the name outlives the manager");
    require(breaker_held_elsewhere()->allow(), "an ordinary call");
    breaker_held_elsewhere()->record_result(true);
    std::fputs("called after the manager", stderr);
}

[[noreturn]] void end_with_a_policy_that_outlives_its_manager() {
    breaker_held_elsewhere().reset();
    std::atexit(call_without_the_manager);
    breaker_held_elsewhere() = function_static_manager().register_circuit_breaker("survivor");
    std::exit(0);
}

TEST(ProcessEndDeathTest, a_policy_is_used_after_its_static_manager_is_gone) {
    EXPECT_EXIT(end_with_a_policy_that_outlives_its_manager(), ::testing::ExitedWithCode(0),
                "called after the manager");
}

TEST(ProcessEnd, a_thread_that_ends_gives_its_thread_local_permit_back) {
    ResilienceManager manager;
    const auto bulkhead = manager.register_bulkhead("api", 1);
    std::jthread([&] {
        thread_local std::optional<Bulkhead::Permit> place;
        place = std::move(*bulkhead->try_acquire());
        EXPECT_EQ(bulkhead->stats().in_use, 1U);
    }).join();
    EXPECT_EQ(bulkhead->stats().in_use, 0U);
}

}  // namespace
