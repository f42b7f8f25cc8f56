#include <gtest/gtest.h>

#include <resilience/manager/health.hpp>
#include <sstream>
#include <string>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace health_test {

CircuitBreakerStats in_state(CircuitState state) {
    CircuitBreakerStats stats;
    stats.state = state;
    stats.in_state = 12400ms;
    stats.manual = state == CircuitState::forced_open || state == CircuitState::forced_closed;
    return stats;
}

ResilienceStats with(const std::vector<CircuitState>& states) {
    ResilienceStats stats;
    for (const CircuitState state : states) {
        stats.circuit_breakers.emplace("circuit_" + std::to_string(stats.circuit_breakers.size()), in_state(state));
    }
    return stats;
}

constexpr auto closed = CircuitState::closed;
constexpr auto open = CircuitState::open;
constexpr auto half_open = CircuitState::half_open;
constexpr auto forced_open = CircuitState::forced_open;
constexpr auto forced_closed = CircuitState::forced_closed;
constexpr auto metrics_only = CircuitState::metrics_only;

TEST(Health, follows_the_number_of_open_circuits) {
    struct Row {
        std::vector<CircuitState> states;
        std::optional<std::uint32_t> max_open;
        HealthStatus status;
        std::uint32_t open_circuits;
        std::size_t reasons;
    };
    const std::vector<Row> rows{
        {{}, 3, HealthStatus::healthy, 0, 0},
        {{closed, closed}, 3, HealthStatus::healthy, 0, 0},
        {{forced_closed, metrics_only}, 3, HealthStatus::healthy, 0, 0},
        {{closed, half_open}, 3, HealthStatus::degraded, 0, 1},
        {{open}, 3, HealthStatus::degraded, 1, 1},
        {{forced_open}, 3, HealthStatus::degraded, 1, 1},
        {{open, open, half_open, half_open}, 3, HealthStatus::degraded, 2, 4},
        {{open, open, open}, 3, HealthStatus::failing, 3, 4},
        {{open, forced_open, open, closed}, 3, HealthStatus::failing, 3, 4},
        {{open, open, open, open}, 3, HealthStatus::failing, 4, 5},
        {{open}, 1, HealthStatus::failing, 1, 2},
        {{half_open}, 1, HealthStatus::degraded, 0, 1},
        {{closed}, 0, HealthStatus::failing, 0, 1},
        {{open, open, open, open}, std::nullopt, HealthStatus::degraded, 4, 4},
        {{}, std::nullopt, HealthStatus::healthy, 0, 0},
    };
    for (std::size_t index = 0; index < rows.size(); ++index) {
        const Row& row = rows[index];
        const ResilienceStats stats = with(row.states);
        const Health now = health(stats, {.max_open_circuits = row.max_open});
        EXPECT_EQ(now.status, row.status) << "row " << index;
        EXPECT_EQ(now.ready, row.status != HealthStatus::failing) << "row " << index;
        EXPECT_EQ(now.open_circuits, row.open_circuits) << "row " << index;
        EXPECT_EQ(now.max_open_circuits, row.max_open) << "row " << index;
        EXPECT_EQ(now.reasons.size(), row.reasons) << "row " << index;
        if (row.max_open) {
            EXPECT_EQ(is_ready(stats, *row.max_open), now.ready) << "row " << index;
        }
    }
}

TEST(Health, is_ready_by_default_below_three_open_circuits) {
    EXPECT_TRUE(is_ready(with({open, open, half_open})));
    EXPECT_FALSE(is_ready(with({open, open, open})));
    EXPECT_TRUE(health(with({open, open, half_open})).ready);
    EXPECT_FALSE(health(with({open, open, open})).ready);
}

TEST(Health, gives_its_reasons_in_sentences) {
    struct Row {
        std::string name;
        CircuitBreakerStats breaker;
        std::string sentence;
    };
    CircuitBreakerStats tripped = in_state(open);
    tripped.window = {
        .requests = 40, .failures = 23, .failure_ratio = 0.575, .failure_threshold = 0.5, .min_requests = 10};
    tripped.retry_after = 47600ms;
    CircuitBreakerStats small_numbers = in_state(open);
    small_numbers.in_state = 1500ms;
    small_numbers.window = {
        .requests = 100000, .failures = 123, .failure_ratio = 0.00123, .failure_threshold = 0.001, .min_requests = 10};
    CircuitBreakerStats by_hand = in_state(open);
    by_hand.manual = true;
    by_hand.in_state = 2h;
    CircuitBreakerStats forced_for_a_while = in_state(forced_open);
    forced_for_a_while.lever_expires = 90s;
    CircuitBreakerStats probing = in_state(half_open);
    probing.half_open = {
        .in_flight = 1, .max_calls = 5, .successes = 2, .failures = 0, .success_threshold = 5, .oldest_probe = 1s};
    const std::vector<Row> rows{
        {"payment_api", tripped,
         "circuit payment_api is open for 12 s: 58 % of 40 calls failed (limit 50 %); next probe in 48 s"},
        {"payment_api", small_numbers,
         "circuit payment_api is open for 1.5 s: 0.12 % of 100000 calls failed (limit 0.1 %)"},
        {"payment_api", in_state(open), "circuit payment_api is open for 12 s"},
        {"payment_api", by_hand, "circuit payment_api is open for 2 h, by hand"},
        {"payment_api", in_state(forced_open), "circuit payment_api is forced open for 12 s"},
        {"payment_api", forced_for_a_while, "circuit payment_api is forced open for 12 s; ends in 1 min 30 s"},
        {"payment_api", probing, "circuit payment_api is half-open for 12 s: 2 of 5 probes succeeded, 1 in flight"},
        {"bad\nname", in_state(open), "circuit \"bad\\nname\" is open for 12 s"},
    };
    for (const auto& [name, breaker, sentence] : rows) {
        ResilienceStats stats;
        stats.circuit_breakers.emplace(name, breaker);
        EXPECT_EQ(health(stats).reasons, std::vector<std::string>{sentence});
    }
}

TEST(Health, is_degraded_by_an_operation_that_refuses_alone_and_names_it) {
    CircuitBreakerStats breaker = in_state(closed);
    breaker.window.failure_threshold = 0.5;
    breaker.window.min_requests = 4;
    breaker.operations = {{.name = "ask", .state = half_open, .window = {}},
                          {.name = "charge", .state = open, .window = {5, 4, 0.8}},
                          {.name = "refund", .state = closed, .window = {}},
                          {.name = "tracked", .window = {}}};
    ResilienceStats stats;
    stats.circuit_breakers.emplace("card_host", breaker);
    for (const Criticality criticality : {Criticality::normal, Criticality::critical}) {
        const Health now = health(stats, {.max_open_circuits = 1, .dependencies = {{"card_host", criticality}}});
        EXPECT_EQ(now.status, HealthStatus::degraded);
        EXPECT_TRUE(now.ready) << "its other operations pass";
        EXPECT_EQ(now.open_circuits, 0U);
        EXPECT_EQ(now.dependencies.at("card_host").severity, HealthStatus::degraded);
        const std::vector<std::string> reasons{
            "operation charge of circuit card_host is open: 80 % of 5 calls failed (limit 50 %)",
            "operation ask of circuit card_host is half-open"};
        EXPECT_EQ(now.reasons, reasons);
    }
    EXPECT_EQ(health(stats, {.dependencies = {{"card_host", Criticality::optional}}}).status, HealthStatus::healthy);
}

TEST(Health, tells_of_no_operation_where_its_circuit_decides_for_all) {
    for (const CircuitState state : {open, forced_open, forced_closed, metrics_only}) {
        CircuitBreakerStats breaker = in_state(state);
        ResilienceStats stats;
        stats.circuit_breakers.emplace("card_host", breaker);
        const Health without = health(stats);
        stats.circuit_breakers.at("card_host").operations = {{.name = "charge", .state = open, .window = {}}};
        EXPECT_EQ(health(stats).reasons, without.reasons) << state;
        EXPECT_EQ(health(stats).status, without.status) << state;
    }
}

TEST(Health, names_the_worst_first) {
    const Health now = health(with({half_open, open, open, forced_open}));
    ASSERT_EQ(now.reasons.size(), 5U);
    EXPECT_EQ(now.reasons[0], "not ready: 3 circuits are open (limit 3)");
    EXPECT_EQ(now.reasons[1], "circuit circuit_1 is open for 12 s");
    EXPECT_EQ(now.reasons[3], "circuit circuit_3 is forced open for 12 s");
    EXPECT_EQ(now.reasons[4].rfind("circuit circuit_0 is half-open", 0), 0U);
}

constexpr auto normal = Criticality::normal;
constexpr auto critical = Criticality::critical;
constexpr auto optional = Criticality::optional;

TEST(Health, a_dependency_counts_by_how_critical_it_is) {
    struct Row {
        CircuitState state;
        Criticality criticality;
        HealthStatus status;
        std::uint32_t open_circuits;
        std::size_t reasons;
    };
    constexpr auto healthy = HealthStatus::healthy;
    constexpr auto degraded = HealthStatus::degraded;
    constexpr auto failing = HealthStatus::failing;
    const std::vector<Row> rows{
        {closed, normal, healthy, 0, 0},          {open, normal, degraded, 1, 1},
        {forced_open, normal, degraded, 1, 1},    {half_open, normal, degraded, 0, 1},
        {closed, critical, healthy, 0, 0},        {open, critical, failing, 1, 2},
        {forced_open, critical, failing, 1, 2},   {half_open, critical, degraded, 0, 1},
        {forced_closed, critical, healthy, 0, 0}, {open, optional, healthy, 0, 0},
        {forced_open, optional, healthy, 0, 0},   {half_open, optional, healthy, 0, 0},
    };
    for (std::size_t index = 0; index < rows.size(); ++index) {
        const Row& row = rows[index];
        for (const std::optional<std::uint32_t> max_open : {std::optional<std::uint32_t>{3}, {}}) {
            const Health now = health(
                with({row.state}), {.max_open_circuits = max_open, .dependencies = {{"circuit_0", row.criticality}}});
            EXPECT_EQ(now.status, row.status) << "row " << index;
            EXPECT_EQ(now.ready, row.status != failing) << "row " << index;
            EXPECT_EQ(now.open_circuits, row.open_circuits) << "row " << index;
            EXPECT_EQ(now.reasons.size(), row.reasons) << "row " << index;
            const DependencyHealth& dependency = now.dependencies.at("circuit_0");
            EXPECT_EQ(dependency.state, row.state) << "row " << index;
            EXPECT_EQ(dependency.criticality, row.criticality) << "row " << index;
            EXPECT_EQ(dependency.severity, row.status) << "row " << index << ": it is the only one";
        }
    }
}

TEST(Health, optional_circuits_are_no_part_of_the_limit_and_unknown_names_no_part_of_anything) {
    const HealthRules rules{.dependencies = {{"circuit_1", optional}, {"nobody", critical}}};
    const Health two_of_three = health(with({open, open, open}), rules);
    EXPECT_TRUE(two_of_three.ready);
    EXPECT_EQ(two_of_three.open_circuits, 2U);
    EXPECT_EQ(two_of_three.reasons.size(), 2U);
    EXPECT_EQ(two_of_three.dependencies.size(), 3U);
    EXPECT_FALSE(health(with({open, open, open, open}), rules).ready);
}

TEST(Health, says_which_critical_circuit_makes_it_not_ready) {
    const Health now =
        health(with({half_open, open, open}), {.max_open_circuits = 2, .dependencies = {{"circuit_2", critical}}});
    ASSERT_EQ(now.reasons.size(), 5U);
    EXPECT_EQ(now.reasons[0], "not ready: 2 circuits are open (limit 2)");
    EXPECT_EQ(now.reasons[1], "not ready: circuit circuit_2 is critical and refuses every call");
    EXPECT_EQ(now.reasons[2], "circuit circuit_1 is open for 12 s");
}

TEST(Health, is_degraded_by_a_bulkhead_that_has_been_full_for_ten_seconds) {
    struct Row {
        std::optional<Duration> oldest_waiter;
        HealthRules rules;
        HealthStatus status;
    };
    const std::vector<Row> rows{
        {std::nullopt, {}, HealthStatus::healthy},
        {10s - 1ns, {}, HealthStatus::healthy},
        {10s, {}, HealthStatus::degraded},
        {10s, {.full_bulkhead_after = 11s}, HealthStatus::healthy},
        {1s, {.full_bulkhead_after = 1s}, HealthStatus::degraded},
        {1h, {.full_bulkhead_after = std::nullopt}, HealthStatus::healthy},
        {1h, {.dependencies = {{"orders_db", optional}}}, HealthStatus::healthy},
        {1h, {.dependencies = {{"orders_db", critical}}}, HealthStatus::degraded},
    };
    for (std::size_t index = 0; index < rows.size(); ++index) {
        ResilienceStats stats;
        BulkheadStats& bulkhead = stats.bulkheads["orders_db"];
        bulkhead.in_use = bulkhead.max_concurrent = 50;
        bulkhead.oldest_waiter = rows[index].oldest_waiter;
        bulkhead.queue_depth = bulkhead.oldest_waiter ? 7 : 0;
        const Health now = health(stats, rows[index].rules);
        EXPECT_EQ(now.status, rows[index].status) << "row " << index;
        EXPECT_TRUE(now.ready) << "row " << index;
    }
    ResilienceStats stats;
    BulkheadStats& bulkhead = stats.bulkheads["orders_db"];
    bulkhead.in_use = bulkhead.max_concurrent = 50;
    bulkhead.queue_depth = 7;
    bulkhead.oldest_waiter = 12s;
    EXPECT_EQ(health(stats).reasons,
              std::vector<std::string>{"bulkhead orders_db is full for 12 s: 50 of 50 places in use, 7 waiting"});
}

TEST(Health, prints_its_status) {
    std::ostringstream out;
    out << HealthStatus::healthy << ' ' << HealthStatus::degraded << ' ' << HealthStatus::failing << ' '
        << static_cast<HealthStatus>(9);
    EXPECT_EQ(out.str(), "healthy degraded failing unknown");
    out.str("");
    out << normal << ' ' << critical << ' ' << optional << ' ' << static_cast<Criticality>(9);
    EXPECT_EQ(out.str(), "normal critical optional unknown");
}

}  // namespace health_test
