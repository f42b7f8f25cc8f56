#pragma once

// What the replaced operator new (for_tests/counted_allocations.hpp, in one file of the program) counts on each thread,
// and which allocation it makes fail.

#include <cstddef>
#include <cstdlib>
#include <limits>
#include <new>

namespace for_tests {

inline constexpr std::size_t never = std::numeric_limits<std::size_t>::max();

inline thread_local std::size_t allocations = 0;
inline thread_local std::size_t allocated_bytes = 0;
inline thread_local std::size_t deallocations = 0;
inline thread_local std::size_t fail_after = never;  // allocations that still succeed

inline void* allocate(std::size_t size, std::size_t alignment) {
    if (fail_after == 0) throw std::bad_alloc();
    if (fail_after != never) --fail_after;
    ++allocations;
    allocated_bytes += size;
    const std::size_t whole = (size + alignment - 1) / alignment * alignment;
    void* const memory = std::aligned_alloc(alignment, whole == 0 ? alignment : whole);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

inline void* allocate_or_null(std::size_t size, std::size_t alignment) noexcept {
    try {
        return allocate(size, alignment);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

inline void deallocate(void* memory) noexcept {
    if (memory != nullptr) ++deallocations;
    std::free(memory);
}

}  // namespace for_tests
