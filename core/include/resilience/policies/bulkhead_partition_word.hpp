#pragma once

// How many places one partition of a bulkhead holds: of its own, and of those that everybody shares.
//
//     bits 63..32  shared     places of the rest
//     bits 31..0   reserved   places of its own, at most as many as it has
//
// One word, so that in every instant shared is 0 unless all of its own are in use: a partition takes from the rest only
// what it cannot do without, and gives that back first.
//
// Threads: any. Cost: one load and one CAS for each change.

#include <atomic>
#include <cstdint>
#include <resilience/base/atomics.hpp>

namespace resilience::inline v1 {

template <class Atomics = StandardAtomics>
class BasicBulkheadPartitionWord {
  public:
    struct Reading {
        std::uint32_t reserved = 0;
        std::uint32_t shared = 0;
    };

    explicit BasicBulkheadPartitionWord(std::uint32_t places) noexcept : places_(places) {}
    BasicBulkheadPartitionWord(const BasicBulkheadPartitionWord&) = delete;
    BasicBulkheadPartitionWord& operator=(const BasicBulkheadPartitionWord&) = delete;

    // Takes one of its own if there is one.
    [[nodiscard]] bool take_reserved() noexcept {
        std::uint64_t seen = word_.load(std::memory_order_relaxed);
        do {
            if (reserved_in(seen) >= places_) return false;
            // Acquire: pairs with give_back(). What was done under a place is seen by whoever gets it next.
        } while (!word_.compare_exchange_weak(seen, seen + one_reserved, std::memory_order_acquire,
                                              std::memory_order_relaxed));
        return true;
    }

    // The caller has taken a place of the rest. False: it is counted. True: one of its own became free meanwhile and
    // was taken instead, so that the caller returns that of the rest.
    [[nodiscard]] bool take_instead_of_shared() noexcept {
        std::uint64_t seen = word_.load(std::memory_order_relaxed);
        bool own = false;
        do {
            own = reserved_in(seen) < places_;
            // Acquire: as in take_reserved().
        } while (!word_.compare_exchange_weak(seen, seen + (own ? one_reserved : one_shared), std::memory_order_acquire,
                                              std::memory_order_relaxed));
        return own;
    }

    // Gives one place back; the caller holds one. True: one of the rest, which the caller returns.
    [[nodiscard]] bool give_back() noexcept {
        std::uint64_t seen = word_.load(std::memory_order_relaxed);
        bool shared = false;
        do {
            shared = seen >= one_shared;
            // Release: what was done under the place is handed to its next holder.
        } while (!word_.compare_exchange_weak(seen, seen - (shared ? one_shared : one_reserved),
                                              std::memory_order_release, std::memory_order_relaxed));
        return shared;
    }

    [[nodiscard]] Reading read() const noexcept {
        const std::uint64_t word = word_.load(std::memory_order_relaxed);
        return {.reserved = reserved_in(word), .shared = static_cast<std::uint32_t>(word >> 32)};
    }
    [[nodiscard]] std::uint32_t places() const noexcept { return places_; }

  private:
    static constexpr std::uint64_t one_reserved = 1;
    static constexpr std::uint64_t one_shared = std::uint64_t{1} << 32;
    static std::uint32_t reserved_in(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word); }

    typename Atomics::template Atomic<std::uint64_t> word_{0};
    const std::uint32_t places_;
};

using BulkheadPartitionWord = BasicBulkheadPartitionWord<StandardAtomics>;

}  // namespace resilience::inline v1
