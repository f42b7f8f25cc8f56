#pragma once

// Parts of a policy that come into being while it is in use.
//
//     using Words = std::vector<std::string>;
//     detail::PublishedOnce<Words> words;               // not there yet
//     words.publish(std::make_unique<Words>());         // under the owner's mutex
//     if (words != nullptr) show(words->empty() ? "" : words->front());  // any thread, without it
//
// What has been made stays until its owner is destroyed: a thread that has found it may still be about to use it. Cost
// of a look: one load.

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace resilience::inline v1::detail {

template <class Part>
class PublishedOnce {
  public:
    explicit PublishedOnce(std::unique_ptr<Part> part = nullptr) noexcept : part_(part.release()) {}
    ~PublishedOnce() { delete part_.load(std::memory_order_relaxed); }
    PublishedOnce(const PublishedOnce&) = delete;
    PublishedOnce& operator=(const PublishedOnce&) = delete;

    // Only while there is none. Release: whoever finds it finds it whole.
    void publish(std::unique_ptr<Part> part) noexcept { part_.store(part.release(), std::memory_order_release); }

    // Acquire: pairs with `publish`. Once it is there it is so for good.
    [[nodiscard]] Part* get() const noexcept { return part_.load(std::memory_order_acquire); }
    Part* operator->() const noexcept { return get(); }
    Part& operator*() const noexcept { return *get(); }
    friend bool operator==(const PublishedOnce& part, std::nullptr_t) noexcept { return part.get() == nullptr; }

  private:
    std::atomic<Part*> part_;
};

// One that can be switched off and on again. Off, it is not there for anybody who looks, but keeps what it has.
template <class Part>
class Switched {
  public:
    // Under the owner's mutex. Takes `part` where none was made before.
    void on(std::unique_ptr<Part> part) noexcept {
        if (made_ == nullptr) made_ = std::move(part);
        present_.store(made_.get(), std::memory_order_release);
    }
    void off() noexcept { present_.store(nullptr, std::memory_order_relaxed); }
    [[nodiscard]] Part* made() const noexcept { return made_.get(); }

    // A thread without the mutex asks once and keeps the answer.
    [[nodiscard]] Part* get() const noexcept { return present_.load(std::memory_order_acquire); }
    Part* operator->() const noexcept { return get(); }
    friend bool operator==(const Switched& part, std::nullptr_t) noexcept { return part.get() == nullptr; }

  private:
    std::atomic<Part*> present_{nullptr};
    std::unique_ptr<Part> made_;
};

}  // namespace resilience::inline v1::detail
