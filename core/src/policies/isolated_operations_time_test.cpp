// What the passing of time brings to isolated operations, and what a lever of the breaker with an end brings back.

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <resilience/policies/circuit_breaker.hpp>

using namespace resilience;
using namespace std::chrono_literals;

namespace {

TimePoint at(Duration since_start) { return TimePoint{1h + since_start}; }

constexpr CircuitBreakerConfig isolating{.success_threshold = 1,
                                         .timeout = 10s,
                                         .min_requests = 4,
                                         .window_size = 60s,
                                         .operation_mode = OperationMode::isolate};

// Whether it was admitted.
template <class Admitting>
bool call(Admitting& admitting, Outcome outcome, TimePoint now) {
    auto permit = admitting.try_acquire(now);
    if (permit) permit->settle(outcome, now);
    return permit.has_value();
}

struct IsolatedOperationInTime : ::testing::Test {
    // Four failures, which open it alone.
    void open_charge(TimePoint now) {
        for (int failure = 0; failure < 4; ++failure) call(charge, Outcome::failure, now);
        ASSERT_EQ(charge.state(now), CircuitState::open);
    }
    [[nodiscard]] std::optional<CircuitState> own_state(TimePoint now) const {
        return breaker.stats(now).operations.at(0).state;
    }

    CircuitBreaker breaker{"card_host", isolating};
    CircuitBreaker::Operation charge = breaker.operation("charge");
    CircuitBreaker::Operation refund = breaker.operation("refund");
};

TEST_F(IsolatedOperationInTime, has_its_open_periods_and_leases_in_the_breakers_next_deadline) {
    EXPECT_EQ(breaker.next_deadline(), std::nullopt);
    open_charge(at(0s));
    EXPECT_EQ(breaker.next_deadline(), at(10s));
    breaker.force_open(2s, at(1s));
    EXPECT_EQ(breaker.next_deadline(), at(3s)) << "the first of both";
    breaker.tick(at(3s));
    EXPECT_EQ(breaker.next_deadline(), at(10s));
    breaker.tick(at(10s));
    EXPECT_EQ(breaker.next_deadline(), std::nullopt);
    auto probe = charge.try_acquire(at(11s));
    ASSERT_TRUE(probe.has_value());
    EXPECT_EQ(breaker.next_deadline(), at(21s)) << "its lease, one open time";
    breaker.tick(at(21s));
    EXPECT_EQ(breaker.next_deadline(), std::nullopt);
    probe->settle(Outcome::ignored, at(21s));
}

}  // namespace
