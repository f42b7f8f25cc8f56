#include "demo/demo.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "demo/http_client_for_tests.hpp"

namespace resilience::demo {
namespace demo_test {

using namespace std::chrono_literals;
using Json = nlohmann::json;

// Asks again and again until it holds; false when it does not hold within a minute.
bool eventually(const std::function<bool()>& holds) {
    const TimePoint until = Clock::now() + 60s;
    while (!holds()) {
        if (Clock::now() > until) return false;
    }
    return true;
}

struct Shop {
    explicit Shop(std::ostream& narration, std::string_view script = "", bool load = true)
        : demo(
              DemoOptions{
                  .port = 0, .admin_port = 0, .script = parse_script(script).value(), .load = load, .rate = 100},
              narration) {}

    ReplyText admin(std::string_view method, std::string_view target) { return ask(demo.admin_port(), method, target); }
    Json json(std::string_view target) { return Json::parse(admin("GET", target).body); }
    std::string state(const std::string& name) { return json("/stats")["circuit_breakers"][name]["state"]; }

    Demo demo;
};

TEST(Demo, breaks_and_mends_by_curl_and_every_count_agrees_at_rest) {
    std::ostringstream narration;
    {
        Shop shop(narration);
        ASSERT_EQ(shop.state("payment_api"), "closed");
        EXPECT_EQ(shop.admin("POST", "/demo/faults/payment?error=1&for=60s").status, 200);
        ASSERT_TRUE(eventually([&] { return shop.state("payment_api") == "open"; }));
        const ReplyText refused = ask(shop.demo.port(), "GET", "/pay");
        EXPECT_EQ(refused.status, 503);
        EXPECT_TRUE(refused.has("reason=circuit_open")) << refused.header;
        EXPECT_EQ(shop.admin("DELETE", "/demo/faults/payment").status, 200);
        ASSERT_TRUE(eventually([&] { return shop.state("payment_api") == "closed"; }));
        shop.demo.stop();

        const Json summary = shop.json("/demo/summary");
        const Json stats = shop.json("/stats");
        const Json& load = summary["load"];
        EXPECT_EQ(load["in_flight"], 0);
        EXPECT_EQ(load["calls_total"],
                  load["answered_total"].get<std::uint64_t>() + load["not_sent_total"].get<std::uint64_t>());
        EXPECT_EQ(summary["front"]["requests_total"], load["answered_total"].get<std::uint64_t>() + 1);
        std::uint64_t asked = 0;
        for (const auto& [name, limiter] : stats["rate_limiters"].items()) {
            asked += limiter["requests_total"].get<std::uint64_t>();
        }
        EXPECT_EQ(asked, summary["front"]["requests_total"]);
        for (const auto& [upstream, policy] : {std::pair{"payment", "payment_api"},
                                               {"inventory", "inventory_api"},
                                               {"recommendations", "recommend_api"}}) {
            const Json& breaker = stats["circuit_breakers"][policy];
            EXPECT_EQ(breaker["admitted_total"], summary["upstreams"][upstream]["received_total"]) << upstream;
            EXPECT_EQ(breaker["admitted_total"], breaker["success_total"].get<std::uint64_t>() +
                                                     breaker["failure_total"].get<std::uint64_t>() +
                                                     breaker["ignored_total"].get<std::uint64_t>());
            EXPECT_EQ(breaker["in_flight"], 0);
        }
    }
    EXPECT_EQ(narration.str().find('\x1b'), std::string::npos);
}

TEST(Demo, tells_what_happens_and_begins_with_its_addresses) {
    std::ostringstream out;
    std::string first;
    {
        Demo demo(DemoOptions{.port = 0,
                              .admin_port = 0,
                              .script = parse_script("at=0s payment error=1 for=60s").value(),
                              .rate = 400},
                  out);
        first = "Dashboard  http://127.0.0.1:" + std::to_string(demo.admin_port()) +
                "/      Shop  http://127.0.0.1:" + std::to_string(demo.port()) +
                "/checkout      Ctrl-C ends\n"
                "Its unguarded twin, with upstreams, load and faults of the same kind  http://127.0.0.1:" +
                std::to_string(demo.unguarded_port().value()) + "/checkout\n";
        ASSERT_TRUE(eventually([&] {
            const Json stats = Json::parse(ask(demo.admin_port(), "GET", "/stats").body);
            return stats["circuit_breakers"]["payment_api"]["state"] == "open";
        }));
        demo.watch();
    }
    const std::string text = out.str();
    EXPECT_TRUE(text.starts_with(first)) << text;
    EXPECT_NE(text.find("  ▶ payment starts failing 100 % of its calls\n"), std::string::npos) << text;
    // Of how many calls, and how many before the fault, depends on how late this machine was to begin it.
    EXPECT_NE(text.find("■ payment_api   closed → open       failure ratio "), std::string::npos) << text;
    EXPECT_NE(text.find(" ≥ 0.50 of "), std::string::npos) << text;
    EXPECT_NE(text.find(" calls; next probe in 5.0 s\n"), std::string::npos) << text;
}

TEST(Demo, without_load_serves_only_others) {
    std::ostringstream narration;
    Shop shop(narration, "", false);
    EXPECT_EQ(ask(shop.demo.port(), "GET", "/stock").status, 200);
    const DemoPicture picture = shop.demo.picture();
    EXPECT_FALSE(picture.shop.load);
    EXPECT_EQ(picture.shop.front.requests, 1U);
}

TEST(DemoTwin, gets_the_same_calls_and_faults_and_stands_beside_the_shop_in_the_summary) {
    std::ostringstream narration;
    Shop shop(narration);
    const std::uint16_t twin = shop.demo.unguarded_port().value();
    EXPECT_EQ(shop.admin("POST", "/demo/faults/payment?error=1&for=60s").status, 200);
    EXPECT_EQ(ask(twin, "POST", "/pay", "{}").status, 500);
    ASSERT_TRUE(eventually([&] { return shop.state("payment_api") == "open"; }));
    EXPECT_EQ(ask(twin, "POST", "/pay", "{}").status, 500);  // nothing opens here
    EXPECT_EQ(shop.admin("DELETE", "/demo/faults/payment").status, 200);
    EXPECT_EQ(ask(twin, "POST", "/pay", "{}").status, 200);
    EXPECT_EQ(shop.admin("POST", "/demo/faults/recommendations?hang&for=60s").status, 200);
    ASSERT_TRUE(eventually([&] { return shop.json("/demo/summary")["unguarded"]["load"]["in_flight"] > 5; }));
    const TimePoint began = Clock::now();
    shop.demo.stop();
    EXPECT_LT(Clock::now() - began, 30s);

    const Json summary = shop.json("/demo/summary");
    const Json& other = summary["unguarded"];
    EXPECT_EQ(summary["load"]["calls_total"], other["load"]["calls_total"]);
    EXPECT_EQ(summary["customers"]["calls_total"], other["customers"]["calls_total"]);
    EXPECT_EQ(summary["customers"]["trouble"]["seconds"], other["customers"]["trouble"]["seconds"]);
    EXPECT_GT(summary["customers"]["refused_total"], 0);
    EXPECT_EQ(other["customers"]["refused_total"], 0);
    EXPECT_GT(other["customers"]["failed_total"], 0);
    EXPECT_GT(other["customers"]["hung_total"], 0);
    EXPECT_GT(other["upstreams"]["payment"]["received_total"], summary["upstreams"]["payment"]["received_total"]);
    EXPECT_EQ(other["front"]["refused_total"]["at_once"], 0);
    EXPECT_TRUE(summary["comparison"].is_object());
    EXPECT_NE(comparison_text(shop.demo.picture()), "");
}

TEST(DemoTwin, can_be_left_out) {
    std::ostringstream narration;  // written by the narrator's thread until the demo is gone
    {
        Demo demo(DemoOptions{.port = 0, .admin_port = 0, .load = false, .unguarded = false}, narration);
        EXPECT_FALSE(demo.unguarded_port());
        EXPECT_FALSE(demo.picture().unguarded);
        demo.stop();
        EXPECT_TRUE(summary_text(demo.picture()).ends_with(" s: 0 requests\n")) << summary_text(demo.picture());
    }
    EXPECT_EQ(narration.str().find("twin"), std::string::npos);
}

struct BadFault {
    std::string_view method, target;
    int status;
    std::string_view says;
};

TEST(DemoFaults, are_listed_begun_and_ended_and_bad_ones_are_told_in_full) {
    std::ostringstream narration;
    Shop shop(narration, "", false);
    EXPECT_TRUE(shop.json("/demo/faults")["faults"]["payment"].is_null());
    EXPECT_EQ(shop.admin("POST", "/demo/faults/inventory?latency=20x&error=0.5&for=60s").status, 200);
    const Json fault = shop.json("/demo/faults/inventory")["fault"];
    EXPECT_EQ(fault["latency_factor"], 20.0);
    EXPECT_EQ(fault["error_ratio"], 0.5);
    EXPECT_GT(fault["remaining_seconds"], 20.0);
    EXPECT_EQ(Json::parse(shop.admin("DELETE", "/demo/faults/inventory").body)["ended"], true);
    EXPECT_EQ(Json::parse(shop.admin("DELETE", "/demo/faults/inventory").body)["ended"], false);
    EXPECT_EQ(shop.admin("POST", "/demo/faults/payment?hang&for=1s").status, 200);

    const std::vector<BadFault> rows{
        {"POST", "/demo/faults/paymnet?error=0.8&for=20s", 404, "did you mean 'payment'?"},
        {"POST", "/demo/faults/warehouse?error=0.8&for=20s", 404, "there are payment, inventory and recommendations"},
        {"DELETE", "/demo/faults/paymnet", 404, "did you mean 'payment'?"},
        {"GET", "/demo/faults/paymnet", 404, "did you mean 'payment'?"},
        {"POST", "/demo/faults/payment", 400, "no fault is named"},
        {"POST", "/demo/faults/payment?error=0.8", 400, "'for' is missing"},
        {"POST", "/demo/faults/payment?error=80&for=20s", 400, "did you mean 0.80?"},
        {"POST", "/demo/faults/payment?eror=0.8&for=20s", 400, "unknown word 'eror'; did you mean 'error'?"},
        {"POST", "/demo/faults/payment?hang=3&for=20s", 400, "'hang' takes no value"},
    };
    for (const auto& [method, target, status, says] : rows) {
        const ReplyText reply = shop.admin(method, target);
        EXPECT_EQ(reply.status, status) << target;
        EXPECT_NE(reply.body.find(says), std::string::npos) << target << "\n  says: " << reply.body;
    }
    const Json all = Json::parse(shop.admin("POST", "/demo/faults/payment?error=9000&latency=x&for=20").body);
    EXPECT_EQ(all["problems"].size(), 3U) << all;
}

}  // namespace demo_test
}  // namespace resilience::demo
