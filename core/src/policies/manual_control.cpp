#include <algorithm>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/manual_control.hpp>

namespace resilience::inline v1 {

bool ManualControl::isolated() const noexcept {
    const std::scoped_lock lock(mutex_);
    return isolated_;
}

bool ManualControl::add(CircuitBreaker& breaker) {
    const std::scoped_lock lock(mutex_);
    breakers_.push_back(&breaker);
    return isolated_;
}

void ManualControl::remove(CircuitBreaker& breaker) noexcept {
    std::unique_lock lock(mutex_);
    pulled_.wait(lock, [this] { return puller_ == std::thread::id{}; });
    std::erase(breakers_, &breaker);
}

// One thread pulls at a time, outside the mutex, until nobody has wished for anything else meanwhile. The list only
// grows while it does.
void ManualControl::pull(bool isolated, TimePoint now) noexcept {
    std::unique_lock lock(mutex_);
    isolated_ = isolated;
    const std::uint64_t wish = ++wishes_;
    if (puller_ != std::thread::id{}) {
        // A listener further up this very stack cannot wait for itself: what it wishes is carried out when it returns.
        if (puller_ != std::this_thread::get_id()) pulled_.wait(lock, [&] { return carried_out_ >= wish; });
        return;
    }
    puller_ = std::this_thread::get_id();
    while (carried_out_ != wishes_) {
        const std::uint64_t present = wishes_;
        const bool wanted = isolated_;
        for (std::size_t index = 0; index < breakers_.size(); ++index) {
            CircuitBreaker& breaker = *breakers_[index];
            lock.unlock();
            wanted ? breaker.force_open(now) : breaker.reset(now);
            lock.lock();
        }
        carried_out_ = present;
    }
    puller_ = {};
    pulled_.notify_all();
}

}  // namespace resilience::inline v1
