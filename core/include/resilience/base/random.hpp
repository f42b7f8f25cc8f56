#pragma once

// Random numbers for jitter: fast, seeded, repeatable when asked for, and different in every forked child.

#include <array>
#include <cstdint>

namespace resilience::inline v1 {

// A small generator (xoshiro256++, seeded through splitmix64). Not for secrets. One thread at a time.
class Random {
  public:
    explicit Random(std::uint64_t seed) noexcept;
    [[nodiscard]] std::uint64_t next() noexcept;
    // Uniform in [0, 1).
    [[nodiscard]] double unit() noexcept;

  private:
    std::array<std::uint64_t, 4> state_;
};

// This thread's own generator, seeded from the operating system on first use, and seeded anew in the child of a fork:
// forked workers must not retry in step.
[[nodiscard]] Random& thread_random() noexcept;

}  // namespace resilience::inline v1
