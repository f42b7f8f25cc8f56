#include "demo/unguarded_shop.hpp"

#include <gtest/gtest.h>

#include "demo/front.hpp"
#include "demo/http_client_for_tests.hpp"
#include "demo/upstream_set.hpp"

namespace resilience::demo {
namespace unguarded_shop_test {

using namespace std::chrono_literals;

struct UnguardedShopTest : testing::Test {
    ReplyText ask_for(std::string_view method, std::string_view target) const {
        return ask(front.port(), method, target);
    }
    Upstream& payment() const { return *upstreams[static_cast<std::size_t>(UpstreamId::payment)]; }

    const Upstreams upstreams = start_upstreams(200, 1, {});
    UnguardedShop shop{ports_of(upstreams)};
    Front front{shop, {.port = 0}};
};

TEST_F(UnguardedShopTest, has_the_paths_of_the_guarded_one) {
    EXPECT_EQ(ask_for("GET", "/stock").body, "{\"upstream\":\"inventory\",\"ok\":true}\n");
    EXPECT_EQ(ask_for("POST", "/checkout").body, "{\"upstream\":\"payment\",\"ok\":true}\n");
    EXPECT_EQ(ask_for("GET", "/chekout").status, 404);
    EXPECT_EQ(ask_for("POST", "/stock").status, 405);
}

TEST_F(UnguardedShopTest, hands_every_failure_back_and_asks_once_for_each_call) {
    payment().set_fault({.error_ratio = 1}, 60s);
    for (int call = 0; call < 40; ++call) EXPECT_EQ(ask_for("GET", "/pay").status, 500);
    EXPECT_EQ(payment().counts().received, 40U);
    EXPECT_EQ(front.picture().of(Ending::failed), 40U);
    EXPECT_EQ(front.picture().refused(), 0U);
    payment().set_fault({.down = true}, 60s);
    EXPECT_EQ(ask_for("GET", "/pay").status, 502);
    EXPECT_EQ(shop.traffic(UpstreamId::payment).unreachable.load(), 1U);
}

TEST_F(UnguardedShopTest, stops_at_once_when_its_upstreams_are_shut_although_one_hangs) {
    payment().set_fault({.hang = true}, 60s);
    const TestConnection customer(front.port());
    customer.send("GET /pay HTTP/1.1\r\nHost: x\r\n\r\n");
    while (payment().counts().received == 0) {
    }
    const TimePoint began = Clock::now();
    shut(upstreams);
    front.stop();
    EXPECT_LT(Clock::now() - began, 20s);  // its own limit is a minute
    EXPECT_EQ(reply_of(customer.read_all()).status, 502);
}

TEST(UpstreamSet, of_one_seed_fails_alike) {
    const Upstreams left = start_upstreams(200, 5, {}), right = start_upstreams(200, 5, {});
    const Upstreams other = start_upstreams(200, 99, {});
    const auto answers_of = [](const Upstreams& set) {
        set.front()->set_fault({.error_ratio = 0.5}, 60s);
        std::string statuses;
        for (int call = 0; call < 40; ++call)
            statuses += ask(set.front()->port(), "GET", "/").status == 500 ? 'x' : '.';
        return statuses;
    };
    const std::string answers = answers_of(left);
    EXPECT_EQ(answers, answers_of(right));
    EXPECT_NE(answers, answers_of(other));
}

}  // namespace unguarded_shop_test
}  // namespace resilience::demo
