#include <gtest/gtest.h>

#include <atomic>
#include <for_tests/origin.hpp>
#include <optional>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/place_in_line.hpp>
#include <stop_token>
#include <thread>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace bulkhead_wait_test {

const TimePoint start = for_tests::origin() + 1000s;

Bulkhead::Permit permit_of(Bulkhead& bulkhead) {
    Bulkhead::Permit permit;
    EXPECT_TRUE(bulkhead.enter(permit, start));
    return permit;
}

// One call in the line whose time the test decides.
class Call {
  public:
    using Look = PlaceInLine<Bulkhead>::Look;

    Call(Bulkhead& bulkhead, TimePoint now, WaitTerms terms = {}) : place_(bulkhead) {
        const Waker waker{[](void*, Waiter& waiter) noexcept { waiter.arrive(); }, nullptr};
        EXPECT_TRUE(place_.join(waker, now, terms, why_));
    }
    Look look(TimePoint now, bool cancelled = false) { return place_.look(now, cancelled, why_); }
    Bulkhead::Permit adopt(TimePoint now) { return place_.adopt(now); }

  private:
    PlaceInLine<Bulkhead> place_;
    Rejection why_;
};

constexpr BulkheadConfig recording{.max_concurrent = 1, .queue_size = 4, .record_wait = true};

TEST(BulkheadWait, is_kept_only_when_asked_for) {
    Bulkhead plain{"wait", BulkheadConfig{.max_concurrent = 1, .queue_size = 4}};
    permit_of(plain).settle(Outcome::success);
    EXPECT_FALSE(plain.stats(start).wait.has_value());
    EXPECT_FALSE(plain.config().record_wait);
    Bulkhead keeping{"wait", recording};
    EXPECT_TRUE(keeping.config().record_wait);
    ASSERT_TRUE(keeping.stats(start).wait.has_value());
    EXPECT_EQ(keeping.stats(start).wait->count, 0U);
}

TEST(BulkheadWait, is_the_time_from_request_to_permit_and_0_for_those_who_did_not_wait) {
    Bulkhead bulkhead{"wait", recording};
    for (int call = 0; call < 7; ++call) permit_of(bulkhead).settle(Outcome::success, start);
    auto before = permit_of(bulkhead);
    Call first{bulkhead, start};
    Call second{bulkhead, start + 2ms};
    before.settle(Outcome::success, start + 5ms);
    ASSERT_EQ(first.look(start + 5ms), Call::Look::granted);
    auto of_first = first.adopt(start + 5ms);
    EXPECT_FALSE(bulkhead.try_acquire().has_value()) << "who is refused got no permit";
    of_first.settle(Outcome::success, start + 22ms);
    ASSERT_EQ(second.look(start + 22ms), Call::Look::granted);
    second.adopt(start + 22ms).settle(Outcome::success, start + 30ms);

    const BulkheadStats stats = bulkhead.stats(start + 30ms);
    ASSERT_TRUE(stats.wait);
    EXPECT_EQ(stats.wait->count, 10U);
    EXPECT_EQ(stats.wait->count, stats.admitted);
    EXPECT_EQ(stats.wait->sum, 5ms + 20ms);
    EXPECT_EQ(stats.wait->max, 20ms);
    EXPECT_EQ(stats.wait->at_most(1ms), 8U);
    EXPECT_EQ(stats.wait->at_most(5ms), 9U);
    EXPECT_EQ(stats.wait->quantile(1), 20ms);
}

TEST(BulkheadWait, of_a_turn_that_nobody_used_is_nobodys) {
    Bulkhead bulkhead{"wait", recording};
    auto before = permit_of(bulkhead);
    Call late{bulkhead, start, {.deadline = start + 1s}};
    before.settle(Outcome::success, start + 2s);
    EXPECT_EQ(late.look(start + 2s), Call::Look::refused);
    Call gone{bulkhead, start + 3s};
    EXPECT_EQ(gone.look(start + 4s), Call::Look::granted) << "a place is free";
    gone.adopt(start + 3s).settle(Outcome::success, start + 4s);
    const BulkheadStats stats = bulkhead.stats(start + 4s);
    EXPECT_EQ(stats.admitted, 3U);
    EXPECT_EQ(stats.wait->count, 2U);
    EXPECT_EQ(stats.wait->max, 0s);
}

// What a scrape shows must never fall: a bucket that falls reads as a restart.
TEST(BulkheadWait, never_takes_back_what_it_showed) {
    Bulkhead bulkhead{"wait", recording};
    auto before = permit_of(bulkhead);
    Call waits{bulkhead, start};
    before.settle(Outcome::success, start + 1s);
    const LatencyPicture granted = *bulkhead.stats(start + 1s).wait;
    EXPECT_EQ(granted.count, 1U) << "its turn has come, but it has not looked";
    EXPECT_EQ(granted.at_most(1ms), 1U);
    ASSERT_EQ(waits.look(start + 1s), Call::Look::granted);
    waits.adopt(start + 1s).settle(Outcome::success, start + 1s);
    const LatencyPicture adopted = *bulkhead.stats(start + 1s).wait;
    EXPECT_EQ(adopted.count, 2U);
    EXPECT_EQ(adopted.at_most(1ms), 1U);
}

TEST(BulkheadWait, of_threads_that_slept_is_there_once_for_each) {
    Bulkhead bulkhead{"wait", {.max_concurrent = 1, .queue_size = 8, .record_wait = true}};
    constexpr int threads = 3;
    constexpr int calls = 200;
    std::atomic<bool> stop{false};
    std::uint64_t seen = 0;
    bool fell = false;
    {
        std::jthread reader([&] {
            while (!stop) {
                const LatencyPicture picture = *bulkhead.stats().wait;
                fell = fell || picture.count < seen;
                seen = picture.count;
            }
        });
        std::vector<std::jthread> callers;
        for (int thread = 0; thread < threads; ++thread) {
            callers.emplace_back([&] {
                for (int call = 0; call < calls; ++call) {
                    auto permit = bulkhead.acquire_for(1min);
                    EXPECT_TRUE(permit.has_value());
                    std::this_thread::yield();
                }
            });
        }
        callers.clear();
        stop = true;
    }
    EXPECT_FALSE(fell);
    const BulkheadStats stats = bulkhead.stats();
    EXPECT_EQ(stats.admitted, std::uint64_t{threads * calls});
    EXPECT_EQ(stats.wait->count, stats.admitted);
}

}  // namespace bulkhead_wait_test
