#include <gtest/gtest.h>

#include <resilience/base/waiter.hpp>
#include <vector>

namespace resilience::inline v1 {
namespace waiter_test {

struct Inbox {
    std::vector<Waiter*> brought;
    [[nodiscard]] Waker waker() {
        return {[](void* inbox, Waiter& waiter) noexcept {
                    waiter.arrive();
                    static_cast<Inbox*>(inbox)->brought.push_back(&waiter);
                },
                this};
    }
};

TEST(WaitList, serves_first_come_first_served_and_lets_anybody_leave) {
    BasicWaitList<> list;
    Waiter first, second, third;
    EXPECT_TRUE(list.empty());
    list.push_back(first);
    list.push_back(second);
    list.push_back(third);
    EXPECT_EQ(list.size(), 3U);
    EXPECT_EQ(list.front(), &first);
    list.remove(second);
    list.remove(first);
    EXPECT_EQ(list.front(), &third);
    list.push_back(first);
    list.remove(first);
    list.remove(third);
    EXPECT_TRUE(list.empty());
    EXPECT_EQ(list.size(), 0U);
}

TEST(Deliveries, bring_each_end_once_in_order_and_the_call_last) {
    Inbox inbox;
    Waiter granted, refused, called;
    for (Waiter* const waiter : {&granted, &refused, &called}) {
        waiter->waker = inbox.waker();
        waiter->state = WaitState::queued;
    }
    BasicDeliveries<> deliveries;
    deliveries.end(granted, false);
    deliveries.call(called);
    deliveries.end(refused, true);
    EXPECT_EQ(granted.look(), WaitState::leaving);
    EXPECT_EQ(called.look(), WaitState::called);
    EXPECT_TRUE(inbox.brought.empty()) << "nobody is told under the lock";
    deliveries.deliver();
    EXPECT_EQ(inbox.brought, (std::vector<Waiter*>{&granted, &refused, &called}));
    EXPECT_EQ(granted.look(), WaitState::granted);
    EXPECT_EQ(refused.look(), WaitState::dropped);
    EXPECT_EQ(called.look(), WaitState::queued);
}

TEST(Deliveries, an_end_that_meets_a_call_on_its_way_travels_with_it) {
    for (const bool refused : {false, true}) {
        Inbox inbox;
        Waiter waiter;
        waiter.waker = inbox.waker();
        waiter.state = WaitState::queued;
        BasicDeliveries<> call;
        BasicDeliveries<> end;
        call.call(waiter);
        end.end(waiter, refused);
        end.deliver();
        EXPECT_TRUE(inbox.brought.empty()) << "a second delivery could meet a frame that is gone";
        call.deliver();
        EXPECT_EQ(inbox.brought.size(), 1U);
        EXPECT_EQ(waiter.look(), refused ? WaitState::dropped : WaitState::granted);
    }
}

}  // namespace waiter_test
}  // namespace resilience::inline v1
