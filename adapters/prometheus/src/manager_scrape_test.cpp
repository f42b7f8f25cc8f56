#include <gtest/gtest.h>

#include <algorithm>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <resilience/policies/retry.hpp>
#include <resilience/prometheus/exporter.hpp>
#include <string>

#include "promtool.hpp"

namespace {

using namespace resilience;
using detail::promtool_finds_nothing;
using detail::value_of;

TEST(ManagerScrape, of_an_empty_manager_is_clean) {
    const ResilienceManager manager;
    EXPECT_TRUE(promtool_finds_nothing(export_metrics(manager)));
}

TEST(ManagerScrape, shows_what_the_policies_did) {
    ResilienceManager manager{"checkout"};
    const auto breaker = manager.register_circuit_breaker("pay", {.min_requests = 2});
    for (int failed = 0; failed < 2; ++failed) {
        ASSERT_TRUE(breaker->allow());
        breaker->record_result(false);
    }
    EXPECT_FALSE(breaker->allow());
    const auto limiter = manager.register_rate_limiter("pay", 1, 0.001);
    EXPECT_TRUE(limiter->acquire());
    EXPECT_FALSE(limiter->acquire());
    const auto bulkhead = manager.register_bulkhead("pay", 1);
    const auto held = bulkhead->try_acquire();
    EXPECT_FALSE(bulkhead->try_acquire().has_value());
    manager.register_retry("reads");

    const std::string text = export_metrics(manager);
    EXPECT_TRUE(promtool_finds_nothing(text));
    EXPECT_EQ(value_of(text, R"(resilience_circuit_breaker_state{service="pay",state="open"})"), 1);
    EXPECT_EQ(value_of(text, R"(resilience_circuit_breaker_failures{service="pay"})"), 2);
    EXPECT_EQ(value_of(text, R"(resilience_circuit_breaker_rejections_total{service="pay",reason="circuit_open"})"), 1);
    EXPECT_EQ(value_of(text, R"(resilience_circuit_breaker_transitions_total{service="pay",from="closed",to="open"})"),
              1);
    EXPECT_EQ(value_of(text, R"(resilience_rate_limiter_rejections_total{service="pay"})"), 1);
    EXPECT_EQ(value_of(text, R"(resilience_bulkhead_in_use{service="pay"})"), 1);
    EXPECT_EQ(value_of(text, R"(resilience_bulkhead_rejections_total{service="pay",reason="bulkhead_full"})"), 1);
    EXPECT_EQ(value_of(text, R"(resilience_retry_calls_total{service="reads",result="exhausted"})"), 0);
    EXPECT_EQ(value_of(text, R"(resilience_health_status{service="checkout",status="degraded"})"), 1);
}

TEST(ManagerScrape, has_every_change_of_state_from_registration_on) {
    ResilienceManager manager;
    manager.register_circuit_breaker("pay");
    const std::string text = export_metrics(manager);
    for (const char* change : {R"(from="closed",to="open")", R"(from="open",to="half_open")",
                               R"(from="half_open",to="closed")", R"(from="half_open",to="open")"}) {
        EXPECT_EQ(value_of(text, std::string(R"(resilience_circuit_breaker_transitions_total{service="pay",)") +
                                     change + '}'),
                  0)
            << change;
    }
}

TEST(ManagerScrape, of_hostile_names_is_clean) {
    ResilienceManager manager{"\"} 1\nforged_total 7"};
    for (const std::string name : {"quote\"", "back\\slash", "new\nline", "\"} 1\nforged_total{x=\"", "\x01\x7f",
                                   "\xf0\x9f\x94\xa5", "ends with \\"}) {
        manager.register_circuit_breaker(name);
        manager.register_rate_limiter(name, 10, 1);
        manager.register_bulkhead(name, 10);
        manager.register_retry(name);
    }
    const std::string text = export_metrics(manager);
    EXPECT_TRUE(promtool_finds_nothing(text));
    EXPECT_EQ(text.find("\nforged_total"), std::string::npos);
}

TEST(ManagerCollectable, collects_the_families_of_the_text) {
    ResilienceManager manager{"checkout"};
    manager.register_circuit_breaker("pay");
    const ManagerCollectable collectable{manager, {.max_open_circuits = 1}};
    manager.circuit_breaker("pay")->force_open();
    const auto families = collectable.Collect();
    const std::string text = export_metrics(manager);
    EXPECT_EQ(families.size(), static_cast<std::size_t>(std::count(text.begin(), text.end(), '#') / 2));
    for (const auto& family : families) {
        EXPECT_NE(text.find("# HELP " + family.name + ' ' + family.help + '\n'), std::string::npos) << family.name;
        if (family.name == "resilience_ready") {
            EXPECT_EQ(family.metric.at(0).gauge.value, 0);
        }
    }
}

}  // namespace
