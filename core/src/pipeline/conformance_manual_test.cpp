// Conformance rows of the levers: MN.

#include "conformance_breaker.hpp"

namespace conformance {
namespace conformance_manual_test {

const std::vector<Row> rows{
    {"MN_1",
     {},
     [](Scenario& s) {
         s.open();
         s.refused(RejectionReason::circuit_open);
         EXPECT_EQ(s.stats().rejected.total(), 1U);
     }},
    {"MN_2",
     {.timeout = 5s},
     [](Scenario& s) {
         s.force_open();
         EXPECT_FALSE(s.refused(RejectionReason::forced_open).retry_after.has_value());
         s.advance(6s);
         s.refused(RejectionReason::forced_open);
         EXPECT_EQ(s.state(), CircuitState::forced_open);
         EXPECT_EQ(s.stats().rejected.forced_open, 2U);
     }},
    {"MN_3",
     {.min_requests = 1},
     [](Scenario& s) {
         std::vector<Event> seen;
         const auto listening = s.breaker().on_event([&](const Event& event) { seen.push_back(event); });
         s.force_closed();
         s.run("SFFFF");
         EXPECT_EQ(s.state(), CircuitState::forced_closed);
         EXPECT_EQ(s.stats().window.requests, 0U);
         EXPECT_EQ(s.stats().rejected.total(), 0U);
         ASSERT_EQ(seen.size(), 1U);
         EXPECT_EQ(seen[0].to, CircuitState::forced_closed);
     }},
    {"MN_7",
     {},
     [](Scenario& s) {
         std::vector<CircuitState> to;
         const auto listening = s.breaker().on_event([&](const Event& event) { to.push_back(event.to); });
         s.open();
         s.open();
         s.half_open();
         s.half_open();
         s.force_closed();
         s.force_closed();
         s.metrics_only();
         s.metrics_only();
         s.reset();
         s.reset();
         EXPECT_EQ(to, (std::vector{CircuitState::open, CircuitState::half_open, CircuitState::forced_closed,
                                    CircuitState::metrics_only, CircuitState::closed}))
             << "repeats are silent";
     }},
    {"MN_9",
     {.success_threshold = 3, .half_open_calls = 4},
     [](Scenario& s) {
         s.open();
         s.reset();
         EXPECT_EQ(s.state(), CircuitState::closed);
         EXPECT_EQ(s.stats().window.requests, 0U);
         s.run("SS");
         s.reset();
         EXPECT_EQ(s.state(), CircuitState::closed);
         EXPECT_EQ(s.stats().window.requests, 0U);
         s.half_open();
         s.run("F");
         s.reset();
         EXPECT_EQ(s.state(), CircuitState::closed);
         EXPECT_EQ(s.stats().window.requests, 0U);
         EXPECT_EQ(s.stats().half_open.failures, 0U);
     }},
    {"MN_11",
     {},
     [](Scenario& s) {
         const auto late = s.begin(2);
         s.force_open();
         s.finish(late[0], 'S');
         s.finish(late[1], 'F');
         s.advance(std::chrono::years(10));
         EXPECT_EQ(s.state(), CircuitState::forced_open);
         EXPECT_FALSE(s.refused(RejectionReason::forced_open).retry_after.has_value());
         EXPECT_FALSE(s.stats().retry_after.has_value());
         EXPECT_EQ(s.stats().late, 2U);
     }},
    {"MN_16_success",
     {.success_threshold = 1},
     [](Scenario& s) {
         EXPECT_EQ(s.run("S").state(), CircuitState::closed);
         s.half_open();
         EXPECT_EQ(s.run("S").state(), CircuitState::closed);
         const auto call = s.begin();
         s.force_open();
         s.finish(call, 'S');
         EXPECT_EQ(s.state(), CircuitState::forced_open);
     }},
    {"MN_16_failure",
     {.success_threshold = 1, .min_requests = 2},
     [](Scenario& s) {
         EXPECT_EQ(s.run("F").state(), CircuitState::closed) << "by verdict: too few";
         const auto late = s.begin(2);
         EXPECT_EQ(s.run("F").state(), CircuitState::open) << "by verdict: two of two";
         s.finish(late[0], 'F');
         EXPECT_EQ(s.state(), CircuitState::open);
         s.half_open();
         EXPECT_EQ(s.run("F").state(), CircuitState::open);
         s.force_open();
         s.finish(late[1], 'F');
         EXPECT_EQ(s.state(), CircuitState::forced_open);
     }},
};
CONFORMANCE_ROWS(BreakerManual, rows);

}  // namespace conformance_manual_test
}  // namespace conformance
