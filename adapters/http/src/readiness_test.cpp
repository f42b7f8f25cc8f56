#include "readiness.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <resilience/manager/manager.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;
using resilience::detail::certainly_ready_for;
using resilience::detail::Readiness;
using resilience::detail::readiness_json;
using testing::StartsWith;

namespace readiness_test {

constexpr auto closed = CircuitState::closed;
constexpr auto open = CircuitState::open;
constexpr auto half_open = CircuitState::half_open;
constexpr auto forced_open = CircuitState::forced_open;

struct Circuit {
    CircuitState state;
    Duration in_state;
};

ResilienceStats with(const std::vector<Circuit>& circuits) {
    ResilienceStats stats;
    for (const auto& [state, in_state] : circuits) {
        CircuitBreakerStats breaker;
        breaker.state = state;
        breaker.in_state = in_state;
        stats.circuit_breakers.emplace("circuit_" + std::to_string(stats.circuit_breakers.size()), breaker);
    }
    return stats;
}

// Looks at three circuits, of which one lets the service be unready, at moments that the test names.
struct ReadinessTest : testing::Test {
    Health at(Duration moment, CircuitState first, Duration in_state = 0s) {
        return readiness.told(with({{first, in_state}, {closed, 1h}, {closed, 1h}}), {.max_open_circuits = 1},
                              TimePoint{100s} + moment);
    }
    Readiness readiness{5s};
};

TEST_F(ReadinessTest, is_lost_at_once_and_comes_back_after_five_seconds) {
    EXPECT_TRUE(at(0s, closed).ready);
    EXPECT_FALSE(at(1s, open).ready);
    const Health early = at(2s, half_open);
    EXPECT_FALSE(early.ready);
    EXPECT_EQ(early.status, HealthStatus::failing);
    EXPECT_EQ(early.open_circuits, 0U);
    ASSERT_EQ(early.reasons.size(), 2U);
    EXPECT_EQ(early.reasons[0],
              "not ready: it was a moment ago; ready again in 5 s unless too many circuits open before");
    EXPECT_THAT(early.reasons[1], StartsWith("circuit circuit_0 is half-open"));
    EXPECT_FALSE(at(7s - 1ns, closed).ready);
    EXPECT_TRUE(at(7s, closed).ready);
    EXPECT_TRUE(at(7s, closed).reasons.empty());
}

TEST_F(ReadinessTest, begins_anew_with_each_relapse) {
    EXPECT_FALSE(at(0s, open).ready);
    EXPECT_FALSE(at(1s, closed).ready);
    EXPECT_FALSE(at(5s, open).ready);
    EXPECT_FALSE(at(6s, closed).ready);
    EXPECT_FALSE(at(10s, closed).ready);
    EXPECT_TRUE(at(11s, closed).ready);
}

TEST_F(ReadinessTest, is_never_delayed_when_nobody_was_told_of_an_outage) {
    EXPECT_TRUE(at(0s, closed, 1ms).ready);
    EXPECT_TRUE(at(1s, half_open, 1ms).ready);
}

// A probe every ten seconds must not wait for the next one when the states prove that it has been well for long enough.
TEST_F(ReadinessTest, takes_the_states_own_age_as_proof) {
    EXPECT_FALSE(at(0s, open).ready);
    EXPECT_FALSE(at(10s, closed, 4999ms).ready);
    EXPECT_TRUE(at(20s, closed, 14999ms).ready);
    EXPECT_FALSE(at(30s, open).ready);
    EXPECT_TRUE(at(40s, closed, 5s).ready);
}

TEST_F(ReadinessTest, can_do_without_a_delay) {
    Readiness undelayed{0s};
    const HealthRules rules{.max_open_circuits = 1};
    EXPECT_FALSE(undelayed.told(with({{open, 0s}}), rules, TimePoint{1s}).ready);
    EXPECT_TRUE(undelayed.told(with({{closed, 0s}}), rules, TimePoint{1s}).ready);
}

TEST(CertainlyReady, goes_back_to_the_last_moment_at_which_the_limit_can_have_been_reached) {
    struct Row {
        std::vector<Circuit> circuits;
        std::optional<std::uint32_t> most_open;
        Duration ready_for;
    };
    const std::vector<Row> rows{
        {{}, 3, Duration::max()},
        {{{closed, 2s}, {closed, 3s}}, 3, Duration::max()},  // two circuits cannot be three
        {{{closed, 2s}, {closed, 9s}, {closed, 3s}}, 3, 9s},
        {{{closed, 2s}, {closed, 9s}, {closed, 3s}, {closed, 4s}}, 3, 4s},
        {{{open, 1s}, {forced_open, 1h}, {closed, 7s}, {half_open, 2s}}, 3, 2s},
        {{{open, 1s}, {closed, 7s}, {half_open, 2s}}, 3, 7s},
        {{{open, 1s}, {open, 1s}, {open, 1s}, {closed, 7s}}, 3, 0s},
        {{{closed, 7s}}, 0, 0s},
        {{{open, 1s}}, std::nullopt, Duration::max()},
    };
    for (std::size_t index = 0; index < rows.size(); ++index) {
        const auto& [circuits, most_open, ready_for] = rows[index];
        EXPECT_EQ(certainly_ready_for(with(circuits), {.max_open_circuits = most_open}), ready_for) << "row " << index;
    }
}

TEST(CertainlyReady, looks_at_critical_circuits_one_by_one_and_never_at_optional_ones) {
    const HealthRules rules{
        .max_open_circuits = 2,
        .dependencies = {{"circuit_0", Criticality::critical}, {"circuit_1", Criticality::optional}}};
    const HealthRules critical_only{.max_open_circuits = std::nullopt, .dependencies = rules.dependencies};
    struct Row {
        std::vector<Circuit> circuits;
        Duration ready_for;
        Duration by_critical_only;
    };
    const std::vector<Row> rows{
        {{{open, 1h}, {closed, 1h}, {closed, 1h}}, 0s, 0s},
        {{{half_open, 2s}, {open, 1s}, {closed, 1h}}, 2s, 2s},
        {{{closed, 9s}, {closed, 1s}, {closed, 5s}}, 9s, 9s},  // both of the two were open 9 s ago at the latest
        {{{closed, 9s}, {open, 1s}, {open, 5s}}, 9s, 9s},
        {{{closed, 9s}, {open, 1s}, {open, 5s}, {closed, 4s}}, 4s, 9s},
    };
    for (std::size_t index = 0; index < rows.size(); ++index) {
        EXPECT_EQ(certainly_ready_for(with(rows[index].circuits), rules), rows[index].ready_for) << "row " << index;
        EXPECT_EQ(certainly_ready_for(with(rows[index].circuits), critical_only), rows[index].by_critical_only)
            << "row " << index;
    }
}

// The same through real breakers, in time that only passes when it is told to.
TEST(ReadinessOfBreakers, follows_them_through_an_outage) {
    ResilienceManager manager{"checkout"};
    const auto breaker =
        manager.register_circuit_breaker("payment_api", {.success_threshold = 1, .timeout = 10s, .min_requests = 1});
    const HealthRules rules{.max_open_circuits = 1};
    Readiness readiness{5s};
    const TimePoint start = Clock::now();
    const auto told = [&](Duration moment) {
        return readiness.told(manager.stats(start + moment), rules, start + moment);
    };
    EXPECT_TRUE(told(0s).ready);
    ASSERT_TRUE(breaker->allow(start + 1s));
    breaker->record_result(false, start + 1s);
    EXPECT_FALSE(told(1s).ready);
    EXPECT_FALSE(told(10s).ready);
    ASSERT_TRUE(breaker->allow(start + 11s));  // half-open
    breaker->record_result(true, start + 12s);
    EXPECT_FALSE(told(13s).ready);
    EXPECT_FALSE(told(17s - 1ns).ready);
    EXPECT_TRUE(told(17s).ready);
}

TEST(ReadinessJson, names_every_dependency_with_its_state_and_what_it_means) {
    const ResilienceStats stats = with({{closed, 1s},
                                        {open, 1s},
                                        {half_open, 1s},
                                        {forced_open, 1s},
                                        {CircuitState::forced_closed, 1s},
                                        {CircuitState::metrics_only, 1s}});
    const auto json = nlohmann::json::parse(readiness_json(
        health(stats, {.dependencies = {{"circuit_2", Criticality::critical}, {"circuit_3", Criticality::optional}}})));
    EXPECT_EQ(json["status"], "degraded");
    EXPECT_EQ(json["ready"], true);
    EXPECT_EQ(json["open_circuits"], 1);
    EXPECT_EQ(json["dependencies"], nlohmann::json::parse(R"({
        "circuit_0":{"state":"closed","criticality":"normal","severity":"healthy"},
        "circuit_1":{"state":"open","criticality":"normal","severity":"degraded"},
        "circuit_2":{"state":"half_open","criticality":"critical","severity":"degraded"},
        "circuit_3":{"state":"forced_open","criticality":"optional","severity":"healthy"},
        "circuit_4":{"state":"forced_closed","criticality":"normal","severity":"healthy"},
        "circuit_5":{"state":"metrics_only","criticality":"normal","severity":"healthy"}})"));
    EXPECT_EQ(nlohmann::json::parse(readiness_json(health({})))["dependencies"], nlohmann::json::object());
}

}  // namespace readiness_test
