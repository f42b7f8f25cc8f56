#pragma once

// An admin server on a free port with a manager of its own, and short ways to ask it: what the tests stand on.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <resilience/http/admin_server.hpp>
#include <resilience/manager/manager.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http_client_for_tests.hpp"

namespace resilience::inline v1::testing_http {

inline AdminServerConfig any_port() { return {.port = 0}; }

inline nlohmann::json json_of(const Response& response) { return nlohmann::json::parse(response.body); }

struct AdminServerTest : testing::Test {
    AdminServer& start(AdminServerConfig config = any_port(), std::vector<HttpRoute> extra = {}) {
        return server.emplace(manager, std::move(config), std::move(extra));
    }
    Client client() { return Client{server->port()}; }
    Response ask(std::string_view method, std::string_view target, std::string_view headers = "",
                 std::string_view body = "") {
        return client().ask(method, target, headers, body);
    }
    // What a server answers to exactly these bytes, and that it closes afterwards.
    std::string answer_to(std::string_view bytes) {
        Client one = client();
        one.send(bytes);
        return one.read_rest();
    }

    ResilienceManager manager{"checkout"};
    std::optional<AdminServer> server;
};

}  // namespace resilience::inline v1::testing_http
