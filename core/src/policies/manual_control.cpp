#include <algorithm>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/manual_control.hpp>

namespace resilience::inline v1 {

bool ManualControl::isolated() const {
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
    pulled_.wait(lock, [this] { return !pulling_; });
    std::erase(breakers_, &breaker);
}

// One thread pulls at a time, outside the mutex, until nobody has wished for anything else meanwhile.
void ManualControl::pull(bool isolated, TimePoint now) {
    std::unique_lock lock(mutex_);
    std::vector<CircuitBreaker*> reached;
    reached.reserve(breakers_.size());
    isolated_ = isolated;
    ++wish_;
    if (pulling_) return;
    pulling_ = true;
    for (std::uint64_t carried_out = 0; carried_out != wish_;) {
        carried_out = wish_;
        const bool wanted = isolated_;
        reached.assign(breakers_.begin(), breakers_.end());
        lock.unlock();
        for (CircuitBreaker* const breaker : reached) {
            wanted ? breaker->force_open(now) : breaker->reset(now);
        }
        lock.lock();
    }
    pulling_ = false;
    pulled_.notify_all();
}

}  // namespace resilience::inline v1
