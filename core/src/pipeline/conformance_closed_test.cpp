// Conformance rows of the closed breaker: CB (count), OH-39, OH-43 and TW-12.

#include <for_tests/origin.hpp>

#include "conformance_breaker.hpp"

namespace conformance {
namespace conformance_closed_test {

std::string times(int count, char outcome) { return std::string(static_cast<std::size_t>(count), outcome); }

const std::vector<Row> rows{
    {"CB_19",
     {.failure_threshold = 0.5, .min_requests = 5},
     [](Scenario& s) {
         s.run("FFFF");
         EXPECT_EQ(s.state(), CircuitState::closed);
         s.run("F");
         EXPECT_EQ(s.state(), CircuitState::open) << "at the fifth, not when a window is full";
         EXPECT_EQ(s.stats().failure, 5U);
     }},
    {"CB_21",
     {.failure_threshold = 0.5, .min_requests = 200},
     [](Scenario& s) {
         std::string mixed;
         for (int i = 0; i < 99; ++i) mixed += i % 3 == 0 ? "FS" : "SF";
         for (const std::string& order :
              {times(99, 'F') + times(101, 'S'), times(101, 'S') + times(99, 'F'), mixed + "SS", "SS" + mixed}) {
             s.run(order);
             EXPECT_EQ(s.stats().window.requests, 200U);
             EXPECT_EQ(s.stats().window.failures, 99U);
             EXPECT_EQ(s.state(), CircuitState::closed) << "99 of 200 is not half";
             s.reset();
         }
     }},
    {"CB_22",
     {.failure_threshold = 0.5, .min_requests = 200},
     [](Scenario& s) {
         s.run(times(100, 'F') + times(99, 'S'));
         EXPECT_EQ(s.state(), CircuitState::closed);
         s.run("S");
         EXPECT_EQ(s.state(), CircuitState::open) << "a success can be the one that makes it 200";
     }},
    {"OH_39",
     {.failure_threshold = 0.5, .min_requests = 5},
     [](Scenario& s) {
         s.run("FFFF");
         EXPECT_EQ(s.state(), CircuitState::closed) << "too few calls to judge";
         EXPECT_EQ(s.stats().window.failures, 4U);
     }},
    {"OH_43",
     {.failure_threshold = 0.5, .success_threshold = 3, .timeout = 5s, .min_requests = 5, .window_size = 10s},
     [](Scenario& s) {
         s.run("FFFFF");
         EXPECT_EQ(s.state(), CircuitState::open);
         s.advance(5s).run("SS");
         EXPECT_EQ(s.state(), CircuitState::half_open);
         s.run("S");
         EXPECT_EQ(s.state(), CircuitState::closed);
         EXPECT_EQ(s.stats().window.requests, 0U) << "the failures that opened it are forgotten";
     }},
};
CONFORMANCE_ROWS(BreakerClosed, rows);

// No driver's clock can be set back, so this row asks the breaker itself.
TEST(Conformance, TW_12_permits) {
    CircuitBreaker breaker{"conformance", {.min_requests = 100, .window_size = 10s}};
    const TimePoint now = for_tests::origin() + 10h;
    const auto fail = [&](TimePoint moment) {
        auto permit = breaker.try_acquire(moment);
        ASSERT_TRUE(permit.has_value());
        permit->settle(Outcome::failure, moment);
    };
    for (int i = 0; i < 3; ++i) fail(now);
    for (int i = 0; i < 2; ++i) fail(now - 1h);
    EXPECT_EQ(breaker.stats(now - 1h).window.requests, 5U);
    EXPECT_EQ(breaker.stats(now).window.failures, 5U) << "nothing expires, nothing is lost";
}

}  // namespace conformance_closed_test
}  // namespace conformance
