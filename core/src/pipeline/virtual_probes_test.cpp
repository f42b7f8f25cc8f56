// Health probes stepped through in virtual time.

#include <gtest/gtest.h>

#include <for_tests/origin.hpp>
#include <optional>
#include <resilience/pipeline/virtual_probes.hpp>
#include <stdexcept>
#include <vector>

namespace resilience::inline v1 {
namespace virtual_probes_test {

using namespace std::chrono_literals;

class VirtualProbesTest : public testing::Test {
  public:
    void open() { breaker.record_result(false, time.now()); }
    [[nodiscard]] CircuitState state() const { return breaker.state(time.now()); }
    [[nodiscard]] CircuitBreakerStats::HealthProbes counts() const { return *breaker.stats(time.now()).health_probes; }

    VirtualTime time{1, for_tests::origin()};
    CircuitBreaker breaker{"virtual_probes_test", {.success_threshold = 2, .min_requests = 1}};
    bool well = false;
    std::vector<Duration> asked;
};

TEST_F(VirtualProbesTest, sends_each_when_it_is_due_until_the_breaker_is_closed) {
    breaker.set_probe({.interval = 10s, .probes_only = true}, [&] {
        asked.push_back(time.elapsed());
        time.take(200ms);
        return well;
    });
    const VirtualProbes probes{time, breaker};
    time.advance(1min);
    open();
    time.advance(25s);
    well = true;
    time.advance(1h);
    EXPECT_EQ(state(), CircuitState::closed);
    EXPECT_EQ(asked, (std::vector<Duration>{70s, 80s, 90s, 100s}));
    open();
    time.advance(15s);
    EXPECT_EQ(asked.size(), 5U) << "and again when it opens again";
}

TEST_F(VirtualProbesTest, sees_the_deadline_and_ends_one_that_hangs_past_it) {
    TimePoint deadline;
    std::optional<VirtualHold> hold;
    breaker.set_probe({.interval = 10s, .timeout = 3s}, [&](TimePoint given) {
        deadline = given;
        hold = time.hold();
        return true;
    });
    open();
    const VirtualProbes probes{time, breaker};
    time.advance(12s);
    EXPECT_EQ(deadline, for_tests::origin() + 13s);
    EXPECT_EQ(counts().timed_out, 0U);
    time.advance(1s);
    EXPECT_EQ(counts().timed_out, 1U);
    time.advance(8s);
    EXPECT_EQ(counts().overlapped, 1U) << "it still runs at 20 s";
    hold->end();
    time.advance(10s);
    EXPECT_EQ(counts().sent, 2U);
    EXPECT_EQ(deadline, for_tests::origin() + 33s);
}

TEST_F(VirtualProbesTest, counts_one_that_throws_as_failed) {
    breaker.set_probe({.interval = 10s}, []() -> bool { throw std::runtime_error("connection refused"); });
    open();
    const VirtualProbes probes{time, breaker};
    time.advance(59s);
    EXPECT_EQ(counts().failed, 5U);
    EXPECT_EQ(breaker.stats(time.now()).in_flight, 0U);
}

TEST_F(VirtualProbesTest, drops_the_one_that_is_out_when_it_goes) {
    std::optional<VirtualHold> hold;
    breaker.set_probe({.interval = 10s}, [&] {
        hold = time.hold();
        return true;
    });
    open();
    {
        const VirtualProbes probes{time, breaker};
        time.advance(10s);
        EXPECT_EQ(breaker.stats(time.now()).in_flight, 1U);
    }
    EXPECT_EQ(breaker.stats(time.now()).in_flight, 0U);
    EXPECT_EQ(counts().undecided, 1U);
    hold->end();
    time.advance(1h);
    EXPECT_EQ(counts().sent, 1U) << "what was planned has no effect any more";
}

TEST_F(VirtualProbesTest, drops_those_too_that_were_replaced_while_they_were_out) {
    std::vector<VirtualHold> holds;
    const auto hangs = [&] {
        holds.push_back(time.hold());
        return true;
    };
    breaker.set_probe({.interval = 10s}, hangs);
    open();
    {
        const VirtualProbes probes{time, breaker};
        time.advance(10s);
        breaker.set_probe({.interval = 10s}, hangs);
        time.advance(10s);
        breaker.set_probe({.interval = 10s}, hangs);
        time.advance(10s);
        EXPECT_EQ(counts().sent, 3U);
        holds[1].end();
        time.advance(0s);
        EXPECT_EQ(breaker.stats(time.now()).in_flight, 2U);
    }
    EXPECT_EQ(breaker.stats(time.now()).in_flight, 0U);
    for (VirtualHold& hold : holds) hold.end();
    time.advance(1h);
    EXPECT_EQ(counts().sent, 3U);
}

TEST_F(VirtualProbesTest, may_be_outlived_by_a_probe_that_is_set_anew_from_inside) {
    int runs = 0;
    breaker.set_probe({.interval = 10s}, [&] {
        ++runs;
        breaker.set_probe({}, {});
        return true;
    });
    open();
    const VirtualProbes probes{time, breaker};
    time.advance(1h);
    EXPECT_EQ(runs, 1);
    EXPECT_EQ(counts().undecided, 1U);
}

}  // namespace virtual_probes_test
}  // namespace resilience::inline v1
