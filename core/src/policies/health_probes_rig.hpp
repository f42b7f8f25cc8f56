#pragma once

// An open breaker with a health probe, stepped through explicit time.

#include <gtest/gtest.h>

#include <chrono>
#include <for_tests/origin.hpp>
#include <optional>
#include <resilience/policies/circuit_breaker.hpp>
#include <utility>

namespace resilience::inline v1 {

class HealthProbesRig {
  public:
    explicit HealthProbesRig(CircuitBreakerConfig config = {.success_threshold = 2, .min_requests = 1},
                             HealthProbeConfig probe = {})
        : breaker("health_probes_test", config) {
        breaker.set_probe(probe, [] { return true; });
        call(Outcome::failure, {});
        EXPECT_EQ(state({}), CircuitState::open);
    }

    static TimePoint at(Duration after_opening) { return for_tests::origin() + std::chrono::hours(1) + after_opening; }
    void call(Outcome outcome, Duration when) {
        auto permit = breaker.try_acquire(at(when));
        ASSERT_TRUE(permit.has_value());
        permit->settle(outcome, at(when));
    }
    [[nodiscard]] std::optional<CircuitBreaker::Permit> send(Duration when) { return breaker.probe_due(at(when)); }
    // Sends one that answers at once. False: none was due.
    bool probe(Outcome outcome, Duration when) {
        auto permit = send(when);
        if (permit) permit->settle(outcome, at(when));
        return permit.has_value();
    }
    [[nodiscard]] Rejection refused(Duration when) {
        auto permit = breaker.try_acquire(at(when));
        EXPECT_FALSE(permit.has_value());
        return permit.has_value() ? Rejection{} : permit.error();
    }
    [[nodiscard]] CircuitState state(Duration when) const { return breaker.state(at(when)); }
    [[nodiscard]] std::optional<Duration> next() const {
        const auto next = breaker.next_probe();
        return next ? std::optional(*next - at({})) : std::nullopt;
    }
    [[nodiscard]] CircuitBreakerStats::HealthProbes counts() const { return *breaker.stats(at({})).health_probes; }
    void expect_reconciled(std::uint64_t out = 0) const {
        const CircuitBreakerStats stats = breaker.stats(at({}));
        EXPECT_EQ(stats.requests, stats.admitted + stats.rejected.total());
        EXPECT_EQ(stats.admitted, stats.success + stats.failure + stats.ignored + stats.in_flight);
        EXPECT_EQ(stats.in_flight, out);
        const CircuitBreakerStats::HealthProbes& probes = *stats.health_probes;
        const std::uint64_t ended = probes.succeeded + probes.failed + probes.timed_out + probes.undecided;
        EXPECT_GE(probes.sent, ended);
        EXPECT_LE(probes.sent - ended, out);
    }

    CircuitBreaker breaker;
};

}  // namespace resilience::inline v1
