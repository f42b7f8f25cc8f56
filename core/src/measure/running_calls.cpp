#include <algorithm>
#include <resilience/measure/running_calls.hpp>

namespace resilience::inline v1 {

RunningCalls::RunningCalls(Duration limit) noexcept
    : limit_(limit), width_(std::max<std::int64_t>(limit.count() / 8, 1)) {}

// Rounded down, before the epoch too.
std::int64_t RunningCalls::number_of(TimePoint at) const noexcept {
    const std::int64_t time = at.time_since_epoch().count();
    return time / width_ - (time % width_ < 0 ? 1 : 0);
}

std::size_t RunningCalls::place_of(std::int64_t number) noexcept {
    return static_cast<std::size_t>(static_cast<std::uint64_t>(number) % buckets);
}

void RunningCalls::begin(TimePoint now) noexcept {
    const std::int64_t number = number_of(now);
    Bucket& bucket = buckets_[place_of(number)];
    if (bucket.number != number) {
        older_ += bucket.calls;
        bucket = {.number = number};
    }
    ++bucket.calls;
    bucket.latest = now;
}

// What was never begun here ends nothing: not every number that a call is known by is another's for ever.
void RunningCalls::end(TimePoint began) noexcept {
    const std::int64_t number = number_of(began);
    Bucket& bucket = buckets_[place_of(number)];
    if (bucket.number == number) {
        bucket.calls -= bucket.calls > 0 ? 1 : 0;
    } else {
        older_ -= older_ > 0 ? 1 : 0;
    }
}

std::uint64_t RunningCalls::overdue(TimePoint now) const noexcept {
    std::uint64_t calls = older_;
    for (const Bucket& bucket : buckets_) {
        if (time_between(bucket.latest, now) > limit_) calls += bucket.calls;
    }
    return calls;
}

void RunningCalls::forget() noexcept {
    buckets_ = {};
    older_ = 0;
}

}  // namespace resilience::inline v1
