#include <gtest/gtest.h>

#include <resilience/manager/manager.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/prometheus/exporter.hpp>
#include <string>

#include "promtool.hpp"

using namespace resilience;
using namespace std::chrono_literals;
using detail::promtool_finds_nothing;
using detail::value_of;

namespace operation_families_test {

constexpr TimePoint start{1000s};

TEST(OperationMetrics, are_absent_until_an_operation_is_asked_for) {
    ResilienceManager manager;
    const auto breaker = manager.register_circuit_breaker("cards");
    EXPECT_EQ(export_metrics(manager.stats(start)).find("operation"), std::string::npos);
    static_cast<void>(breaker->operation("charge"));
    const std::string scrape = export_metrics(manager.stats(start));
    EXPECT_EQ(
        value_of(scrape, R"(resilience_circuit_breaker_operation_requests_total{service="cards",operation="charge"})"),
        0);
    EXPECT_EQ(scrape.find("operation_failure_ratio"), std::string::npos) << "a share of nothing";
    EXPECT_EQ(scrape.find("operation_state"), std::string::npos) << "it has none";
    EXPECT_TRUE(promtool_finds_nothing(scrape));
}

TEST(OperationMetrics, tell_operations_apart_by_label) {
    ResilienceManager manager;
    const auto breaker =
        manager.register_circuit_breaker("cards", {.min_requests = 1, .operation_mode = OperationMode::isolate});
    const auto charge = breaker->operation("charge");
    const auto refund = breaker->operation("refund");
    charge.try_acquire(start)->settle(Outcome::failure, start);
    EXPECT_FALSE(charge.try_acquire(start).has_value());
    refund.try_acquire(start)->settle(Outcome::success, start);
    const std::string scrape = export_metrics(manager.stats(start));
    const auto value = [&](const std::string& family, const std::string& operation) {
        return value_of(scrape, "resilience_circuit_breaker_operation_" + family + R"({service="cards",operation=")" +
                                    operation + "\"}");
    };
    EXPECT_EQ(value("requests_total", "charge"), 2);
    EXPECT_EQ(value("failures_total", "charge"), 1);
    EXPECT_EQ(value("rejections_total", "charge"), 1);
    EXPECT_EQ(value("failure_ratio", "charge"), 1);
    EXPECT_EQ(value("state", "charge"), 1);
    EXPECT_EQ(value("requests_total", "refund"), 1);
    EXPECT_EQ(value("failure_ratio", "refund"), 0);
    EXPECT_EQ(value("state", "refund"), 0);
    EXPECT_TRUE(promtool_finds_nothing(scrape));
}

TEST(OperationMetrics, vanish_for_breakers_beyond_the_limit_of_series) {
    ResilienceManager manager{"", {.max_components = 1}};
    for (const auto* name : {"first", "second"}) {
        const auto breaker = manager.register_circuit_breaker(name);
        breaker->operation("charge").try_acquire(start)->settle(Outcome::failure, start);
    }
    const std::string scrape = export_metrics(manager.stats(start));
    const std::string family = "resilience_circuit_breaker_operation_failures_total";
    EXPECT_EQ(value_of(scrape, family + R"({service="first",operation="charge"})"), 1);
    EXPECT_EQ(value_of(scrape, family + R"({service="second",operation="charge"})"), std::nullopt);
    EXPECT_EQ(value_of(scrape, family + R"({service="overflow",operation="charge"})"), std::nullopt);
    EXPECT_TRUE(promtool_finds_nothing(scrape));
}

}  // namespace operation_families_test
