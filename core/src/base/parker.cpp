#include <resilience/base/parker.hpp>

namespace resilience::inline v1 {

void Parker::park(TimePoint until, const std::stop_token& stop) {
    // Outside the lock, as its destructor waits for a callback that is running and needs the lock.
    const std::stop_callback stopped(stop, [this]() noexcept { wake([] {}); });
    std::unique_lock lock(mutex_);
    const auto woken = [this] { return woken_; };
    if (until == never) {
        wake_.wait(lock, woken);
    } else {
        wake_.wait_until(lock, until, woken);
    }
    woken_ = false;
}

}  // namespace resilience::inline v1
