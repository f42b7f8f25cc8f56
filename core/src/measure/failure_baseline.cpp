#include <algorithm>
#include <cmath>
#include <limits>
#include <resilience/measure/failure_baseline.hpp>

namespace resilience::inline v1 {

FailureBaseline::FailureBaseline(std::uint32_t buckets)
    : learned_(std::make_unique<Bucket[]>(std::size_t{std::max(buckets, 1U)} * windows)),
      recent_(std::make_unique<Bucket[]>(std::max(buckets, 1U))),
      buckets_(std::max(buckets, 1U)) {}

void FailureBaseline::learn(std::uint64_t calls, std::uint64_t failures) noexcept {
    if (calls == 0) return;
    // More than fit are as many in the same share.
    while (calls > std::numeric_limits<std::uint32_t>::max()) {
        calls /= 2;
        failures /= 2;
    }
    // The oldest one held back has its place where the newest one goes.
    if (held_back_ == buckets_) {
        count(recent_[newest_]);
    } else {
        ++held_back_;
    }
    recent_[newest_] = {static_cast<std::uint32_t>(calls), static_cast<std::uint32_t>(failures)};
    newest_ = (newest_ + 1) % buckets_;
}

void FailureBaseline::count(const Bucket& bucket) noexcept {
    Bucket& oldest = learned_[next_];
    calls_ += bucket.calls - std::uint64_t{oldest.calls};
    failures_ += bucket.failures - std::uint64_t{oldest.failures};
    oldest = bucket;
    next_ = (next_ + 1) % (buckets_ * windows);
    const bool settled = count_ >= buckets_;
    count_ = std::min(count_ + 1, buckets_ * windows);

    const double seen = static_cast<double>(failures_) / static_cast<double>(calls_);
    const double step = most_in_a_window / buckets_;
    rate_ = settled ? std::clamp(seen, rate_ - step, rate_ + step) : seen;
}

std::optional<double> FailureBaseline::rate() const noexcept {
    return count_ < buckets_ ? std::nullopt : std::optional(rate_);
}

bool rises_above(double rate, std::uint64_t calls, std::uint64_t failures, double confidence) noexcept {
    const double expected = static_cast<double>(calls) * rate;
    const double third = confidence / 3;
    return static_cast<double>(failures) - expected >=
           third + std::sqrt(third * third + 2 * confidence * expected * (1 - rate));
}

}  // namespace resilience::inline v1
