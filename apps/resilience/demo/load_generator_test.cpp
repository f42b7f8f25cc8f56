#include "demo/load_generator.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <thread>

#include "demo/upstream.hpp"

namespace resilience::demo {
namespace load_generator_test {

using namespace std::chrono_literals;

// An upstream answers whatever it is asked: it is front enough for a generator.
UpstreamConfig quick(Duration latency = 1ms) { return {.name = "front", .usual_latency = latency}; }

bool eventually(const std::function<bool()>& holds) {
    const TimePoint until = Clock::now() + 60s;
    while (!holds()) {
        if (Clock::now() > until) return false;
        std::this_thread::yield();  // the processor is for those who are waited for
    }
    return true;
}

void expect_no_call_lost(const LoadPicture& seen) {
    EXPECT_EQ(seen.calls, seen.answered + seen.socket_errors.total() + seen.given_up + seen.not_sent);
    EXPECT_EQ(seen.in_flight, 0U);
    EXPECT_EQ(seen.waiting, 0U);
    const CustomerPicture& got = seen.customers;
    EXPECT_EQ(got.calls, seen.calls);
    EXPECT_EQ(got.calls, got.answered + got.too_late + got.refused + got.failed + got.hung);
    EXPECT_EQ(got.hung, seen.calls - seen.answered);
}

// Whatever was sent arrived. Of calls that were under way when the load ended nobody knows.
void expect_received(const Upstream& front, const LoadPicture& seen) {
    const std::uint64_t sent = seen.calls - seen.not_sent;
    const std::uint64_t received = front.counts().received;
    EXPECT_LE(received, sent);
    EXPECT_GE(received, sent - seen.given_up - seen.socket_errors.total());
    EXPECT_GT(seen.answered, 0U);
}

TEST(LoadGenerator, sends_every_call_to_both_fronts) {
    const Upstream shop(quick()), twin(quick());
    LoadGenerator load({.port = shop.port(), .twin_port = twin.port(), .rate = 500});
    ASSERT_TRUE(eventually([&] { return load.picture().calls >= 300; }));
    load.set_factor(4);
    ASSERT_TRUE(eventually([&] { return load.picture().calls >= 1000; }));
    load.stop();
    const LoadPicture one = load.picture();
    const LoadPicture other = load.twin_picture().value();
    EXPECT_EQ(one.calls, other.calls);
    expect_received(shop, one);
    expect_received(twin, other);
    EXPECT_EQ(one.customers.calm.time, other.customers.calm.time);
    EXPECT_GT(one.customers.calm.time, 0s);
    expect_no_call_lost(one);
    expect_no_call_lost(other);
}

TEST(LoadGenerator, lets_a_hanging_twin_neither_disturb_the_shop_nor_hold_up_the_end) {
    Upstream shop(quick()), twin(quick());
    twin.set_fault({.hang = true}, 60s);
    LoadGenerator load(
        {.port = shop.port(), .twin_port = twin.port(), .rate = 500, .max_connections = 20, .in_time = 100ms});
    ASSERT_TRUE(eventually([&] { return load.twin_picture()->waiting > 0 && load.picture().answered > 100; }));
    const TimePoint began = Clock::now();
    load.stop();
    EXPECT_LT(Clock::now() - began, 8s);  // not the 10 s that a customer would wait
    const LoadPicture one = load.picture();
    const LoadPicture other = load.twin_picture().value();
    EXPECT_EQ(one.calls, other.calls);
    EXPECT_EQ(one.answered, one.calls - one.not_sent);
    EXPECT_EQ(other.answered, 0U);
    EXPECT_EQ(other.given_up, 20U);
    EXPECT_EQ(other.not_sent, other.calls - 20);
    expect_no_call_lost(one);
    expect_no_call_lost(other);
    EXPECT_GT(other.customers.longest_outage, 0s);
}

TEST(LoadGenerator, lets_customers_leave_who_wait_too_long_also_from_the_line) {
    Upstream shop(quick());
    shop.set_fault({.hang = true}, 60s);
    LoadGenerator load({.port = shop.port(), .rate = 500, .max_connections = 2, .call_time = 200ms});
    ASSERT_TRUE(eventually([&] {
        const LoadPicture seen = load.picture();
        return seen.not_sent > 0 && seen.socket_errors.timed_out >= 2;
    }));
    EXPECT_FALSE(load.twin_picture());
    load.stop();
    expect_no_call_lost(load.picture());
}

TEST(LoadGenerator, measures_from_the_arrival_not_from_when_there_was_time_for_it) {
    Upstream shop(quick(20ms));
    LoadGenerator load({.port = shop.port(), .rate = 500, .max_connections = 1});  // serves 50 a second at most
    ASSERT_TRUE(eventually([&] { return load.picture().customers.latency.max > 300ms; }));
    load.stop();
    EXPECT_GT(load.picture().late, 0U);
    expect_no_call_lost(load.picture());
}

TEST(LoadGenerator, says_when_it_was_late_itself) {
    Upstream shop(quick());
    const auto keep_the_thread_busy = [] {
        for (const TimePoint until = Clock::now() + 100ms; Clock::now() < until;) {
        }
        return true;
    };
    // Answers are in time however late this machine is: what is judged here is what the generator says of itself.
    LoadGenerator load(
        {.port = shop.port(), .rate = 500, .in_time = 60s, .call_time = 60s, .in_trouble = keep_the_thread_busy});
    ASSERT_TRUE(eventually([&] { return load.picture().lagged > 10 && load.picture().answered > 0; }));
    load.stop();
    EXPECT_GT(load.picture().lagged, 10U);
    EXPECT_LE(load.picture().lagged, load.picture().late);
    EXPECT_GT(load.picture().customers.trouble.answered, 0U);
    EXPECT_EQ(load.picture().customers.calm.answered, 0U);
}

}  // namespace load_generator_test
}  // namespace resilience::demo
