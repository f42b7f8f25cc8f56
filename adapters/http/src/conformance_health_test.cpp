#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <resilience/manager/manager.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <string>

#include "admin_routes.hpp"

using namespace resilience;
using namespace std::chrono_literals;
using nlohmann::json;

namespace conformance_health_test {

HttpAnswer ask(detail::AdminRoutes& routes, const std::string& path) {
    detail::AdminRequest request;
    request.question.method = "GET";
    request.question.path = path;
    return routes.answer(request);
}

TEST(Conformance, MX_9_an_open_circuit_degrades_and_a_critical_one_fails_readiness_but_not_liveness) {
    struct Row {
        Criticality criticality;
        int ready_status;
        const char* health;
        const char* severity;
    };
    for (const Row& row :
         {Row{Criticality::normal, 200, "degraded", "degraded"}, Row{Criticality::critical, 503, "failing", "failing"},
          Row{Criticality::optional, 200, "healthy", "healthy"}}) {
        ResilienceManager manager{"checkout"};
        detail::AdminRoutes routes{manager, {.dependencies = {{"database", row.criticality}}}, 0s, {}, {}};
        const auto database = manager.register_circuit_breaker("database", {.min_requests = 1});
        manager.register_circuit_breaker("other");
        EXPECT_EQ(json::parse(ask(routes, "/readyz").body)["status"], "healthy");
        ASSERT_TRUE(database->allow());
        database->record_result(false);

        const HttpAnswer ready = ask(routes, "/readyz");
        const json told = json::parse(ready.body);
        EXPECT_EQ(ready.status, row.ready_status) << row.health;
        EXPECT_EQ(told["status"], row.health);
        EXPECT_EQ(told["ready"], row.ready_status == 200);
        EXPECT_EQ(told["dependencies"]["database"],
                  (json{{"state", "open"}, {"criticality", to_string(row.criticality)}, {"severity", row.severity}}));
        EXPECT_EQ(told["dependencies"]["other"]["severity"], "healthy");
        const HttpAnswer alive = ask(routes, "/livez");
        EXPECT_EQ(alive.status, 200);
        EXPECT_EQ(alive.body, R"({"status":"alive"})");

        const json stats = json::parse(ask(routes, "/stats").body);
        EXPECT_EQ(stats["circuit_breakers"]["database"]["criticality"], to_string(row.criticality));
        EXPECT_EQ(stats["health"]["status"], row.health);
        database->reset();
        EXPECT_EQ(ask(routes, "/readyz").status, 200);
    }
}

}  // namespace conformance_health_test
