#pragma once

// Atomics that let a test act between any two operations of a lock-free part, so that every place at which another
// thread could come between is tried in turn and not left to the scheduler.

#include <atomic>
#include <functional>
#include <mutex>
#include <utility>

namespace resilience {

struct WatchedAtomics {
    static inline thread_local std::function<void()> before_operation;

    static void pass() {
        if (before_operation) before_operation();
    }
    template <class T>
    struct Atomic : std::atomic<T> {
        using Base = std::atomic<T>;
        using Base::Base;
        T load(std::memory_order order) const noexcept {
            pass();
            return Base::load(order);
        }
        void store(T value, std::memory_order order) noexcept {
            pass();
            Base::store(value, order);
        }
        T exchange(T value, std::memory_order order) noexcept {
            pass();
            return Base::exchange(value, order);
        }
        T fetch_add(T by, std::memory_order order) noexcept {
            pass();
            return Base::fetch_add(by, order);
        }
        T fetch_sub(T by, std::memory_order order) noexcept {
            pass();
            return Base::fetch_sub(by, order);
        }
        T fetch_or(T bits, std::memory_order order) noexcept {
            pass();
            return Base::fetch_or(bits, order);
        }
        T fetch_and(T bits, std::memory_order order) noexcept {
            pass();
            return Base::fetch_and(bits, order);
        }
        template <class... Orders>
        bool compare_exchange_strong(T& expected, T value, Orders... orders) noexcept {
            pass();
            return Base::compare_exchange_strong(expected, value, orders...);
        }
        bool compare_exchange_weak(T& expected, T value, std::memory_order order) noexcept {
            pass();
            return Base::compare_exchange_strong(expected, value, order);
        }
        bool compare_exchange_weak(T& expected, T value, std::memory_order order, std::memory_order failure) noexcept {
            pass();
            return Base::compare_exchange_strong(expected, value, order, failure);
        }
    };
    // Tells who waits for it and whether it is held.
    struct Mutex {
        std::mutex mutex;
        std::atomic<int> waiting{0};
        std::atomic<bool> held{false};
        void lock() {
            ++waiting;
            mutex.lock();
            --waiting;
            held = true;
        }
        void unlock() {
            held = false;
            mutex.unlock();
        }
    };
};

// Runs `first` on this thread with `second` inserted before its operation number `position`. False once `first` has
// fewer operations than that.
inline bool run_with_insertion(int position, const std::function<void()>& first, const std::function<void()>& second) {
    int passed = 0;
    bool inserted = false;
    WatchedAtomics::before_operation = [&] {
        if (passed++ != position) return;
        const std::function<void()> own = std::exchange(WatchedAtomics::before_operation, nullptr);
        inserted = true;
        second();
    };
    first();
    WatchedAtomics::before_operation = nullptr;
    return inserted;
}

}  // namespace resilience
