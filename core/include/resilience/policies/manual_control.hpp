#pragma once

// One lever over several circuit breakers: isolate a dependency that has many, and let all of them go again.
//
//     auto maintenance = std::make_shared<ManualControl>();
//     CircuitBreaker reads{"orders_read", {}, {.manual_control = maintenance}};
//     CircuitBreaker writes{"orders_write", {}, {.manual_control = maintenance}};
//     maintenance->isolate();     // both refuse with forced_open, and so does every breaker that is given it later
//     maintenance->close();       // all of them are closed, with empty windows
//
// Threads: any. Both functions return when every breaker has followed this wish or a later one: the wish that came last
// stays. Listeners of the breakers run inside, without a lock; they may use the control, and what they wish is carried
// out once they have returned. They must not destroy one of its breakers, nor wait for a thread that uses the control.
// A breaker that is given a control may throw std::bad_alloc for it; pulling throws nothing.

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <resilience/base/time.hpp>
#include <thread>
#include <vector>

namespace resilience::inline v1 {

class CircuitBreaker;

class ManualControl {
  public:
    ManualControl() = default;
    ManualControl(const ManualControl&) = delete;
    ManualControl& operator=(const ManualControl&) = delete;

    void isolate(TimePoint now = Clock::now()) noexcept { pull(true, now); }
    void close(TimePoint now = Clock::now()) noexcept { pull(false, now); }
    [[nodiscard]] bool isolated() const noexcept;

  private:
    friend class CircuitBreaker;

    // A breaker's constructor and destructor. True: it begins isolated. `remove` waits for a pull that is under way.
    [[nodiscard]] bool add(CircuitBreaker& breaker);
    void remove(CircuitBreaker& breaker) noexcept;

    void pull(bool isolated, TimePoint now) noexcept;

    mutable std::mutex mutex_;
    std::condition_variable pulled_;
    std::vector<CircuitBreaker*> breakers_;
    bool isolated_ = false;
    std::thread::id puller_{};  // the thread that pulls; none: {}
    std::uint64_t wishes_ = 0;  // how many there have been
    std::uint64_t carried_out_ = 0;
};

}  // namespace resilience::inline v1
