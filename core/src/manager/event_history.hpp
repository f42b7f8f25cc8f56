#pragma once

// The newest events of a manager, in memory that is taken once.

#include <chrono>
#include <cstddef>
#include <mutex>
#include <resilience/manager/recorded_event.hpp>
#include <vector>

namespace resilience::inline v1::detail {

class EventHistory {
  public:
    explicit EventHistory(std::size_t most) : most_(most) { ring_.reserve(most); }

    // Takes the place of the oldest when there is no other. Any thread.
    void add(const Event& event) noexcept {
        const auto time = std::chrono::system_clock::now();
        const std::scoped_lock lock(mutex_);
        if (ring_.size() < most_) {
            ring_.push_back({.time = time, .event = event});
        } else {
            ring_[oldest_] = {.time = time, .event = event};
            oldest_ = (oldest_ + 1) % most_;
        }
    }

    // The oldest first.
    [[nodiscard]] std::vector<RecordedEvent> copy() const {
        std::vector<RecordedEvent> events;
        events.reserve(most_);
        const std::scoped_lock lock(mutex_);
        const auto oldest = ring_.begin() + static_cast<std::ptrdiff_t>(oldest_);
        events.insert(events.end(), oldest, ring_.end());
        events.insert(events.end(), ring_.begin(), oldest);
        return events;
    }

  private:
    const std::size_t most_;
    mutable std::mutex mutex_;
    std::size_t oldest_ = 0;
    std::vector<RecordedEvent> ring_;
};

}  // namespace resilience::inline v1::detail
