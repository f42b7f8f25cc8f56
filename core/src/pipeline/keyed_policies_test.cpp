#include <gtest/gtest.h>

#include <memory>
#include <resilience/pipeline/pipeline.hpp>
#include <resilience/policies/keyed.hpp>
#include <resilience/policies/keyed_rate_limiter.hpp>

namespace keyed_policies_test {

using namespace resilience;
using namespace std::chrono_literals;

TEST(KeyedRateLimiter, limits_the_calls_of_a_pipeline_by_a_key) {
    KeyedRateLimiter per_tenant{"per_tenant", {.tiers = {{"bronze", 2, 1e-5}, {"gold", 5, 1e-5}}}};
    auto acme = per_tenant.for_key("acme", per_tenant.tier("gold"));
    auto somebody = per_tenant.for_key(7);
    Pipeline for_acme{acme};
    Pipeline for_somebody{somebody};
    const auto call = [] { return 1; };
    EXPECT_TRUE(for_acme.execute(CallOptions{.tokens = 4}, call));
    EXPECT_TRUE(for_acme.execute(call));
    EXPECT_TRUE(for_somebody.execute(CallOptions{.tokens = 2}, call));
    const auto refused = for_somebody.execute(call);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, RejectionReason::rate_limited);
    EXPECT_EQ(refused.error().policy, "per_tenant");
    EXPECT_EQ(for_acme.execute(CallOptions{.tokens = 6}, call).error().reason, RejectionReason::exceeds_capacity);
    EXPECT_FALSE(per_tenant.acquire("acme"));
    EXPECT_FALSE(per_tenant.acquire(7));
    EXPECT_EQ(per_tenant.stats().keys, 2U);
}

TEST(Keyed, keeps_the_policy_of_a_pipeline_for_as_long_as_the_pipeline_lives) {
    Keyed<CircuitBreaker> per_host{"per_host", CircuitBreakerConfig{}, {.max_keys = 10, .idle = 0s}};
    {
        Pipeline guarded{per_host.at("alpha")};
        EXPECT_TRUE(guarded.execute([] { return 1; }));
        EXPECT_EQ(per_host.sweep(), 0U);
        EXPECT_EQ(per_host.at("alpha")->stats().success, 1U);
    }
    EXPECT_EQ(per_host.sweep(), 1U);
}

}  // namespace keyed_policies_test
