// Conformance rows of neutral outcomes, late verdicts and listeners: NL.

#include <for_tests/origin.hpp>
#include <resilience/pipeline/virtual_time.hpp>
#include <stdexcept>

#include "conformance_breaker.hpp"

namespace conformance {
namespace conformance_neutral_test {

const std::vector<Row> neutral{
    {"NL_2", half_open_failing_k_of_n(2, 4),
     [](Scenario& s) {
         s.half_open();
         s.run("IIII");
         EXPECT_EQ(s.state(), CircuitState::half_open);
         EXPECT_EQ(s.stats().half_open.successes + s.stats().half_open.failures, 0U);
         EXPECT_EQ(s.run("SSSS").state(), CircuitState::closed);
     }},
    {"NL_3", half_open_strict(3),
     [](Scenario& s) {
         s.half_open();
         EXPECT_EQ(s.run("IIII").state(), CircuitState::half_open);
         EXPECT_EQ(s.run("F").state(), CircuitState::open);
     }},
    {"NL_4", half_open_strict(2),
     [](Scenario& s) {
         s.half_open();
         const auto both = s.begin(2);
         s.refused(RejectionReason::half_open_full);
         s.finish(both, 'I');
         EXPECT_EQ(s.stats().half_open.in_flight, 0U);
         s.run("S");
         EXPECT_EQ(s.state(), CircuitState::half_open);
         EXPECT_EQ(s.stats().half_open.successes, 1U);
     }},
    {"NL_5",
     {.consecutive_failures = 3},
     [](Scenario& s) {
         s.run("III SSS FF");
         const CircuitBreakerStats stats = s.stats();
         EXPECT_EQ(stats.requests, 8U);
         EXPECT_EQ(stats.ignored, 3U);
         EXPECT_EQ(stats.success, 3U);
         EXPECT_EQ(stats.failure, 2U);
         EXPECT_EQ(stats.window.requests, 5U);
         EXPECT_EQ(stats.window.consecutive_failures, 2U);
         EXPECT_EQ(s.run("IIIF").state(), CircuitState::open) << "what is ignored does not end a row";
     }},
    {"NL_19",
     {.failure_threshold = 0.5, .min_requests = 5},
     [](Scenario& s) {
         s.run(std::string(100, 'C')).run("S");
         EXPECT_EQ(s.state(), CircuitState::closed);
         EXPECT_EQ(s.stats().window.requests, 1U);
         EXPECT_EQ(s.stats().cancelled, 100U);
         EXPECT_EQ(s.stats().ignored, 100U);
     }},
};
CONFORMANCE_ROWS(BreakerNeutral, neutral);

const std::vector<Row> late{
    {"NL_12", half_open_strict(2),
     [](Scenario& s) {
         const auto old = s.begin(2);
         s.open();
         s.half_open();
         s.finish(old, 'S');
         EXPECT_EQ(s.state(), CircuitState::half_open);
         s.begin(2);
         s.refused(RejectionReason::half_open_full);
     }},
    {"NL_14", half_open_strict(1),
     [](Scenario& s) {
         const auto old = s.begin();
         s.open();
         s.half_open();
         const auto probe = s.begin();
         s.finish(old, 'F');
         EXPECT_EQ(s.state(), CircuitState::half_open);
         s.finish(probe, 'S');
         EXPECT_EQ(s.state(), CircuitState::closed);
     }},
    {"NL_15",
     {.timeout = 1s},
     [](Scenario& s) {
         const auto old = s.begin();
         s.open();
         s.advance(700ms);
         int events = 0;
         const auto listening = s.breaker().on_event([&](const Event&) { ++events; });
         s.finish(old, 'F');
         EXPECT_EQ(s.refused(RejectionReason::circuit_open).retry_after, 300ms);
         EXPECT_EQ(events, 0);
     }},
    {"NL_16_lease", half_open_strict(1),
     [](Scenario& s) {
         s.half_open();
         const auto hung = s.begin();
         s.advance(10s);
         const auto fresh = s.begin();
         s.finish(hung, 'F');
         EXPECT_EQ(s.state(), CircuitState::half_open);
         EXPECT_EQ(s.stats().half_open.failures, 0U);
         s.finish(fresh, 'S');
         EXPECT_EQ(s.state(), CircuitState::closed);
     }},
    {"NL_16_forced", half_open_strict(1),
     [](Scenario& s) {
         s.half_open();
         const auto old = s.begin();
         s.force_open();
         s.half_open();
         const auto fresh = s.begin();
         s.finish(old, 'F');
         EXPECT_EQ(s.state(), CircuitState::half_open);
         EXPECT_EQ(s.stats().half_open.in_flight, 1U) << "nor does it give the new probe's slot back";
         s.finish(fresh, 'S');
         EXPECT_EQ(s.state(), CircuitState::closed);
     }},
    {"NL_17", half_open_strict(1),
     [](Scenario& s) {
         const auto old = s.begin();
         s.open();
         s.advance(5s).run("S");
         EXPECT_EQ(s.state(), CircuitState::closed);
         s.finish(old, 'F');
         EXPECT_EQ(s.stats().window.requests, 0U);
         EXPECT_EQ(s.stats().failure, 1U);
         EXPECT_EQ(s.stats().late, 1U);
     }},
};
CONFORMANCE_ROWS(BreakerLate, late);

const std::vector<Row> listening{
    {"NL_23",
     {.min_requests = 5},
     [](Scenario& s) {
         CircuitBreakerStats read;
         const auto listener = s.breaker().on_event([&](const Event& event) {
             if (event.to != CircuitState::open) return;
             read = s.stats();
             EXPECT_EQ(s.state(), CircuitState::open);
             s.reset();
         });
         s.run("FFFFF");
         EXPECT_EQ(read.failure, 5U);
         EXPECT_EQ(s.state(), CircuitState::closed);
     }},
    {"NL_25",
     {},
     [](Scenario& s) {
         std::uint64_t seen = 0;
         const auto listener =
             s.breaker().on_event([&](const Event&) { seen = s.stats().failure; }, only(EventKind::finished));
         s.run("F");
         EXPECT_EQ(seen, 1U) << "the listener sees its own call";
         s.run("F");
         EXPECT_EQ(seen, 2U);
     }},
};
CONFORMANCE_ROWS(BreakerListening, listening);

// "Only exceptions of type A are recorded": a classifier's business, so it needs a function that throws.
struct RecordedError : std::runtime_error {
    using std::runtime_error::runtime_error;
};
struct RecordsOneType {
    Outcome operator()(int) const { return Outcome::success; }
    Outcome operator()(const std::exception_ptr& thrown) const {
        try {
            std::rethrow_exception(thrown);
        } catch (const RecordedError&) {
            return Outcome::failure;
        } catch (...) {
            return Outcome::success;
        }
    }
};

template <class Execute>
void only_one_type_is_recorded(CircuitBreaker& breaker, Execute execute) {
    EXPECT_THROW(execute([]() -> int { throw std::logic_error("B"); }), std::logic_error);
    EXPECT_EQ(breaker.stats(for_tests::origin()).success, 1U);
    EXPECT_EQ(breaker.stats(for_tests::origin()).failure, 0U);
    EXPECT_THROW(execute([]() -> int { throw RecordedError("A"); }), RecordedError);
    EXPECT_EQ(breaker.stats(for_tests::origin()).failure, 1U);
}

TEST(Conformance, NL_6_blocking) {
    CircuitBreaker breaker{"conformance"};
    const Pipeline guarded{classify(RecordsOneType{}), breaker};
    only_one_type_is_recorded(breaker, [&](auto function) { return guarded.execute(function); });
}

TEST(Conformance, NL_6_virtual) {
    CircuitBreaker breaker{"conformance"};
    VirtualTime time{1, for_tests::origin()};
    const Pipeline guarded{classify(RecordsOneType{}), breaker};
    only_one_type_is_recorded(breaker, [&](auto function) { return time.execute(guarded, function); });
}

}  // namespace conformance_neutral_test
}  // namespace conformance
