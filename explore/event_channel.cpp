// Events that are raised while others are delivered: each reaches each listener once, in order, one at a time.

#include <array>
#include <base/event_channel_body.hpp>
#include <cstdint>
#include <optional>
#include <resilience/base/event_channel.hpp>

#include "explorer_atomics.hpp"
#include "parts.hpp"

namespace resilience::inline v1 {
namespace exploring_event_channel {

using namespace exploring;

// Of static storage, so that the gaps between its members are zeros in every copy: the explorer compares memory.
const Event something{.kind = EventKind::lever};

// What one listener has been told. It is slow: others may go on while it runs.
struct Told {
    std::array<std::uint64_t, 8> sequences{};
    std::size_t count = 0;
    bool running = false;
    bool over = false;  // its subscription has ended

    void operator()(const Event& event) {
        require(!over, "a listener was called after its subscription had ended");
        require(!running, "a listener was called by two threads at once");
        running = true;
        sequences.at(count++) = event.sequence;
        let_others_go_first();
        require(!over, "a subscription ended under its listener");
        running = false;
    }
    void expect(std::uint64_t first, std::size_t events) const {
        require(count >= events, "an event was not delivered");
        require(count <= events, "an event was delivered twice");
        for (std::size_t index = 0; index < events; ++index) {
            require(sequences.at(index) == first + index, "events were delivered out of order");
        }
    }
};

template <class Atomics>
struct ChannelScene {
    BasicEventChannel<Atomics> channel;
    Told told;
    Subscription listening = channel.subscribe([this](const Event& event) { told(event); }, EventKinds::all);

    void raise() { channel.publish(something); }
};

template <class Atomics>
struct ThreeRaise : ChannelScene<Atomics> {
    static constexpr int threads = 3;
    void run(int) { this->raise(); }
    void check() { this->told.expect(1, 3); }
};

// As policies do it: several events under a lock of their own, delivered after it.
template <class Atomics>
struct TwoPolicyThreads : ChannelScene<Atomics> {
    static constexpr int threads = 2;
    typename Atomics::Mutex mutex;
    std::uint64_t decided = 0;
    void run(int thread) {
        {
            const std::lock_guard lock(mutex);
            for (int change = 0; change <= thread; ++change) {
                ++decided;
                this->channel.enqueue(something);
            }
        }
        this->channel.deliver();
    }
    void check() { this->told.expect(1, 3); }
};

// The listener raises one more event when it hears the first.
template <class Atomics>
struct AListenerRaises {
    static constexpr int threads = 2;
    BasicEventChannel<Atomics> channel;
    Told told;
    Subscription listening = channel.subscribe(
        [this](const Event& event) {
            if (event.sequence == 1) channel.publish(something);
            told(event);
        },
        EventKinds::all);
    void run(int) { channel.publish(something); }
    void check() { told.expect(1, 3); }
};

// Two subscribe first, beside an event: whoever was told of it, both are told of the next.
template <class Atomics>
struct TwoSubscribeFirst {
    static constexpr int threads = 3;
    BasicEventChannel<Atomics> channel;
    std::array<Told, 2> told;
    std::array<Subscription, 2> listening;
    void run(int thread) {
        if (thread == 2) return channel.publish(something);
        const auto index = static_cast<std::size_t>(thread);
        Told& own = told.at(index);
        listening.at(index) = channel.subscribe([&own](const Event& event) { own(event); }, EventKinds::all);
    }
    void check() {
        channel.publish(something);
        const std::uint64_t last = told[0].sequences.at(told[0].count - 1);
        for (const Told& listener : told) listener.expect(last + 1 - listener.count, listener.count);
        require(told[0].count > 0 && told[1].count > 0, "a subscription was lost");
        require(told[1].sequences.at(told[1].count - 1) == last, "the two listen to different queues");
    }
};

// A subscription ends beside two events.
template <class Atomics>
struct ASubscriptionEnds : ChannelScene<Atomics> {
    static constexpr int threads = 3;
    void run(int thread) {
        if (thread != 0) return this->raise();
        this->listening.reset();
        this->told.over = true;
    }
    void check() { this->told.expect(1, this->told.count); }
};

struct ClearsDrainingAfterTheUnlock : ExplorerAtomics {};
struct DrainsBesideAnother : ExplorerAtomics {};
struct EndsWithoutWaiting : ExplorerAtomics {};

}  // namespace exploring_event_channel

using namespace exploring_event_channel;

template <>
void BasicEventChannel<ClearsDrainingAfterTheUnlock>::State::drain(Lock& lock) noexcept {
    draining = true;
    while (waiting.load(std::memory_order_relaxed) > 0) {
        const Event event = ring[first];
        first = (first + 1) % capacity;
        waiting.fetch_sub(1, std::memory_order_relaxed);
        for (const std::shared_ptr<Entry>& entry : entries) call(lock, entry, event);
    }
    lock.unlock();
    let_others_go_first();
    draining = false;
    lock.lock();
}

template <>
void BasicEventChannel<DrainsBesideAnother>::deliver() noexcept {
    State* const state = state_.load(std::memory_order_acquire);
    if (state == nullptr || state->waiting.load(std::memory_order_relaxed) == 0) return;
    State::Lock lock(state->mutex);
    state->drain(lock);
}

template <>
void BasicEventChannel<EndsWithoutWaiting>::State::end(const std::shared_ptr<Entry>& entry) noexcept {
    const Lock lock(mutex);
    entry->live = false;
    count_wanted();
}

namespace exploring_event_channel {
namespace {

const Listed listed{
    {.name = "event channel",
     .tests = {{"three raise an event each", explore<ThreeRaise<ExplorerAtomics>>},
               {"two policy threads raise three under a lock", explore<TwoPolicyThreads<ExplorerAtomics>>},
               {"a listener raises one itself", explore<AListenerRaises<ExplorerAtomics>>},
               {"two first subscriptions and an event", explore<TwoSubscribeFirst<ExplorerAtomics>>},
               {"a subscription ends beside two events", explore<ASubscriptionEnds<ExplorerAtomics>>}},
     .mutants = {{"draining is cleared after the unlock", explore<ThreeRaise<ClearsDrainingAfterTheUnlock>>},
                 {"two drain at once", explore<ThreeRaise<DrainsBesideAnother>>},
                 {"a subscription does not wait for its listener", explore<ASubscriptionEnds<EndsWithoutWaiting>>}}}};

}  // namespace
}  // namespace exploring_event_channel
}  // namespace resilience::inline v1
