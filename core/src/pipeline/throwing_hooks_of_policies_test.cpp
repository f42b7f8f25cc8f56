// The hooks that policies have of their own, and the conversion of a rejection: whichever of them throws, the call
// keeps its result or its own exception, permits return and the counters reconcile. One row for each, run blocking and
// in virtual time. What stands around a call is in throwing_hooks_test.cpp. A key has no hash of the user's that could
// throw: key_view.hpp takes texts and numbers.

#include <gtest/gtest.h>

#include <expected>
#include <resilience/pipeline/pipeline.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "conformance_drivers.hpp"

namespace throwing_hooks {

struct Error {
    bool is_rejection = false;
};
// What the conversion of a rejection throws, when it is told to.
inline bool conversion_throws = false;

}  // namespace throwing_hooks

template <>
struct resilience::rejection_to<throwing_hooks::Error> {
    static throwing_hooks::Error convert(const Rejection&) {
        if (throwing_hooks::conversion_throws) throw std::runtime_error("conversion");
        return {.is_rejection = true};
    }
};

namespace resilience::inline v1 {
namespace throwing_hooks_of_policies_test {

using namespace std::chrono_literals;
using throwing_hooks::Error;

enum class Place { nowhere, delay, before_retry, listener_of_retry, trips, open_time, conversion };

struct Row {
    std::string name;
    Place throws;
    std::uint64_t of_retry = 0;  // exceptions that are counted there
    std::uint64_t of_breaker = 0;
    std::uint64_t of_listeners = 0;
};

const std::vector<Row> rows{
    {"nothing", Place::nowhere},
    {"the delay function", Place::delay, 1},
    {"the hook before a retry", Place::before_retry, 1},
    {"a listener of the retry", Place::listener_of_retry, 0, 0, 1},
    {"the trip predicate", Place::trips, 0, 2},
    {"the open time function", Place::open_time, 0, 1},
    {"the conversion of a rejection", Place::conversion},
};

template <class Driver>
class ThrowingHooksOfPolicies : public testing::Test {
  public:
    void pass(Place place) const {
        if (place == throws_now) throw std::runtime_error("hook");
    }

    Driver run;
    Place throws_now = Place::nowhere;
    Retry retry{"hooks",
                {.max_attempts = 2, .base_delay = 1s, .jitter = false},
                {.delay = [this](const AttemptEnd&) { return pass(Place::delay), Duration{1s}; },
                 .before_retry = [this](const AttemptEnd&, const Next&) { pass(Place::before_retry); }}};
    CircuitBreaker breaker{
        "hooks",
        {.timeout = 5s},
        {.trips = [this](const ClosedPeriod& seen) { return pass(Place::trips), seen.failures == 2; },
         .open_time = [this](const Opening&) { return pass(Place::open_time), Duration{5s}; }}};
    Bulkhead bulkhead{"hooks", 1};
    Pipeline<Retry, CircuitBreaker, Bulkhead> guarded{retry, breaker, bulkhead};
    Subscription hearing = retry.on_event([this](const Event&) { pass(Place::listener_of_retry); }, EventKinds::all);
};
TYPED_TEST_SUITE(ThrowingHooksOfPolicies, Runs);

TYPED_TEST(ThrowingHooksOfPolicies, lose_no_result_and_no_permit) {
    const auto fails = []() -> std::expected<int, Error> { return std::unexpected(Error{}); };
    for (const Row& row : rows) {
        this->throws_now = row.throws;
        throwing_hooks::conversion_throws = row.throws == Place::conversion;
        const RetryStats retries = this->retry.stats();
        const CircuitBreakerStats circuit = this->breaker.stats(this->run.now());
        const TimePoint began = this->run.now();

        const auto failed = this->run.execute(this->guarded, CallOptions{}, {}, fails);
        ASSERT_FALSE(failed.has_value()) << row.name;
        EXPECT_FALSE(failed.error().is_rejection) << row.name << ": the function's own answer";
        EXPECT_EQ(this->run.now() - began, 1s) << row.name << ": two attempts, the configured delay between them";
        const bool opened = row.throws != Place::trips;
        EXPECT_EQ(this->breaker.state(this->run.now()), opened ? CircuitState::open : CircuitState::closed) << row.name;
        if (opened) {
            EXPECT_EQ(*this->breaker.next_deadline() - this->run.now(), 5s) << row.name;
        }

        this->breaker.force_open(this->run.now());
        if (row.throws == Place::conversion) {
            EXPECT_THROW((void)this->run.execute(this->guarded, CallOptions{}, {}, fails), std::runtime_error);
        } else {
            const auto refused = this->run.execute(this->guarded, CallOptions{}, {}, fails);
            EXPECT_TRUE(!refused && refused.error().is_rejection) << row.name;
        }
        const CircuitBreakerStats after = this->breaker.stats(this->run.now());
        EXPECT_EQ(after.in_flight, 0U) << row.name;
        EXPECT_EQ(after.failure - circuit.failure, 2U) << row.name;
        EXPECT_EQ(after.requests, after.admitted + after.rejected.total()) << row.name;
        EXPECT_EQ(after.hook_exceptions - circuit.hook_exceptions, row.of_breaker) << row.name;
        EXPECT_EQ(this->bulkhead.stats(this->run.now()).in_use, 0U) << row.name;
        const RetryStats ended = this->retry.stats();
        EXPECT_EQ(ended.calls - retries.calls, 2U) << row.name;
        EXPECT_EQ(ended.sleeping, 0U) << row.name;
        EXPECT_EQ(ended.hook_exceptions - retries.hook_exceptions, row.of_retry) << row.name;
        EXPECT_EQ(ended.listener_exceptions - retries.listener_exceptions, row.of_listeners) << row.name;
        this->breaker.reset(this->run.now());
        this->run.advance(1h);
    }
    throwing_hooks::conversion_throws = false;
}

}  // namespace throwing_hooks_of_policies_test
}  // namespace resilience::inline v1
