#pragma once

// A breaker with operations, stepped through explicit time.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <for_tests/origin.hpp>
#include <optional>
#include <resilience/policies/circuit_breaker.hpp>

namespace resilience::inline v1 {

inline TimePoint at(Duration since_start) { return for_tests::origin() + std::chrono::hours(1) + since_start; }

inline constexpr CircuitBreakerConfig tracking{.success_threshold = 1,
                                               .timeout = std::chrono::seconds(10),
                                               .min_requests = 4,
                                               .window_size = std::chrono::seconds(60)};
inline constexpr CircuitBreakerConfig isolating{.success_threshold = 1,
                                                .timeout = std::chrono::seconds(10),
                                                .min_requests = 4,
                                                .window_size = std::chrono::seconds(60),
                                                .operation_mode = OperationMode::isolate};

// Calls a breaker or one of its operations. Whether it was admitted.
template <class Admitting>
bool call(Admitting& admitting, Outcome outcome, TimePoint now) {
    auto permit = admitting.try_acquire(now);
    if (permit) permit->settle(outcome, now);
    return permit.has_value();
}
// How many were admitted.
template <class Admitting>
int calls(Admitting& admitting, int count, Outcome outcome, TimePoint now) {
    int admitted = 0;
    for (int each = 0; each < count; ++each) admitted += call(admitting, outcome, now) ? 1 : 0;
    return admitted;
}

struct IsolatedOperationsRig : ::testing::Test {
    explicit IsolatedOperationsRig(const CircuitBreakerConfig& config = isolating) : breaker("card_host", config) {}

    // Four failures, which open it alone.
    void open_charge(TimePoint now) {
        calls(charge, 4, Outcome::failure, now);
        ASSERT_EQ(charge.state(now), CircuitState::open);
    }
    [[nodiscard]] std::optional<CircuitState> own_state(TimePoint now) const {
        return breaker.stats(now).operations.at(0).state;
    }
    void expect_to_reconcile(TimePoint now) const {
        const CircuitBreakerStats stats = breaker.stats(now);
        EXPECT_EQ(stats.requests, stats.admitted + stats.rejected.total());
        EXPECT_EQ(stats.admitted, stats.success + stats.failure + stats.ignored + stats.in_flight);
        for (const auto& each : stats.operations) {
            EXPECT_EQ(each.requests, each.admitted + each.rejected) << each.name;
            EXPECT_EQ(each.admitted, each.success + each.failure + each.ignored + each.in_flight) << each.name;
        }
    }

    CircuitBreaker breaker;
    CircuitBreaker::Operation charge = breaker.operation("charge");
    CircuitBreaker::Operation refund = breaker.operation("refund");
};

}  // namespace resilience::inline v1
