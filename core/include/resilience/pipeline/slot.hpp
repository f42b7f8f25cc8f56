#pragma once

// The typed answer of one attempt: nothing yet, what the function returned, or the exception it threw.
//
// Stages never look inside; only classifiers, which need the type, and the front, which moves the answer out once.

#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace resilience::inline v1 {

// Stands for the answer of a function that returns nothing.
struct NoValue {};

template <class Result>
using StoredResult = std::conditional_t<std::is_void_v<Result>, NoValue, Result>;

// A std::variant would test, at each change, what it holds; here whoever fills a slot knows that it is empty.
template <class Result>
class Slot {
  public:
    Slot() noexcept {}
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    ~Slot() { clear(); }

    // Into an empty slot. `make` returns the value, which is built in place; if it throws the slot stays empty.
    template <class Make>
    void put_value(Make&& make) {
        ::new (static_cast<void*>(std::addressof(value_))) Result(std::forward<Make>(make)());
        holds_ = Holds::value;
    }
    // Into an empty slot.
    void put_exception(std::exception_ptr exception) noexcept {
        ::new (static_cast<void*>(std::addressof(exception_))) std::exception_ptr(std::move(exception));
        holds_ = Holds::exception;
    }
    void clear() noexcept {
        if (holds_ == Holds::value) std::destroy_at(std::addressof(value_));
        if (holds_ == Holds::exception) std::destroy_at(std::addressof(exception_));
        holds_ = Holds::nothing;
    }

    [[nodiscard]] bool has_exception() const noexcept { return holds_ == Holds::exception; }
    [[nodiscard]] const Result& value() const noexcept { return value_; }
    [[nodiscard]] Result& value() noexcept { return value_; }
    [[nodiscard]] const std::exception_ptr& exception() const noexcept { return exception_; }

  private:
    enum class Holds : std::uint8_t { nothing, value, exception };

    union {
        Result value_;
        std::exception_ptr exception_;
    };
    Holds holds_ = Holds::nothing;
};

}  // namespace resilience::inline v1
