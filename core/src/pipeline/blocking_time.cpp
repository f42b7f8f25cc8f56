#include <condition_variable>
#include <mutex>
#include <resilience/pipeline/blocking_time.hpp>
#include <thread>

namespace resilience::inline v1 {

void RealTime::wait_until(TimePoint until, const std::stop_token& stop) {
    if (!stop.stop_possible()) {
        std::this_thread::sleep_until(until);
        return;
    }
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    wake.wait_until(lock, stop, until, [] { return false; });
}

}  // namespace resilience::inline v1
