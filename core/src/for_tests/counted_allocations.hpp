#pragma once

// Counts the allocations of each thread of a test program, and makes the n-th of them fail. Include it in one file of
// the program: it replaces operator new and delete for the whole of it. The others include allocation_counters.hpp.

#include <cstddef>
#include <for_tests/allocation_counters.hpp>
#include <new>

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
