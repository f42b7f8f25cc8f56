#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <resilience/base/event_channel.hpp>
#include <stdexcept>
#include <vector>

using namespace resilience;

namespace event_channel_test {

Event change(std::uint64_t generation) { return {.kind = EventKind::transition, .generation = generation}; }

TEST(EventChannel, is_two_words_and_silent_until_somebody_listens) {
    EventChannel channel;
    static_assert(sizeof(EventChannel) <= 2 * sizeof(void*));
    EXPECT_FALSE(channel.wants(EventKind::transition));
    channel.publish(change(1));
    EXPECT_EQ(channel.dropped(), 0U);
    EXPECT_EQ(channel.listener_exceptions(), 0U);
}

TEST(EventChannel, delivers_in_order_and_numbers_what_it_delivers) {
    EventChannel channel;
    std::vector<Event> seen;
    const auto subscription = channel.subscribe([&](const Event& event) { seen.push_back(event); }, EventKinds::all);
    channel.enqueue(change(10));
    channel.enqueue(change(11));
    EXPECT_TRUE(seen.empty()) << "enqueue never calls a listener";
    channel.deliver();
    channel.publish(change(12));
    ASSERT_EQ(seen.size(), 3U);
    for (std::size_t index = 0; index < seen.size(); ++index) {
        EXPECT_EQ(seen[index].sequence, index + 1);
        EXPECT_EQ(seen[index].generation, index + 10);
    }
}

TEST(EventChannel, each_listener_gets_the_kinds_it_asked_for) {
    EventChannel channel;
    int changes = 0;
    int calls = 0;
    auto of_changes = channel.subscribe([&](const Event&) { ++changes; }, EventKinds::changes);
    EXPECT_TRUE(channel.wants(EventKind::transition));
    EXPECT_FALSE(channel.wants(EventKind::finished));
    channel.publish({.kind = EventKind::finished});
    auto of_calls = channel.subscribe([&](const Event&) { ++calls; }, EventKinds::calls);
    EXPECT_TRUE(channel.wants(EventKind::finished));
    channel.publish({.kind = EventKind::finished});
    channel.publish(change(1));
    EXPECT_EQ(changes, 1);
    EXPECT_EQ(calls, 1);
    of_calls.reset();
    EXPECT_FALSE(channel.wants(EventKind::finished));
    EXPECT_TRUE(channel.wants(EventKind::transition));
    of_changes.reset();
    EXPECT_FALSE(channel.wants(EventKind::transition));
}

TEST(EventChannel, the_65th_waiting_event_is_dropped_counted_and_missing_in_the_sequence) {
    EventChannel channel;
    std::vector<std::uint64_t> sequences;
    const auto subscription =
        channel.subscribe([&](const Event& event) { sequences.push_back(event.sequence); }, EventKinds::all);
    for (std::uint64_t event = 0; event < 70; ++event) channel.enqueue(change(event));
    EXPECT_EQ(channel.dropped(), 6U);
    channel.deliver();
    channel.publish(change(70));
    ASSERT_EQ(sequences.size(), 65U);
    EXPECT_EQ(sequences[63], 64U);
    EXPECT_EQ(sequences[64], 71U);
}

TEST(EventChannel, a_listener_that_publishes_is_never_called_inside_itself) {
    constexpr std::uint64_t events = 100'000;
    EventChannel channel;
    std::uint64_t delivered = 0;
    int depth = 0;
    int deepest = 0;
    const auto subscription = channel.subscribe(
        [&](const Event&) {
            deepest = std::max(deepest, ++depth);
            if (++delivered < events) channel.publish(change(delivered));
            --depth;
        },
        EventKinds::all);
    channel.publish(change(0));
    EXPECT_EQ(delivered, events);
    EXPECT_EQ(deepest, 1);
    EXPECT_EQ(channel.dropped(), 0U);
}

TEST(EventChannel, two_channels_whose_listeners_publish_to_each_other_do_not_recurse) {
    constexpr int events = 10'000;
    EventChannel ping;
    EventChannel pong;
    int delivered = 0;
    int depth = 0;
    int deepest = 0;
    const auto answer = [&](EventChannel& other) {
        return [&](const Event&) {
            deepest = std::max(deepest, ++depth);
            if (++delivered < events) other.publish(change(1));
            --depth;
        };
    };
    const auto first = ping.subscribe(answer(pong), EventKinds::all);
    const auto second = pong.subscribe(answer(ping), EventKinds::all);
    ping.publish(change(0));
    EXPECT_EQ(delivered, events);
    EXPECT_LE(deepest, 2) << "once per channel at most";
}

TEST(EventChannel, exceptions_are_counted_and_the_other_listeners_still_called) {
    EventChannel channel;
    int others = 0;
    const auto throwing = channel.subscribe([](const Event&) { throw std::runtime_error("no"); }, EventKinds::all);
    const auto throwing_int = channel.subscribe([](const Event&) { throw 42; }, EventKinds::all);
    const auto other = channel.subscribe([&](const Event&) { ++others; }, EventKinds::all);
    channel.publish(change(1));
    channel.publish(change(2));
    EXPECT_EQ(others, 2);
    EXPECT_EQ(channel.listener_exceptions(), 4U);
}

TEST(EventChannel, a_listener_may_end_its_own_subscription_and_is_destroyed_once_it_has_returned) {
    EventChannel channel;
    auto captured = std::make_shared<int>(0);
    const std::weak_ptr<int> watched = captured;
    Subscription subscription;
    bool alive_after_reset = false;
    subscription = channel.subscribe(
        [&, captured = std::move(captured)](const Event&) {
            ++*captured;
            subscription.reset();
            alive_after_reset = !watched.expired();
        },
        EventKinds::all);
    channel.enqueue(change(1));
    channel.enqueue(change(2));
    channel.deliver();
    EXPECT_TRUE(alive_after_reset);
    EXPECT_TRUE(watched.expired());
    EXPECT_FALSE(channel.wants(EventKind::transition));
}

TEST(EventChannel, a_listener_may_end_another_one_which_then_gets_nothing_more) {
    EventChannel channel;
    Subscription second;
    int seen_by_second = 0;
    const auto first = channel.subscribe([&](const Event&) { second.reset(); }, EventKinds::all);
    second = channel.subscribe([&](const Event&) { ++seen_by_second; }, EventKinds::all);
    channel.publish(change(1));
    channel.publish(change(2));
    EXPECT_EQ(seen_by_second, 0);
    EXPECT_EQ(channel.listener_exceptions(), 0U) << "it was called after its end";
}

TEST(EventChannel, a_listener_subscribed_by_a_listener_gets_the_next_event) {
    EventChannel channel;
    std::vector<Subscription> late;
    std::vector<std::uint64_t> seen_late;
    const auto first = channel.subscribe(
        [&](const Event&) {
            if (!late.empty()) return;
            late.push_back(
                channel.subscribe([&](const Event& event) { seen_late.push_back(event.generation); }, EventKinds::all));
        },
        EventKinds::all);
    channel.publish(change(1));
    channel.publish(change(2));
    EXPECT_EQ(seen_late, (std::vector<std::uint64_t>{2}));
}

TEST(EventChannel, a_subscription_outlives_its_channel) {
    std::optional<EventChannel> channel(std::in_place);
    auto captured = std::make_shared<int>(0);
    const std::weak_ptr<int> watched = captured;
    Subscription subscription = channel->subscribe([captured = std::move(captured)](const Event&) {}, EventKinds::all);
    channel.reset();
    EXPECT_FALSE(watched.expired());
    subscription.reset();
    EXPECT_TRUE(watched.expired());
}

TEST(EventChannel, a_listener_may_destroy_the_channel_and_events_still_waiting_are_not_delivered) {
    auto channel = std::make_unique<EventChannel>();
    int delivered = 0;
    Subscription subscription;
    subscription = channel->subscribe(
        [&](const Event&) {
            ++delivered;
            subscription.reset();
            channel.reset();
        },
        EventKinds::all);
    channel->enqueue(change(1));
    channel->enqueue(change(2));
    channel->deliver();
    EXPECT_EQ(delivered, 1);
}

struct PublishesAtTheEnd {
    explicit PublishesAtTheEnd(EventChannel& of) : channel(&of) {}
    PublishesAtTheEnd(const PublishesAtTheEnd&) = delete;
    PublishesAtTheEnd& operator=(const PublishesAtTheEnd&) = delete;
    ~PublishesAtTheEnd() { channel->publish(change(1)); }
    EventChannel* channel;
};

TEST(EventChannel, what_a_listener_captured_may_use_the_channel_while_it_is_destroyed) {
    EventChannel channel;
    int published = 0;
    const auto counting = channel.subscribe([&](const Event&) { ++published; }, EventKinds::all);
    auto last = std::make_shared<PublishesAtTheEnd>(channel);
    Subscription ending = channel.subscribe([last = std::move(last)](const Event&) {}, EventKinds::none);
    ending.reset();
    EXPECT_EQ(published, 1);
}

TEST(EventChannel, what_a_listener_captured_may_use_the_channel_also_when_it_ended_itself) {
    EventChannel channel;
    int published = 0;
    const auto counting = channel.subscribe([&](const Event&) { ++published; }, EventKinds::all);
    auto last = std::make_shared<PublishesAtTheEnd>(channel);
    Subscription ending;
    ending = channel.subscribe([&ending, last = std::move(last)](const Event&) { ending.reset(); }, EventKinds::all);
    channel.publish(change(0));
    EXPECT_EQ(published, 2);
}

}  // namespace event_channel_test
