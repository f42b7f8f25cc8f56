// Whatever code of the user's throws, in whatever place: the call keeps its result where there is one, permits return,
// and the counters reconcile. One row for each place, each run blocking and in virtual time.

#include <gtest/gtest.h>

#include <functional>
#include <resilience/pipeline/pipeline.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "conformance_drivers.hpp"

namespace resilience::inline v1 {
namespace throwing_hooks_test {

using namespace std::chrono_literals;

struct Thrown : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// A result that may throw when it is moved: the answer's way out of the call.
struct Delicate {
    explicit Delicate(int number, bool breaks_on_move = false) : value(number), breaks(breaks_on_move) {}
    Delicate(Delicate&& other) noexcept(false) : value(other.value), breaks(other.breaks) {
        if (breaks) throw Thrown("move");
    }
    Delicate& operator=(Delicate&&) = delete;
    int value;
    bool breaks;
};

enum class Place { nowhere, function, classifier, listener, move, fallback };
enum class Ends { with_value, with_exception, with_fallback };

struct Row {
    std::string name;
    Place throws;
    Ends ends;
    CallResult counted;
    bool refused_before = false;  // the bulkhead is full, so that the fallback is asked
};

const std::vector<Row> rows{
    {"nothing", Place::nowhere, Ends::with_value, CallResult::success},
    {"the function", Place::function, Ends::with_exception, CallResult::failure},
    {"the classifier", Place::classifier, Ends::with_value, CallResult::failure},
    {"every listener", Place::listener, Ends::with_value, CallResult::success},
    {"the move of the result", Place::move, Ends::with_exception, CallResult::success},
    {"nothing, and the fallback answers", Place::nowhere, Ends::with_fallback, CallResult::ignored, true},
    {"the fallback", Place::fallback, Ends::with_exception, CallResult::ignored, true},
};

struct Judge {
    const Place* throws;
    Outcome operator()(const Delicate&) const {
        if (*throws == Place::classifier) throw Thrown("classifier");
        return Outcome::success;
    }
};

template <class Driver>
class ThrowingHooks : public testing::Test {
  public:
    Ends call(const Row& row) {
        try {
            const auto function = [&row]() -> Delicate {
                if (row.throws == Place::function) throw Thrown("function");
                return Delicate(7, row.throws == Place::move);
            };
            auto answer = run.execute(guarded, CallOptions{}, {}, function);
            if (answer) return answer->value == 7 ? Ends::with_value : Ends::with_exception;
            if (row.throws == Place::fallback) throw Thrown("fallback");
            return Ends::with_fallback;
        } catch (const Thrown&) {
            return Ends::with_exception;
        }
    }
    void expect_reconciled(const std::string& name) {
        const CircuitBreakerStats circuit = breaker.stats(run.now());
        EXPECT_EQ(circuit.in_flight, 0U) << name;
        EXPECT_EQ(circuit.requests, circuit.admitted + circuit.rejected.total()) << name;
        EXPECT_EQ(circuit.admitted, circuit.success + circuit.failure + circuit.ignored) << name;
        const BulkheadStats places = bulkhead.stats(run.now());
        EXPECT_EQ(places.in_use, 0U) << name;
        EXPECT_EQ(places.requests, places.admitted + places.rejected.total()) << name;
        const RateLimiterStats tokens = limiter.stats(run.now());
        EXPECT_EQ(tokens.requests, tokens.admitted + tokens.rejected.total()) << name;
    }
    [[nodiscard]] std::uint64_t exceptions_of_listeners() const {
        return breaker.stats(run.now()).listener_exceptions + limiter.stats(run.now()).listener_exceptions +
               bulkhead.stats(run.now()).listener_exceptions;
    }

    Driver run;
    Place throws_now = Place::nowhere;
    CircuitBreaker breaker{"throwing_hooks", {.min_requests = 1'000}};
    RateLimiter limiter{"throwing_hooks", {.capacity = 1'000, .refill_rate = 1}};
    Bulkhead bulkhead{"throwing_hooks", 1};
    Pipeline<CircuitBreaker, RateLimiter, Bulkhead, ClassifyWith<Judge>> guarded{breaker, limiter, bulkhead,
                                                                                 classify(Judge{&throws_now})};
};
TYPED_TEST_SUITE(ThrowingHooks, Runs, RunNames);

TYPED_TEST(ThrowingHooks, lose_no_result_and_no_permit_wherever_they_stand) {
    const auto listener = [this](const Event&) {
        if (this->throws_now == Place::listener) throw Thrown("listener");
    };
    const Subscription hears[] = {this->breaker.on_event(listener, EventKinds::all),
                                  this->limiter.on_event(listener, EventKinds::all),
                                  this->bulkhead.on_event(listener, EventKinds::all)};
    for (const Row& row : rows) {
        const CircuitBreakerStats before = this->breaker.stats(this->run.now());
        this->throws_now = row.throws;
        {
            Bulkhead::Permit taken;
            EXPECT_EQ(row.refused_before && this->bulkhead.enter(taken, this->run.now()), row.refused_before);
            EXPECT_EQ(this->call(row), row.ends) << row.name;
        }
        this->throws_now = Place::nowhere;
        const CircuitBreakerStats after = this->breaker.stats(this->run.now());
        EXPECT_EQ(after.success - before.success, row.counted == CallResult::success ? 1U : 0U) << row.name;
        EXPECT_EQ(after.failure - before.failure, row.counted == CallResult::failure ? 1U : 0U) << row.name;
        EXPECT_EQ(after.ignored - before.ignored, row.counted == CallResult::ignored ? 1U : 0U) << row.name;
        EXPECT_EQ(after.classifier_errors - before.classifier_errors, row.throws == Place::classifier ? 1U : 0U);
        this->expect_reconciled(row.name);
        EXPECT_EQ(this->call(rows.front()), Ends::with_value) << "after " << row.name << " all of it serves again";
    }
    // Of one call: permitted and finished of breaker and bulkhead, permitted of the limiter.
    EXPECT_EQ(this->exceptions_of_listeners(), 5U);
}

}  // namespace throwing_hooks_test
}  // namespace resilience::inline v1
