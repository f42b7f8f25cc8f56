#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <resilience/policies/retry.hpp>
#include <resilience/prometheus/exporter.hpp>
#include <string>
#include <thread>
#include <vector>

#include "promtool.hpp"

namespace manager_scrape_test {

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

TEST(ManagerScrape, has_no_counter_of_the_process_that_falls_when_a_policy_is_removed) {
    ResilienceManager manager;
    const Subscription subscription = manager.on_event([](const Event&) { throw 1; });
    manager.register_circuit_breaker("pay")->force_open();
    manager.register_circuit_breaker("stock")->force_open();
    EXPECT_EQ(value_of(export_metrics(manager), "resilience_listener_exceptions_total"), 2);
    manager.remove("pay");
    EXPECT_EQ(value_of(export_metrics(manager), "resilience_listener_exceptions_total"), 2);
}

// The counts of a histogram's buckets in the order of the text, +Inf last.
std::vector<double> buckets_in(const std::string& text) {
    std::vector<double> counts;
    const std::string start = "\nresilience_circuit_breaker_call_duration_seconds_bucket{service=\"pay\",le=";
    for (auto at = text.find(start); at != std::string::npos; at = text.find(start, at + 1)) {
        counts.push_back(std::strtod(text.c_str() + text.find('}', at) + 2, nullptr));
    }
    return counts;
}

TEST(ManagerScrape, has_histograms_that_add_up_and_never_fall_while_calls_run) {
    ResilienceManager manager;
    manager.register_circuit_breaker("plain");
    const auto breaker = manager.register_circuit_breaker("pay", {.failure_threshold = 1, .record_latency = true});
    std::atomic<bool> stop{false};
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < 2; ++caller) {
        callers.emplace_back([&] {
            for (std::int64_t call = 0; !stop; ++call) {
                auto permit = breaker->try_acquire(TimePoint{});
                if (permit) permit->settle(Outcome::success, TimePoint{Duration{call * 7919 % 40'000'000'000}});
            }
        });
    }
    std::vector<double> before(16);
    std::string text;
    for (int scrape = 0; scrape < 200 || before.back() < 1000; ++scrape) {
        text = export_metrics(manager);
        const std::vector<double> buckets = buckets_in(text);
        ASSERT_EQ(buckets.size(), 16U);
        ASSERT_TRUE(std::ranges::is_sorted(buckets)) << "cumulative";
        ASSERT_EQ(value_of(text, R"(resilience_circuit_breaker_call_duration_seconds_count{service="pay"})"),
                  buckets.back());
        for (std::size_t bucket = 0; bucket < buckets.size(); ++bucket) ASSERT_GE(buckets[bucket], before[bucket]);
        before = buckets;
    }
    stop = true;
    callers.clear();
    EXPECT_TRUE(promtool_finds_nothing(text));
    EXPECT_EQ(text.find(R"(call_duration_seconds_count{service="plain"})"), std::string::npos);
    EXPECT_EQ(static_cast<double>(breaker->stats(TimePoint{}).success), buckets_in(export_metrics(manager)).back());
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

}  // namespace manager_scrape_test
