#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <stdexcept>

#include "admin_server_fixture.hpp"

using namespace resilience;
using namespace resilience::testing_http;
using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

namespace admin_endpoints_test {

using AdminServerEndpoints = AdminServerTest;
using AdminServerRoutes = AdminServerTest;

// ---- endpoints

TEST_F(AdminServerEndpoints, stats_are_json_and_can_be_narrowed) {
    manager.register_circuit_breaker("payment_api");
    manager.register_circuit_breaker("stock");
    manager.register_bulkhead("payment_pool", 5);
    start();
    const Response all = ask("GET", "/stats");
    EXPECT_EQ(all.status, 200);
    EXPECT_EQ(all.headers.at("content-type"), "application/json");
    EXPECT_EQ(all.body.find('\n'), std::string::npos);
    EXPECT_EQ(json_of(all)["service"], "checkout");
    EXPECT_EQ(json_of(all)["circuit_breakers"].size(), 2u);

    const auto narrowed = json_of(ask("GET", "/stats?name=pay%2A&kind=circuit_breakers"));
    EXPECT_EQ(narrowed["circuit_breakers"].size(), 1u);
    EXPECT_TRUE(narrowed["circuit_breakers"].contains("payment_api"));
    EXPECT_TRUE(narrowed["bulkheads"].empty());
    EXPECT_THAT(ask("GET", "/stats?pretty").body, StartsWith("{\n  \"format\": 1"));

    const Response unknown = ask("GET", "/stats?kind=breakers");
    EXPECT_EQ(unknown.status, 400);
    EXPECT_THAT(unknown.body, HasSubstr("unknown kind 'breakers'; one of circuit_breakers, rate_limiters"));
}

TEST_F(AdminServerEndpoints, stats_judge_health_by_all_policies_whatever_is_left_out) {
    manager.register_circuit_breaker("payment_api")->force_open();
    start({.port = 0, .health_rules = {.max_open_circuits = 1}});
    const auto stats = json_of(ask("GET", "/stats?name=nothing"));
    EXPECT_TRUE(stats["circuit_breakers"].empty());
    EXPECT_EQ(stats["health"]["open_circuits"], 1);
    EXPECT_EQ(stats["health"]["ready"], false);
}

TEST_F(AdminServerEndpoints, metrics_are_text_0_0_4) {
    manager.register_circuit_breaker("payment_api");
    start();
    const Response metrics = ask("GET", "/metrics");
    EXPECT_EQ(metrics.status, 200);
    EXPECT_EQ(metrics.headers.at("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    EXPECT_THAT(metrics.body, HasSubstr("\nresilience_circuit_breaker_state{service=\"payment_api\"} 0\n"));
}

TEST_F(AdminServerEndpoints, readiness_follows_the_rules_and_liveness_does_not) {
    for (const auto* name : {"a", "b", "c"}) manager.register_circuit_breaker(name);
    start();
    EXPECT_EQ(ask("GET", "/readyz").status, 200);
    EXPECT_EQ(json_of(ask("GET", "/readyz"))["status"], "healthy");
    manager.circuit_breaker("a")->force_open();
    manager.circuit_breaker("b")->force_open();
    EXPECT_EQ(ask("GET", "/readyz").status, 200);
    EXPECT_EQ(json_of(ask("GET", "/readyz"))["status"], "degraded");
    manager.circuit_breaker("c")->force_open();
    const Response failing = ask("GET", "/readyz");
    EXPECT_EQ(failing.status, 503);
    EXPECT_EQ(json_of(failing)["ready"], false);
    EXPECT_EQ(json_of(failing)["open_circuits"], 3);
    EXPECT_EQ(ask("GET", "/livez").status, 200);
    EXPECT_EQ(ask("GET", "/livez").body, R"({"status":"alive"})");
}

TEST_F(AdminServerEndpoints, readiness_names_the_dependencies_and_comes_back_with_a_delay) {
    for (const auto* name : {"a", "b"}) manager.register_circuit_breaker(name);
    start({.port = 0, .health_rules = {.max_open_circuits = 1}});
    EXPECT_EQ(json_of(ask("GET", "/readyz"))["dependencies"]["a"]["severity"], "healthy");
    manager.circuit_breaker("b")->force_open();
    const Response failing = ask("GET", "/readyz");
    EXPECT_EQ(failing.status, 503);
    EXPECT_EQ(json_of(failing)["dependencies"],
              nlohmann::json::parse(R"({"a":{"state":"closed","criticality":"normal","severity":"healthy"},
                                        "b":{"state":"forced_open","criticality":"normal","severity":"degraded"}})"));
    manager.circuit_breaker("b")->reset();
    const Response recovering = ask("GET", "/readyz");
    EXPECT_EQ(recovering.status, 503);
    EXPECT_EQ(json_of(recovering)["dependencies"]["b"]["state"], "closed");
    EXPECT_THAT(json_of(recovering)["reasons"][0].get<std::string>(), HasSubstr("ready again in "));
    EXPECT_EQ(json_of(ask("GET", "/stats"))["health"]["ready"], false);
    EXPECT_THAT(ask("GET", "/metrics").body, HasSubstr("\nresilience_ready{service=\"checkout\"} 0\n"));

    start({.port = 0, .health_rules = {.max_open_circuits = 1}, .ready_again_after = 0s});
    manager.circuit_breaker("b")->force_open();
    EXPECT_EQ(ask("GET", "/readyz").status, 503);
    manager.circuit_breaker("b")->reset();
    EXPECT_EQ(ask("GET", "/readyz").status, 200);
}

TEST_F(AdminServerEndpoints, the_page_loads_nothing_from_elsewhere_and_sets_names_only_as_text) {
    start();
    const Response page = ask("GET", "/");
    EXPECT_EQ(page.headers.at("content-type"), "text/html; charset=utf-8");
    for (const auto& [path, type] :
         {std::pair{"/page.js", "text/javascript; charset=utf-8"}, std::pair{"/page.css", "text/css; charset=utf-8"},
          std::pair{"/icon.svg", "image/svg+xml"}}) {
        EXPECT_THAT(page.body, HasSubstr(path));
        const Response file = ask("GET", path);
        EXPECT_EQ(file.status, 200);
        EXPECT_EQ(file.headers.at("content-type"), type);
    }
    for (const auto* path : {"/", "/page.js", "/page.css"}) {
        EXPECT_EQ(ask("GET", path).body.find("://"), std::string::npos) << path;
    }
    const std::string script = ask("GET", "/page.js").body;
    for (const auto* unsafe :
         {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("}) {
        EXPECT_EQ(script.find(unsafe), std::string::npos) << unsafe;
    }
    EXPECT_EQ(page.body.find("<style"), std::string::npos);
    EXPECT_EQ(page.body.find("style="), std::string::npos);
    EXPECT_EQ(page.body.find("onload"), std::string::npos);
}

TEST_F(AdminServerEndpoints, a_hostile_name_stays_a_name) {
    const std::string name = "<img src=x onerror=\"alert(1)\">'\\ \n\xC3\xBC";
    manager.register_circuit_breaker(name);
    start();
    EXPECT_TRUE(json_of(ask("GET", "/stats"))["circuit_breakers"].contains(name));
    EXPECT_THAT(ask("GET", "/metrics").body, HasSubstr(R"(<img src=x onerror=\"alert(1)\">'\\ \n)"));
}

TEST_F(AdminServerEndpoints, every_answer_carries_the_safety_headers) {
    start();
    for (const auto* target : {"/", "/stats", "/metrics", "/livez", "/readyz", "/page.js", "/nowhere", "/%zz"}) {
        const Response response = ask("GET", target);
        EXPECT_EQ(response.headers.at("cache-control"), "no-store") << target;
        EXPECT_EQ(response.headers.at("content-security-policy"), "default-src 'self'") << target;
        EXPECT_EQ(response.headers.at("x-content-type-options"), "nosniff") << target;
        EXPECT_FALSE(response.headers.contains("access-control-allow-origin")) << target;
    }
}

TEST_F(AdminServerEndpoints, head_tells_the_length_and_sends_no_body) {
    start();
    Client one = client();
    for (const auto* target : {"/", "/stats", "/metrics", "/livez", "/readyz"}) {
        const Response response = one.ask("HEAD", target);
        EXPECT_EQ(response.status, 200) << target;
        EXPECT_GT(std::stoul(response.headers.at("content-length")), 0u) << target;
    }
    EXPECT_EQ(one.ask("GET", "/livez").body, R"({"status":"alive"})");  // no byte of a body stood in between
}

TEST_F(AdminServerEndpoints, other_methods_are_405_and_say_what_is_allowed) {
    start();
    for (const auto* method : {"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"}) {
        for (const auto* target : {"/", "/stats", "/metrics", "/livez", "/readyz"}) {
            const Response response = ask(method, target);
            EXPECT_EQ(response.status, 405) << method << target;
            EXPECT_EQ(response.headers.at("allow"), "GET, HEAD") << method << target;
        }
    }
}

TEST_F(AdminServerEndpoints, an_unknown_path_is_404_and_lists_the_known_ones) {
    start(any_port(), {{"POST", "/demo/faults/", [](const HttpQuestion&) { return HttpAnswer{}; }}});
    for (const auto* target : {"/stats/", "/stats/x", "/statsx", "/Stats", "/events", "//", "/../etc/passwd"}) {
        const Response response = ask("GET", target);
        EXPECT_EQ(response.status, 404) << target;
        EXPECT_EQ(response.headers.at("content-type"), "application/problem+json");
        EXPECT_EQ(json_of(response)["paths"], nlohmann::json({"/", "/demo/faults/", "/icon.svg", "/livez", "/metrics",
                                                              "/page.css", "/page.js", "/readyz", "/stats"}));
    }
}

// ---- connections

TEST_F(AdminServerEndpoints, one_connection_serves_many_requests_also_in_one_packet) {
    start();
    Client one = client();
    EXPECT_EQ(one.ask("GET", "/livez").headers.at("connection"), "keep-alive");
    one.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\nGET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(one.read_response().body, R"({"status":"alive"})");
    EXPECT_THAT(one.read_response().body, HasSubstr("healthy"));
    EXPECT_EQ(one.ask("GET", "/livez", "Connection: close\r\n").headers.at("connection"), "close");
    EXPECT_EQ(one.read_rest(), "");
}

TEST_F(AdminServerEndpoints, http_1_0_works_without_a_host_and_closes) {
    start();
    const std::string answer = answer_to("GET /stats HTTP/1.0\r\n\r\n");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\nConnection: close\r\n"));
}

TEST_F(AdminServerEndpoints, malformed_requests_are_400_and_end_the_connection) {
    start();
    const std::string_view requests[] = {
        "\x16\x03\x01\x02\x01\x01\xFC\x03\x03 a TLS hello\r\n\r\n",
        "GET\r\n\r\n",
        "GET /stats\r\n\r\n",
        "GET /stats HTTP/3.0\r\n\r\n",
        "G(T /stats HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /stats HTTP/1.1\r\nHost : localhost\r\n\r\n",
        "GET /stats HTTP/1.1\r\nno colon\r\n\r\n",
        "GET /stats HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "GET /stats HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET /stats HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /stats HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        "GET /stats HTTP/1.1\r\n\r\n",
        "GET /stats HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        "GET stats HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /st%zz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /stats?name=%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    };
    for (const std::string_view request : requests) {
        const std::string answer = answer_to(request);
        EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 Bad Request\r\n")) << request;
        EXPECT_THAT(answer, HasSubstr("\r\nConnection: close\r\n")) << request;
        EXPECT_THAT(answer, HasSubstr("\"status\":400")) << request;
    }
    EXPECT_EQ(ask("GET", "/livez").status, 200);
}

// ---- routes of the program

TEST_F(AdminServerRoutes, are_asked_with_everything_that_was_sent) {
    HttpQuestion seen;
    start(any_port(),
          {{"POST", "/demo/faults/", [&](const HttpQuestion& question) {
                seen = question;
                return HttpAnswer{
                    .status = 201, .content_type = "text/plain", .body = "made", .headers = {{"X-Fault", "7"}}};
            }}});
    const Response response = ask("POST", "/demo/faults/pay%20ment?error=0.8&for=20s", "", "the body");
    EXPECT_EQ(response.status, 201);
    EXPECT_EQ(response.body, "made");
    EXPECT_EQ(response.headers.at("x-fault"), "7");
    EXPECT_EQ(seen.method, "POST");
    EXPECT_EQ(seen.path, "/demo/faults/pay ment");
    EXPECT_EQ(seen.query.at("error"), "0.8");
    EXPECT_EQ(seen.query.at("for"), "20s");
    EXPECT_EQ(seen.body, "the body");
    EXPECT_EQ(seen.remote_address, "127.0.0.1");
    Client one = client();
    one.ask("POST", "/demo/faults/x", "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n");  // reads the 100
    one.send("3\r\nabc\r\n0\r\n\r\n");
    EXPECT_EQ(one.read_response().status, 201);
    EXPECT_EQ(seen.body, "abc");
}

TEST_F(AdminServerRoutes, share_a_path_by_method_and_the_longest_prefix_wins) {
    const auto say = [](std::string_view word) {
        return [word](const HttpQuestion&) { return HttpAnswer{.body = std::string(word)}; };
    };
    start(any_port(),
          {{"POST", "/demo", say("post")}, {"DELETE", "/demo", say("delete")}, {"GET", "/demo/list", say("list")}});
    EXPECT_EQ(ask("POST", "/demo").body, "post");
    EXPECT_EQ(ask("POST", "/demo/below").body, "post");
    EXPECT_EQ(ask("DELETE", "/demo").body, "delete");
    EXPECT_EQ(ask("GET", "/demo/list").body, "list");
    EXPECT_EQ(ask("POST", "/demo/list").headers.at("allow"), "GET, HEAD");
    EXPECT_EQ(ask("GET", "/demo").headers.at("allow"), "POST, DELETE");
    EXPECT_EQ(ask("POST", "/demolition").status, 404);
}

TEST_F(AdminServerRoutes, that_throw_are_500_and_the_connection_lives_on) {
    start(any_port(),
          {{"GET", "/throws", [](const HttpQuestion&) -> HttpAnswer { throw std::runtime_error("no \"luck\""); }},
           {"GET", "/odd", [](const HttpQuestion&) -> HttpAnswer { throw 7; }},
           {"GET", "/status", [](const HttpQuestion&) { return HttpAnswer{.status = 42}; }}});
    Client one = client();
    const Response thrown = one.ask("GET", "/throws");
    EXPECT_EQ(thrown.status, 500);
    EXPECT_EQ(thrown.headers.at("content-type"), "application/problem+json");
    EXPECT_EQ(json_of(thrown)["detail"], "no \"luck\"");
    EXPECT_EQ(one.ask("GET", "/odd").status, 500);
    EXPECT_THAT(one.ask("GET", "/status").body, HasSubstr("status 42"));
    EXPECT_EQ(one.ask("GET", "/livez").status, 200);
}

TEST_F(AdminServerRoutes, that_make_no_sense_are_all_refused_at_once) {
    const auto answer = [](const HttpQuestion&) { return HttpAnswer{}; };
    try {
        start(any_port(), {{"", "/a", answer},
                           {"GET", "b", answer},
                           {"GET", "/c", nullptr},
                           {"GET", "/stats", answer},
                           {"POST", "/stats", answer},
                           {"GET", "/d", answer},
                           {"GET", "/d", answer}});
        FAIL() << "no error";
    } catch (const ConfigError& error) {
        EXPECT_EQ(error.problems().size(), 6u) << error.what();
        EXPECT_THAT(error.what(), HasSubstr("route 'GET /d'"));
    }
}

}  // namespace admin_endpoints_test
