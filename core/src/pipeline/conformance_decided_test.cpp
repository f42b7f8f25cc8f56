// Conformance rows that our own decisions answer: what a peer does otherwise, and what we do instead.

#include <gtest/gtest.h>

#include <resilience/base/config_error.hpp>
#include <resilience/pipeline/pipeline.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "conformance_drivers.hpp"

namespace resilience::inline v1 {
namespace conformance_decided_test {

using namespace std::chrono_literals;

template <class Driver>
class DecidedConformance : public testing::Test {
  public:
    template <class Pipeline, class Function>
    auto execute(const Pipeline& pipeline, Function&& function) {
        return run.execute(pipeline, CallOptions{}, std::stop_token{}, std::forward<Function>(function));
    }
    Driver run;
};
using Drivers = testing::Types<BlockingRun, VirtualRun>;
TYPED_TEST_SUITE(DecidedConformance, Drivers);

// A time-out and a failed connection are failures of the callee; what a policy further in refuses is nobody's.
TYPED_TEST(DecidedConformance, NL_20_time_outs_are_failures_and_refusals_further_in_are_not) {
    CircuitBreaker breaker("NL-20");
    Bulkhead full("NL-20", {.max_concurrent = 1});
    auto held = full.try_acquire();
    Pipeline guarded{breaker, full};
    EXPECT_EQ(this->execute(guarded, [] { return 1; }).error().reason, RejectionReason::bulkhead_full);
    EXPECT_EQ(breaker.stats(this->run.now()).ignored, 1U);
    held->release();

    const CallOptions hurried{.timeout = 1s};
    const auto late = this->run.execute(guarded, hurried, std::stop_token{}, [&] {
        this->run.take(2s);
        return 1;
    });
    EXPECT_EQ(late.error().reason, RejectionReason::deadline_exceeded);
    EXPECT_EQ(breaker.stats(this->run.now()).failure, 1U);
    EXPECT_EQ(breaker.stats(this->run.now()).window.requests, 1U);
}

// There are no two lists that could contradict each other: the classifier is asked, and what it says holds.
TYPED_TEST(DecidedConformance, NL_26_one_classifier_decides_between_ignored_and_recorded) {
    struct Ignoring {
        Outcome operator()(const std::exception_ptr&) const { return Outcome::ignored; }
        Outcome operator()(int) const { return Outcome::success; }
    };
    struct Recording {
        Outcome operator()(const std::exception_ptr&) const { return Outcome::failure; }
        Outcome operator()(int) const { return Outcome::success; }
    };
    const auto throwing = []() -> int { throw std::runtime_error("both"); };
    CircuitBreaker breaker("NL-26");
    EXPECT_THROW(static_cast<void>(this->execute(Pipeline{classify(Ignoring{}), breaker}, throwing)),
                 std::runtime_error);
    EXPECT_EQ(breaker.stats(this->run.now()).ignored, 1U);
    EXPECT_THROW(static_cast<void>(this->execute(Pipeline{classify(Recording{}), breaker}, throwing)),
                 std::runtime_error);
    EXPECT_EQ(breaker.stats(this->run.now()).failure, 1U);
}

TYPED_TEST(DecidedConformance, NL_27_a_hundred_refusals_read_the_same_and_hold_nothing) {
    static_assert(std::is_trivially_copyable_v<Rejection>, "no trace, no cause, nothing that grows");
    CircuitBreaker breaker("NL-27");
    breaker.force_open(this->run.now());
    Pipeline guarded{breaker};
    std::set<std::string> messages;
    for (int call = 0; call < 100; ++call) messages.insert(to_string(this->execute(guarded, [] { return 1; }).error()));
    EXPECT_EQ(messages, (std::set<std::string>{"rejected by circuit breaker \"NL-27\": forced open"}));
}

// Why it opened is told once, to those who listen; a refusal says what to do now.
TYPED_TEST(DecidedConformance, NL_28_the_cause_is_in_the_event_of_the_opening) {
    CircuitBreaker breaker("NL-28", {.consecutive_failures = 1});
    std::vector<TransitionCause> causes;
    const auto listening = breaker.on_event([&](const Event& event) { causes.push_back(event.cause); });
    Pipeline guarded{breaker};
    EXPECT_THROW(static_cast<void>(this->execute(guarded, []() -> int { throw std::runtime_error("E"); })),
                 std::runtime_error);
    EXPECT_EQ(causes, (std::vector{TransitionCause::consecutive_failures}));
    EXPECT_EQ(this->execute(guarded, [] { return 1; }).error().reason, RejectionReason::circuit_open);
}

TEST(Conformance, BH_4_a_limit_of_zero_is_refused_at_construction_and_is_the_lever_to_drain) {
    EXPECT_THROW(Bulkhead("BH-4", 0), ConfigError);
    Bulkhead bulkhead("BH-4", 1);
    bulkhead.set_max_concurrent(0);
    EXPECT_EQ(bulkhead.try_acquire().error().reason, RejectionReason::bulkhead_full);
}

TEST(Conformance, BH_13_a_permit_cannot_be_released_twice_nor_without_having_been_acquired) {
    static_assert(!std::is_copy_constructible_v<Bulkhead::Permit> && !std::is_copy_assignable_v<Bulkhead::Permit>);
    Bulkhead bulkhead("BH-13", 1);
    Bulkhead::Permit none;
    none.release();
    none.release();
    auto first = bulkhead.try_acquire();
    ASSERT_TRUE(first.has_value());
    EXPECT_FALSE(bulkhead.try_acquire().has_value());
    first->release();
    first->release();
    const auto again = bulkhead.try_acquire();
    EXPECT_TRUE(again.has_value());
    EXPECT_FALSE(bulkhead.try_acquire().has_value());
}

}  // namespace conformance_decided_test
}  // namespace resilience::inline v1
