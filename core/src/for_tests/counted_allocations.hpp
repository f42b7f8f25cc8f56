#pragma once

// Counts the allocations of each thread of a test program, and makes the n-th of them fail. Include it in one file of
// the program: it replaces operator new and delete for the whole of it.

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

// Never inlined: the compiler would compare the two halves of a pair and find new and free mismatched. All forms: where
// the library's others would call these, a sanitizer brings its own.
[[gnu::noinline]] void* operator new(std::size_t size) {
    return for_tests::allocate(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
    return for_tests::allocate(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return for_tests::allocate_or_null(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return for_tests::allocate_or_null(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void* operator new[](std::size_t size) {
    return for_tests::allocate(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
[[gnu::noinline]] void* operator new[](std::size_t size, std::align_val_t alignment) {
    return for_tests::allocate(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    return for_tests::allocate_or_null(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
[[gnu::noinline]] void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return for_tests::allocate_or_null(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { for_tests::deallocate(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { for_tests::deallocate(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept { for_tests::deallocate(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    for_tests::deallocate(memory);
}
[[gnu::noinline]] void operator delete[](void* memory) noexcept { for_tests::deallocate(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::size_t) noexcept { for_tests::deallocate(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::align_val_t) noexcept { for_tests::deallocate(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept {
    for_tests::deallocate(memory);
}
