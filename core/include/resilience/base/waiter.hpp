#pragma once

// A place in a queue: the node of one waiting call, and who is told when its turn comes.
//
// A waiter lives in the frame of the call that waits; the policy it waits for owns the queue, never the wait. Exactly
// one delivery is ever on its way to a waiter, and it is made after the queue's lock is dropped:
//
//     idle -> queued -> leaving -> granted | dropped
//               |  ^
//               v  |
//             called                   told to look again, still in the queue: its turn is nearer than it thought
//     queued -> idle                   it withdrew and took nothing
//
// While a waiter is called or leaving, a delivery is coming and its frame has to stay. `Waker::deliver` hands it to the
// waiter's own driver, which calls `arrive` under whatever guards its sleep and then polls its call: deliver neither
// runs the call, blocks nor throws.
//
// Memory order: whoever reads `granted` or `dropped` sees what the policy wrote into the node before, because arriving
// releases and looking acquires.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <resilience/base/atomics.hpp>
#include <resilience/base/rejection.hpp>
#include <resilience/base/time.hpp>

namespace resilience::inline v1 {

template <class Atomics>
struct BasicWaiter;

// Where a driver wants to be told. The call must stay until the delivery, see above.
template <class Atomics>
struct BasicWaker {
    void (*deliver)(void* call, BasicWaiter<Atomics>& waiter) noexcept = nullptr;
    void* call = nullptr;
};

enum class WaitState : std::uint8_t { idle, queued, called, leaving, granted, dropped };

template <class Atomics = StandardAtomics>
struct BasicWaiter {
    BasicWaiter* previous = nullptr;  // the links belong to the queue, under its lock,
    BasicWaiter* next = nullptr;      // and to the delivery once the waiter has left it
    BasicWaker<Atomics> waker{};
    typename Atomics::template Atomic<WaitState> state{WaitState::idle};
    bool refused = false;      // written before `leaving`: the end is `dropped`, and `why` says why
    bool blocking = false;     // a thread sleeps here: the policy's destructor waits for it to leave
    std::uint64_t tokens = 1;  // what a rate limiter is asked for
    TimePoint since{};         // when it joined
    TimePoint moment = never;  // when it has to look by itself; under the queue's lock
    Rejection why{};

    [[nodiscard]] WaitState look() const noexcept { return state.load(std::memory_order_acquire); }

    // The driver's half of a delivery. It may meet a waiter that was called and has been popped since: then this one
    // delivery brings the end.
    void arrive() noexcept {
        WaitState seen = state.load(std::memory_order_acquire);
        for (;;) {
            const WaitState to = seen == WaitState::called ? WaitState::queued
                                 : refused                 ? WaitState::dropped
                                                           : WaitState::granted;
            if (state.compare_exchange_strong(seen, to, std::memory_order_acq_rel, std::memory_order_acquire)) return;
        }
    }
};

// Waiters on their way out, first come first, until they are delivered after the lock.
template <class Atomics = StandardAtomics>
class BasicDeliveries {
    using Waiter = BasicWaiter<Atomics>;

  public:
    BasicDeliveries() = default;
    BasicDeliveries(const BasicDeliveries&) = delete;
    BasicDeliveries& operator=(const BasicDeliveries&) = delete;

    // Under the queue's lock, after the waiter was unlinked: it leaves with a grant or, `refused`, with a refusal. If a
    // delivery is on its way already, that one brings it.
    void end(Waiter& waiter, bool refused) noexcept {
        waiter.refused = refused;
        waiter.next = nullptr;
        // Release: the verdict, and whatever was done under the place that is handed on. After it the waiter is only
        // touched if its delivery is ours.
        if (waiter.state.exchange(WaitState::leaving, std::memory_order_acq_rel) == WaitState::queued) append(waiter);
    }
    // Under the queue's lock: a waiter that stays is told to look again. At most one in a set of deliveries, the head.
    void call(Waiter& waiter) noexcept {
        WaitState seen = WaitState::queued;
        if (waiter.state.compare_exchange_strong(seen, WaitState::called, std::memory_order_acq_rel)) called_ = &waiter;
    }
    // After the lock.
    void deliver() noexcept {
        while (first_ != nullptr) {
            Waiter& waiter = *first_;
            first_ = waiter.next;  // before the delivery: the frame may be gone after it
            waiter.waker.deliver(waiter.waker.call, waiter);
        }
        if (called_ != nullptr) called_->waker.deliver(called_->waker.call, *called_);
    }

  private:
    void append(Waiter& waiter) noexcept {
        (last_ == nullptr ? first_ : last_->next) = &waiter;
        last_ = &waiter;
    }

    Waiter* first_ = nullptr;
    Waiter* last_ = nullptr;
    Waiter* called_ = nullptr;
};

// First come, first served. Everything under its owner's lock.
template <class Atomics = StandardAtomics>
class BasicWaitList {
    using Waiter = BasicWaiter<Atomics>;

  public:
    void push_back(Waiter& waiter) noexcept {
        waiter.previous = last_;
        waiter.next = nullptr;
        (last_ == nullptr ? first_ : last_->next) = &waiter;
        last_ = &waiter;
        ++size_;
    }
    void remove(Waiter& waiter) noexcept {
        (waiter.previous == nullptr ? first_ : waiter.previous->next) = waiter.next;
        (waiter.next == nullptr ? last_ : waiter.next->previous) = waiter.previous;
        --size_;
    }
    [[nodiscard]] Waiter* front() const noexcept { return first_; }
    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }

  private:
    Waiter* first_ = nullptr;
    Waiter* last_ = nullptr;
    std::uint32_t size_ = 0;
};

using Waiter = BasicWaiter<StandardAtomics>;
using Waker = BasicWaker<StandardAtomics>;

}  // namespace resilience::inline v1
