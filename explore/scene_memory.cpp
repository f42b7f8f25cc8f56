#include "scene_memory.hpp"

#include <array>
#include <cstdlib>
#include <cstring>
#include <new>

namespace resilience::exploring {
namespace {

constexpr std::size_t capacity = std::size_t{64} * 1024;
alignas(64) std::array<unsigned char, capacity> memory{};
std::size_t used = 0;
int inside = 0;

bool owns(const void* pointer) noexcept { return pointer >= memory.data() && pointer < memory.data() + memory.size(); }

void* allocated(std::size_t size, std::size_t alignment) {
    if (inside > 0) return take_scene_memory(size, alignment);
    const std::size_t rounded = (size + alignment - 1) / alignment * alignment;
    void* const found = std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
    if (found == nullptr) throw std::bad_alloc();
    return found;
}

// Scene memory is given back as a whole.
void released(void* pointer) noexcept {
    if (!owns(pointer)) std::free(pointer);
}

}  // namespace

InsideScene::InsideScene() noexcept { ++inside; }
InsideScene::~InsideScene() { --inside; }

void clear_scene_memory() noexcept {
    std::memset(memory.data(), 0, used);
    used = 0;
}

void* take_scene_memory(std::size_t size, std::size_t alignment) noexcept {
    const std::size_t from = (used + alignment - 1) / alignment * alignment;
    if (from + size > memory.size()) std::abort();
    used = (from + size + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t) * sizeof(std::uint64_t);
    return memory.data() + from;
}

std::uint64_t scene_memory_hash() noexcept {
    std::uint64_t hash = used;
    for (std::size_t at = 0; at < used; at += sizeof hash) {
        std::uint64_t word = 0;
        std::memcpy(&word, memory.data() + at, sizeof word);
        hash = mixed(hash, word);
    }
    return hash;
}

}  // namespace resilience::exploring

void* operator new(std::size_t size) {
    return resilience::exploring::allocated(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    return resilience::exploring::allocated(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* pointer) noexcept { resilience::exploring::released(pointer); }
void operator delete(void* pointer, std::size_t) noexcept { resilience::exploring::released(pointer); }
void operator delete(void* pointer, std::align_val_t) noexcept { resilience::exploring::released(pointer); }
void operator delete(void* pointer, std::size_t, std::align_val_t) noexcept {
    resilience::exploring::released(pointer);
}
