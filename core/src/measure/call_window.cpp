#include <algorithm>
#include <resilience/measure/call_window.hpp>

namespace resilience::inline v1 {
namespace {

constexpr std::uint64_t failed_bit = 1;
constexpr std::uint64_t slow_bit = 2;

}  // namespace

CallWindow::CallWindow(std::uint32_t calls)
    : words_(std::make_unique<std::uint64_t[]>((std::max(calls, 1U) - 1) / calls_in_a_word + 1)),
      size_(std::max(calls, 1U)) {}

CallCounts CallWindow::record(bool failed, bool slow) noexcept {
    std::uint64_t& word = words_[next_ / calls_in_a_word];
    const std::uint32_t shift = next_ % calls_in_a_word * 2;
    if (held_ == size_) {
        const std::uint64_t leaving = word >> shift;
        failures_ -= static_cast<std::uint32_t>(leaving & failed_bit);
        slow_ -= static_cast<std::uint32_t>((leaving & slow_bit) >> 1);
    } else {
        ++held_;
    }
    const std::uint64_t bits = (failed ? failed_bit : 0) | (slow ? slow_bit : 0);
    word = (word & ~((failed_bit | slow_bit) << shift)) | (bits << shift);
    failures_ += failed ? 1U : 0U;
    slow_ += slow ? 1U : 0U;
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

void CallWindow::forget() noexcept { held_ = next_ = failures_ = slow_ = 0; }

void CallWindow::take_over(const CallWindow& other) noexcept {
    forget();
    for (std::uint32_t age = std::min(size_, other.held_); age-- > 0;) {
        record(other.failed(age), other.slow(age));
    }
}

}  // namespace resilience::inline v1
