// Rows of the behaviour table that need a whole pipeline, each run blocking and in virtual time from one text.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <resilience/pipeline/pipeline.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "conformance_drivers.hpp"

namespace resilience::inline v1 {
namespace conformance_pipeline_test {

using namespace std::chrono_literals;

using Reply = std::expected<int, std::string>;
Reply down() { return std::unexpected("down"); }

template <class Driver>
class PipelineConformance : public testing::Test {
  public:
    Driver run;
};
TYPED_TEST_SUITE(PipelineConformance, Runs, RunNames);

TYPED_TEST(PipelineConformance, RL_61_more_than_the_capacity_is_refused_at_once_and_for_good) {
    RateLimiter limiter("conformance_limiter", {.capacity = 10, .refill_rate = 10});
    Retry retry("conformance_retry");
    Pipeline guarded{retry, limiter};
    bool called = false;
    const TimePoint asked = this->run.now();
    const auto answer = this->run.execute(guarded, CallOptions{.tokens = 11}, {}, [&] { called = true; });
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().reason, RejectionReason::exceeds_capacity);
    EXPECT_EQ(answer.error().tokens_asked, 11U);
    EXPECT_EQ(answer.error().capacity, 10U);
    EXPECT_FALSE(answer.error().retry_after);
    EXPECT_EQ(to_string(answer.error()),
              "rejected by rate limiter \"conformance_limiter\": 11 tokens asked, capacity 10: can never be granted");
    EXPECT_FALSE(called);
    EXPECT_EQ(this->run.now(), asked) << "not slept for";
    EXPECT_EQ(retry.stats().not_retryable, 1U);
    EXPECT_EQ(limiter.stats(this->run.now()).available_tokens, 10U);
    EXPECT_EQ(limiter.stats(this->run.now()).rejected.exceeds_capacity, 1U);
}

TYPED_TEST(PipelineConformance, BH_12_the_place_returns_whatever_the_call_throws) {
    Bulkhead bulkhead("conformance_bulkhead", 1);
    Pipeline guarded{bulkhead};
    const auto throwing = [&](auto thrown) {
        return this->run.execute(guarded, {}, {}, [&]() -> int { throw thrown; });
    };
    EXPECT_THROW((void)throwing(std::runtime_error("down")), std::runtime_error);
    EXPECT_EQ(bulkhead.stats().available(), 1U);
    EXPECT_THROW((void)throwing(7), int);
    EXPECT_EQ(bulkhead.stats().available(), 1U);
    EXPECT_THROW((void)throwing("text"), const char*);
    EXPECT_EQ(bulkhead.stats().available(), 1U);
    EXPECT_THROW((void)throwing(std::make_shared<int>(7)), std::shared_ptr<int>);
    EXPECT_EQ(bulkhead.stats().available(), 1U);
}

TYPED_TEST(PipelineConformance, BH_14_a_listener_of_permitted_that_throws_costs_no_place) {
    Bulkhead bulkhead("conformance_bulkhead", 1);
    Pipeline guarded{bulkhead};
    const Subscription listening =
        bulkhead.on_event([](const Event&) { throw std::logic_error("listener"); }, only(EventKind::permitted));
    EXPECT_EQ(this->run.execute(guarded, {}, {}, [&] { return bulkhead.stats().in_use; }), 1U);
    EXPECT_EQ(bulkhead.stats().available(), 1U);
    EXPECT_EQ(bulkhead.stats().listener_exceptions, 1U);
}

TYPED_TEST(PipelineConformance, NL_19_calls_the_caller_cancelled_are_in_no_window) {
    CircuitBreaker breaker("conformance_breaker", {.failure_threshold = 0.5, .min_requests = 5});
    Pipeline guarded{breaker};
    for (int call = 0; call < 100; ++call) {
        std::stop_source source;
        (void)this->run.execute(guarded, {}, source.get_token(), [&] {
            source.request_stop();
            return down();
        });
    }
    EXPECT_EQ(this->run.execute(guarded, {}, {}, [] { return 200; }), 200);
    const auto stats = breaker.stats(this->run.now());
    EXPECT_EQ(stats.state, CircuitState::closed);
    EXPECT_EQ(stats.window.requests, 1U);
    EXPECT_EQ(stats.cancelled, 100U);
}

TYPED_TEST(PipelineConformance, NL_21_a_predicate_that_throws_costs_the_caller_nothing) {
    struct Broken {
        Outcome operator()(int) const { throw std::logic_error("predicate"); }
    };
    CircuitBreaker breaker("conformance_breaker");
    Pipeline guarded{breaker, classify(Broken{})};
    int calls = 0;
    const auto answer = this->run.execute(guarded, {}, {}, [&] {
        ++calls;
        return 200;
    });
    EXPECT_EQ(answer, 200);
    EXPECT_EQ(calls, 1);
    const auto stats = breaker.stats(this->run.now());
    EXPECT_EQ(stats.failure, 1U);
    EXPECT_EQ(stats.window.failures, 1U);
    EXPECT_EQ(stats.classifier_errors, 1U);
}

// One of each policy, every hook of which has a listener that throws.
template <class Run>
struct ThrowingListeners {
    static void listen(const Event&) { throw std::logic_error("listener"); }

    Run& run;
    CircuitBreaker breaker{"conformance_breaker", {.timeout = 1s, .min_requests = 3}};
    Retry retry{"conformance_retry", {.max_attempts = 2, .base_delay = 10ms, .jitter = false}};
    RateLimiter limiter{"conformance_limiter", {.capacity = 100, .refill_rate = 0.001}};
    Bulkhead bulkhead{"conformance_bulkhead", 1};
    Pipeline<CircuitBreaker, Retry, RateLimiter, Bulkhead> guarded{breaker, retry, limiter, bulkhead};
    std::vector<Subscription> listening;
    CallReport report{};
    int calls = 0;

    explicit ThrowingListeners(Run& in) : run(in) {
        listening.push_back(breaker.on_event(listen, EventKinds::all));
        listening.push_back(retry.on_event(listen, EventKinds::all));
        listening.push_back(limiter.on_event(listen, EventKinds::all));
        listening.push_back(bulkhead.on_event(listen, EventKinds::all));
    }
    auto execute(std::vector<Reply> replies) {
        calls = 0;
        return run.execute(guarded, CallOptions{.report = &report}, {}, [&, replies = std::move(replies)]() -> Reply {
            return replies[std::min(static_cast<std::size_t>(calls++), replies.size() - 1)];
        });
    }
    // Exceptions counted since the last time: breaker, retry, limiter, bulkhead.
    std::vector<std::uint64_t> counted() {
        std::vector<std::uint64_t> now{breaker.stats(run.now()).listener_exceptions, retry.stats().listener_exceptions,
                                       limiter.stats(run.now()).listener_exceptions,
                                       bulkhead.stats().listener_exceptions};
        std::vector<std::uint64_t> rise;
        for (std::size_t i = 0; i < now.size(); ++i) rise.push_back(now[i] - before[i]);
        before = now;
        return rise;
    }
    void expect_at_rest() {
        EXPECT_EQ(bulkhead.stats().available(), 1U);
        EXPECT_EQ(breaker.stats(run.now()).in_flight, 0U);
        EXPECT_EQ(retry.stats().sleeping, 0U);
    }
    std::vector<std::uint64_t> before = std::vector<std::uint64_t>(4, 0);
};

TYPED_TEST(PipelineConformance, NL_22_listeners_that_throw_change_nothing_and_are_counted) {
    ThrowingListeners<TypeParam> on(this->run);
    const auto answer = on.execute({200});
    ASSERT_TRUE(answer);
    EXPECT_EQ(*answer, 200);
    EXPECT_EQ(on.calls, 1);
    on.expect_at_rest();
    EXPECT_EQ(on.counted(), (std::vector<std::uint64_t>{2, 0, 1, 2})) << "permitted and finished where there are both";
}

TYPED_TEST(PipelineConformance, NL_22_the_same_for_the_hooks_of_retries_and_transitions) {
    ThrowingListeners<TypeParam> on(this->run);
    EXPECT_EQ(*on.execute({down(), 200}), 200);
    EXPECT_EQ(on.calls, 2);
    EXPECT_EQ(on.counted(), (std::vector<std::uint64_t>{2, 1, 2, 4}));
    (void)on.execute({down()});
    EXPECT_EQ(on.counted(), (std::vector<std::uint64_t>{2, 1, 2, 4}));
    EXPECT_EQ(on.execute({down()})->error(), "down");
    EXPECT_EQ(on.counted(), (std::vector<std::uint64_t>{3, 1, 2, 4})) << "and closed to open";
    on.expect_at_rest();
    EXPECT_FALSE(on.execute({200}));
    EXPECT_EQ(on.counted(), (std::vector<std::uint64_t>{1, 0, 0, 0})) << "refused";
    EXPECT_EQ(on.calls, 0);
    this->run.advance(1s);
    EXPECT_EQ(*on.execute({200}), 200);
    EXPECT_EQ(on.counted(), (std::vector<std::uint64_t>{3, 0, 1, 2})) << "and open to half-open";
    on.expect_at_rest();
}

TYPED_TEST(PipelineConformance, NL_22_the_same_for_refusals_inside_and_levers) {
    ThrowingListeners<TypeParam> on(this->run);
    on.bulkhead.set_max_concurrent(0);
    EXPECT_EQ(on.execute({200}).error().reason, RejectionReason::bulkhead_full);
    EXPECT_EQ(on.counted(), (std::vector<std::uint64_t>{2, 1, 2, 3})) << "limit_changed and two refusals";
    EXPECT_EQ(on.limiter.drain(this->run.now()), 98U);
    on.limiter.set_rate({.capacity = 50, .refill_rate = 0.001}, this->run.now());
    EXPECT_EQ(on.execute({200}).error().reason, RejectionReason::rate_limited);
    const auto counted = on.counted();
    EXPECT_EQ(counted[0], 2U);
    EXPECT_EQ(counted[2], counted[1] + 3) << "drain, set_rate, and a refusal for each try";
    on.breaker.force_open(this->run.now());
    EXPECT_EQ(on.execute({200}).error().reason, RejectionReason::forced_open);
    EXPECT_EQ(on.counted(), (std::vector<std::uint64_t>{2, 0, 0, 0}));
    EXPECT_EQ(on.breaker.stats(this->run.now()).in_flight, 0U);
    EXPECT_EQ(on.bulkhead.stats().in_use, 0U);
}

}  // namespace conformance_pipeline_test
}  // namespace resilience::inline v1
