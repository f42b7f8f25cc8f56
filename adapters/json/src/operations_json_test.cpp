#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <resilience/json/json.hpp>
#include <resilience/manager/manager.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <string>

namespace operations_json_test {

using namespace resilience;
using namespace std::chrono_literals;
using Parsed = nlohmann::json;

constexpr TimePoint start{1000s};

Parsed breaker_in(const ResilienceManager& manager) {
    return Parsed::parse(to_json_text(manager.stats(start)))["circuit_breakers"]["cards"];
}

TEST(StatsJson, has_operations_by_name_once_a_breaker_was_asked_for_some) {
    ResilienceManager manager;
    const auto breaker = manager.register_circuit_breaker("cards");
    EXPECT_FALSE(breaker_in(manager).contains("operations"));
    const auto charge = breaker->operation("charge");
    static_cast<void>(breaker->operation("say \"no\"\n"));
    charge.try_acquire(start)->settle(Outcome::failure, start);
    charge.try_acquire(start)->settle(Outcome::success, start);

    const Parsed operations = breaker_in(manager)["operations"];
    ASSERT_EQ(operations.size(), 2U);
    EXPECT_EQ(operations["charge"], Parsed::parse(R"({
        "window": {"requests": 2, "failures": 1, "failure_ratio": 0.5},
        "requests_total": 2, "admitted_total": 2, "rejected_total": 0,
        "success_total": 1, "failure_total": 1, "ignored_total": 0, "in_flight": 0})"));
    EXPECT_TRUE(operations["say \"no\"\n"]["window"]["failure_ratio"].is_null());
}

TEST(StatsJson, has_the_state_of_an_operation_that_has_one) {
    ResilienceManager manager;
    const auto breaker =
        manager.register_circuit_breaker("cards", {.min_requests = 1, .operation_mode = OperationMode::isolate});
    breaker->operation("charge").try_acquire(start)->settle(Outcome::failure, start);
    const Parsed shown = breaker_in(manager);
    EXPECT_EQ(shown["state"], "closed");
    EXPECT_EQ(shown["operations"]["charge"]["state"], "open");
}

}  // namespace operations_json_test
