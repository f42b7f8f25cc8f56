#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <expected>
#include <memory>
#include <optional>
#include <resilience/manager/manager.hpp>
#include <resilience/pipeline/pipeline.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/keyed.hpp>
#include <resilience/policies/keyed_rate_limiter.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <resilience/policies/retry.hpp>
#include <thread>

using namespace resilience;

// How programs end while policies are in use. Each case is a process of its own; sanitizers watch it to its very end.
namespace process_end_test {

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

// Policies without a manager, each with a listener, all of them statics: what is destroyed last still hears and is
// heard.
struct Statics {
    Subscription before[4]{};  // destroyed after the policies they listen to
    Retry retry{"statics", {.base_delay = std::chrono::nanoseconds(1)}};
    CircuitBreaker breaker{"statics"};
    RateLimiter limiter{"statics", {.capacity = 10, .refill_rate = 1}};
    Bulkhead bulkhead{"statics", {.max_concurrent = 2, .queue_size = 1}};
    KeyedRateLimiter per_user{"statics", {.tiers = {{"bronze", 10, 1}}}};
    Keyed<CircuitBreaker> per_host{"statics", CircuitBreakerConfig{}};
    Pipeline<Retry, CircuitBreaker, RateLimiter, Bulkhead> guarded{retry, breaker, limiter, bulkhead};
    Subscription after[4]{};  // destroyed before them
    int heard = 0;

    ~Statics() {
        // One failed attempt and one good one, with a jittered delay, when every thread-local is gone.
        const int before_call = heard;
        int calls = 0;
        const auto answer = guarded.execute([&]() -> std::expected<int, int> {
            if (++calls == 1) return std::unexpected(1);
            return 7;
        });
        require(answer.value() == 7 && calls == 2, "a call from a static destructor");
        require(heard > before_call, "its listeners hear it");
        require(per_user.acquire("alice") && per_host.try_acquire("host").has_value(), "keyed policies");
        std::fputs("called from a static destructor", stderr);
    }
};

[[noreturn]] void end_with_static_policies_and_listeners() {
    static Statics statics;
    const auto hear = [](const Event&) { ++statics.heard; };
    for (Subscription* all : {statics.before, statics.after}) {
        all[0] = statics.retry.on_event(hear, EventKinds::all);
        all[1] = statics.breaker.on_event(hear, EventKinds::all);
        all[2] = statics.limiter.on_event(hear, EventKinds::all);
        all[3] = statics.bulkhead.on_event(hear, EventKinds::all);
    }
    thread_local std::optional<Keyed<CircuitBreaker>::Held> held;
    held.emplace(std::move(*statics.per_host.try_acquire("held")));
    std::exit(0);
}

TEST(ProcessEndDeathTest, static_policies_are_used_and_heard_to_the_very_end) {
    EXPECT_EXIT(end_with_static_policies_and_listeners(), ::testing::ExitedWithCode(0),
                "called from a static destructor");
}

// Calls through a pipeline, and waits in a line, when the program is ending already.
void wait_at_exit() {
    static_cast<void>(function_static_manager().rate_limiter("waited_for")->acquire(1));
    const bool waited =
        function_static_manager().rate_limiter("waited_for")->acquire_for(1, std::chrono::hours(1)).has_value();
    require(waited, "a token that is waited for");
    const auto full = function_static_manager().bulkhead("waited_for");
    const auto place = full->try_acquire();
    require(!full->acquire_for(std::chrono::milliseconds(1)).has_value(), "a place that does not come");
    std::fputs("waited at exit", stderr);
}

[[noreturn]] void end_with_somebody_who_waits_in_an_exit_handler() {
    function_static_manager().register_rate_limiter("waited_for", 1, 1000);
    function_static_manager().register_bulkhead("waited_for", 1, 1);
    std::atexit(wait_at_exit);
    std::exit(0);
}

TEST(ProcessEndDeathTest, an_exit_handler_may_wait_for_tokens_and_places) {
    EXPECT_EXIT(end_with_somebody_who_waits_in_an_exit_handler(), ::testing::ExitedWithCode(0), "waited at exit");
}

// A thread that is left running when the process ends: it calls and changes policies that are leaked on purpose.
[[noreturn]] void end_beside_a_thread_that_still_calls() {
    static auto* const manager = new ResilienceManager("left_running");  // never destroyed
    const auto breaker = manager->register_circuit_breaker("left_running");
    std::thread([breaker] {
        for (bool open = false;; open = !open) {
            if (auto permit = breaker->try_acquire()) permit->settle(Outcome::success);
            if (open) breaker->reset();
            if (!open) breaker->open();
        }
    }).detach();
    while (breaker->stats().generation < 100) std::this_thread::yield();
    std::exit(0);
}

TEST(ProcessEndDeathTest, a_thread_that_still_calls_does_not_disturb_the_end) {
    EXPECT_EXIT(end_beside_a_thread_that_still_calls(), ::testing::ExitedWithCode(0), "");
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

}  // namespace process_end_test
