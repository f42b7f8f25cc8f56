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
// A part that needs one such counter but no stripes of its own is lent one: `counters.counter(admitted)`.
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

// The calling thread's number, at least 1.
inline std::uint32_t own_thread_number() noexcept {
    std::uint32_t number = thread_number;
    if (number == 0) [[unlikely]]
        number = assign_thread_number();
    return number;
}

}  // namespace detail

// A cache line of counters.
template <class Atomics>
struct alignas(cache_line) CounterLine {
    static constexpr std::size_t size = cache_line / sizeof(std::uint64_t);
    std::array<typename Atomics::template Atomic<std::uint64_t>, size> words{};
};

// One counter of a group, lent to a part that decides by it. Its operations take part in the single order of all
// sequentially consistent ones: of two threads that each add to one counter and then read the other's, at least one
// sees the other's addition. The group must outlive it.
template <class Atomics = StandardAtomics>
class BasicStripedCounter {
  public:
    BasicStripedCounter(CounterLine<Atomics>* stripes, std::uint32_t mask, std::size_t index) noexcept
        : stripes_(stripes), mask_(mask), index_(static_cast<std::uint32_t>(index)) {}

    // Adds 1.
    void add() noexcept { own().fetch_add(1, std::memory_order_seq_cst); }

    // What this thread's stripe has.
    [[nodiscard]] std::uint64_t read_own() const noexcept { return own().load(std::memory_order_seq_cst); }

    // The stripes' sum. Additions of 1 that go on meanwhile make it a value the counter had at some moment of the
    // reading, since it takes no other way from the first to the last.
    [[nodiscard]] std::uint64_t read() const noexcept {
        std::uint64_t total = 0;
        for (std::uint32_t stripe = 0; stripe <= mask_; ++stripe) {
            total += stripes_[stripe].words[index_].load(std::memory_order_seq_cst);
        }
        return total;
    }

    // As `read`, and draws a line in each stripe: whoever adds to it after that sees all that this thread did before.
    std::uint64_t read_and_publish() noexcept {
        std::uint64_t total = 0;
        for (std::uint32_t stripe = 0; stripe <= mask_; ++stripe) {
            total += stripes_[stripe].words[index_].fetch_add(0, std::memory_order_seq_cst);
        }
        return total;
    }

  private:
    typename Atomics::template Atomic<std::uint64_t>& own() const noexcept {
        return stripes_[detail::own_thread_number() & mask_].words[index_];
    }

    CounterLine<Atomics>* stripes_;
    std::uint32_t mask_;
    std::uint32_t index_;
};

template <std::size_t Count, class Atomics = StandardAtomics>
class BasicStripedCounters {
  public:
    static_assert(Count > 0);

    // `stripes` is rounded up to a power of two; the default suits the machine. Throws std::bad_alloc.
    explicit BasicStripedCounters(std::uint32_t stripes = detail::default_stripes())
        : lines_(std::make_unique<Line[]>(rounded_up(stripes) * lines_each)), mask_(rounded_up(stripes) - 1) {}

    BasicStripedCounters(const BasicStripedCounters&) = delete;
    BasicStripedCounters& operator=(const BasicStripedCounters&) = delete;

    // Raises counter `index` (below Count). Wraps at 2^64.
    void add(std::size_t index, std::uint64_t by = 1) noexcept { own(index).fetch_add(by, std::memory_order_relaxed); }

    // As `add`; whoever reads this counter with `read_acquire` and sees the addition also sees everything this thread
    // had written before it.
    void add_release(std::size_t index, std::uint64_t by = 1) noexcept {
        own(index).fetch_add(by, std::memory_order_release);
    }

    [[nodiscard]] std::uint64_t read(std::size_t index) const noexcept { return sum(index, std::memory_order_relaxed); }

    // As `read`, and sees what `add_release` published.
    [[nodiscard]] std::uint64_t read_acquire(std::size_t index) const noexcept {
        return sum(index, std::memory_order_acquire);
    }

    [[nodiscard]] std::uint32_t stripes() const noexcept { return mask_ + 1; }

    // Counter `index` by itself.
    [[nodiscard]] BasicStripedCounter<Atomics> counter(std::size_t index) noexcept
        requires(Count <= CounterLine<Atomics>::size)
    {
        return {lines_.get(), mask_, index};
    }

  private:
    using Line = CounterLine<Atomics>;
    using Word = typename Atomics::template Atomic<std::uint64_t>;

    // How many lines a stripe has.
    static constexpr std::size_t lines_each = (Count + Line::size - 1) / Line::size;

    static constexpr std::uint32_t rounded_up(std::uint32_t stripes) noexcept {
        std::uint32_t power = 1;
        while (power < stripes && power < 1U << 16) power *= 2;
        return power;
    }

    Word& word(std::uint32_t stripe, std::size_t index) const noexcept {
        return lines_[stripe * lines_each + index / Line::size].words[index % Line::size];
    }
    Word& own(std::size_t index) noexcept { return word(detail::own_thread_number() & mask_, index); }

    std::uint64_t sum(std::size_t index, std::memory_order order) const noexcept {
        std::uint64_t total = 0;
        for (std::uint32_t stripe = 0; stripe <= mask_; ++stripe) total += word(stripe, index).load(order);
        return total;
    }

    std::unique_ptr<Line[]> lines_;
    std::uint32_t mask_;
};

template <std::size_t Count>
using StripedCounters = BasicStripedCounters<Count, StandardAtomics>;
using StripedCounter = BasicStripedCounter<StandardAtomics>;

}  // namespace resilience::inline v1
