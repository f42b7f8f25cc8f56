// What becomes of policies and calls when memory runs out: each allocation of each operation fails in turn until the
// operation succeeds. What failed has changed nothing and left nothing behind, and admitting and settling never ask.

#include <gtest/gtest.h>

#include <for_tests/allocation_counters.hpp>
#include <for_tests/failing_allocations.hpp>
#include <for_tests/origin.hpp>
#include <functional>
#include <memory>
#include <new>
#include <resilience/pipeline/any_pipeline.hpp>
#include <resilience/pipeline/pipeline.hpp>
#include <resilience/policies/bulkhead_partition.hpp>
#include <resilience/policies/fixed_window_limiter.hpp>
#include <resilience/policies/keyed.hpp>
#include <resilience/policies/keyed_rate_limiter.hpp>
#include <resilience/policies/manual_control.hpp>
#include <resilience/policies/sliding_log_limiter.hpp>
#include <string>
#include <vector>

namespace resilience::inline v1 {
namespace allocation_failure_test {

using namespace std::chrono_literals;
using for_tests::fail_after;

const TimePoint start = for_tests::origin() + 1h;
const std::string name = "a name that is longer than a string keeps in itself";

std::size_t live_allocations() { return for_tests::allocations - for_tests::deallocations; }

// Fails one allocation later each time until `action` succeeds, and returns how often it failed. After each failure the
// picture must be the one before it.
template <class Action, class Picture>
std::size_t failures_of(const char* row, Action&& action, Picture&& picture) {
    const std::string before = picture();
    return for_tests::failures_until_success(
        action, [&](std::size_t failure) { EXPECT_EQ(picture(), before) << row << ", failure " << failure; });
}

std::string picture_of(const CircuitBreakerStats& stats) {
    return std::to_string(stats.requests) + " " + std::to_string(stats.in_flight) + " " + std::to_string(stats.success);
}
std::string picture_of(const BulkheadStats& stats) {
    return std::to_string(stats.requests) + " " + std::to_string(stats.in_use) + " " +
           std::to_string(stats.queue_depth) + " " + std::to_string(stats.max_concurrent);
}
std::string picture_of(const RateLimiterStats& stats) {
    return std::to_string(stats.requests) + " " + std::to_string(stats.waiting) + " " + std::to_string(stats.capacity) +
           " " + std::to_string(stats.available_tokens);
}

struct Making {
    const char* row;
    std::size_t least_allocations;
    std::function<void()> make;
};

template <class Policy, class... Arguments>
std::function<void()> making(Arguments... arguments) {
    return [... arguments = std::move(arguments)] {
        // Copied without failing: the arguments are the caller's.
        const std::size_t failing = std::exchange(fail_after, for_tests::never);
        std::tuple<Arguments...> copies(arguments...);
        fail_after = failing;
        std::apply([](auto&... copy) { Policy policy(std::move(copy)...); }, copies);
    };
}

CircuitBreakerConfig every_option() {
    return {.record_latency = true,
            .window_calls = 50,
            .consecutive_failures = 40,
            .slow_call_duration = 1s,
            .slow_call_ratio = 0.9,
            .judge_in_flight = true,
            .half_open_limit = 1h,
            .timeout_multiplier = 2,
            .timeout_jitter = 0.1,
            .recovery_ramp = 10s};
}

TEST(AllocationFailure, of_any_allocation_of_a_policy_that_is_made_leaves_nothing_behind) {
    const auto control = std::make_shared<ManualControl>();
    const CircuitBreakerHooks hooks{.trips = [](const ClosedPeriod&) { return false; },
                                    .open_time = [](const Opening&) { return 1s; },
                                    .manual_control = control};
    const RetryHooks retry_hooks{.delay = [](const AttemptEnd&) { return 1s; }, .before_retry = {}};
    const auto budget = std::make_shared<RetryBudget>();
    const KeyedRateLimiterConfig tiers{.tiers = {{"bronze", 10, 10}, {"gold", 100, 100}}, .shards = 4};
    const std::vector<Making> rows{
        {"a plain breaker", 0, making<CircuitBreaker>(name)},
        {"a breaker with every option", 3, making<CircuitBreaker>(name, every_option(), hooks)},
        {"an adaptive breaker", 1,
         making<CircuitBreaker>(name, CircuitBreakerConfig{.adaptive_threshold = AdaptiveThreshold{}})},
        {"a limiter", 0, making<RateLimiter>(name, RateLimiterConfig{.capacity = 10, .refill_rate = 1})},
        {"a limiter with a line", 1,
         making<RateLimiter>(name, RateLimiterConfig{.capacity = 10, .refill_rate = 1, .max_wait = 1s})},
        {"windows", 0, making<FixedWindowLimiter>(name, WindowLimiterConfig{.limit = 3, .period = 1s})},
        {"a log", 1, making<SlidingLogLimiter>(name, WindowLimiterConfig{.limit = 3, .period = 1s, .max_wait = 1s})},
        {"a bulkhead", 0, making<Bulkhead>(name, BulkheadConfig{.max_concurrent = 3, .queue_size = 9})},
        {"a retry with hooks", 1, making<Retry>(name, RetryConfig{}, retry_hooks)},
        {"a retry with a budget", 1, making<Retry>(name, RetryConfig{}, SharedRetryBudget{budget})},
        {"a keyed limiter", 3, making<KeyedRateLimiter>(name, tiers)},
        {"keyed breakers", 2, making<Keyed<CircuitBreaker>>(name, every_option())},
        {"keyed bulkheads", 1, making<Keyed<Bulkhead>>(name, BulkheadConfig{.max_concurrent = 3})},
        {"policies of a pipeline's own", 4,
         [] {
             const Pipeline owning{RetryConfig{}, CircuitBreakerConfig{},
                                   RateLimiterConfig{.capacity = 1, .refill_rate = 1},
                                   BulkheadConfig{.max_concurrent = 1}};
         }},
    };
    for (const Making& row : rows) {
        row.make();  // its name is known for ever from now on
        EXPECT_GE(failures_of(row.row, row.make, [&] { return std::to_string(live_allocations()); }),
                  row.least_allocations)
            << row.row;
    }
    // No breaker that failed to be made is left in the control.
    control->isolate(start);
}

// Policies in use, for what is done to them.
struct World {
    CircuitBreaker breaker{name, every_option()};
    RateLimiter limiter{name, {.capacity = 10, .refill_rate = 1e-3}};
    FixedWindowLimiter windows{name, {.limit = 1, .period = 1h}};
    RateLimiter soon{name, {.capacity = 1, .refill_rate = 500}};
    FixedWindowLimiter windows_soon{name, {.limit = 1, .period = 2ms}};
    SlidingLogLimiter log_soon{name, {.limit = 1, .period = 2ms}};
    Bulkhead bulkhead{name, {.max_concurrent = 3, .queue_size = 2}};
    Retry retry{name};
    KeyedRateLimiter per_user{name, {.tiers = {{"bronze", 10, 10}}, .shards = 1}};
    Keyed<CircuitBreaker> per_host{name, every_option(), {.shards = 1}};
    Subscription heard{};

    [[nodiscard]] std::string picture() const {
        return picture_of(breaker.stats(start)) + ", " + picture_of(limiter.stats()) + ", " +
               picture_of(windows.stats()) + ", " + picture_of(bulkhead.stats()) + ", " +
               std::to_string(soon.stats().waiting + windows_soon.stats().waiting + log_soon.stats().waiting) + ", " +
               std::to_string(retry.stats().calls) + ", " + std::to_string(per_user.stats().requests) + ", " +
               std::to_string(per_host.stats().keys) + ", " + std::to_string(per_user.tiers().at(0).capacity);
    }
};

struct Doing {
    const char* row;
    std::size_t least_allocations;
    void (*work)(World&);
};

template <class Limiter>
bool wait_for(Limiter& limiter) {
    return limiter.acquire_for(1, 1h).has_value();
}

const std::vector<Doing> doings{
    {"stats of a breaker", 0, [](World& world) { (void)world.breaker.stats(start); }},
    {"listening to a breaker", 2, [](World& world) { world.heard = world.breaker.on_event([](const Event&) {}); }},
    {"listening to a limiter", 2, [](World& world) { world.heard = world.limiter.on_event([](const Event&) {}); }},
    {"listening to windows", 2, [](World& world) { world.heard = world.windows.on_event([](const Event&) {}); }},
    {"listening to a bulkhead", 2, [](World& world) { world.heard = world.bulkhead.on_event([](const Event&) {}); }},
    {"listening to a retry", 2, [](World& world) { world.heard = world.retry.on_event([](const Event&) {}); }},
    {"waiting for a token", 1, [](World& world) { (void)(wait_for(world.soon) && wait_for(world.soon)); }},
    {"waiting for a window", 1,
     [](World& world) { (void)(wait_for(world.windows_soon) && wait_for(world.windows_soon)); }},
    {"waiting for a log", 1, [](World& world) { (void)(wait_for(world.log_soon) && wait_for(world.log_soon)); }},
    {"not waiting for what takes too long", 0, [](World& world) { (void)world.limiter.acquire_for(10, 1ms); }},
    {"waiting for a place", 0,
     [](World& world) {
         const auto one = world.bulkhead.try_acquire();
         const auto two = world.bulkhead.try_acquire();
         const auto three = world.bulkhead.acquire_for(1ms);
         (void)world.bulkhead.acquire_for(1ms).has_value();
     }},
    {"a partition", 0, [](World& world) { (void)world.bulkhead.partition("part", {.reserved = 1}).stats(); }},
    {"a new limit", 0, [](World& world) { world.bulkhead.set_max_concurrent(7); }},
    {"a new rate", 0, [](World& world) { world.limiter.set_rate({.capacity = 5, .refill_rate = 2, .max_wait = 1s}); }},
    {"a new tier", 1, [](World& world) { world.per_user.set_tier(world.per_user.tier("bronze"), 5, 5, start); }},
    {"the hottest keys", 0, [](World& world) { (void)world.per_user.hottest(3); }},
    {"a gate for a key", 1, [](World& world) { (void)world.per_user.for_key(name + name); }},
    {"a breaker for a new key", 2,
     [](World& world) {
         if (world.per_host.at("new", start) == nullptr) throw std::bad_alloc();  // the table could not grow
     }},
    {"a pipeline whose type is hidden", 1,
     [](World& world) { const AnyPipeline hidden{Pipeline{world.retry, world.breaker, world.bulkhead}}; }},
};

TEST(AllocationFailure, of_any_allocation_of_what_is_done_to_a_policy_changes_nothing) {
    for (const Doing& row : doings) {
        const auto use = [&row](std::size_t& failures) {
            World world;
            static_cast<void>(world.per_user.acquire("held", 1, start) && world.per_host.at("held", start));
            failures = failures_of(row.row, [&] { row.work(world); }, [&] { return world.picture(); });
        };
        std::size_t failures = 0;
        use(failures);  // its names are known for ever from now on
        const std::size_t live = live_allocations();
        use(failures);
        EXPECT_GE(failures, row.least_allocations) << row.row;
        EXPECT_EQ(live_allocations(), live) << row.row;
    }
}

TEST(AllocationFailure, of_the_block_after_nine_years_lets_a_drain_end) {
    const TimePoint later{Duration{std::int64_t{1} << 58}};
    RateLimiter limiter(3, 1);
    fail_after = 0;
    EXPECT_EQ(limiter.drain(later), 0U);
    EXPECT_FALSE(limiter.acquire(1, later));
    fail_after = for_tests::never;
    EXPECT_EQ(limiter.drain(later), 3U);
}

}  // namespace allocation_failure_test
}  // namespace resilience::inline v1
