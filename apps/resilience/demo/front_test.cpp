#include "demo/front.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <resilience/manager/manager.hpp>
#include <string>
#include <vector>

#include "demo/http_client_for_tests.hpp"
#include "demo/shop.hpp"
#include "demo/upstream_set.hpp"

namespace resilience::demo {
namespace front_test {

using namespace std::chrono_literals;

// The shop with its upstreams and a front with short limits, all on free ports.
class FrontTest : public testing::Test {
  protected:
    explicit FrontTest(FrontConfig config = quick()) : upstreams_(started()), shop_(manager_, config_of()) {
        front_ = std::make_unique<Front>(shop_, config);
    }

    static FrontConfig quick() {
        return {.port = 0,
                .max_connections = 8,
                .max_header_bytes = 2048,
                .max_body_bytes = 1000,
                .header_time = 200ms,
                .body_time = 200ms,
                .idle_time = 20s};
    }
    static Upstreams started() {
        Upstreams upstreams;
        for (const std::string_view name : upstream_names) {
            upstreams.push_back(
                std::make_unique<Upstream>(UpstreamConfig{.name = std::string(name), .usual_latency = 1ms}));
        }
        return upstreams;
    }
    ShopConfig config_of() const { return {.ports = ports_of(upstreams_)}; }

    ReplyText get(std::string_view target) const { return ask(front_->port(), "GET", target); }
    Upstream& upstream(UpstreamId id) { return *upstreams_[static_cast<std::size_t>(id)]; }
    std::string raw(std::string_view bytes) const {
        const TestConnection connection(front_->port());
        connection.send(bytes);
        return connection.read_all();
    }

    Upstreams upstreams_;
    ResilienceManager manager_{"shop"};
    Shop shop_;
    std::unique_ptr<Front> front_;
};

TEST_F(FrontTest, proxies_each_path_to_its_upstream) {
    const std::vector<std::pair<std::string_view, UpstreamId>> rows{{"/checkout", UpstreamId::payment},
                                                                    {"/pay?card=1", UpstreamId::payment},
                                                                    {"/stock", UpstreamId::inventory},
                                                                    {"/recommendations", UpstreamId::recommendations}};
    for (const auto& [path, id] : rows) {
        const std::uint64_t before = upstream(id).counts().received;
        const ReplyText reply = get(path);
        EXPECT_EQ(reply.status, 200) << path;
        EXPECT_EQ(reply.body, "{\"upstream\":\"" + std::string(name_of(id)) + "\",\"ok\":true}\n");
        EXPECT_EQ(upstream(id).counts().received, before + 1);
    }
}

TEST_F(FrontTest, takes_orders_and_answers_head_without_a_body) {
    EXPECT_EQ(ask(front_->port(), "POST", "/checkout", "{\"cart\":1}").status, 200);
    const ReplyText head = ask(front_->port(), "HEAD", "/stock");
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.body, "");
    EXPECT_TRUE(head.has("Content-Length: " + std::to_string(get("/stock").body.size()))) << head.header;
}

TEST_F(FrontTest, says_404_and_405_without_asking_anybody) {
    const ReplyText unknown = get("/chekout");
    EXPECT_EQ(unknown.status, 404);
    EXPECT_NE(unknown.body.find("did you mean '/checkout'?"), std::string::npos) << unknown.body;
    const ReplyText order = ask(front_->port(), "POST", "/stock", "x");
    EXPECT_EQ(order.status, 405);
    EXPECT_TRUE(order.has("Allow: GET, HEAD"));
    EXPECT_EQ(front_->picture().of(Ending::not_a_route), 2U);
    EXPECT_EQ(upstream(UpstreamId::inventory).counts().received, 0U);
}

TEST_F(FrontTest, refuses_at_once_with_the_reason_when_the_circuit_is_open) {
    upstream(UpstreamId::payment).set_fault({.error_ratio = 1}, 60s);
    ReplyText reply;
    const TimePoint until = Clock::now() + 60s;
    while (reply.status != 503 && Clock::now() < until) reply = ask(front_->port(), "POST", "/pay", "{}");
    ASSERT_EQ(reply.status, 503);
    EXPECT_TRUE(reply.has("X-Resilience: rejected; reason=circuit_open; policy=payment_api")) << reply.header;
    EXPECT_TRUE(reply.has("Retry-After: ")) << reply.header;
    EXPECT_TRUE(reply.has("Content-Type: application/problem+json")) << reply.header;
    EXPECT_NE(reply.body.find("\"reason\":\"circuit_open\""), std::string::npos);
    EXPECT_EQ(front_->picture().of(Ending::refused_at_once), 1U);
    EXPECT_EQ(front_->picture().refused_with_retry_after, 1U);
    EXPECT_EQ(get("/stock").status, 200);
}

TEST_F(FrontTest, retries_reads_and_never_orders) {
    upstream(UpstreamId::payment).set_fault({.error_ratio = 1}, 60s);
    EXPECT_EQ(ask(front_->port(), "POST", "/pay", "{}").status, 500);
    EXPECT_EQ(upstream(UpstreamId::payment).counts().received, 1U);
    EXPECT_EQ(get("/pay").status, 500);
    EXPECT_EQ(upstream(UpstreamId::payment).counts().received, 4U);
}

TEST_F(FrontTest, says_504_when_an_upstream_hangs_and_counts_the_time) {
    upstream(UpstreamId::recommendations).set_fault({.hang = true}, 60s);
    const TimePoint began = Clock::now();
    const ReplyText reply = get("/recommendations");
    EXPECT_EQ(reply.status, 504);
    EXPECT_TRUE(reply.has("X-Resilience: rejected; reason=deadline_exceeded")) << reply.header;
    EXPECT_GE(Clock::now() - began, 2s);
    EXPECT_EQ(front_->picture().of(Ending::failed), 1U);
    EXPECT_EQ(shop_.traffic(UpstreamId::recommendations).timed_out.load(), 1U);
}

TEST_F(FrontTest, says_502_when_an_upstream_is_down_and_serves_again_when_it_is_up_on_the_same_port) {
    const std::uint16_t port = upstream(UpstreamId::payment).port();
    const TestConnection kept(front_->port());  // its thread keeps a connection to payment, which dies
    kept.send("POST /pay HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    while (upstream(UpstreamId::payment).counts().answered == 0) {
    }
    upstream(UpstreamId::payment).set_fault({.down = true}, 60s);
    EXPECT_FALSE(TestConnection(port).connected());
    const ReplyText down = ask(front_->port(), "POST", "/pay", "{}");
    EXPECT_EQ(down.status, 502);
    EXPECT_NE(down.body.find("payment: unreachable"), std::string::npos) << down.body;
    EXPECT_TRUE(upstream(UpstreamId::payment).end_fault());
    EXPECT_FALSE(upstream(UpstreamId::payment).end_fault());
    EXPECT_EQ(upstream(UpstreamId::payment).port(), port);
    EXPECT_EQ(ask(front_->port(), "POST", "/pay", "{}").status, 200);
    kept.send("POST /pay HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    const std::string both = kept.read_all();
    EXPECT_EQ(both.find("502"), std::string::npos) << both;
    EXPECT_NE(both.find("200 OK", 20), std::string::npos) << both;
}

TEST_F(FrontTest, answers_what_is_no_request_with_400) {
    const std::vector<std::string> bad{
        "hello\r\n\r\n",
        "GET /stock\r\n\r\n",
        "GET /stock HTTP/1.1\r\nno colon\r\n\r\n",
        "POST /pay HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "POST /pay HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /pay HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    };
    for (const std::string& bytes : bad) {
        const ReplyText reply = reply_of(raw(bytes));
        EXPECT_EQ(reply.status, 400) << bytes;
        EXPECT_TRUE(reply.has("Connection: close")) << bytes;
    }
    EXPECT_EQ(front_->picture().malformed, bad.size());
    EXPECT_EQ(get("/stock").status, 200);
}

TEST_F(FrontTest, limits_headers_and_bodies) {
    EXPECT_EQ(ask(front_->port(), "GET", "/stock", "", "X-Long: " + std::string(4000, 'x') + "\r\n").status, 431);
    EXPECT_EQ(ask(front_->port(), "POST", "/pay", std::string(2000, 'x')).status, 413);
    EXPECT_EQ(ask(front_->port(), "POST", "/pay", std::string(1000, 'x')).status, 200);
}

TEST_F(FrontTest, cuts_off_clients_that_send_too_slowly) {
    EXPECT_EQ(reply_of(raw("GET /stock HTT")).status, 408);
    EXPECT_EQ(reply_of(raw("POST /pay HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc")).status, 408);
    EXPECT_EQ(front_->picture().too_slow, 2U);
}

TEST_F(FrontTest, answers_pipelined_requests_in_order_and_expect_continue) {
    const std::string two =
        raw("GET /stock HTTP/1.1\r\nHost: x\r\n\r\nGET /pay HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const std::size_t first = two.find("inventory"), second = two.find("payment");
    EXPECT_LT(first, second);
    EXPECT_NE(second, std::string::npos);

    const TestConnection careful(front_->port());
    careful.send("POST /pay HTTP/1.1\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\n");
    careful.send("{}");
    const std::string answer = careful.read_all();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")) << answer;
}

TEST_F(FrontTest, refuses_connections_beyond_its_threads_with_503) {
    std::vector<std::unique_ptr<TestConnection>> held;
    for (int count = 0; count < 8; ++count) held.push_back(std::make_unique<TestConnection>(front_->port()));
    while (front_->picture().connections_open < 8) {
    }
    const ReplyText refused = get("/stock");
    EXPECT_EQ(refused.status, 503);
    EXPECT_TRUE(refused.has("Retry-After: 1"));
    EXPECT_EQ(front_->picture().connections_refused, 1U);
    held.clear();
    while (front_->picture().connections_open > 0) {
    }
    EXPECT_EQ(get("/stock").status, 200);
}

TEST_F(FrontTest, stops_although_customers_are_connected_and_ends_their_back_offs) {
    const TestConnection idle(front_->port()), half(front_->port());
    half.send("GET /st");
    while (front_->picture().connections_open < 2) {
    }
    const TimePoint began = Clock::now();
    front_->stop();
    EXPECT_LT(Clock::now() - began, 5s);
    EXPECT_EQ(idle.read_all(), "");
    EXPECT_FALSE(TestConnection(front_->port()).connected());
}

TEST_F(FrontTest, takes_a_free_port_when_its_own_is_in_use_unless_told_not_to) {
    const Front other(shop_, FrontConfig{.port = front_->port()});
    EXPECT_NE(other.port(), front_->port());
    EXPECT_EQ(ask(other.port(), "GET", "/stock").status, 200);
    EXPECT_THROW((Front{shop_, FrontConfig{.port = front_->port(), .next_free_port = false}}), std::system_error);
}

}  // namespace front_test
}  // namespace resilience::demo
