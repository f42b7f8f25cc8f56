#include <gtest/gtest.h>

#include <chrono>
#include <resilience/manager/manager.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/prometheus/exporter.hpp>
#include <string>

#include "promtool.hpp"

using namespace resilience;
using namespace std::chrono_literals;
using detail::promtool_finds_nothing;
using detail::value_of;

namespace health_probe_families_test {

constexpr TimePoint start{1000s};

// Open, and its first probe has failed.
std::shared_ptr<CircuitBreaker> probed(ResilienceManager& manager, const std::string& name) {
    auto breaker = manager.register_circuit_breaker(name, {.min_requests = 1});
    breaker->set_probe({}, [] { return false; });
    breaker->try_acquire(start)->settle(Outcome::failure, start);
    auto probe = breaker->probe_due(start + 5s);
    EXPECT_TRUE(probe.has_value());
    if (probe) probe->settle(Outcome::failure, start + 5s);
    return breaker;
}

TEST(HealthProbeMetrics, count_how_probes_ended_and_are_absent_without_one) {
    ResilienceManager manager;
    manager.register_circuit_breaker("plain");
    EXPECT_EQ(export_metrics(manager.stats(start)).find("health_probes"), std::string::npos);
    const auto breaker = probed(manager, "cards");
    const std::string scrape = export_metrics(manager.stats(start + 5s));
    const auto value = [&](const std::string& result) {
        return value_of(scrape,
                        R"(resilience_circuit_breaker_health_probes_total{service="cards",result=")" + result + "\"}");
    };
    EXPECT_EQ(value("failed"), 1);
    for (const auto* result : {"succeeded", "timed_out", "undecided", "overlapped"}) EXPECT_EQ(value(result), 0);
    EXPECT_EQ(scrape.find(R"(health_probes_total{service="plain")"), std::string::npos);
    EXPECT_TRUE(promtool_finds_nothing(scrape));
}

TEST(HealthProbeMetrics, are_summed_beyond_the_limit_of_series) {
    ResilienceManager manager{"", {.max_components = 1}};
    manager.register_circuit_breaker("shown");
    const auto second = probed(manager, "second"), third = probed(manager, "third");
    const std::string scrape = export_metrics(manager.stats(start + 5s));
    EXPECT_EQ(value_of(scrape, R"(resilience_circuit_breaker_health_probes_total{service="overflow",result="failed"})"),
              2);
}

}  // namespace health_probe_families_test
