#pragma once

// The atomics, the mutex and the condition variable that the explorer hands to a lock-free part: each operation is a
// place at which another thread may come first.
//
// Outside an exploration (while a scene is made and checked) they are plain variables. A mutant is a part over a type
// derived from ExplorerAtomics, for which one member function is specialized with a fault in it: the production headers
// need no hook for that, and everything but that one function is the code that ships.

#include <atomic>
#include <cstdint>
#include <cstring>

#include "explorer.hpp"

namespace resilience::exploring {

class ExplorerMutex;

// The other threads may go on before this operation; with a mutex, until it is free; with a count, until it is another.
void before_operation(const ExplorerMutex* wanted = nullptr, const std::uint64_t* count = nullptr,
                      std::uint64_t seen = 0);
// Which of the scene's threads runs; -1 outside.
[[nodiscard]] int running_thread() noexcept;
// The thread now knows this.
void has_seen(std::uint64_t value);
// The thread may now read all that the scene holds.
void has_locked(const ExplorerMutex& mutex);
void has_unlocked(const ExplorerMutex& mutex);

class ExplorerMutex {
  public:
    void lock() {
        before_operation(this);
        has_locked(*this);
    }
    void unlock() {
        before_operation();
        has_unlocked(*this);
    }
};

class ExplorerConditionVariable {
  public:
    template <class Lock, class Holds>
    void wait(Lock& lock, Holds holds) {
        while (!holds()) {
            const std::uint64_t seen = calls_;
            lock.unlock();
            wait_for_change_of(calls_, seen);
            lock.lock();
        }
    }
    void notify_all() { ++calls_; }

  private:
    std::uint64_t calls_ = 0;
};

template <class T>
class ExplorerAtomic {
  public:
    ExplorerAtomic() = default;
    ExplorerAtomic(T value) : value_(value) {}  // as std::atomic, so that `= 0` reads the same
    ExplorerAtomic(const ExplorerAtomic&) = delete;
    ExplorerAtomic& operator=(const ExplorerAtomic&) = delete;

    // Without letting anybody go first: for what a scene requires of this very moment.
    [[nodiscard]] T peek() const { return value_; }

    T load(std::memory_order) const {
        before_operation();
        return seen(value_);
    }
    void store(T value, std::memory_order) {
        before_operation();
        value_ = value;
        has_seen(0);
    }
    T exchange(T value, std::memory_order) {
        before_operation();
        return replaced(value);
    }
    T fetch_add(T by, std::memory_order) {
        before_operation();
        return replaced(static_cast<T>(value_ + by));
    }
    T fetch_sub(T by, std::memory_order) {
        before_operation();
        return replaced(static_cast<T>(value_ - by));
    }
    T fetch_or(T bits, std::memory_order) {
        before_operation();
        return replaced(static_cast<T>(value_ | bits));
    }
    T fetch_and(T bits, std::memory_order) {
        before_operation();
        return replaced(static_cast<T>(value_ & bits));
    }
    // Neither form fails for no reason: that is one more read, after which the loop that it needs comes back.
    template <class... Orders>
    bool compare_exchange_strong(T& expected, T value, Orders...) {
        before_operation();
        if (value_ != expected) {
            expected = seen(value_);
            return false;
        }
        replaced(value);
        return true;
    }
    template <class... Orders>
    bool compare_exchange_weak(T& expected, T value, Orders... orders) {
        return compare_exchange_strong(expected, value, orders...);
    }

  private:
    static T seen(T value) {
        std::uint64_t bits = 0;
        static_assert(sizeof(T) <= sizeof bits);
        std::memcpy(&bits, &value, sizeof value);
        has_seen(bits);
        return value;
    }
    T replaced(T value) {
        const T before = seen(value_);
        value_ = value;
        return before;
    }

    T value_{};
};

struct ExplorerAtomics {
    template <class T>
    using Atomic = ExplorerAtomic<T>;
    using Mutex = ExplorerMutex;
    using ConditionVariable = ExplorerConditionVariable;
    static int own_thread() noexcept { return running_thread(); }
};

}  // namespace resilience::exploring
