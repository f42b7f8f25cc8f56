#pragma once

// How many calls have been running for too long, without a list of them.
//
//     RunningCalls running(2s);
//     running.begin(now);                  // and later running.end(the same moment)
//     running.overdue(now);                // those that began strictly more than 2 s ago
//
// Calls are counted by when they began, in buckets an eighth of the limit wide, each with the latest beginning in it. A
// bucket is overdue when its latest beginning is: a call is never called overdue too early, and at most an eighth of
// the limit too late. Calls older than all buckets are one number.
//
// Not for several threads at once: every function is called under the owner's mutex, with moments that do not go back.
// Constant time and memory, no allocation, nothing throws.

#include <array>
#include <cstddef>
#include <cstdint>
#include <resilience/base/time.hpp>

namespace resilience::inline v1 {

class RunningCalls {
  public:
    // `limit` is more than 0.
    explicit RunningCalls(Duration limit) noexcept;

    void begin(TimePoint now) noexcept;
    // A call that began then is over. One that was never begun must not be ended.
    void end(TimePoint began) noexcept;

    [[nodiscard]] std::uint64_t overdue(TimePoint now) const noexcept;

    // A new period: nobody is waited for any more.
    void forget() noexcept;

  private:
    // Twice as far back as the limit: a bucket is reused only when it is long overdue.
    static constexpr std::size_t buckets = 16;
    struct Bucket {
        std::int64_t number = -1;
        std::uint64_t calls = 0;
        TimePoint latest{};
    };

    [[nodiscard]] std::int64_t number_of(TimePoint at) const noexcept;
    [[nodiscard]] static std::size_t place_of(std::int64_t number) noexcept;

    Duration limit_;
    std::int64_t width_;
    std::array<Bucket, buckets> buckets_{};
    std::uint64_t older_ = 0;
};

}  // namespace resilience::inline v1
