#include <gtest/gtest.h>

#include <atomic>
#include <for_tests/origin.hpp>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace resilience::inline v1 {
namespace bulkhead_test {

using namespace std::chrono_literals;
using Permit = Bulkhead::Permit;

static_assert(sizeof(Permit) == 8);
static_assert(!std::is_copy_constructible_v<Permit> && std::is_nothrow_move_constructible_v<Permit>);
static_assert(!std::is_move_constructible_v<Bulkhead>);

bool full(Bulkhead& bulkhead) {
    const auto permit = bulkhead.try_acquire();
    return !permit;
}

TEST(Bulkhead, refuses_at_once_when_all_permits_are_out) {
    Bulkhead bulkhead("two", 2);
    const auto first = bulkhead.try_acquire();
    const auto second = bulkhead.try_acquire();
    EXPECT_TRUE(first);
    EXPECT_TRUE(second);
    const auto third = bulkhead.try_acquire();
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error(),
              (Rejection{.reason = RejectionReason::bulkhead_full, .kind = PolicyKind::bulkhead, .policy = "two"}));
}

TEST(Bulkhead, a_permit_returns_once_however_it_ends) {
    Bulkhead bulkhead("once", 3);
    const auto in_use = [&] { return bulkhead.stats().in_use; };
    {
        auto dropped = bulkhead.try_acquire();
        EXPECT_EQ(in_use(), 1U);
    }
    EXPECT_EQ(in_use(), 0U);
    {
        auto other = bulkhead.try_acquire();
        auto settled = bulkhead.try_acquire();
        settled->settle(Outcome::success);
        EXPECT_EQ(in_use(), 1U);
        EXPECT_FALSE(*settled);
        settled->settle(CallResult::failure, for_tests::origin() + 1s);
        settled->release();
        EXPECT_EQ(in_use(), 1U);
    }
    EXPECT_EQ(in_use(), 0U);
    EXPECT_EQ(bulkhead.stats().settled, 3U);
}

TEST(Bulkhead, a_moved_permit_is_one_permit) {
    Bulkhead bulkhead("moved", 2);
    Permit kept;
    {
        auto taken = bulkhead.try_acquire();
        kept = std::move(*taken);
    }
    EXPECT_EQ(bulkhead.stats().in_use, 1U);
    auto second = bulkhead.try_acquire();
    kept = std::move(*second);  // what it held before goes back
    EXPECT_EQ(bulkhead.stats().in_use, 1U);
    Permit& same = kept;
    kept = std::move(same);
    EXPECT_TRUE(kept);
    EXPECT_EQ(bulkhead.stats().in_use, 1U);
}

TEST(Bulkhead, enter_counts_nothing_until_its_caller_is_refused) {
    Bulkhead bulkhead("enter", 1);
    Permit permit;
    EXPECT_TRUE(bulkhead.enter(permit, for_tests::origin() + 1s));
    EXPECT_TRUE(permit);
    Permit second;
    EXPECT_FALSE(bulkhead.enter(second, for_tests::origin() + 1s));
    EXPECT_FALSE(second);
    EXPECT_EQ(bulkhead.stats().requests, 1U);
    const Rejection why = bulkhead.refuse(for_tests::origin() + 1s);
    EXPECT_EQ(why.reason, RejectionReason::bulkhead_full);
    EXPECT_EQ(why.policy, "enter");
    EXPECT_EQ(bulkhead.stats().requests, 2U);
}

TEST(Bulkhead, a_limit_of_zero_drains_and_a_higher_one_admits_again) {
    Bulkhead bulkhead("drained", 2);
    {
        const auto running = bulkhead.try_acquire();
        bulkhead.set_max_concurrent(0);
        EXPECT_TRUE(full(bulkhead));
        EXPECT_EQ(bulkhead.stats().in_use, 1U);
        EXPECT_EQ(bulkhead.stats().available(), 0U);
    }
    EXPECT_TRUE(full(bulkhead));
    bulkhead.set_max_concurrent(1);
    EXPECT_FALSE(full(bulkhead));
    EXPECT_EQ(bulkhead.config(), (BulkheadConfig{.max_concurrent = 1, .queue_size = 0}));
}

TEST(Bulkhead, closed_it_refuses_with_shutting_down_for_good) {
    Bulkhead bulkhead("closed", 2, 7);
    const auto running = bulkhead.try_acquire();
    bulkhead.close();
    bulkhead.close();
    bulkhead.set_max_concurrent(5);
    const auto refused = bulkhead.try_acquire();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, RejectionReason::shutting_down);
    const BulkheadStats stats = bulkhead.stats();
    EXPECT_TRUE(stats.closed);
    EXPECT_EQ(stats.in_use, 1U);
    EXPECT_EQ(stats.available(), 0U);
    EXPECT_EQ(stats.max_concurrent, 5U);
    EXPECT_EQ(stats.queue_size, 7U);
    EXPECT_EQ(stats.rejected.shutting_down, 1U);
    EXPECT_EQ(stats.rejected.bulkhead_full, 0U);
}

TEST(Bulkhead, an_unnamed_one_works_and_bears_no_name) {
    Bulkhead bulkhead(BulkheadConfig{.max_concurrent = 1});
    EXPECT_EQ(bulkhead.name(), "");
    EXPECT_FALSE(full(bulkhead));
}

TEST(Bulkhead, tells_listeners_of_calls_and_changes) {
    Bulkhead bulkhead("heard", 1);
    std::vector<Event> events;
    const Subscription hearing =
        bulkhead.on_event([&](const Event& event) { events.push_back(event); }, EventKinds::all);
    Permit permit;
    EXPECT_TRUE(bulkhead.enter(permit, for_tests::origin() + 5s));
    EXPECT_EQ(bulkhead.refuse(for_tests::origin() + 6s).reason, RejectionReason::bulkhead_full);
    permit.settle(CallResult::timed_out, for_tests::origin() + 7s);
    bulkhead.set_max_concurrent(4);
    bulkhead.set_max_concurrent(4);  // no change, no event
    bulkhead.close();
    ASSERT_EQ(events.size(), 5U);
    EXPECT_EQ(events[0].kind, EventKind::permitted);
    EXPECT_EQ(events[0].at, for_tests::origin() + 5s);
    EXPECT_EQ(events[0].policy, PolicyKind::bulkhead);
    EXPECT_EQ(events[0].name, "heard");
    EXPECT_EQ(events[1].kind, EventKind::refused);
    EXPECT_EQ(events[1].reason, RejectionReason::bulkhead_full);
    EXPECT_EQ(events[1].at, for_tests::origin() + 6s);
    EXPECT_EQ(events[2].kind, EventKind::finished);
    EXPECT_EQ(events[2].result, CallResult::timed_out);
    EXPECT_EQ(events[2].at, for_tests::origin() + 7s);
    EXPECT_EQ(events[3].kind, EventKind::limit_changed);
    EXPECT_EQ(events[3].limit_before, 1);
    EXPECT_EQ(events[3].limit_after, 4);
    EXPECT_EQ(events[4].kind, EventKind::lever);
}

TEST(Bulkhead, who_hears_that_a_call_finished_finds_its_place_free) {
    Bulkhead bulkhead("free", 1);
    std::vector<std::uint32_t> in_use;
    const Subscription hearing = bulkhead.on_event([&](const Event&) { in_use.push_back(bulkhead.stats().in_use); },
                                                   only(EventKind::permitted) | only(EventKind::finished));
    EXPECT_FALSE(full(bulkhead));
    EXPECT_EQ(in_use, (std::vector<std::uint32_t>{1, 0}));
}

TEST(Bulkhead, fits_in_256_bytes_with_two_stripes) { EXPECT_LE(sizeof(Bulkhead) + 2 * cache_line, 256U); }

#ifndef NDEBUG
TEST(BulkheadDeathTest, destroyed_while_a_permit_is_out_it_aborts_with_its_name) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            Permit left_over;
            Bulkhead bulkhead("orders", 1);
            (void)bulkhead.enter(left_over, for_tests::origin());
        },
        "bulkhead \"orders\" destroyed while 1 of its permits are out");
}
#endif

TEST(Conformance, BH_5_an_idle_limit_changes_up_and_down) {
    Bulkhead bulkhead("BH-5", 3);
    bulkhead.set_max_concurrent(5);
    EXPECT_EQ(bulkhead.stats().available(), 5U);
    bulkhead.set_max_concurrent(2);
    EXPECT_EQ(bulkhead.stats().available(), 2U);
}

TEST(Conformance, BH_6_a_raised_limit_admits_beside_the_running_call) {
    Bulkhead bulkhead("BH-6", 1);
    const auto running = bulkhead.try_acquire();
    bulkhead.set_max_concurrent(2);
    EXPECT_EQ(bulkhead.stats().available(), 1U);
    const auto second = bulkhead.try_acquire();
    EXPECT_TRUE(second);
    EXPECT_TRUE(full(bulkhead));
}

TEST(Conformance, BH_8_a_lowered_limit_returns_at_once_and_holds_from_then_on) {
    Bulkhead bulkhead("BH-8", 2);
    auto first = bulkhead.try_acquire();
    auto second = bulkhead.try_acquire();
    bulkhead.set_max_concurrent(1);
    EXPECT_EQ(bulkhead.stats().max_concurrent, 1U);
    EXPECT_TRUE(full(bulkhead));
    first->release();
    EXPECT_TRUE(full(bulkhead));
    second->release();
    EXPECT_FALSE(full(bulkhead));
    EXPECT_EQ(bulkhead.stats().max_concurrent, 1U);
}

TEST(Conformance, BH_12_a_call_that_throws_gives_its_place_back) {
    Bulkhead bulkhead("BH-12", 1);
    const auto call = [&](auto thrown) {
        const auto permit = bulkhead.try_acquire();
        EXPECT_TRUE(permit);
        throw thrown;
    };
    EXPECT_THROW(call(std::runtime_error("any")), std::runtime_error);
    EXPECT_EQ(bulkhead.stats().available(), 1U);
    EXPECT_THROW(call(42), int);
    EXPECT_EQ(bulkhead.stats().available(), 1U);
}

TEST(Conformance, BH_14_a_listener_that_throws_costs_no_place) {
    Bulkhead bulkhead("BH-14", 1);
    const Subscription hearing =
        bulkhead.on_event([](const Event&) { throw std::runtime_error("listener"); }, only(EventKind::permitted));
    bool ran = false;
    {
        const auto permit = bulkhead.try_acquire();
        ran = static_cast<bool>(permit);
    }
    EXPECT_TRUE(ran);
    EXPECT_EQ(bulkhead.stats().available(), 1U);
    EXPECT_EQ(bulkhead.stats().listener_exceptions, 1U);
}

TEST(Conformance, BH_19_a_hundred_threads_never_pass_the_limit) {
    constexpr std::uint32_t limit = 4;
    Bulkhead bulkhead("BH-19", limit);
    std::atomic<std::uint32_t> running{0};
    std::atomic<std::uint64_t> admitted{0};
    std::atomic<std::uint64_t> refused{0};
    std::atomic<bool> done{false};
    std::thread reader([&] {
        BulkheadStats before = bulkhead.stats();
        while (!done) {
            const BulkheadStats now = bulkhead.stats();
            EXPECT_LE(now.in_use, limit);
            EXPECT_EQ(now.admitted, now.settled + now.in_use);
            EXPECT_EQ(now.requests, now.admitted + now.rejected.total());
            EXPECT_GE(now.settled, before.settled);
            EXPECT_GE(now.requests, before.requests);
            before = now;
        }
    });
    std::vector<std::thread> threads;
    for (unsigned worker = 0; worker < 100; ++worker) {
        threads.emplace_back([&, worker] {
            for (unsigned call = 0; call < 50; ++call) {
                const auto permit = bulkhead.try_acquire();
                if (!permit) {
                    ++refused;
                    continue;
                }
                ++admitted;
                EXPECT_LE(++running, limit);
                if ((worker + call) % 3 == 0) std::this_thread::yield();
                --running;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    done = true;
    reader.join();
    const BulkheadStats stats = bulkhead.stats();
    EXPECT_EQ(stats.available(), limit);
    EXPECT_EQ(stats.admitted, admitted);
    EXPECT_EQ(stats.rejected.bulkhead_full, refused);
    EXPECT_EQ(stats.requests, 5000U);
}

}  // namespace bulkhead_test
}  // namespace resilience::inline v1
