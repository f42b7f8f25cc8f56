#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <resilience/json/json.hpp>
#include <resilience/manager/manager.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <resilience/policies/retry.hpp>
#include <string>
#include <vector>

namespace manager_json_test {

using namespace resilience;
using Parsed = nlohmann::json;

TEST(ManagerJson, reconciles_and_tells_why_in_words) {
    ResilienceManager manager{"checkout"};
    const auto breaker = manager.register_circuit_breaker("pay", {.min_requests = 2});
    for (int failed = 0; failed < 2; ++failed) {
        ASSERT_TRUE(breaker->allow());
        breaker->record_result(false);
    }
    EXPECT_FALSE(breaker->allow());
    manager.register_rate_limiter("pay", 10, 1);
    manager.register_bulkhead("pay", 5, 2);
    manager.register_retry("reads");

    const auto document = Parsed::parse(to_json_text(manager.stats()));
    const auto& pay = document["circuit_breakers"]["pay"];
    EXPECT_EQ(document["service"], "checkout");
    EXPECT_GE(document["uptime_seconds"], 0);
    EXPECT_EQ(pay["state"], "open");
    EXPECT_EQ(pay["requests_total"], 3);
    EXPECT_EQ(pay["rejected_total"],
              (Parsed{{"circuit_open", 1}, {"half_open_full", 0}, {"forced_open", 0}, {"throttled", 0}}));
    EXPECT_EQ(pay["failure_total"], 2);
    EXPECT_EQ(pay["transitions_total"]["closed_to_open"], 1);
    EXPECT_EQ(pay["transitions_total"]["half_open_to_closed"], 0);
    EXPECT_GT(pay["retry_after_seconds"], 0);
    EXPECT_EQ(document["health"]["status"], "degraded");
    EXPECT_EQ(document["health"]["reasons"].size(), 1U);
    EXPECT_EQ(document["rate_limiters"]["pay"]["available_tokens"], 10);
    EXPECT_EQ(document["bulkheads"]["pay"]["queue_size"], 2);
    EXPECT_TRUE(document["retries"].contains("reads"));
}

TEST(ManagerJson, has_quantiles_of_breakers_that_keep_latencies) {
    ResilienceManager manager;
    const auto plain = manager.register_circuit_breaker("plain");
    const auto fresh = manager.register_circuit_breaker("fresh", {.record_latency = true});
    const auto used = manager.register_circuit_breaker("used", {.record_latency = true});
    const TimePoint start = Clock::now();
    for (int call = 1; call <= 100; ++call) {
        auto permit = used->try_acquire(start);
        ASSERT_TRUE(permit);
        permit->settle(Outcome::success, start + std::chrono::milliseconds(10 * call));
    }
    const auto breakers = Parsed::parse(to_json_text(manager.stats()))["circuit_breakers"];
    EXPECT_EQ(breakers["plain"]["latency_seconds"], nullptr);
    EXPECT_EQ(breakers["fresh"]["latency_seconds"],
              (Parsed{{"p50", nullptr}, {"p90", nullptr}, {"p99", nullptr}, {"max", nullptr}}));
    EXPECT_EQ(breakers["used"]["latency_seconds"], (Parsed{{"p50", 0.5}, {"p90", 1.0}, {"p99", 1.0}, {"max", 1.0}}));
}

TEST(ManagerJson, writes_the_events_a_listener_gets) {
    ResilienceManager manager;
    std::vector<std::string> lines;
    const Subscription listening =
        manager.on_event([&lines](const Event& event) { lines.push_back(to_json_text(event)); });
    const auto breaker = manager.register_circuit_breaker("pay");
    breaker->force_open();
    manager.register_bulkhead("rows", 5)->set_max_concurrent(3);
    ASSERT_EQ(lines.size(), 2U);
    const auto transition = Parsed::parse(lines[0]);
    EXPECT_EQ(lines[0].substr(0, 9), R"({"time":")");
    EXPECT_EQ(transition["event"], "transition");
    EXPECT_EQ(transition["name"], "pay");
    EXPECT_EQ(transition["to"], "forced_open");
    EXPECT_EQ(transition["cause"], "lever");
    const auto limit = Parsed::parse(lines[1]);
    EXPECT_EQ(limit["event"], "limit_changed");
    EXPECT_EQ(limit["from"], 5);
    EXPECT_EQ(limit["to"], 3);
}

TEST(ManagerJson, writes_the_history_as_an_array) {
    ResilienceManager manager{"checkout", {.history = 8}};
    EXPECT_EQ(to_json_text(manager.history(), -1), "[]");
    manager.register_circuit_breaker("pay")->force_open();
    manager.remove("pay");
    const auto history = Parsed::parse(to_json_text(manager.history()));
    ASSERT_EQ(history.size(), 3U);
    EXPECT_EQ(history[0]["event"], "added");
    EXPECT_EQ(history[0]["kind"], "circuit_breaker");
    EXPECT_EQ(history[1]["event"], "transition");
    EXPECT_EQ(history[1]["to"], "forced_open");
    EXPECT_EQ(history[2]["event"], "removed");
    EXPECT_EQ(history[2]["name"], "pay");
    EXPECT_EQ(history[2]["sequence"], 2) << "on the manager's own count";
}

}  // namespace manager_json_test
