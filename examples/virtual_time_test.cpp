// Testing your own service in virtual time: no sleeps, no flakiness, a whole incident in microseconds.

#include <gtest/gtest.h>

#include <resilience/testing.hpp>
#include <stdexcept>

using namespace resilience;
using namespace std::chrono_literals;

TEST(Checkout, recovers_when_the_card_host_comes_back) {
    VirtualTime time;  // starts at zero and never sleeps
    CircuitBreaker breaker{"card_host", {.success_threshold = 2, .timeout = 10s, .min_requests = 4}};
    Pipeline guarded{RetryConfig{.max_attempts = 2, .base_delay = 100ms, .jitter = false}, breaker};
    bool down = true;
    auto pay = [&] {
        if (down) throw std::runtime_error("503");
        return 200;
    };
    for (int call = 0; call < 2; ++call) EXPECT_THROW((void)time.execute(guarded, pay), std::runtime_error);
    EXPECT_EQ(breaker.state(time.now()), CircuitState::open);  // four attempts, four failures

    auto refused = time.execute(guarded, pay);  // at once: 10 s is longer than the backoff it would sleep
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, RejectionReason::circuit_open);
    EXPECT_EQ(refused.error().retry_after, 10s);

    down = false;
    time.advance(*refused.error().retry_after);  // usable exactly as given
    for (int probe = 0; probe < 2; ++probe) EXPECT_EQ(time.execute(guarded, pay), 200);
    EXPECT_EQ(breaker.state(time.now()), CircuitState::closed);
    EXPECT_EQ(time.elapsed(), 10s + 200ms);  // two backoffs and the wait
}
