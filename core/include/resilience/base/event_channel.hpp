#pragma once

// How one policy tells its listeners: a bounded queue that whoever finds it undrained drains, outside every lock.
//
// A policy decides under its own short lock and calls `enqueue` there, so that the order of events is the order of its
// states; after the lock it calls `deliver`. One thread at a time drains; an event raised meanwhile, also by a listener
// itself, is queued and delivered by that thread, so nothing recurses however often a listener calls back.
// Nobody subscribed: one relaxed load and no memory beyond two words. Subscribed: a short internal lock per event.
//
// What a listener may do to its channel, and what then holds:
//   - throw: the exception is caught and counted;
//   - call the policy, publish, subscribe, end any subscription, its own included;
//   - destroy the policy, unless it was called by a thread that waits in the policy's line: events still queued are not
//   delivered any more, the subscription ends without harm;
//   - be cancelled (pthread_cancel): cancellation is held off while events are delivered and acts at the next
//     cancellation point after it, so no listener is cut in the middle. Leaving by pthread_exit from inside a listener
//     ends the process: delivery is noexcept and a forced unwind cannot pass it.

#include <atomic>
#include <cstdint>
#include <resilience/base/atomics.hpp>
#include <resilience/base/events.hpp>

namespace resilience::inline v1 {

template <class Atomics = StandardAtomics>
class BasicEventChannel {
  public:
    BasicEventChannel() = default;
    BasicEventChannel(const BasicEventChannel&) = delete;
    BasicEventChannel& operator=(const BasicEventChannel&) = delete;
    ~BasicEventChannel();

    // Does anybody listen to this kind? One relaxed load: an event need not be built when nobody does.
    [[nodiscard]] bool wants(EventKind kind) const noexcept {
        return (wanted_.load(std::memory_order_relaxed) & static_cast<std::uint32_t>(only(kind))) != 0;
    }

    // Queues the event and numbers it, if somebody listens to its kind. Never calls a listener, so it may be called
    // under the policy's own lock. With 64 events waiting the event is lost, counted, and its number stays unused.
    void enqueue(Event event) noexcept;

    // Delivers what is queued, unless another thread, or a caller further up this one's stack, is doing so already:
    // then that one delivers it. Never called under a lock.
    void deliver() noexcept;

    void publish(const Event& event) noexcept {
        enqueue(event);
        deliver();
    }

    // Allocates the queue the first time. Throws std::bad_alloc and then changes nothing. The listener gets events
    // queued from now on.
    Subscription subscribe(Listener listener, EventKinds kinds);

    [[nodiscard]] std::uint64_t dropped() const noexcept;              // events lost because 64 were waiting
    [[nodiscard]] std::uint64_t listener_exceptions() const noexcept;  // exceptions caught from listeners

  private:
    struct State;
    struct Hold;
    State& state();

    typename Atomics::template Atomic<std::uint32_t> wanted_{0};
    // Made by the first subscription and then never replaced. Published with release and read with acquire, so that
    // whoever sees it sees the queue behind it.
    typename Atomics::template Atomic<State*> state_{nullptr};
};

// Its bodies are in core/src/base/event_channel_body.hpp: nobody needs them who does not bring other atomics.
extern template class BasicEventChannel<StandardAtomics>;

using EventChannel = BasicEventChannel<StandardAtomics>;

}  // namespace resilience::inline v1
