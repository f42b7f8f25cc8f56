// Conformance rows of how long a breaker stays open or half-open, and of the states it can be put into: OH and MN.

#include "conformance_breaker.hpp"

namespace conformance {
namespace conformance_open_time_test {

const std::vector<Row> rows{
    {"OH_5",
     {.timeout = 5s, .timeout_multiplier = 1.5},
     [](Scenario& s) {
         s.open();
         s.advance(6s).admitted();
         s.open();
         s.advance(6s);
         EXPECT_EQ(s.refused(RejectionReason::circuit_open).retry_after, 1500ms) << "now 7.5 s";
         s.advance(5s).admitted();
     }},
    {"OH_5_capped",
     {.timeout = 5s, .timeout_multiplier = 2, .max_timeout = 12s},
     [](Scenario& s) {
         for (const Duration expected : {5s, 10s, 12s, 12s}) {
             s.open();
             EXPECT_EQ(s.stats().retry_after, expected);
             s.half_open();
         }
         s.reset();
         s.open();
         EXPECT_EQ(s.stats().retry_after, 5s) << "closing begins anew";
     }},
    {"OH_33",
     {.timeout = 5s, .half_open_limit = 1s},
     [](Scenario& s) {
         s.open();
         s.half_open();
         s.advance(1s - 1ns);
         EXPECT_EQ(s.state(), CircuitState::half_open);
         s.advance(1ns);
         EXPECT_EQ(s.state(), CircuitState::open) << "without any call";
         EXPECT_EQ(s.refused(RejectionReason::circuit_open).retry_after, 5s);
     }},
    {"OH_33_closing",
     {.timeout = 5s, .half_open_limit = 1s, .half_open_limit_closes = true},
     [](Scenario& s) {
         s.open();
         s.half_open();
         EXPECT_EQ(s.advance(1s).state(), CircuitState::closed);
         s.tick();
         EXPECT_EQ(s.state(), CircuitState::closed);
         EXPECT_EQ(s.stats().window.requests, 0U);
     }},
    {"OH_33_slept_through",
     {.timeout = 5s, .half_open_limit = 1s},
     [](Scenario& s) {
         s.open();
         s.advance(std::chrono::years(10));
         EXPECT_EQ(s.state(), CircuitState::half_open) << "not one of the millions of periods in between";
         s.admitted();
         EXPECT_EQ(s.stats().generation, 5U) << "open, half-open, open, and half-open when somebody came";
     }},
    {"MN_5",
     {},
     [](Scenario& s) {
         s.run("SS");
         s.metrics_only();
         EXPECT_EQ(s.stats().window.requests, 0U);
         s.run("SF");
         EXPECT_EQ(s.stats().window.requests, 2U) << "it counts";
     }},
    {"MN_8",
     {},
     [](Scenario& s) {
         void (*const into[])(Scenario&) = {[](Scenario& t) { t.reset(); }, [](Scenario& t) { t.open(); },
                                            [](Scenario& t) { t.half_open(); }, [](Scenario& t) { t.force_open(); },
                                            [](Scenario& t) { t.force_closed(); }};
         for (const auto bring : into) {
             bring(s);
             s.metrics_only();
             EXPECT_EQ(s.state(), CircuitState::metrics_only);
             s.run("FFFFFFFFFFFF");
             EXPECT_EQ(s.state(), CircuitState::metrics_only) << "whatever fails";
         }
     }},
    {"MN_13_closed", {}, [](Scenario& s) { EXPECT_EQ(s.state(), CircuitState::closed); }},
    {"MN_13_open",
     {.timeout = 5s, .initial_state = CircuitState::open},
     [](Scenario& s) {
         s.advance(1h);
         EXPECT_EQ(s.state(), CircuitState::open);
         EXPECT_EQ(s.refused(RejectionReason::circuit_open).retry_after, 5s) << "its time begins with the first call";
         s.advance(5s - 1ns).refused(RejectionReason::circuit_open);
         s.advance(1ns).admitted();
     }},
    {"MN_13_metrics_only",
     {.initial_state = CircuitState::metrics_only},
     [](Scenario& s) {
         EXPECT_EQ(s.run("FFFFFFFFFFFF").state(), CircuitState::metrics_only);
         EXPECT_EQ(s.stats().window.failures, 12U);
     }},
};

CONFORMANCE_ROWS(OpenTime, rows);

}  // namespace conformance_open_time_test
}  // namespace conformance
