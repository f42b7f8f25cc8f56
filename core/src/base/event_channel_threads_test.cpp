#include <gtest/gtest.h>

#include <pthread.h>

#include <array>
#include <atomic>
#include <latch>
#include <resilience/base/event_channel.hpp>
#include <thread>
#include <vector>

using namespace resilience;

namespace event_channel_threads_test {

Event change(std::uint64_t generation) { return {.kind = EventKind::transition, .generation = generation}; }

TEST(EventChannelThreads, one_listener_at_a_time_in_rising_sequence_and_nothing_lost_uncounted) {
    constexpr std::uint64_t each = 5'000;
    EventChannel channel;
    std::uint64_t last = 0;  // not atomic on purpose: deliveries of one channel happen one after the other
    std::uint64_t delivered = 0;
    bool rising = true;
    const auto subscription = channel.subscribe(
        [&](const Event& event) {
            rising = rising && event.sequence > last;
            last = event.sequence;
            ++delivered;
        },
        EventKinds::all);
    {
        std::vector<std::jthread> publishers;
        for (int publisher = 0; publisher < 3; ++publisher) {
            publishers.emplace_back([&] {
                for (std::uint64_t event = 0; event < each; ++event) channel.publish(change(event));
            });
        }
    }
    channel.deliver();
    EXPECT_TRUE(rising);
    EXPECT_LE(last, 3 * each);
    EXPECT_EQ(delivered + channel.dropped(), 3 * each);
    EXPECT_GT(delivered, 0U);
}

TEST(EventChannelThreads, publishing_while_the_first_listeners_subscribe_is_clean) {
    for (int round = 0; round < 300; ++round) {
        EventChannel channel;
        std::atomic<int> delivered{0};
        std::atomic<int> ready{0};
        const auto together = [&] {
            ++ready;
            while (ready < 3) std::this_thread::yield();
        };
        std::array<Subscription, 2> subscriptions;
        {
            std::vector<std::jthread> threads;
            for (Subscription& subscription : subscriptions) {
                threads.emplace_back([&] {
                    together();
                    subscription = channel.subscribe([&](const Event&) { ++delivered; }, EventKinds::changes);
                });
            }
            together();
            for (int event = 0; event < 20; ++event) channel.publish(change(1));
        }
        delivered = 0;
        channel.publish(change(2));
        ASSERT_EQ(delivered, 2) << "both first subscriptions ended up in the same queue";
    }
}

TEST(EventChannelThreads, ending_a_subscription_waits_for_the_listener_that_runs) {
    EventChannel channel;
    std::latch running(1);
    std::latch may_return(1);
    std::atomic<bool> returned{false};
    Subscription subscription = channel.subscribe(
        [&](const Event&) {
            running.count_down();
            may_return.wait();
            returned = true;
        },
        EventKinds::all);
    std::jthread publisher([&] { channel.publish(change(1)); });
    running.wait();
    std::atomic<bool> asked{false};
    std::jthread releaser([&] {
        while (!asked) std::this_thread::yield();
        may_return.count_down();
    });
    asked = true;
    subscription.reset();
    EXPECT_TRUE(returned);
}

TEST(EventChannelThreads, after_its_subscription_ended_a_listener_is_never_called) {
    EventChannel channel;
    std::atomic<bool> stop{false};
    std::jthread publisher([&] {
        while (!stop) channel.publish(change(1));
    });
    for (int round = 0; round < 500; ++round) {
        // Freed with the subscription: a late call is a use after free that sanitizers see, and a wrong value without.
        auto value = std::make_unique<std::atomic<int>>(1);
        std::atomic<int>* const watched = value.get();
        std::atomic<int> wrong{0};
        Subscription subscription = channel.subscribe(
            [watched, &wrong](const Event&) {
                if (watched->load() != 1) ++wrong;
            },
            EventKinds::all);
        if (round % 2 == 0) std::this_thread::yield();
        subscription.reset();
        value->store(0);
        value.reset();
        EXPECT_EQ(wrong, 0);
    }
    stop = true;
}

TEST(EventChannelThreads, cancelling_a_thread_inside_a_listener_lets_the_listener_finish) {
    EventChannel channel;
    std::latch running(1);
    std::latch cancelled(1);
    std::atomic<bool> finished{false};
    const auto subscription = channel.subscribe(
        [&](const Event&) {
            running.count_down();
            cancelled.wait();
            pthread_testcancel();
            finished = true;
        },
        EventKinds::all);
    pthread_t thread{};
    ASSERT_EQ(pthread_create(
                  &thread, nullptr,
                  [](void* of) -> void* {
                      static_cast<EventChannel*>(of)->publish(change(1));
                      pthread_testcancel();
                      return of;
                  },
                  &channel),
              0);
    running.wait();
    ASSERT_EQ(pthread_cancel(thread), 0);
    cancelled.count_down();
    void* result = nullptr;
    ASSERT_EQ(pthread_join(thread, &result), 0);
    EXPECT_EQ(result, PTHREAD_CANCELED) << "the cancellation acts after the delivery";
    EXPECT_TRUE(finished);
}

}  // namespace event_channel_threads_test
