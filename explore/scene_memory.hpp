#pragma once

// The memory of the scene that is being explored: the scene itself and what it takes from the heap, in one piece, so
// that it can be hashed, and at the same addresses in every replay, so that pointers can be.

#include <bit>
#include <cstddef>
#include <cstdint>

namespace resilience::exploring {

// While one exists, operator new takes from the scene's memory.
class InsideScene {
  public:
    InsideScene() noexcept;
    ~InsideScene();
    InsideScene(const InsideScene&) = delete;
    InsideScene& operator=(const InsideScene&) = delete;
};

// Empties it: all zeros.
void clear_scene_memory() noexcept;
// A piece of it. The process ends if there is none left.
[[nodiscard]] void* take_scene_memory(std::size_t size, std::size_t alignment) noexcept;
[[nodiscard]] std::uint64_t scene_memory_hash() noexcept;

[[nodiscard]] constexpr std::uint64_t mixed(std::uint64_t hash, std::uint64_t value) noexcept {
    hash = std::rotl(hash, 27) ^ ((value + 0x9e3779b97f4a7c15U) * 0xff51afd7ed558ccdU);
    hash *= 0xc4ceb9fe1a85ec53U;
    return hash ^ (hash >> 31);
}

}  // namespace resilience::exploring
