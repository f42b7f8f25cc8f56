// Admitting and settling ask for no memory: with every policy, in every state and through a pipeline of all of them.

#include <gtest/gtest.h>

#include <expected>
#include <for_tests/allocation_counters.hpp>
#include <for_tests/origin.hpp>
#include <memory>
#include <resilience/pipeline/manual_time.hpp>
#include <resilience/pipeline/pipeline.hpp>
#include <resilience/policies/bulkhead_partition.hpp>
#include <resilience/policies/fixed_window_limiter.hpp>
#include <resilience/policies/keyed.hpp>
#include <resilience/policies/keyed_rate_limiter.hpp>
#include <resilience/policies/sliding_log_limiter.hpp>
#include <vector>

namespace resilience::inline v1 {
namespace allocation_free_test {

using namespace std::chrono_literals;

constexpr CircuitBreakerConfig every_option{.success_threshold = 1,
                                            .timeout = 1s,
                                            .min_requests = 4,
                                            .record_latency = true,
                                            .slow_call_duration = 1s,
                                            .slow_call_ratio = 0.9,
                                            .judge_in_flight = true,
                                            .half_open_limit = 1h,
                                            .timeout_multiplier = 2,
                                            .timeout_jitter = 0.1,
                                            .recovery_ramp = 1s,
                                            .adaptive_threshold = AdaptiveThreshold{}};

struct World {
    ManualTime time{1, for_tests::origin() + 1h};
    CircuitBreaker plain{"free_plain", {.success_threshold = 1, .timeout = 1s, .min_requests = 4}};
    CircuitBreaker adaptive{"free_options", every_option};
    CircuitBreaker hooked{"free_hooked",
                          {.success_threshold = 1},
                          {.trips = [](const ClosedPeriod& seen) { return seen.failures > 4; },
                           .open_time = [](const Opening&) { return Duration{1s}; }}};
    RateLimiter limiter{"free", {.capacity = 5, .refill_rate = 1}};
    FixedWindowLimiter windows{"free_windows", {.limit = 5, .period = 1s}};
    SlidingLogLimiter log{"free_log", {.limit = 5, .period = 1s}};
    Bulkhead bulkhead{"free", {.max_concurrent = 3}};
    BulkheadPartition partition = bulkhead.partition("part", {.reserved = 1});
    std::shared_ptr<RetryBudget> tokens = std::make_shared<RetryBudget>();
    std::shared_ptr<ConcurrentRetryBudget> places = std::make_shared<ConcurrentRetryBudget>();
    Retry retry{{.base_delay = 1ms},
                {.delay = [](const AttemptEnd&) { return Duration{1ms}; },
                 .before_retry = [](const AttemptEnd&, const Next&) {}},
                tokens};
    Retry with_places{{.base_delay = 1ms}, places};
    KeyedRateLimiter per_user{"free_keyed", {.tiers = {{"bronze", 5, 1}}}};
    Keyed<CircuitBreaker> per_host{"free_hosts", CircuitBreakerConfig{}};
    Keyed<Bulkhead> per_tenant{"free_tenants", BulkheadConfig{.max_concurrent = 2}};
    std::uint64_t heard = 0;
    std::vector<Subscription> hearing{};

    void listen() {
        const auto hear = [this](const Event&) { ++heard; };
        hearing.push_back(plain.on_event(hear, EventKinds::all));
        hearing.push_back(adaptive.on_event(hear, EventKinds::all));
        hearing.push_back(limiter.on_event(hear, EventKinds::all));
        hearing.push_back(bulkhead.on_event(hear, EventKinds::all));
        hearing.push_back(retry.on_event(hear, EventKinds::all));
    }
};

// Opens it, is refused, probes, closes it, fails a probe; levers and late verdicts in between.
void use(CircuitBreaker& breaker, World& world) {
    auto late = breaker.try_acquire(world.time.now());
    for (int call = 0; call < 12; ++call) {
        if (auto permit = breaker.try_acquire(world.time.now())) permit->settle(Outcome::failure, world.time.now());
    }
    world.time.advance(1h);
    if (auto probe = breaker.try_acquire(world.time.now())) probe->settle(Outcome::failure, world.time.now());
    world.time.advance(1h);
    if (auto probe = breaker.try_acquire(world.time.now())) probe->settle(Outcome::success, world.time.now());
    if (late) late->settle(Verdict{.result = CallResult::success}, world.time.now());
    if (breaker.allow(world.time.now())) breaker.record_result(true, 2s, world.time.now());
    breaker.record_result(false, world.time.now());
    breaker.force_open(1s, world.time.now());
    EXPECT_FALSE(breaker.try_acquire(world.time.now()).has_value());
    breaker.tick(world.time.now() + 1s);
    breaker.reset(world.time.now() + 1s);
    world.time.advance(2s);
}

template <class Limiter>
void use_up(Limiter& limiter, World& world) {
    for (int call = 0; call < 7; ++call) static_cast<void>(limiter.acquire(1, world.time.now()));
    EXPECT_FALSE(limiter.try_acquire(1, world.time.now()).has_value());
    EXPECT_FALSE(limiter.try_acquire(6, world.time.now()).has_value());
    world.time.advance(1h);
}

struct Row {
    const char* name;
    void (*use)(World&);
};

const std::vector<Row> rows{
    {"a plain breaker", [](World& world) { use(world.plain, world); }},
    {"a breaker with every option", [](World& world) { use(world.adaptive, world); }},
    {"a breaker with functions of the user's", [](World& world) { use(world.hooked, world); }},
    {"a limiter", [](World& world) { use_up(world.limiter, world); }},
    {"a reservation", [](World& world) { world.limiter.reserve(3, world.time.now())->settle(1, world.time.now()); }},
    {"windows", [](World& world) { use_up(world.windows, world); }},
    {"a log", [](World& world) { use_up(world.log, world); }},
    {"a bulkhead and a partition of it",
     [](World& world) {
         const auto one = world.bulkhead.try_acquire();
         const auto two = world.bulkhead.try_acquire();
         EXPECT_FALSE(world.bulkhead.try_acquire().has_value());
         const auto own = world.partition.try_acquire();
         EXPECT_FALSE(world.partition.try_acquire().has_value());
     }},
    {"budgets",
     [](World& world) {
         while (world.tokens->withdraw(world.time.now())) world.places->begin_call();
         world.tokens->deposit(world.time.now());
         while (world.places->begin_retry()) world.tokens->give_back(world.time.now());
         world.time.advance(1h);
     }},
    {"keys that are held",
     [](World& world) {
         for (int call = 0; call < 9; ++call) static_cast<void>(world.per_user.acquire("alice", 1, world.time.now()));
         world.per_host.try_acquire("host", world.time.now())->permit().settle(Outcome::failure, world.time.now());
         const auto one = world.per_tenant.try_acquire(17, world.time.now());
         const auto two = world.per_tenant.try_acquire(17, world.time.now());
         EXPECT_FALSE(world.per_tenant.try_acquire(17, world.time.now()).has_value());
     }},
    {"a pipeline of all, which fails once, answers, and is refused",
     [](World& world) {
         Pipeline guarded{world.retry, world.adaptive,  world.limiter, world.windows,
                          world.log,   world.partition, world.bulkhead};
         Pipeline by_places{world.with_places, world.plain};
         int calls = 0;
         const auto second_time = [&calls]() -> std::expected<int, int> {
             if (++calls % 2 == 1) return std::unexpected(1);
             return 7;
         };
         for (int call = 0; call < 12; ++call) {
             static_cast<void>(guarded.execute_in(world.time, CallOptions{.timeout = 1min}, {}, second_time));
             static_cast<void>(by_places.execute_in(world.time, CallOptions{}, {}, second_time));
         }
         world.time.advance(1h);
     }},
};

TEST(AllocationFree, is_admitting_and_settling_of_every_policy) {
    for (const bool heard : {false, true}) {
        World world;
        if (heard) world.listen();
        for (const Row& row : rows) {
            row.use(world);  // what is made at the first use is made now
            const std::size_t before = for_tests::allocations;
            row.use(world);
            EXPECT_EQ(for_tests::allocations - before, 0U) << row.name << (heard ? " with listeners" : "");
        }
        EXPECT_EQ(world.heard != 0, heard);
    }
}

}  // namespace allocation_free_test
}  // namespace resilience::inline v1
