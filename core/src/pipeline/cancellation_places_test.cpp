// A thread that is cancelled while it runs code of the user's, wherever that stands: the process lives, the unwinding
// is passed on or held off until it can, every permit returns and the counters add up. One row for each place.

#include <gtest/gtest.h>

// Only here does cancelling a thread unwind its stack; other C++ runtimes just end it.
#if defined(__GLIBCXX__) && defined(__linux__)

#include <expected>
#include <for_tests/cancellable_thread.hpp>
#include <memory>
#include <resilience/pipeline/pipeline.hpp>
#include <resilience/policies/fixed_window_limiter.hpp>
#include <resilience/policies/sliding_log_limiter.hpp>
#include <string>
#include <thread>
#include <vector>

namespace resilience::inline v1 {
namespace cancellation_places_test {

using namespace std::chrono_literals;
using for_tests::CancellableThread;

enum class Place {
    nowhere,
    function,
    classifier,
    listener_of_breaker,
    listener_of_bulkhead,
    listener_of_limiter,
    listener_of_retry,
    delay_function,
    before_retry,
    trip_predicate,
    open_time,
    fallback,
};

// The one place where the thread is to be cancelled.
class Trap {
  public:
    void set(Place place) { place_ = place; }
    void pass(Place place) const {
        if (place == place_) for_tests::cancel_this_thread();
    }
    [[nodiscard]] Listener listener(Place place) const {
        return [this, place](const Event&) { pass(place); };
    }

  private:
    Place place_ = Place::nowhere;
};

struct Judge {
    const Trap* trap;
    Outcome operator()(const int& answer) const {
        trap->pass(Place::classifier);
        return answer < 0 ? Outcome::failure : Outcome::success;
    }
};

struct World {
    Trap trap;
    Bulkhead outer{"cancelled_places_outer", 1};
    Retry retry{"cancelled_places",
                {.max_attempts = 2},
                {.delay =
                     [this](const AttemptEnd&) {
                         trap.pass(Place::delay_function);
                         return Duration{1ms};
                     },
                 .before_retry = [this](const AttemptEnd&, const Next&) { trap.pass(Place::before_retry); }}};
    CircuitBreaker breaker{"cancelled_places",
                           {},
                           {.trips =
                                [this](const ClosedPeriod& seen) {
                                    trap.pass(Place::trip_predicate);
                                    return seen.failures == 2;
                                },
                            .open_time =
                                [this](const Opening&) {
                                    trap.pass(Place::open_time);
                                    return Duration{1s};
                                }}};
    RateLimiter limiter{"cancelled_places", {.capacity = 100, .refill_rate = 1}};
    Bulkhead inner{"cancelled_places_inner", 1};
    Pipeline<Bulkhead, Retry, CircuitBreaker, RateLimiter, Bulkhead, ClassifyWith<Judge>> guarded{
        outer, retry, breaker, limiter, inner, classify(Judge{&trap})};
    std::vector<Subscription> hearing{};

    World() {
        hearing.push_back(breaker.on_event(trap.listener(Place::listener_of_breaker), EventKinds::all));
        hearing.push_back(limiter.on_event(trap.listener(Place::listener_of_limiter), EventKinds::all));
        hearing.push_back(inner.on_event(trap.listener(Place::listener_of_bulkhead), EventKinds::all));
        hearing.push_back(retry.on_event(trap.listener(Place::listener_of_retry), EventKinds::all));
    }

    // Fails twice, so that every place is passed; then is refused, so that the fallback is.
    void call() {
        const auto fails = [this] {
            trap.pass(Place::function);
            return -1;
        };
        (void)guarded.execute(fails);
        Bulkhead::Permit taken;
        (void)outer.enter(taken, Clock::now());
        (void)guarded.execute_or(fails, [this](const Rejection&) {
            trap.pass(Place::fallback);
            return 0;
        });
        pthread_testcancel();  // where a cancellation that was held off acts at the latest
    }

    void expect_at_rest(const std::string& row) {
        EXPECT_EQ(outer.stats().in_use + inner.stats().in_use, 0U) << row;
        const CircuitBreakerStats circuit = breaker.stats();
        EXPECT_EQ(circuit.in_flight, 0U) << row;
        EXPECT_EQ(circuit.admitted, circuit.success + circuit.failure + circuit.ignored) << row;
        EXPECT_EQ(circuit.requests, circuit.admitted + circuit.rejected.total()) << row;
        const RetryStats retries = retry.stats();
        EXPECT_EQ(retries.sleeping, 0U) << row;
        EXPECT_EQ(retries.hook_exceptions + circuit.hook_exceptions + circuit.classifier_errors, 0U) << row;
        trap.set(Place::nowhere);
        breaker.reset();
        EXPECT_EQ(guarded.execute([] { return 200; }), 200) << row;
    }
};

struct Row {
    const char* name;
    Place place;
};

const std::vector<Row> rows{
    {"the function", Place::function},
    {"the classifier", Place::classifier},
    {"a listener of the breaker", Place::listener_of_breaker},
    {"a listener of the bulkhead", Place::listener_of_bulkhead},
    {"a listener of the limiter", Place::listener_of_limiter},
    {"a listener of the retry", Place::listener_of_retry},
    {"the delay function", Place::delay_function},
    {"the hook before a retry", Place::before_retry},
    {"the trip predicate", Place::trip_predicate},
    {"the open time function", Place::open_time},
    {"the fallback", Place::fallback},
};

TEST(CancellationPlaces, end_the_thread_and_nothing_else) {
    for (const Row& row : rows) {
        World world;
        world.trap.set(row.place);
        CancellableThread caller([&] { world.call(); });
        EXPECT_TRUE(caller.was_cancelled()) << row.name;
        world.expect_at_rest(row.name);
    }
}

TEST(CancellationPlaces, are_all_passed_by_a_call_that_is_not_cancelled) {
    World world;
    CancellableThread caller([&] { world.call(); });
    EXPECT_FALSE(caller.was_cancelled());
    EXPECT_EQ(world.breaker.stats().state, CircuitState::open);
    EXPECT_EQ(world.retry.stats().retries, 1U);
    world.expect_at_rest("nowhere");
}

// In the line of a limiter of each kind, where nothing but the cancellation would end the wait.
template <class Limiter>
class CancellationInLineOf : public testing::Test {};
using WindowLimiters = testing::Types<FixedWindowLimiter, SlidingLogLimiter>;
TYPED_TEST_SUITE(CancellationInLineOf, WindowLimiters);

TYPED_TEST(CancellationInLineOf, a_limiter_takes_nothing) {
    TypeParam limiter("cancelled_in_window", WindowLimiterConfig{.limit = 2, .period = 10h, .max_wait = 20h});
    ASSERT_TRUE(limiter.acquire());
    CancellableThread waits([&] { (void)limiter.acquire_for(2, 20h); });
    while (limiter.stats().waiting == 0) std::this_thread::yield();
    waits.cancel();
    EXPECT_TRUE(waits.was_cancelled());
    EXPECT_EQ(limiter.stats().waiting, 0U);
    EXPECT_TRUE(limiter.acquire());
    EXPECT_FALSE(limiter.acquire());
}

}  // namespace cancellation_places_test
}  // namespace resilience::inline v1

#endif
