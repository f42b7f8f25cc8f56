#pragma once

// Which atomics and which lock a lock-free part is built from. Every lock-free part of the library is a template over
// this one type, so that a test can hand it instrumented atomics and run every interleaving of a small scenario.
//
//     template <class Atomics> class BasicThing { typename Atomics::template Atomic<std::uint64_t> word_; };
//     using Thing = BasicThing<StandardAtomics>;
//
// Fences are never used: ThreadSanitizer cannot see them. Order is carried by the atomic operations themselves.

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace resilience::inline v1 {

struct StandardAtomics {
    template <class T>
    using Atomic = std::atomic<T>;
    using Mutex = std::mutex;
    using ConditionVariable = std::condition_variable;  // waits with a std::unique_lock of that Mutex
};

// The unit of false sharing on every processor we run on. A named constant and not
// std::hardware_destructive_interference_size, whose value may differ between two translation units.
inline constexpr std::size_t cache_line = 64;

}  // namespace resilience::inline v1
