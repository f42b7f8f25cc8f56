#include "demo/upstream.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "demo/http_client_for_tests.hpp"

namespace resilience::demo {
namespace upstream_test {

using namespace std::chrono_literals;

constexpr std::string_view question = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

using Clients = std::vector<std::unique_ptr<TestConnection>>;

Clients ask_at_once(const Upstream& upstream, int count) {
    Clients clients;
    for (int each = 0; each < count; ++each) {
        clients.push_back(std::make_unique<TestConnection>(upstream.port()));
        clients.back()->send(question);
    }
    return clients;
}

int well_answered(const Clients& clients) {
    int good = 0;
    for (const auto& client : clients) good += reply_of(client->read_all()).status == 200 ? 1 : 0;
    return good;
}

TEST(Upstream, does_no_more_at_once_than_it_has_workers) {
    const Upstream upstream({.name = "u", .usual_latency = 50ms, .workers = 2});
    const TimePoint began = Clock::now();
    EXPECT_EQ(well_answered(ask_at_once(upstream, 6)), 6);
    EXPECT_GE(Clock::now() - began, 150ms);
    EXPECT_EQ(upstream.counts().answered, 6U);
}

TEST(Upstream, serves_its_line_when_it_stops_hanging) {
    Upstream upstream({.name = "u", .usual_latency = 1ms, .workers = 1});
    upstream.set_fault({.hang = true}, 60s);
    const Clients clients = ask_at_once(upstream, 3);
    while (upstream.counts().received < 3) {
    }
    EXPECT_EQ(upstream.counts().answered, 0U);
    EXPECT_TRUE(upstream.end_fault());
    EXPECT_EQ(well_answered(clients), 3);
}

TEST(Upstream, loses_those_in_line_when_it_goes_down_and_has_all_workers_back_afterwards) {
    Upstream upstream({.name = "u", .usual_latency = 1ms, .workers = 1});
    upstream.set_fault({.hang = true}, 60s);
    const Clients lost = ask_at_once(upstream, 3);
    while (upstream.counts().received < 3) {
    }
    upstream.set_fault({.down = true}, 60s);
    EXPECT_EQ(well_answered(lost), 0);
    EXPECT_TRUE(upstream.end_fault());
    EXPECT_EQ(well_answered(ask_at_once(upstream, 3)), 3);
}

TEST(Upstream, can_be_destroyed_with_a_line) {
    Clients waiting;
    {
        Upstream upstream({.name = "u", .usual_latency = 1ms, .workers = 1});
        upstream.set_fault({.hang = true}, 60s);
        waiting = ask_at_once(upstream, 3);
        while (upstream.counts().received < 3) {
        }
    }
    EXPECT_EQ(well_answered(waiting), 0);
}

}  // namespace upstream_test
}  // namespace resilience::demo
