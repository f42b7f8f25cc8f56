#pragma once

// The bodies of the event channel, for the library, which has one, and for tests that bring other atomics.

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <resilience/base/cancellation_hold.hpp>
#include <resilience/base/event_channel.hpp>
#include <thread>
#include <utility>
#include <vector>

namespace resilience::inline v1 {
namespace detail {

struct ListenerEntry {
    ListenerEntry(Listener listener, EventKinds wanted) : call(std::move(listener)), kinds(wanted) {}
    Listener call;
    EventKinds kinds;
    bool live = true;
    bool ended_inside = false;  // its subscription ended while it ran, on the thread that runs it
};

// The calling thread. Atomics with threads of their own say which it is.
template <class Atomics>
auto own_thread() noexcept {
    if constexpr (requires { Atomics::own_thread(); }) {
        return Atomics::own_thread();
    } else {
        return std::this_thread::get_id();
    }
}

}  // namespace detail

// Everything here is guarded by `mutex`, except the counters. Listeners, and the destructors of what they captured, are
// user code and run only while it is released.
template <class Atomics>
struct BasicEventChannel<Atomics>::State {
    using Mutex = typename Atomics::Mutex;
    using Lock = std::unique_lock<Mutex>;
    using Entry = detail::ListenerEntry;
    using Thread = decltype(detail::own_thread<Atomics>());
    template <class T>
    using Atomic = typename Atomics::template Atomic<T>;

    static constexpr std::size_t capacity = 64;

    Mutex mutex;
    typename Atomics::ConditionVariable left;  // a listener has returned
    std::array<Event, capacity> ring;
    std::size_t first = 0;
    Atomic<std::size_t> waiting{0};  // atomic so that `deliver` with nothing to do takes no lock
    std::uint64_t sequence = 0;
    std::vector<std::shared_ptr<Entry>> entries;
    bool draining = false;
    const Entry* running = nullptr;
    Thread drainer{};
    Atomic<std::uint32_t>* wanted = nullptr;  // the channel's mask; null once the channel is gone
    std::shared_ptr<State> self;              // what the channel holds; subscriptions hold it too
    Atomic<std::uint64_t> dropped{0};
    Atomic<std::uint64_t> exceptions{0};

    void count_wanted() noexcept {
        std::uint32_t kinds = 0;
        for (const auto& entry : entries) kinds |= entry->live ? static_cast<std::uint32_t>(entry->kinds) : 0;
        if (wanted != nullptr) wanted->store(kinds, std::memory_order_relaxed);
    }
    // A drain in progress walks `entries` by index, so only the drainer itself, between two events, takes dead ones
    // out.
    void sweep() noexcept {
        std::erase_if(entries, [](const std::shared_ptr<Entry>& entry) { return !entry->live; });
    }
    void drain(Lock& lock) noexcept;
    void call(Lock& lock, const std::shared_ptr<Entry>& entry, const Event& event) noexcept;
    void end(const std::shared_ptr<Entry>& entry) noexcept;
};

// What a Subscription holds.
template <class Atomics>
struct BasicEventChannel<Atomics>::Hold {
    using Entry = detail::ListenerEntry;
    Hold(std::shared_ptr<State> of, std::shared_ptr<Entry> which) noexcept
        : state(std::move(of)), entry(std::move(which)) {}
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold() { state->end(entry); }

    std::shared_ptr<State> state;
    std::shared_ptr<Entry> entry;
};

template <class Atomics>
void BasicEventChannel<Atomics>::State::call(Lock& lock, const std::shared_ptr<Entry>& entry,
                                             const Event& event) noexcept {
    running = entry.get();
    lock.unlock();
    try {
        entry->call(event);
    } catch (...) {
        exceptions.fetch_add(1, std::memory_order_relaxed);
    }
    lock.lock();
    running = nullptr;
    left.notify_all();
    if (entry->ended_inside) {
        Listener ended;
        ended.swap(entry->call);
        lock.unlock();
        ended = nullptr;
        lock.lock();
    }
}

template <class Atomics>
void BasicEventChannel<Atomics>::State::drain(Lock& lock) noexcept {
    const detail::CancellationHold no_cancellation;
    draining = true;
    drainer = detail::own_thread<Atomics>();
    while (waiting.load(std::memory_order_relaxed) > 0) {
        const Event event = ring[first];
        first = (first + 1) % capacity;
        waiting.fetch_sub(1, std::memory_order_relaxed);
        // Entries are appended at the end while listeners run: those came after the event and do not get it.
        const std::size_t listening = entries.size();
        for (std::size_t index = 0; index < listening; ++index) {
            const std::shared_ptr<Entry> entry = entries[index];
            if (entry->live && contains(entry->kinds, event.kind)) call(lock, entry, event);
        }
        sweep();
    }
    draining = false;
    drainer = Thread{};
}

template <class Atomics>
void BasicEventChannel<Atomics>::State::end(const std::shared_ptr<Entry>& entry) noexcept {
    Listener ended;  // destroyed after the lock is released
    std::unique_lock lock(mutex);
    entry->live = false;
    count_wanted();
    if (!draining) sweep();
    if (running == entry.get() && drainer == detail::own_thread<Atomics>()) {
        entry->ended_inside = true;
        return;
    }
    left.wait(lock, [&] { return running != entry.get(); });
    ended.swap(entry->call);
}

template <class Atomics>
BasicEventChannel<Atomics>::~BasicEventChannel() {
    State* const state = state_.load(std::memory_order_acquire);
    if (state == nullptr) return;
    std::shared_ptr<State> last;  // dies after the lock
    const std::scoped_lock lock(state->mutex);
    state->wanted = nullptr;
    state->waiting.store(0, std::memory_order_relaxed);
    last = std::move(state->self);
}

template <class Atomics>
typename BasicEventChannel<Atomics>::State& BasicEventChannel<Atomics>::state() {
    State* known = state_.load(std::memory_order_acquire);
    if (known != nullptr) return *known;
    auto made = std::make_shared<State>();
    made->wanted = &wanted_;
    made->self = made;
    if (state_.compare_exchange_strong(known, made.get(), std::memory_order_acq_rel, std::memory_order_acquire)) {
        return *made;
    }
    made->self.reset();
    return *known;
}

template <class Atomics>
void BasicEventChannel<Atomics>::enqueue(Event event) noexcept {
    State* const state = state_.load(std::memory_order_acquire);
    if (state == nullptr || !wants(event.kind)) return;
    const std::scoped_lock lock(state->mutex);
    event.sequence = ++state->sequence;
    const std::size_t waiting = state->waiting.load(std::memory_order_relaxed);
    if (waiting == State::capacity) {
        state->dropped.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    state->ring[(state->first + waiting) % State::capacity] = event;
    state->waiting.store(waiting + 1, std::memory_order_relaxed);
}

template <class Atomics>
void BasicEventChannel<Atomics>::deliver() noexcept {
    State* const state = state_.load(std::memory_order_acquire);
    // Whoever queued an event reads at least its own store here, or that of the thread that took the event out.
    if (state == nullptr || state->waiting.load(std::memory_order_relaxed) == 0) return;
    std::shared_ptr<State> keep;  // a listener may destroy the policy and this channel with it
    std::unique_lock lock(state->mutex);
    if (state->draining) return;
    keep = state->self;
    state->drain(lock);
}

template <class Atomics>
Subscription BasicEventChannel<Atomics>::subscribe(Listener listener, EventKinds kinds) {
    const auto entry = std::make_shared<detail::ListenerEntry>(std::move(listener), kinds);
    State& state = this->state();
    Subscription subscription(std::make_shared<Hold>(state.self, entry));
    const std::scoped_lock lock(state.mutex);
    state.entries.push_back(entry);
    state.count_wanted();
    return subscription;
}

template <class Atomics>
std::uint64_t BasicEventChannel<Atomics>::dropped() const noexcept {
    const State* const state = state_.load(std::memory_order_acquire);
    return state == nullptr ? 0 : state->dropped.load(std::memory_order_relaxed);
}

template <class Atomics>
std::uint64_t BasicEventChannel<Atomics>::listener_exceptions() const noexcept {
    const State* const state = state_.load(std::memory_order_acquire);
    return state == nullptr ? 0 : state->exceptions.load(std::memory_order_relaxed);
}

}  // namespace resilience::inline v1
