#pragma once

// The one word in which a bulkhead counts: permits out now, and permits given out ever.
//
//     bits 63..25  admitted   permits given out, 39 bits; wraps off the top of the word and disturbs nothing
//     bit  24      waiting    set while callers wait in line; exceeds every limit, so that one comparison means "full
//                             or somebody is before you"
//     bits 23..0   in_use     permits out
//
// One load shows both counts of the same instant, so `settled = admitted - in_use` is exact in every picture.
//
// Admission is a CAS and not a blind addition with undo: the addition would pass the limit for a moment, and a caller
// would be refused for a permit that nobody holds. Release is one subtraction; it borrows from nothing because in_use
// is above 0 while a permit is out.
//
// Wrap. 39 bits of admissions last 6 days at a million a second. Whoever's CAS flips bit 63 adds 1 to `flips`
// afterwards. A reader loads flips *first* and then the word; if the parity of flips is not bit 63 of the word, one
// flip is on its way and counts already. Then admitted = flips / 2 * 2^39 + the 39 bits, and readings never fall. This
// assumes that nobody sleeps between CAS and addition for 2^38 admissions: hours at full speed.
//
// Waiting. Whoever joins the line sets the bit first and looks at in_use in the value it replaced; whoever leaves
// subtracts first and looks at the bit in the value it replaced. Both happen to one word, so one of the two is later
// and sees the other: a free place and a waiter never miss each other.
//
// Threads: try_admit, release and read from any; the rest under the lock of the line. Cost: try_admit one load and one
// CAS; refused one load; release one subtraction.

#include <atomic>
#include <cstdint>
#include <resilience/base/atomics.hpp>

namespace resilience::inline v1 {

template <class Atomics = StandardAtomics>
class BasicBulkheadWord {
  public:
    // The largest limit: in_use never reaches the waiting bit.
    static constexpr std::uint32_t highest_limit = (std::uint32_t{1} << 24) - 1;

    struct Reading {
        std::uint64_t admitted = 0;
        std::uint32_t in_use = 0;
    };

    // Starts as if `admitted_before` permits had been given out and returned.
    explicit BasicBulkheadWord(std::uint64_t admitted_before = 0) noexcept
        : word_(admitted_before << admitted_shift), flips_(admitted_before >> (admitted_bits - 1)) {}

    BasicBulkheadWord(const BasicBulkheadWord&) = delete;
    BasicBulkheadWord& operator=(const BasicBulkheadWord&) = delete;

    // Takes a permit unless `limit` of them are out or somebody waits. `limit` is at most highest_limit; 0 admits
    // nobody.
    [[nodiscard]] bool try_admit(std::uint32_t limit) noexcept { return admit(limit, occupied_mask, 0); }

    // Gives one permit back; the caller holds one. True: somebody waits for it.
    [[nodiscard]] bool release() noexcept {
        // Release: what was done under the permit is handed to the next holder, see admit.
        return (word_.fetch_sub(1, std::memory_order_release) & waiting_bit) != 0;
    }

    // Takes a permit for the first in line, whom the waiting bit does not stop; `last` clears the bit with it.
    [[nodiscard]] bool admit_waiter(std::uint32_t limit, bool last) noexcept {
        return admit(limit, in_use_mask, last ? waiting_bit : 0);
    }

    // Somebody joins the line. True: fewer than `limit` permits are out, so that the line may be served.
    [[nodiscard]] bool announce_waiter(std::uint32_t limit) noexcept {
        // Acquire and release: see "Waiting" above; a place seen free is seen with what was done under it.
        return (word_.fetch_or(waiting_bit, std::memory_order_acq_rel) & in_use_mask) < limit;
    }
    // The line is empty.
    void nobody_waits() noexcept { word_.fetch_and(~waiting_bit, std::memory_order_relaxed); }

    [[nodiscard]] Reading read() const noexcept {
        // Acquire: keeps the two loads in this order; see "Wrap" above.
        std::uint64_t flips = flips_.load(std::memory_order_acquire);
        const std::uint64_t word = word_.load(std::memory_order_acquire);
        if ((flips & 1) != word >> 63) ++flips;
        return Reading{.admitted = ((flips >> 1) << admitted_bits) + (word >> admitted_shift),
                       .in_use = static_cast<std::uint32_t>(word & in_use_mask)};
    }

  private:
    static constexpr unsigned admitted_bits = 39;
    static constexpr unsigned admitted_shift = 25;
    static constexpr std::uint64_t in_use_mask = highest_limit;
    static constexpr std::uint64_t waiting_bit = std::uint64_t{1} << 24;
    static constexpr std::uint64_t occupied_mask = in_use_mask | waiting_bit;
    static constexpr std::uint64_t one_admission = (std::uint64_t{1} << admitted_shift) + 1;

    bool admit(std::uint32_t limit, std::uint64_t in_the_way, std::uint64_t cleared) noexcept {
        std::uint64_t seen = word_.load(std::memory_order_relaxed);
        std::uint64_t admitted = 0;
        do {
            if ((seen & in_the_way) >= limit) return false;
            admitted = (seen & ~cleared) + one_admission;
            // Acquire: pairs with release(). What was done under a permit is seen by whoever gets its place.
        } while (!word_.compare_exchange_weak(seen, admitted, std::memory_order_acquire, std::memory_order_relaxed));
        if (((seen ^ admitted) >> 63) != 0) [[unlikely]] {
            // Release: a reader that sees the flip sees the word that flipped.
            flips_.fetch_add(1, std::memory_order_release);
        }
        return true;
    }

    typename Atomics::template Atomic<std::uint64_t> word_;
    typename Atomics::template Atomic<std::uint64_t> flips_;
};

using BulkheadWord = BasicBulkheadWord<StandardAtomics>;

}  // namespace resilience::inline v1
