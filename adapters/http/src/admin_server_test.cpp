#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <stdexcept>
#include <system_error>

#include "admin_server_fixture.hpp"

using namespace resilience;
using namespace resilience::testing_http;
using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

namespace admin_server_test {

using AdminServerLimits = AdminServerTest;
using AdminServerAccess = AdminServerTest;

// ---- who may ask

TEST_F(AdminServerAccess, refuses_names_and_origins_of_others) {
    struct Row {
        std::string_view headers;
        int status;
    };
    const Row rows[] = {
        {"Host: localhost:1234\r\n", 200},
        {"Host: LOCALHOST\r\n", 200},
        {"Host: 127.0.0.1\r\n", 200},
        {"Host: 127.9.9.9:80\r\n", 200},
        {"Host: [::1]:9911\r\n", 200},
        {"Host: admin.shop.example:9911\r\n", 200},  // allowed_hosts
        {"Host: evil.example\r\n", 403},
        {"Host: 127.0.0.1.evil.example\r\n", 403},
        {"Host: localhost.evil.example\r\n", 403},
        {"Host: 10.1.2.3\r\n", 403},
        {"Host: [::1\r\n", 403},
        {"Host: localhost:80\r\nOrigin: http://localhost:80\r\n", 200},
        {"Host: localhost:80\r\nOrigin: http://LOCALHOST:80\r\n", 200},
        {"Host: localhost:80\r\nOrigin: http://localhost:81\r\n", 403},
        {"Host: localhost:80\r\nOrigin: http://evil.example\r\n", 403},
        {"Host: localhost:80\r\nOrigin: null\r\n", 403},
    };
    start({.port = 0, .allowed_hosts = {"Admin.Shop.example"}},
          {{"POST", "/change", [](const HttpQuestion&) { return HttpAnswer{}; }}});
    for (const Row& row : rows) {
        for (const auto* target : {"/", "/stats", "/page.js"}) {
            EXPECT_EQ(ask("GET", target, row.headers).status, row.status) << target << ' ' << row.headers;
        }
        EXPECT_EQ(ask("POST", "/change", row.headers, "x").status, row.status) << row.headers;
        EXPECT_EQ(ask("GET", "/nowhere", row.headers).status, row.status == 200 ? 404 : 403) << row.headers;
        for (const auto* target : {"/livez", "/readyz", "/metrics"}) {
            EXPECT_EQ(ask("GET", target, row.headers).status, 200) << target << ' ' << row.headers;
        }
    }
    EXPECT_EQ(ask("GET", "http://evil.example/stats").status, 403);  // the target names the host, not the header
    EXPECT_EQ(ask("GET", "http://localhost/stats", "Host: evil.example\r\n").status, 200);
}

// ---- limits

TEST_F(AdminServerLimits, a_header_over_its_limit_is_431) {
    start({.port = 0, .max_header_bytes = 1024});
    Client one = client();
    EXPECT_EQ(one.ask("GET", "/livez", "X-Long: " + std::string(800, 'a') + "\r\n").status, 200);
    EXPECT_EQ(one.ask("GET", "/livez", "X-Long: " + std::string(1100, 'a') + "\r\n").status, 431);
    EXPECT_EQ(one.read_rest(), "");
    EXPECT_EQ(ask("GET", "/" + std::string(100'000, 'a')).status, 431);
    EXPECT_THAT(answer_to(std::string(50'000, 'a')), StartsWith("HTTP/1.1 431 "));
}

TEST_F(AdminServerLimits, a_body_over_its_limit_is_413) {
    start({.port = 0, .max_body_bytes = 100},
          {{"POST", "/echo", [](const HttpQuestion& question) { return HttpAnswer{.body = question.body}; }}});
    EXPECT_EQ(ask("POST", "/echo", "", std::string(100, 'a')).body, std::string(100, 'a'));
    EXPECT_EQ(ask("POST", "/echo", "", std::string(101, 'a')).status, 413);
    Client large = client();
    EXPECT_EQ(large.ask("POST", "/echo", "", std::string(1'000'000, 'a')).status, 413);
    EXPECT_EQ(large.read_rest(), "");
    for (int index = 0; index < 3; ++index) EXPECT_TRUE(large.send("more"));  // ended, not reset
    const std::string chunk = "40\r\n" + std::string(64, 'a') + "\r\n";
    EXPECT_THAT(
        answer_to("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + chunk),
        StartsWith("HTTP/1.1 413 "));
}

// Whether the server takes another client, asked again and again: refusals before that may be a 503 or a closed door.
bool served_within_a_minute(std::uint16_t port) {
    for (const auto begun = Clock::now(); Clock::now() - begun < 60s;) {
        try {
            if (Client{port}.ask("GET", "/livez").status == 200) return true;
        } catch (const std::runtime_error&) {
            continue;
        }
    }
    return false;
}

// Sends a byte whenever nothing has come for 5 ms, until the server closes: true when it did within `bytes` bytes.
bool cut_off_while_trickling(Client& client, std::size_t bytes) {
    for (std::size_t sent = 0; sent < bytes; ++sent) {
        if (client.readable_within(5)) return client.at_end();
        if (!client.send("a")) return true;
    }
    return false;
}

TEST_F(AdminServerLimits, a_client_that_trickles_its_header_is_cut_off) {
    start({.port = 0, .header_time = 300ms});
    Client fresh = client();
    fresh.send("GET /livez HTTP/1.1\r\nX-Slow: ");
    EXPECT_TRUE(cut_off_while_trickling(fresh, 2000));
    Client kept = client();
    EXPECT_EQ(kept.ask("GET", "/livez").status, 200);
    kept.send("GET /livez HTTP/1.1\r\nX-Slow: ");
    EXPECT_TRUE(cut_off_while_trickling(kept, 2000));
    EXPECT_TRUE(client().at_end());  // one that sends nothing at all
}

TEST_F(AdminServerLimits, a_client_that_trickles_its_body_is_cut_off) {
    start({.port = 0, .request_time = 50ms}, {{"POST", "/x", [](const HttpQuestion&) { return HttpAnswer{}; }}});
    Client slow = client();
    slow.send("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n");
    EXPECT_TRUE(cut_off_while_trickling(slow, 2000));
}

TEST_F(AdminServerLimits, an_idle_connection_is_closed) {
    start({.port = 0, .idle_time = 20ms});
    Client idle = client();
    EXPECT_EQ(idle.ask("GET", "/livez").status, 200);
    EXPECT_TRUE(idle.at_end());
}

TEST_F(AdminServerLimits, the_sixty_fifth_connection_is_told_so_and_a_freed_place_is_used) {
    start();
    std::vector<Client> clients;
    for (int index = 0; index < 64; ++index) {
        clients.push_back(client());
        ASSERT_EQ(clients.back().ask("GET", "/livez").status, 200);
    }
    const Response refused = client().read_response();  // before a word was said
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.headers.at("retry-after"), "1");
    EXPECT_THAT(refused.body, HasSubstr("all 64 connections are taken"));
    EXPECT_EQ(ask("GET", "/stats").status, 503);  // also when the request is already under way

    clients.pop_back();
    EXPECT_TRUE(served_within_a_minute(server->port()));
}

TEST_F(AdminServerLimits, a_client_that_stops_reading_loses_its_place) {
    start({.port = 0, .max_connections = 1, .response_time = 50ms},
          {{"GET", "/large", [](const HttpQuestion&) { return HttpAnswer{.body = std::string(32'000'000, 'a')}; }}});
    Client deaf{server->port(), 4096};
    deaf.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    ASSERT_TRUE(deaf.readable_within(60'000));
    EXPECT_TRUE(served_within_a_minute(server->port()));
}

// ---- start and end

TEST_F(AdminServerTest, a_port_in_use_is_named_and_can_be_replaced) {
    start();
    const std::uint16_t taken = server->port();
    try {
        AdminServer second{manager, {.port = taken}};
        FAIL() << "no error";
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code(), std::errc::address_in_use);
        EXPECT_THAT(error.what(), StartsWith("cannot listen on 127.0.0.1:" + std::to_string(taken) + ": "));
    }
    AdminServer second{manager, {.port = taken, .next_free_port = true}};
    EXPECT_NE(second.port(), taken);
    EXPECT_EQ(second.url(), "http://127.0.0.1:" + std::to_string(second.port()));
    EXPECT_EQ(Client{second.port()}.ask("GET", "/livez").status, 200);
}

TEST_F(AdminServerTest, url_can_be_opened_on_this_machine) {
    start({.address = "0.0.0.0", .port = 0});
    EXPECT_EQ(server->url(), "http://127.0.0.1:" + std::to_string(server->port()));
    EXPECT_EQ(ask("GET", "/livez").status, 200);
}

TEST_F(AdminServerTest, a_configuration_out_of_range_names_every_field) {
    try {
        start({.address = "localhost",
               .max_header_bytes = 1,
               .max_body_bytes = 1'000'000'000,
               .max_connections = 0,
               .header_time = 0s,
               .request_time = -1s,
               .response_time = Duration::max(),
               .idle_time = 0s});
        FAIL() << "no error";
    } catch (const ConfigError& error) {
        EXPECT_EQ(error.problems().size(), 8u) << error.what();
        EXPECT_THAT(error.what(), HasSubstr("'localhost' is no IPv4 or IPv6 address"));
    }
}

TEST_F(AdminServerTest, ends_at_once_whatever_its_clients_do) {
    start(any_port(),
          {{"GET", "/large", [](const HttpQuestion&) { return HttpAnswer{.body = std::string(32'000'000, 'a')}; }}});
    Client idle = client();
    EXPECT_EQ(idle.ask("GET", "/livez").status, 200);
    Client half = client();
    half.send("GET /li");
    Client deaf{server->port(), 4096};
    deaf.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    ASSERT_TRUE(deaf.readable_within(60'000));
    const std::uint16_t port = server->port();

    const auto begun = Clock::now();
    server.reset();
    EXPECT_LT(Clock::now() - begun, 4s);
    EXPECT_TRUE(idle.at_end());
    EXPECT_TRUE(half.at_end());
    EXPECT_THROW(Client{port}, std::runtime_error);
}

TEST_F(AdminServerTest, answers_while_policies_are_registered_and_clients_come_and_go) {
    start();
    std::atomic<bool> done = false;
    auto reader = std::async(std::launch::async, [&] {
        int wrong = 0;
        while (!done) {
            for (const auto* target : {"/stats", "/metrics", "/readyz"}) wrong += ask("GET", target).status != 200;
        }
        return wrong;
    });
    for (int index = 0; index < 20; ++index) {
        manager.register_circuit_breaker("breaker_" + std::to_string(index))->record_result(true);
        EXPECT_EQ(ask("GET", "/stats").status, 200);
    }
    done = true;
    EXPECT_EQ(reader.get(), 0);
    EXPECT_EQ(json_of(ask("GET", "/stats"))["circuit_breakers"].size(), 20u);
}

}  // namespace admin_server_test
