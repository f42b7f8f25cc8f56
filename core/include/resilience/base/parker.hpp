#pragma once

// Where a thread sleeps until it is woken, a moment comes, or its caller asks it to stop.
//
// One parker serves one blocking call and lives in its frame. A wake-up that comes before the thread sleeps is kept, so
// nothing is lost between looking and sleeping. `wake` makes its change under the parker's lock, and the destructor
// takes that lock once more: a thread that has seen the change may leave at once, it does not pull the parker from
// under its waker.
//
// Threads: `wake` from any, the rest from the owner. Cost: a lock, a system call when it has to sleep; no allocation.

#include <condition_variable>
#include <mutex>
#include <resilience/base/time.hpp>
#include <stop_token>

namespace resilience::inline v1 {

class Parker {
  public:
    Parker() = default;
    Parker(const Parker&) = delete;
    Parker& operator=(const Parker&) = delete;
    ~Parker() { const std::lock_guard last_waker_is_out(mutex_); }

    // Returns when woken since the last call, at `until`, or when `stop` is requested. May return early for no reason.
    void park(TimePoint until, const std::stop_token& stop);

    // Makes `change` and wakes the owner. The parker may be gone when this returns.
    template <class Change>
    void wake(Change&& change) noexcept {
        const std::lock_guard lock(mutex_);
        change();
        woken_ = true;
        wake_.notify_one();  // under the lock: afterwards there may be nothing to notify
    }

  private:
    std::mutex mutex_;
    std::condition_variable wake_;
    bool woken_ = false;
};

}  // namespace resilience::inline v1
