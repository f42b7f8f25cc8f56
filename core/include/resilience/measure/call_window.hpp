#pragma once

// A window of the last so many calls: how many of them failed, and how many were slow.
//
//     CallWindow window(100);
//     const CallCounts counts = window.record(false, true);   // a slow success: counts of the last 100, it included
//
// Exact at every call: the result that leaves is the oldest one, whatever the clock says. Such a window has one order
// of results and therefore one writer at a time: every function is called under the owner's mutex. Memory: two bits a
// call, taken in the constructor, which may throw std::bad_alloc; nothing else allocates or throws. A record is a few
// instructions, whatever the length.

#include <cstdint>
#include <memory>

namespace resilience::inline v1 {

struct CallCounts {
    std::uint64_t calls = 0;
    std::uint64_t failures = 0;
    std::uint64_t slow = 0;  // failed ones included

    friend constexpr bool operator==(const CallCounts&, const CallCounts&) = default;
};

class CallWindow {
  public:
    // Room for `calls` results, at least one.
    explicit CallWindow(std::uint32_t calls);

    // Takes the place of the oldest result when full. Returns the counts with it.
    CallCounts record(bool failed, bool slow) noexcept;

    [[nodiscard]] CallCounts counts() const noexcept { return {held_, failures_, slow_}; }
    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }

    // The result that is `age` records old, 0 the newest; only for an age below counts().calls.
    [[nodiscard]] bool failed(std::uint32_t age) const noexcept;
    [[nodiscard]] bool slow(std::uint32_t age) const noexcept;

    void forget() noexcept;

    // Takes over the newest results of `other`, as many as fit, in their order.
    void take_over(const CallWindow& other) noexcept;

  private:
    static constexpr std::uint32_t calls_in_a_word = 32;

    [[nodiscard]] std::uint32_t place_of(std::uint32_t age) const noexcept;
    [[nodiscard]] std::uint64_t bits_at(std::uint32_t place) const noexcept;

    std::unique_ptr<std::uint64_t[]> words_;  // for each call one bit "failed", and beside it one bit "slow"
    std::uint32_t size_;
    std::uint32_t held_ = 0;
    std::uint32_t next_ = 0;  // the place that is written next
    std::uint32_t failures_ = 0;
    std::uint32_t slow_ = 0;
};

}  // namespace resilience::inline v1
