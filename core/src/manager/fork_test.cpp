// What a forked child may do with the policies of its parent: everything, and without being in step with it.

#include <gtest/gtest.h>

#include <unistd.h>

#include <array>
#include <cstdint>
#include <for_tests/child_process.hpp>
#include <functional>
#include <memory>
#include <resilience/manager/manager.hpp>
#include <resilience/pipeline/pipeline.hpp>
#include <resilience/policies/bulkhead_partition.hpp>
#include <resilience/policies/fixed_window_limiter.hpp>
#include <resilience/policies/keyed.hpp>
#include <resilience/policies/keyed_rate_limiter.hpp>
#include <resilience/policies/sliding_log_limiter.hpp>
#include <set>
#include <string>
#include <vector>

namespace resilience::inline v1 {
namespace fork_test {

using namespace std::chrono_literals;

const TimePoint start = Clock::now();

// One of every policy, made and used before the fork.
struct World {
    World() {
        breaker->try_acquire(start)->settle(Outcome::failure, start);
        opened.open(start);
        static_cast<void>(limiter->acquire(1, start) && windows.acquire(1, start) && log.acquire(1, start));
        static_cast<void>(per_user.acquire("alice", 1, start));
        per_host.try_acquire("host", start)->permit().settle(Outcome::success, start);
        static_cast<void>(pipeline.execute([] { return 1; }));
    }
    ResilienceManager manager{"forks", {.history = 10}};
    std::shared_ptr<CircuitBreaker> breaker = manager.register_circuit_breaker("forks");
    std::shared_ptr<RateLimiter> limiter =
        manager.register_rate_limiter("forks", {.capacity = 10, .refill_rate = 1e-3});
    std::shared_ptr<Bulkhead> bulkhead = manager.register_bulkhead("forks", {.max_concurrent = 3, .queue_size = 2});
    std::shared_ptr<RetryBudget> tokens = std::make_shared<RetryBudget>();
    std::shared_ptr<ConcurrentRetryBudget> places = std::make_shared<ConcurrentRetryBudget>();
    std::shared_ptr<Retry> retry = manager.register_retry("forks", {.base_delay = 1ns}, {}, tokens);
    Retry with_places{{.base_delay = 1ns}, places};
    CircuitBreaker opened{"forks_opened", {.success_threshold = 1, .timeout = 5s, .timeout_jitter = 0.5}};
    FixedWindowLimiter windows{"forks_windows", {.limit = 3, .period = 1s}};
    SlidingLogLimiter log{"forks_log", {.limit = 3, .period = 1s}};
    BulkheadPartition partition = bulkhead->partition("forks_part", {.reserved = 1});
    KeyedRateLimiter per_user{"forks_keyed", {.tiers = {{"bronze", 3, 1}}}};
    Keyed<CircuitBreaker> per_host{"forks_hosts", CircuitBreakerConfig{}};
    Pipeline<Retry, CircuitBreaker, RateLimiter, Bulkhead> pipeline{*retry, *breaker, *limiter, *bulkhead};
    int heard = 0;
    Subscription hears = manager.on_event([this](const Event&) { ++heard; }, EventKinds::all);
};

struct Row {
    const char* name;
    bool (*works)(World&);
};

// Fails once, then answers.
std::expected<int, std::string> second_time(CallContext& call) {
    if (call.attempt() == 1) return std::unexpected("down");
    return 7;
}

const std::vector<Row> rows{
    {"a closed breaker counts, opens and probes",
     [](World& world) {
         for (int call = 0; call < 20; ++call) {
             if (auto permit = world.breaker->try_acquire(start)) permit->settle(Outcome::failure, start);
         }
         return world.breaker->state(start) == CircuitState::open && world.breaker->try_acquire(start + 1h).has_value();
     }},
    {"an open breaker refuses, then lets a probe close it",
     [](World& world) {
         if (world.opened.try_acquire(start).has_value() || world.opened.state(start) != CircuitState::open)
             return false;
         world.opened.try_acquire(start + 8s)->settle(Outcome::success, start + 8s);
         return world.opened.state(start + 8s) == CircuitState::closed;
     }},
    {"the two-step form",
     [](World& world) { return world.breaker->allow(start) && (world.breaker->record_result(true, start), true); }},
    {"a limiter gives what is left, and waits",
     [](World& world) {
         const std::uint64_t left = world.limiter->drain(start);
         return left >= 7 && !world.limiter->acquire(1, start) && !world.limiter->acquire_for(1, 0s) &&
                world.limiter->acquire(1, start + 1h);
     }},
    {"a reservation is settled",
     [](World& world) { return world.limiter->reserve(5, start + 1h)->settle(1, start + 1h).returned == 4; }},
    {"windows and logs",
     [](World& world) {
         return world.windows.acquire(2, start) && !world.windows.acquire(1, start) && world.log.acquire(2, start) &&
                !world.log.acquire(1, start);
     }},
    {"a bulkhead gives its free places, and its line is left",
     [](World& world) {
         auto one = world.bulkhead->try_acquire();
         const auto other = world.bulkhead->acquire_for(1h);
         if (!one || !other || world.bulkhead->acquire_for(1ms).has_value()) return false;
         one->release();
         return world.bulkhead->stats().in_use == 1 && world.bulkhead->stats().queue_depth == 0;
     }},
    {"a partition", [](World& world) { return world.partition.try_acquire().has_value(); }},
    {"a retry with tokens and one with places",
     [](World& world) {
         Pipeline by_places{world.with_places};
         return *world.pipeline.execute(second_time) == 7 && *by_places.execute(second_time) == 7 &&
                world.tokens->stats().spent == 1 && world.places->stats().calls == 0;
     }},
    {"a keyed limiter and keyed breakers, keys that are held and new ones",
     [](World& world) {
         bool all = world.per_user.acquire("alice", 2, start) && !world.per_user.acquire("alice", 1, start);
         for (int key = 0; key < 100; ++key) all = all && world.per_user.acquire(key, 3, start);
         return all && world.per_host.try_acquire("host", start).has_value() &&
                world.per_host.try_acquire("new", start).has_value();
     }},
    {"the manager registers, shows, listens and removes",
     [](World& world) {
         const auto made = world.manager.register_circuit_breaker("in_the_child");
         made->open(start);
         return world.heard != 0 && world.manager.stats(start).circuit_breakers.size() == 2 &&
                world.manager.health({}, start).ready == world.manager.ready(start) &&
                !world.manager.history().empty() && world.manager.remove("in_the_child") == 1;
     }},
};

TEST(Fork, leaves_every_policy_usable_in_the_child) {
    World world;
    for (const Row& row : rows) {
        EXPECT_EQ(for_tests::code_of_child([&] { return row.works(world) ? 0 : 1; }), 0) << row.name;
    }
    // The children did it to copies of their own.
    EXPECT_EQ(world.breaker->stats(start).admitted, 2U);
    EXPECT_EQ(world.opened.state(start), CircuitState::open);
    EXPECT_EQ(world.bulkhead->stats().in_use, 0U);
    EXPECT_EQ(world.manager.stats(start).circuit_breakers.size(), 1U);
}

TEST(Fork, in_the_middle_of_a_call_returns_the_childs_permits_in_the_child_only) {
    World world;
    pid_t child = -1;
    const auto answer = world.pipeline.execute([&] {
        child = for_tests::fork_with_a_bound();
        if (child != 0) {  // the child ends its call first
            EXPECT_EQ(for_tests::code_of(child), 0);
            EXPECT_EQ(world.bulkhead->stats().in_use, 1U);
            EXPECT_EQ(world.breaker->stats().in_flight, 1U);
        }
        return 7;
    });
    const bool at_rest = answer && world.bulkhead->stats().in_use == 0 && world.breaker->stats().in_flight == 0 &&
                         world.retry->stats().sleeping == 0 && world.breaker->stats().success == 2;
    if (child == 0) _exit(at_rest ? 0 : 1);
    EXPECT_TRUE(at_rest);
}

using Delays = std::array<Duration, 100>;

// What a retry with jitter, and an open time with jitter, draw on this thread.
Delays draw_delays(const Retry& retry) {
    Delays delays{};
    for (Duration& delay : delays) {
        delay = retry.next({.at = start, .result = CallResult::failure}, thread_random()).delay;
    }
    return delays;
}

Delays delays_of_a_child(const Retry& retry) {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe(ends.data()), 0);
    const auto sends = [&] {
        const Delays delays = draw_delays(retry);
        return write(ends[1], delays.data(), sizeof(delays)) == static_cast<ssize_t>(sizeof(delays)) ? 0 : 1;
    };
    EXPECT_EQ(for_tests::code_of_child(sends), 0);
    Delays delays{};
    EXPECT_EQ(read(ends[0], delays.data(), sizeof(delays)), static_cast<ssize_t>(sizeof(delays)));
    close(ends[0]);
    close(ends[1]);
    return delays;
}

TEST(Fork, spreads_the_delays_of_two_children_and_their_parent_apart) {
    for (const JitterKind kind :
         {JitterKind::proportional, JitterKind::full, JitterKind::equal, JitterKind::decorrelated}) {
        const Retry retry({.base_delay = 1h, .max_delay = 100h, .jitter_kind = kind});
        static_cast<void>(draw_delays(retry));  // the thread's generator is seeded before the fork
        std::set<Duration> distinct;
        for (const Delays& delays : {delays_of_a_child(retry), delays_of_a_child(retry), draw_delays(retry)}) {
            distinct.insert(delays.begin(), delays.end());
        }
        EXPECT_EQ(distinct.size(), 300U) << to_string(kind);
    }
}

}  // namespace fork_test
}  // namespace resilience::inline v1
