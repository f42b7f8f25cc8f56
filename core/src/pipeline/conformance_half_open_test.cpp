// Conformance rows of the open and the half-open breaker: OH.

#include "conformance_breaker.hpp"

namespace conformance {
namespace conformance_half_open_test {

// Half-open, now.
void probe(Scenario& s) {
    s.open();
    s.half_open();
    ASSERT_EQ(s.state(), CircuitState::half_open);
}

const std::vector<Row> opening{
    {"OH_2",
     {.timeout = 5s},
     [](Scenario& s) {
         s.open();
         s.advance(5s - 1ns);
         EXPECT_EQ(s.refused(RejectionReason::circuit_open).retry_after, 1ns);
         s.advance(1ns).admitted();
         EXPECT_EQ(s.state(), CircuitState::half_open);
     }},
    {"OH_14",
     {.success_threshold = 1, .timeout = 60s},
     [](Scenario& s) {
         s.open();
         EXPECT_EQ(s.advance(59s + 999ms).state(), CircuitState::open);
         EXPECT_EQ(s.advance(1s).state(), CircuitState::half_open);
         EXPECT_EQ(s.run("F").state(), CircuitState::open);
         EXPECT_EQ(s.advance(60s + 1ns).state(), CircuitState::half_open);
         EXPECT_EQ(s.run("S").state(), CircuitState::closed);
     }},
    {"OH_32",
     {.timeout = Duration::max()},
     [](Scenario& s) {
         s.advance(24h);
         s.open();
         EXPECT_EQ(s.state(), CircuitState::open);
         EXPECT_FALSE(s.breaker().next_deadline().has_value());
         s.advance(std::chrono::years(200));
         EXPECT_FALSE(s.refused(RejectionReason::circuit_open).retry_after.has_value()) << "it did not wrap";
     }},
    {"OH_35",
     {.timeout = 2s},
     [](Scenario& s) {
         s.open();
         EXPECT_EQ(s.breaker().next_deadline(), s.now() + 2s);
         const std::uint64_t generation = s.stats().generation;
         s.advance(2s).tick();
         EXPECT_EQ(s.state(), CircuitState::half_open);
         EXPECT_EQ(s.stats().generation, generation + 1) << "no call was needed";
     }},
    {"OH_37",
     {.timeout = 2s},
     [](Scenario& s) {
         s.open();
         s.force_open();
         s.advance(10s).tick();
         EXPECT_EQ(s.state(), CircuitState::forced_open);
     }},
    {"OH_40",
     {.success_threshold = 1, .timeout = 200ms},
     [](Scenario& s) {
         s.open();
         s.advance(250ms).run("C");
         s.advance(2s).run("S");
         EXPECT_EQ(s.state(), CircuitState::closed) << "a probe that was given up does not stick";
     }},
    {"OH_44",
     {.timeout = 100ms},
     [](Scenario& s) {
         EXPECT_FALSE(s.stats().retry_after.has_value());
         s.open();
         EXPECT_EQ(s.stats().retry_after, 100ms);
         EXPECT_EQ(s.advance(30ms).stats().retry_after, 70ms);
         EXPECT_FALSE(s.advance(70ms).stats().retry_after.has_value());
     }},
    {"OH_45",
     {.timeout = 100ms},
     [](Scenario& s) {
         s.half_open();
         EXPECT_FALSE(s.stats().retry_after.has_value()) << "nothing is left to wait for";
         s.admitted();
     }},
};
CONFORMANCE_ROWS(BreakerOpening, opening);

const std::vector<Row> probing{
    {"OH_9", half_open_failing_k_of_n(2, 4),
     [](Scenario& s) {
         probe(s);
         s.begin(4);
         s.open();
         s.half_open();
         s.begin(4);  // a new period has all its slots, whatever the old probes do
         s.refused(RejectionReason::half_open_full);
     }},
    {"OH_12", half_open_failing_k_of_n(2, 4),
     [](Scenario& s) {
         probe(s);
         EXPECT_EQ(s.run("F").state(), CircuitState::half_open);
         EXPECT_EQ(s.run("F").state(), CircuitState::open) << "half of four, whatever follows";
     }},
    {"OH_15", half_open_strict(3),
     [](Scenario& s) {
         probe(s);
         s.run("SS");
         EXPECT_EQ(s.state(), CircuitState::half_open);
         EXPECT_EQ(s.stats().half_open.successes, 2U);
         const auto third = s.begin();
         s.refused(RejectionReason::half_open_full);
         s.finish(third, 'S');
         EXPECT_EQ(s.state(), CircuitState::closed);
         EXPECT_EQ(s.stats().window.requests, 0U);
         EXPECT_EQ(s.stats().half_open.successes, 0U);
     }},
    {"OH_17", half_open_strict(3),
     [](Scenario& s) {
         probe(s);
         EXPECT_EQ(s.run("SF").state(), CircuitState::open);
     }},
    {"OH_19", half_open_failing_k_of_n(2, 3),
     [](Scenario& s) {
         probe(s);
         EXPECT_EQ(s.run("FS").state(), CircuitState::half_open);
         EXPECT_EQ(s.run("F").state(), CircuitState::open);
         probe(s);
         EXPECT_EQ(s.run("FS").state(), CircuitState::half_open);
         EXPECT_EQ(s.run("S").state(), CircuitState::closed);
     }},
    {"OH_20", half_open_k_of_n(3, 3),
     [](Scenario& s) {
         probe(s);
         EXPECT_EQ(s.run("SSF").state(), CircuitState::open);
         probe(s);
         EXPECT_EQ(s.run("SSS").state(), CircuitState::closed);
     }},
    {"OH_21", half_open_k_of_n(3, 3),
     [](Scenario& s) {
         probe(s);
         EXPECT_EQ(s.run("SF").state(), CircuitState::open);
     }},
    {"OH_22", half_open_k_of_n(3, 4),
     [](Scenario& s) {
         probe(s);
         EXPECT_EQ(s.run("SFS").state(), CircuitState::half_open);
         EXPECT_EQ(s.run("F").state(), CircuitState::open);
         probe(s);
         EXPECT_EQ(s.run("SFS").state(), CircuitState::half_open);
         EXPECT_EQ(s.run("S").state(), CircuitState::closed);
     }},
    {"OH_25", half_open_k_of_n(3, 4),
     [](Scenario& s) {
         probe(s);
         EXPECT_EQ(s.run("SSF").state(), CircuitState::half_open);
         EXPECT_EQ(s.run("S").state(), CircuitState::closed);
     }},
    {"OH_26", half_open_k_of_n(2, 2),
     [](Scenario& s) {
         probe(s);
         EXPECT_EQ(s.run("S").state(), CircuitState::half_open);
         EXPECT_EQ(s.run("S").state(), CircuitState::closed);
     }},
    {"OH_29", half_open_k_of_n(3, 3),
     [](Scenario& s) {
         probe(s);
         s.begin(3);
         for (int i = 0; i < 5; ++i) s.refused(RejectionReason::half_open_full);
         EXPECT_EQ(s.stats().half_open.in_flight, 3U);
         EXPECT_EQ(s.stats().rejected.half_open_full, 5U);
     }},
    {"OH_34",
     {.success_threshold = 1, .timeout = 60s, .probe_lease = 10s},
     [](Scenario& s) {
         probe(s);
         const auto hung = s.begin();
         s.advance(10s - 1ns);
         EXPECT_EQ(s.refused(RejectionReason::half_open_full).retry_after, 1ns);
         s.advance(1ns);
         const auto fresh = s.begin();
         EXPECT_EQ(s.stats().leases_reclaimed, 1U);
         s.finish(hung, 'S');
         EXPECT_EQ(s.state(), CircuitState::half_open);
         EXPECT_EQ(s.stats().late, 1U) << "its verdict is in the totals only";
         EXPECT_EQ(s.stats().success, 1U);
         s.finish(fresh, 'S');
         EXPECT_EQ(s.state(), CircuitState::closed);
     }},
    {"OH_42", half_open_strict(2),
     [](Scenario& s) {
         probe(s);
         std::vector<Subject::Call> inside;
         for (int i = 0; i < 10; ++i) {
             if (const auto admitted = s.subject().admit()) inside.push_back(*admitted.call);
         }
         ASSERT_EQ(inside.size(), 2U);
         EXPECT_EQ(s.stats().rejected.half_open_full, 8U);
         s.finish(inside, 'S');
         EXPECT_EQ(s.state(), CircuitState::closed) << "refusals count for nothing";
     }},
};
CONFORMANCE_ROWS(BreakerProbing, probing);

}  // namespace conformance_half_open_test
}  // namespace conformance
