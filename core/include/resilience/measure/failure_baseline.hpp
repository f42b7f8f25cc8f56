#pragma once

// How often calls fail when all is well: a baseline learned from finished stretches of time.
//
//     FailureBaseline baseline(10);          // windows of ten buckets
//     baseline.learn(1000, 3);               // a bucket that is over: 1000 calls, 3 of them failed
//     baseline.rate();                       // once a whole window is learned: after two
//
// The rate is that of all calls of the last ten windows, each call weighing the same; from one bucket to the next it
// moves by at most a hundredth of the whole divided by the buckets of a window, so by 0.01 in a window: an outage that
// nobody keeps out moves it slowly. A bucket is held back for one window before it counts; where that window turns out
// not to be normal, because a breaker opened, `forget_recent` drops what is held back: the beginning of an outage is
// not learned from either.
//
// Not for several threads at once: every function is called under the owner's mutex. Memory: 88 bytes a bucket of the
// window, taken in the constructor.

#include <cstdint>
#include <memory>
#include <optional>

namespace resilience::inline v1 {

class FailureBaseline {
  public:
    // At least one bucket a window.
    explicit FailureBaseline(std::uint32_t buckets);

    // Nothing for a bucket without calls.
    void learn(std::uint64_t calls, std::uint64_t failures) noexcept;
    // The last window was not normal.
    void forget_recent() noexcept { held_back_ = 0; }

    // Absent until a whole window is learned.
    [[nodiscard]] std::optional<double> rate() const noexcept;

  private:
    static constexpr std::uint32_t windows = 10;
    static constexpr double most_in_a_window = 0.01;
    struct Bucket {
        std::uint32_t calls = 0;
        std::uint32_t failures = 0;
    };

    void count(const Bucket& bucket) noexcept;

    std::unique_ptr<Bucket[]> learned_;
    std::unique_ptr<Bucket[]> recent_;  // held back; a ring as long as a window
    std::uint32_t buckets_;
    std::uint32_t held_back_ = 0;
    std::uint32_t newest_ = 0;  // the place in the ring that is taken next
    std::uint32_t next_ = 0;
    std::uint32_t count_ = 0;  // how many are learned, up to all there is room for
    std::uint64_t calls_ = 0;
    std::uint64_t failures_ = 0;
    double rate_ = 0;
};

// Whether `failures` of `calls` say that the rate has risen above `rate`: calls that fail independently at that rate
// show so many with a probability of at most e^-confidence (Bernstein's inequality; a variance of rate (1 - rate)).
[[nodiscard]] bool rises_above(double rate, std::uint64_t calls, std::uint64_t failures, double confidence) noexcept;

}  // namespace resilience::inline v1
