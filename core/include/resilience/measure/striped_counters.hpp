#pragma once

// A group of event counters that many threads raise at once without handing one cache line around.
//
// Each counter is spread over several stripes. A thread always adds to the same stripe, chosen once per thread; a
// reader adds the stripes up. The counters of one stripe lie beside each other, so a thread that raises two of them
// touches one line.
//
//     enum : std::size_t { admitted, rejected, kinds };
//     StripedCounters<kinds> counters;
//     counters.add(admitted);                          // any thread
//     std::uint64_t so_far = counters.read(admitted);  // any thread
//
// Promises: no add is lost; a counter read twice by one thread never falls; a read that follows every add (for instance
// after joining the threads) is exact. Different counters are read at different instants: where two must agree, the
// part that may not run ahead is added with `add_release` and read first with `read_acquire`, and then everything that
// its adders had added before is seen in the counters read afterwards.
//
// Cost: one locked addition and about eight instructions to add, one load for each stripe to read. Memory: `Count`
// 8-byte words rounded up to whole cache lines, for each stripe, allocated once in the constructor.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <resilience/base/atomics.hpp>

namespace resilience::inline v1 {

namespace detail {

// The number of this thread, counted from 1 in the order in which threads first add to a counter; 0 = none yet.
inline constinit thread_local std::uint32_t thread_number = 0;

// Gives the calling thread its number.
std::uint32_t assign_thread_number() noexcept;

// Hardware threads rounded up to a power of two, at most 8. More stripes cost memory in every policy and gain little.
[[nodiscard]] std::uint32_t default_stripes() noexcept;

}  // namespace detail

template <std::size_t Count, class Atomics = StandardAtomics>
class BasicStripedCounters {
  public:
    static_assert(Count > 0);

    // `stripes` is rounded up to a power of two; the default suits the machine. Throws std::bad_alloc.
    explicit BasicStripedCounters(std::uint32_t stripes = detail::default_stripes())
        : mask_(rounded_up(stripes) - 1), stripes_(std::make_unique<Stripe[]>(mask_ + 1U)) {}

    BasicStripedCounters(const BasicStripedCounters&) = delete;
    BasicStripedCounters& operator=(const BasicStripedCounters&) = delete;

    // Raises counter `index` (below Count). Wraps at 2^64.
    void add(std::size_t index, std::uint64_t by = 1) noexcept {
        own_stripe()[index].fetch_add(by, std::memory_order_relaxed);
    }

    // As `add`; whoever reads this counter with `read_acquire` and sees the addition also sees everything this thread
    // had written before it.
    void add_release(std::size_t index, std::uint64_t by = 1) noexcept {
        own_stripe()[index].fetch_add(by, std::memory_order_release);
    }

    [[nodiscard]] std::uint64_t read(std::size_t index) const noexcept { return sum(index, std::memory_order_relaxed); }

    // As `read`, and sees what `add_release` published.
    [[nodiscard]] std::uint64_t read_acquire(std::size_t index) const noexcept {
        return sum(index, std::memory_order_acquire);
    }

    [[nodiscard]] std::uint32_t stripes() const noexcept { return mask_ + 1; }

  private:
    using Word = typename Atomics::template Atomic<std::uint64_t>;

    struct alignas(cache_line) Stripe {
        std::array<Word, Count> words{};
    };

    static constexpr std::uint32_t rounded_up(std::uint32_t stripes) noexcept {
        std::uint32_t power = 1;
        while (power < stripes && power < 1U << 16) power *= 2;
        return power;
    }

    std::array<Word, Count>& own_stripe() noexcept {
        std::uint32_t number = detail::thread_number;
        if (number == 0) [[unlikely]]
            number = detail::assign_thread_number();
        return stripes_[number & mask_].words;
    }

    std::uint64_t sum(std::size_t index, std::memory_order order) const noexcept {
        std::uint64_t total = 0;
        for (std::uint32_t stripe = 0; stripe <= mask_; ++stripe) total += stripes_[stripe].words[index].load(order);
        return total;
    }

    std::uint32_t mask_;
    std::unique_ptr<Stripe[]> stripes_;
};

template <std::size_t Count>
using StripedCounters = BasicStripedCounters<Count, StandardAtomics>;

}  // namespace resilience::inline v1
