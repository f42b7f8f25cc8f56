#pragma once

// One lever over several circuit breakers: isolate a dependency that has many, and let all of them go again.
//
//     auto maintenance = std::make_shared<ManualControl>();
//     CircuitBreaker reads{"orders_read", {}, {.manual_control = maintenance}};
//     CircuitBreaker writes{"orders_write", {}, {.manual_control = maintenance}};
//     maintenance->isolate();     // both refuse with forced_open, and so does every breaker that is given it later
//     maintenance->close();       // all of them are closed, with empty windows
//
// Threads: any. Both functions return when the breakers have followed; while another thread is still pulling, it also
// carries out what this one wants, and the wish that came last stays. Listeners of the breakers run inside, without a
// lock; they may use the control but not destroy one of its breakers. Both may throw std::bad_alloc, and then have
// done nothing.

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <resilience/base/time.hpp>
#include <vector>

namespace resilience::inline v1 {

class CircuitBreaker;

class ManualControl {
  public:
    ManualControl() = default;
    ManualControl(const ManualControl&) = delete;
    ManualControl& operator=(const ManualControl&) = delete;

    void isolate(TimePoint now = Clock::now()) { pull(true, now); }
    void close(TimePoint now = Clock::now()) { pull(false, now); }
    [[nodiscard]] bool isolated() const;

  private:
    friend class CircuitBreaker;

    // A breaker's constructor and destructor. True: it begins isolated. `remove` waits for a pull that is under way.
    [[nodiscard]] bool add(CircuitBreaker& breaker);
    void remove(CircuitBreaker& breaker) noexcept;

    void pull(bool isolated, TimePoint now);

    mutable std::mutex mutex_;
    std::condition_variable pulled_;
    std::vector<CircuitBreaker*> breakers_;
    bool isolated_ = false;
    bool pulling_ = false;
    std::uint64_t wish_ = 0;  // how many there have been
};

}  // namespace resilience::inline v1
