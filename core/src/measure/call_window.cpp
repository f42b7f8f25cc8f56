#include <algorithm>
#include <resilience/measure/call_window.hpp>

namespace resilience::inline v1 {
namespace {

constexpr std::uint64_t failed_bit = 1;
constexpr std::uint64_t slow_bit = 2;

}  // namespace

CallWindow::CallWindow(std::uint32_t calls, Durations durations)
    : words_(std::make_unique<std::uint64_t[]>((std::max(calls, 1U) - 1) / calls_in_a_word + 1)),
      durations_(durations == Durations::summed ? std::make_unique<Duration[]>(std::max(calls, 1U)) : nullptr),
      size_(std::max(calls, 1U)) {}

CallCounts CallWindow::counts() const noexcept {
    return {.calls = held_, .failures = failures_, .slow = slow_, .slow_failures = slow_failures_, .total = total_};
}

CallCounts CallWindow::record(bool failed, bool slow, Duration took) noexcept {
    std::uint64_t& word = words_[next_ / calls_in_a_word];
    const std::uint32_t shift = next_ % calls_in_a_word * 2;
    const bool full = held_ == size_;
    if (full) {
        const std::uint64_t leaving = word >> shift;
        failures_ -= static_cast<std::uint32_t>(leaving & failed_bit);
        slow_ -= static_cast<std::uint32_t>((leaving & slow_bit) >> 1);
        slow_failures_ -= static_cast<std::uint32_t>(leaving & (leaving >> 1) & failed_bit);
    } else {
        ++held_;
    }
    if (durations_ != nullptr) {
        const Duration counted = std::clamp(took, Duration::zero(), Duration::max() / size_);
        total_ += counted - (full ? durations_[next_] : Duration::zero());
        durations_[next_] = counted;
    }
    const std::uint64_t bits = (failed ? failed_bit : 0) | (slow ? slow_bit : 0);
    word = (word & ~((failed_bit | slow_bit) << shift)) | (bits << shift);
    failures_ += failed ? 1U : 0U;
    slow_ += slow ? 1U : 0U;
    slow_failures_ += failed && slow ? 1U : 0U;
    next_ = next_ + 1 == size_ ? 0 : next_ + 1;
    return counts();
}

std::uint32_t CallWindow::place_of(std::uint32_t age) const noexcept {
    return next_ > age ? next_ - 1 - age : size_ - 1 - (age - next_);
}

std::uint64_t CallWindow::bits_at(std::uint32_t place) const noexcept {
    return words_[place / calls_in_a_word] >> (place % calls_in_a_word * 2);
}

bool CallWindow::failed(std::uint32_t age) const noexcept { return (bits_at(place_of(age)) & failed_bit) != 0; }

bool CallWindow::slow(std::uint32_t age) const noexcept { return (bits_at(place_of(age)) & slow_bit) != 0; }

Duration CallWindow::took(std::uint32_t age) const noexcept {
    return durations_ == nullptr ? Duration::zero() : durations_[place_of(age)];
}

void CallWindow::forget() noexcept {
    held_ = next_ = failures_ = slow_ = slow_failures_ = 0;
    total_ = Duration::zero();
}

void CallWindow::take_over(const CallWindow& other) noexcept {
    forget();
    for (std::uint32_t age = std::min(size_, other.held_); age-- > 0;) {
        record(other.failed(age), other.slow(age), other.took(age));
    }
}

void CallWindow::take_over_locked(const RollingWindow& window, const RollingWindow* slow, TimePoint now) noexcept {
    forget();
    std::uint64_t room = size_;
    std::uint32_t oldest = 0;
    for (; oldest < window.buckets() && room > 0; ++oldest) {
        room -= std::min(room, window.bucket_locked(oldest, now).calls);
    }
    // The oldest of them may fit in part only.
    std::uint64_t kept = 0;
    for (std::uint32_t age = 0; age + 1 < oldest; ++age) kept += window.bucket_locked(age, now).calls;
    // Calls beside this add to the newest meanwhile, so it may have more by now.
    kept = size_ - room - std::min(kept, size_ - room);
    for (std::uint32_t age = oldest; age-- > 0;) {
        const WindowCounts bucket = window.bucket_locked(age, now);
        const std::uint64_t slow_ones = slow == nullptr ? 0 : slow->bucket_locked(age, now).failures;
        record_mixed(age + 1 == oldest ? std::min(kept, bucket.calls) : bucket.calls, bucket,
                     std::min(slow_ones, bucket.calls));
    }
}

// `kept` results of a bucket. Each share is spread over them as evenly as whole calls can be.
void CallWindow::record_mixed(std::uint64_t kept, WindowCounts bucket, std::uint64_t slow) noexcept {
    if (kept == 0) return;
    const auto share = [&](std::uint64_t of) {
        if (kept == bucket.calls) return of;
        return static_cast<std::uint64_t>(static_cast<double>(of) / static_cast<double>(bucket.calls) *
                                          static_cast<double>(kept));
    };
    const std::uint64_t failures = share(bucket.failures);
    const std::uint64_t slow_ones = share(slow);
    std::uint64_t failed_so_far = 0;
    std::uint64_t slow_so_far = 0;
    for (std::uint64_t call = 0; call < kept; ++call) {
        failed_so_far += failures;
        slow_so_far += slow_ones;
        record(failed_so_far >= kept, slow_so_far >= kept);
        failed_so_far -= failed_so_far >= kept ? kept : 0;
        slow_so_far -= slow_so_far >= kept ? kept : 0;
    }
}

}  // namespace resilience::inline v1
