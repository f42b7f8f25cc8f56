#include <gtest/gtest.h>

#include <algorithm>
#include <resilience/base/call_options.hpp>
#include <resilience/base/circuit_state.hpp>
#include <resilience/base/events.hpp>
#include <resilience/base/outcome.hpp>
#include <resilience/base/rejection.hpp>
#include <resilience/base/verdict.hpp>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

using namespace resilience;

namespace outcome_test {

template <class Enum>
struct Named {
    Enum value;
    std::string_view name;
};

// Every value has the number of its place in the list, its name, prints it, and what lies outside says so.
template <class Enum>
void expect_pinned(const std::vector<Named<Enum>>& rows) {
    static_assert(sizeof(Enum) == 1);
    using Number = std::underlying_type_t<Enum>;
    Number number = 0;
    for (const auto& [value, name] : rows) {
        EXPECT_EQ(static_cast<Number>(value), number) << name;
        EXPECT_EQ(to_string(value), name);
        std::ostringstream out;
        out << value;
        EXPECT_EQ(out.str(), name);
        ++number;
    }
    EXPECT_EQ(to_string(static_cast<Enum>(number)), "unknown") << "a value without a row in this test";
    EXPECT_EQ(to_string(static_cast<Enum>(255)), "unknown");
}

TEST(Outcome, values_and_names_are_pinned) {
    expect_pinned<Outcome>(
        {{Outcome::success, "success"}, {Outcome::failure, "failure"}, {Outcome::ignored, "ignored"}});
}

TEST(CallResult, values_and_names_are_pinned) {
    expect_pinned<CallResult>({{CallResult::success, "success"},
                               {CallResult::application_error, "application_error"},
                               {CallResult::failure, "failure"},
                               {CallResult::overloaded, "overloaded"},
                               {CallResult::timed_out, "timed_out"},
                               {CallResult::cancelled, "cancelled"},
                               {CallResult::ignored, "ignored"}});
}

TEST(Priority, values_and_wire_names_are_pinned) {
    expect_pinned<Priority>({{Priority::critical, "critical"},
                             {Priority::normal, "default"},
                             {Priority::sheddable, "sheddable"},
                             {Priority::bulk, "bulk"}});
}

TEST(RejectionReason, values_and_names_are_pinned) {
    const std::vector<Named<RejectionReason>> rows{
        {RejectionReason::circuit_open, "circuit_open"},
        {RejectionReason::half_open_full, "half_open_full"},
        {RejectionReason::forced_open, "forced_open"},
        {RejectionReason::rate_limited, "rate_limited"},
        {RejectionReason::exceeds_capacity, "exceeds_capacity"},
        {RejectionReason::bulkhead_full, "bulkhead_full"},
        {RejectionReason::queue_full, "queue_full"},
        {RejectionReason::queue_timeout, "queue_timeout"},
        {RejectionReason::load_shed, "load_shed"},
        {RejectionReason::throttled, "throttled"},
        {RejectionReason::deadline_exceeded, "deadline_exceeded"},
        {RejectionReason::retry_budget_exhausted, "retry_budget_exhausted"},
        {RejectionReason::cancelled, "cancelled"},
        {RejectionReason::shutting_down, "shutting_down"},
    };
    EXPECT_EQ(rows.size(), rejection_reasons);
    expect_pinned(rows);
}

TEST(PolicyKind, values_and_names_are_pinned) {
    expect_pinned<PolicyKind>({{PolicyKind::circuit_breaker, "circuit_breaker"},
                               {PolicyKind::rate_limiter, "rate_limiter"},
                               {PolicyKind::bulkhead, "bulkhead"},
                               {PolicyKind::retry, "retry"},
                               {PolicyKind::timeout, "timeout"},
                               {PolicyKind::hedge, "hedge"},
                               {PolicyKind::throttle, "throttle"},
                               {PolicyKind::load_shedder, "load_shedder"},
                               {PolicyKind::fallback, "fallback"},
                               {PolicyKind::pipeline, "pipeline"}});
}

TEST(CircuitState, values_and_names_are_pinned) {
    const std::vector<Named<CircuitState>> rows{{CircuitState::closed, "closed"},
                                                {CircuitState::open, "open"},
                                                {CircuitState::half_open, "half_open"},
                                                {CircuitState::forced_open, "forced_open"},
                                                {CircuitState::forced_closed, "forced_closed"},
                                                {CircuitState::metrics_only, "metrics_only"}};
    EXPECT_EQ(rows.size(), circuit_states);
    expect_pinned(rows);
}

TEST(TransitionCause, values_and_names_are_pinned) {
    expect_pinned<TransitionCause>({{TransitionCause::failure_ratio, "failure_ratio"},
                                    {TransitionCause::open_time_over, "open_time_over"},
                                    {TransitionCause::probes_succeeded, "probes_succeeded"},
                                    {TransitionCause::probes_failed, "probes_failed"},
                                    {TransitionCause::lever, "lever"},
                                    {TransitionCause::lever_expired, "lever_expired"},
                                    {TransitionCause::slow_ratio, "slow_ratio"},
                                    {TransitionCause::consecutive_failures, "consecutive_failures"},
                                    {TransitionCause::trip_predicate, "trip_predicate"},
                                    {TransitionCause::asked, "asked"},
                                    {TransitionCause::half_open_limit, "half_open_limit"},
                                    {TransitionCause::health_probes, "health_probes"}});
}

TEST(RetryStop, values_and_names_are_pinned) {
    expect_pinned<RetryStop>({{RetryStop::not_needed, "not_needed"},
                              {RetryStop::succeeded, "succeeded"},
                              {RetryStop::exhausted, "exhausted"},
                              {RetryStop::not_retryable, "not_retryable"},
                              {RetryStop::deadline, "deadline"},
                              {RetryStop::budget, "budget"},
                              {RetryStop::max_delay, "max_delay"},
                              {RetryStop::circuit_open, "circuit_open"},
                              {RetryStop::cancelled, "cancelled"},
                              {RetryStop::max_duration, "max_duration"}});
}

TEST(EventKind, values_and_names_are_pinned_and_each_is_of_one_set) {
    const std::vector<Named<EventKind>> rows{{EventKind::transition, "transition"},
                                             {EventKind::lease_reclaimed, "lease_reclaimed"},
                                             {EventKind::lever, "lever"},
                                             {EventKind::limit_changed, "limit_changed"},
                                             {EventKind::permitted, "permitted"},
                                             {EventKind::refused, "refused"},
                                             {EventKind::finished, "finished"},
                                             {EventKind::retry, "retry"},
                                             {EventKind::threshold_reached, "threshold_reached"},
                                             {EventKind::added, "added"},
                                             {EventKind::removed, "removed"},
                                             {EventKind::operation_transition, "operation_transition"}};
    expect_pinned(rows);
    for (const auto& row : rows) {
        EXPECT_EQ(contains(EventKinds::changes, row.value) + contains(EventKinds::calls, row.value) +
                      contains(EventKinds::registrations, row.value),
                  1)
            << row.name;
        EXPECT_TRUE(contains(EventKinds::all, row.value)) << row.name;
        EXPECT_FALSE(contains(EventKinds::none, row.value)) << row.name;
        EXPECT_TRUE(contains(only(row.value), row.value)) << row.name;
    }
    EXPECT_EQ(EventKinds::changes | EventKinds::calls | EventKinds::registrations, EventKinds::all);
}

TEST(CallResult, maps_to_what_a_breaker_counts) {
    EXPECT_EQ(outcome_of(CallResult::success), Outcome::success);
    EXPECT_EQ(outcome_of(CallResult::application_error), Outcome::success);
    EXPECT_EQ(outcome_of(CallResult::failure), Outcome::failure);
    EXPECT_EQ(outcome_of(CallResult::timed_out), Outcome::failure);
    EXPECT_EQ(outcome_of(CallResult::overloaded), Outcome::ignored);
    EXPECT_EQ(outcome_of(CallResult::cancelled), Outcome::ignored);
    EXPECT_EQ(outcome_of(CallResult::ignored), Outcome::ignored);
}

TEST(Verdict, of_an_outcome_is_counted_as_that_outcome_and_may_be_retried) {
    for (const Outcome outcome : {Outcome::success, Outcome::failure, Outcome::ignored}) {
        const Verdict verdict = Verdict::of(outcome);
        EXPECT_EQ(outcome_of(verdict.result), outcome);
        EXPECT_TRUE(verdict.retryable);
        EXPECT_FALSE(verdict.retry_after.has_value());
        EXPECT_FALSE(verdict.open_for.has_value());
    }
}

// A closure beside them in an awaited expression is safe only while they have no destructor.
static_assert(std::is_aggregate_v<CallOptions> && std::is_trivially_destructible_v<CallOptions>);
static_assert(std::is_aggregate_v<CallReport> && std::is_trivially_destructible_v<CallReport>);
static_assert(std::is_aggregate_v<Verdict> && std::is_trivially_copyable_v<Verdict>);

}  // namespace outcome_test
