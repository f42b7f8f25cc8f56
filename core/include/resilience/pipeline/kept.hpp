#pragma once

// State that a stage owns only while it waits: raw bytes with an explicit beginning and end.
//
// A call that never waits keeps nothing; its permits are locals of `start`. Only a stage about to return a pending step
// opens its part of the frame. Opening twice, or leaving one open, is a defect of the stage.

#include <cstddef>
#include <memory>
#include <new>
#include <utility>

namespace resilience::inline v1 {

template <class T>
class Kept {
  public:
    template <class... Arguments>
    void open(Arguments&&... arguments) {
        ::new (static_cast<void*>(bytes_)) T{std::forward<Arguments>(arguments)...};
    }
    void close() noexcept { std::destroy_at(get()); }

    [[nodiscard]] T* operator->() noexcept { return get(); }
    [[nodiscard]] T& operator*() noexcept { return *get(); }

  private:
    [[nodiscard]] T* get() noexcept { return std::launder(reinterpret_cast<T*>(bytes_)); }

    alignas(T) std::byte bytes_[sizeof(T)];
};

}  // namespace resilience::inline v1
