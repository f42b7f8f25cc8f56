#include <gtest/gtest.h>

#include <atomic>
#include <for_tests/origin.hpp>
#include <memory>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/bulkhead_partition.hpp>
#include <resilience/policies/keyed.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace keyed_test {

using namespace resilience;
using namespace std::chrono_literals;

const TimePoint start = for_tests::origin() + 1h;

KeyedConfig few(std::size_t max_keys, WhenFull when_full = WhenFull::evict_idle) {
    return {.max_keys = max_keys, .idle = 1min, .when_full = when_full, .seed = KeySeed{1, 2}};
}

CircuitBreakerConfig quick() { return {.timeout = 1h, .min_requests = 1}; }

TEST(Keyed, makes_one_policy_for_each_key_and_keeps_it) {
    Keyed<Bulkhead> per_host{"per_host", {.max_concurrent = 1}, few(10)};
    const auto alpha = per_host.at("alpha", start);
    ASSERT_NE(alpha, nullptr);
    EXPECT_EQ(per_host.at("alpha", start), alpha);
    EXPECT_NE(per_host.at("beta", start), alpha);
    EXPECT_NE(per_host.at(1, start), per_host.at("1", start));
    EXPECT_EQ(alpha->name(), "per_host");
    EXPECT_EQ(per_host.stats().keys, 4U);
}

TEST(Keyed, opens_the_circuit_of_one_key_alone) {
    Keyed<CircuitBreaker> per_host{"per_host", quick(), few(10)};
    for (const bool works : {false, true}) {
        auto held = per_host.try_acquire(works ? "good" : "bad", start);
        ASSERT_TRUE(held);
        held->permit().settle(works ? Outcome::success : Outcome::failure, start);
    }
    EXPECT_EQ(per_host.at("bad", start)->state(start), CircuitState::open);
    EXPECT_EQ(per_host.at("good", start)->state(start), CircuitState::closed);
    const auto refused = per_host.try_acquire("bad", start);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, RejectionReason::circuit_open);
    EXPECT_EQ(refused.error().policy, "per_host");
}

TEST(Keyed, forgets_what_is_idle_and_at_rest_and_nothing_else) {
    Keyed<CircuitBreaker> per_host{"per_host", quick(), few(10)};
    static_cast<void>(per_host.at("idle", start));
    const auto kept = per_host.at("held", start);
    auto out = per_host.try_acquire("busy", start);
    per_host.at("bad", start)->record_result(false, start);
    auto loose = per_host.at("loose", start)->try_acquire(start);  // a permit whose policy nobody holds
    EXPECT_EQ(per_host.sweep(start + 1min - 1ns), 0U);
    EXPECT_EQ(per_host.sweep(start + 1min), 1U);
    EXPECT_EQ(per_host.stats().keys, 4U);
    out->permit().settle(Outcome::success, start);
    EXPECT_EQ(per_host.sweep(start + 1min), 0U);  // its policy is still held
    out = std::unexpected(Rejection{});
    EXPECT_EQ(per_host.sweep(start + 1min), 1U);
    loose->settle(Outcome::success, start);
    EXPECT_EQ(per_host.sweep(start + 1min), 1U);
    EXPECT_EQ(per_host.at("bad", start)->state(start), CircuitState::open);
    EXPECT_EQ(per_host.at("held", start), kept);
    EXPECT_EQ(per_host.stats().evicted_idle_total, 3U);
}

TEST(Keyed, lets_hosts_that_are_gone_give_up_their_places) {
    Keyed<CircuitBreaker> per_host{"per_host", quick(), few(3)};
    for (int host = 0; host < 3; ++host) per_host.at(host, start)->record_result(false, start);
    EXPECT_EQ(per_host.at("new", start + 1h - 1ns), nullptr) << "all three are open";
    // Their open time is over: nobody has asked for them in all that time.
    EXPECT_NE(per_host.at("new", start + 1h), nullptr);
    static_cast<void>(per_host.sweep(start + 2h));
    EXPECT_EQ(per_host.stats().keys, 0U);
    EXPECT_EQ(per_host.stats().evicted_idle_total, 4U);
    EXPECT_EQ(per_host.stats().evicted_early_total, 0U);
}

TEST(Keyed, does_not_forget_that_a_host_is_tried_again) {
    Keyed<CircuitBreaker> per_host{"per_host", quick(), few(1)};
    per_host.at("bad", start)->record_result(false, start);
    EXPECT_EQ(per_host.at("bad", start + 1h)->state(start + 1h), CircuitState::half_open);
    EXPECT_EQ(per_host.at("new", start + 1h), nullptr) << "it was asked for just now";
    {
        auto probe = per_host.at("bad", start + 1h)->try_acquire(start + 1h);
        ASSERT_TRUE(probe);
        EXPECT_EQ(per_host.sweep(start + 1h + 1min), 0U) << "a probe is out";
        probe->settle(Outcome::ignored, start + 1h + 1min);
    }
    EXPECT_EQ(per_host.at("bad", start + 1h + 1min)->state(start + 1h + 1min), CircuitState::half_open);
}

TEST(Keyed, does_not_forget_an_operation_that_is_open_alone) {
    CircuitBreakerConfig isolating = quick();
    isolating.success_threshold = 1;
    isolating.operation_mode = OperationMode::isolate;
    Keyed<CircuitBreaker> per_host{"per_host", isolating, few(1)};
    const auto charge = per_host.at("host", start)->operation("charge");
    charge.try_acquire(start)->settle(Outcome::failure, start);
    ASSERT_EQ(charge.state(start), CircuitState::open);
    EXPECT_EQ(per_host.sweep(start + 2min), 0U);
    EXPECT_EQ(per_host.at("other", start + 2min), nullptr) << "nor for want of room";
    const auto kept = per_host.at("host", start + 2min)->operation("charge");
    EXPECT_EQ(kept.state(start + 2min), CircuitState::open);
    kept.try_acquire(start + 1h)->settle(Outcome::success, start + 1h);
    EXPECT_EQ(per_host.sweep(start + 2h), 1U) << "closed again";
}

TEST(Keyed, does_not_forget_what_a_lever_will_bring_back) {
    Keyed<CircuitBreaker> per_host{"per_host", quick(), few(10)};
    per_host.at("host", start)->record_result(false, start);
    per_host.at("host", start)->reset(5min, start);
    per_host.at("measured", start)->metrics_only(start);
    EXPECT_EQ(per_host.sweep(start + 2min), 0U);
    EXPECT_EQ(per_host.at("host", start)->state(start + 5min), CircuitState::open);
    EXPECT_EQ(per_host.at("measured", start)->state(start + 5min), CircuitState::metrics_only);
}

TEST(Keyed, forgets_breakers_that_measure_from_the_beginning) {
    CircuitBreakerConfig measuring = quick();
    measuring.initial_state = CircuitState::metrics_only;
    Keyed<CircuitBreaker> per_host{"per_host", measuring, few(1)};
    per_host.at("host", start)->record_result(false, start);
    auto next = per_host.try_acquire("next", start + 2min);
    EXPECT_TRUE(next) << "a dry run refuses nobody";
}

TEST(Keyed, does_not_forget_a_bulkhead_with_permits_out) {
    Keyed<Bulkhead> per_tenant{"per_tenant", {.max_concurrent = 1}, few(10)};
    auto held = per_tenant.try_acquire(7, start);
    ASSERT_TRUE(held);
    auto loose = per_tenant.at(8, start)->try_acquire();
    EXPECT_EQ(per_tenant.sweep(start + 24h), 0U);
    EXPECT_FALSE(per_tenant.try_acquire(7, start).has_value());
    EXPECT_FALSE(per_tenant.try_acquire(8, start).has_value());
}

TEST(Keyed, does_not_forget_a_bulkhead_with_a_partition) {
    Keyed<Bulkhead> per_tenant{"per_tenant", {.max_concurrent = 2, .queue_size = 1, .record_wait = true}, few(10)};
    {
        const BulkheadPartition part = per_tenant.at(7, start)->partition("part", {.reserved = 1});
        EXPECT_EQ(per_tenant.sweep(start + 24h), 0U);
    }
    EXPECT_EQ(per_tenant.sweep(start + 24h), 1U);
}

TEST(Keyed, makes_room_with_the_key_that_was_not_asked_for_longest) {
    Keyed<CircuitBreaker> per_host{"per_host", quick(), few(3)};
    per_host.at("bad", start)->record_result(false, start);
    static_cast<void>(per_host.at("first", start + 1s));
    const std::weak_ptr<CircuitBreaker> second = per_host.at("second", start + 2s);
    const std::weak_ptr<CircuitBreaker> first = per_host.at("first", start + 3s);
    EXPECT_NE(per_host.at("third", start + 4s), nullptr);
    EXPECT_TRUE(second.expired());
    EXPECT_FALSE(first.expired());
    EXPECT_EQ(per_host.stats().evicted_early_total, 1U);
    EXPECT_EQ(per_host.at("bad", start)->state(start), CircuitState::open);
}

TEST(Keyed, refuses_a_new_key_when_nothing_may_go) {
    Keyed<CircuitBreaker> per_host{"per_host", quick(), few(2)};
    per_host.at("bad", start)->record_result(false, start);
    const auto kept = per_host.at("held", start);
    EXPECT_EQ(per_host.at("new", start + 30min), nullptr);
    const auto refused = per_host.try_acquire("new", start + 30min);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, RejectionReason::load_shed);
    EXPECT_EQ(refused.error().kind, PolicyKind::circuit_breaker);
    EXPECT_EQ(refused.error().policy, "per_host");
    EXPECT_EQ(per_host.stats().refused_total, 2U);

    Keyed<Bulkhead> strict{"strict", {.max_concurrent = 1}, few(1, WhenFull::refuse_new)};
    static_cast<void>(strict.at(1, start));
    EXPECT_EQ(strict.at(2, start + 1s), nullptr);
    EXPECT_NE(strict.at(2, start + 1min), nullptr);  // the other was idle
}

TEST(Keyed, lets_permits_outlive_it) {
    auto per_host = std::make_unique<Keyed<Bulkhead>>("per_host", BulkheadConfig{.max_concurrent = 1}, few(10));
    auto held = per_host->try_acquire("alpha", start);
    auto other = per_host->try_acquire("beta", start);
    ASSERT_TRUE(held && other);
    per_host.reset();
    *held = std::move(*other);  // ends alpha's permit, then lets go of its bulkhead
    EXPECT_EQ(held->policy().stats().in_use, 1U);
}

TEST(Keyed, refuses_what_is_wrong_with_either_configuration) {
    const BulkheadConfig one{.max_concurrent = 1};
    EXPECT_THROW((Keyed<Bulkhead>{"x", BulkheadConfig{}, few(1)}), ConfigError);
    EXPECT_THROW((Keyed<Bulkhead>{"", one, few(1)}), ConfigError);
    EXPECT_THROW((Keyed<Bulkhead>{"x", one, few(0)}), ConfigError);
    EXPECT_THROW((Keyed<Bulkhead>{"x", one, few((std::size_t{1} << 32) + 1)}), ConfigError);
    EXPECT_THROW((Keyed<Bulkhead>{"x", one, {.idle = -1ns}}), ConfigError);
    EXPECT_THROW((Keyed<Bulkhead>{"x", one, {.shards = 3}}), ConfigError);
    EXPECT_THROW((Keyed<Bulkhead>{"x", one, {.shards = 2048}}), ConfigError);
    EXPECT_NO_THROW((Keyed<Bulkhead>{"x", one, {.max_keys = 1, .idle = Duration::max(), .shards = 1024}}));
}

TEST(Keyed, gives_every_thread_the_same_policy_while_others_are_forgotten) {
    Keyed<Bulkhead> per_tenant{"per_tenant", {.max_concurrent = 2}, {.max_keys = 8, .idle = 0s, .shards = 2}};
    constexpr std::size_t tenants = 12;
    std::vector<std::atomic<int>> inside(tenants);
    std::atomic<int> most{0};
    {
        std::vector<std::jthread> threads;
        for (std::size_t thread = 0; thread < 4; ++thread) {
            threads.emplace_back([&, thread] {
                for (std::size_t step = 0; step < 1000; ++step) {
                    const std::size_t tenant = (step * 5 + thread) % tenants;
                    const auto held = per_tenant.try_acquire(tenant, start + Duration(static_cast<int>(step)));
                    if (!held) continue;
                    const int now_inside = inside[tenant].fetch_add(1) + 1;
                    if (now_inside > 2) most.store(now_inside);
                    std::this_thread::yield();
                    inside[tenant].fetch_sub(1);
                }
            });
        }
        threads.emplace_back([&] {
            for (int round = 0; round < 200; ++round) per_tenant.sweep(start + 1h, 4);
        });
    }
    EXPECT_EQ(most.load(), 0);
    EXPECT_LE(per_tenant.stats().keys, 8U);
    while (per_tenant.sweep(start + 2h) != 0) {
    }
    EXPECT_EQ(per_tenant.stats().keys, 0U);
}

}  // namespace keyed_test
