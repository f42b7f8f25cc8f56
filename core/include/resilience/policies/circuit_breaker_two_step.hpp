#pragma once

// How `record_result(bool)` finds the `allow()` it belongs to: by counting, oldest generation first.
//
// A bare bool cannot name its admission. So each generation has a number of open anonymous admissions, and a result
// settles one of the oldest generation that still has any. A late result can therefore never decide a newer state.
// Those of the present generation are counted in one atomic word; those that a change of state left behind are counted
// beside it under the breaker's mutex, and forgotten after one lease, so that an `allow()` whose result never comes
// does not swallow the results of others for ever.

#include <array>
#include <cstdint>
#include <resilience/base/atomics.hpp>
#include <resilience/base/time.hpp>
#include <resilience/policies/circuit_breaker_state.hpp>

namespace resilience::inline v1::detail {

// Open anonymous admissions of the present generation: open:32 | older:1 | generation:31, lowest bit first. `older`
// says that earlier generations still have some, which only a thread with the breaker's mutex may settle.
template <class Atomics = StandardAtomics>
class BasicAnonymousAdmissions {
  public:
    enum class Left : std::uint8_t { one, none_open, ask_under_lock };

    // Adds one admission to the generation of `word`. False: that generation is over. Any thread, one locked operation.
    [[nodiscard]] bool enter(CircuitWord word) noexcept {
        std::uint64_t seen = word_.load(std::memory_order_relaxed);
        do {
            if (!is_of(seen, word)) return false;
            // Release: whoever settles this admission sees that it was counted as admitted before.
        } while (!word_.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel, std::memory_order_relaxed));
        return true;
    }

    // Takes one admission of the generation of `word` out. Any thread, one locked operation.
    [[nodiscard]] Left leave(CircuitWord word) noexcept {
        std::uint64_t seen = word_.load(std::memory_order_acquire);
        do {
            const std::uint64_t of_this_generation = seen ^ tag(word);  // its count, unless higher bits are left
            if (of_this_generation >= older_bit) return Left::ask_under_lock;
            if (of_this_generation == 0) return Left::none_open;
            // Acquire: pairs with the release in `enter`.
        } while (!word_.compare_exchange_weak(seen, seen - 1, std::memory_order_acq_rel, std::memory_order_acquire));
        return Left::one;
    }

    // ---- under the breaker's mutex

    // As `leave`, whether or not earlier generations have any.
    bool leave_locked() noexcept {
        std::uint64_t seen = word_.load(std::memory_order_acquire);
        do {
            if (open(seen) == 0) return false;
        } while (!word_.compare_exchange_weak(seen, seen - 1, std::memory_order_acq_rel, std::memory_order_acquire));
        return true;
    }
    void set_older(bool older) noexcept {
        if (older) {
            word_.fetch_or(older_bit, std::memory_order_acq_rel);
        } else {
            word_.fetch_and(~older_bit, std::memory_order_acq_rel);
        }
    }
    // A new generation begins without any. Returns how many the old one leaves behind.
    std::uint32_t begin(CircuitWord word) noexcept {
        const std::uint64_t fresh = tag(word);
        std::uint64_t seen = word_.load(std::memory_order_acquire);
        while (!word_.compare_exchange_weak(seen, fresh | (seen & older_bit), std::memory_order_acq_rel,
                                            std::memory_order_acquire)) {
        }
        return open(seen);
    }
    [[nodiscard]] std::uint32_t open() const noexcept { return open(word_.load(std::memory_order_acquire)); }

  private:
    static constexpr std::uint64_t older_bit = std::uint64_t{1} << 32;
    static constexpr unsigned generation_at = 33;

    static constexpr std::uint32_t open(std::uint64_t seen) noexcept { return static_cast<std::uint32_t>(seen); }
    static constexpr std::uint64_t tag(CircuitWord word) noexcept { return word.generation() << generation_at; }
    static constexpr bool is_of(std::uint64_t seen, CircuitWord word) noexcept {
        return ((seen ^ tag(word)) >> generation_at) == 0;
    }

    typename Atomics::template Atomic<std::uint64_t> word_{std::uint64_t{1} << generation_at};
};

using AnonymousAdmissions = BasicAnonymousAdmissions<StandardAtomics>;

// Anonymous admissions whose generation is over, each group with the moment at which it is forgotten. Bounded: when
// changes of state follow each other so fast that there is no room for another group, the newest group takes the later
// one in and waits for its end. Called under the breaker's mutex.
class LeftBehind {
  public:
    [[nodiscard]] std::uint64_t open() const noexcept { return std::uint64_t{open_[0]} + open_[1]; }
    [[nodiscard]] bool any() const noexcept { return open_[0] != 0; }
    // When the oldest group is forgotten; `never` without one.
    [[nodiscard]] TimePoint forgotten_at() const noexcept { return any() ? until_[0] : never; }

    void add(std::uint32_t admissions, TimePoint until) noexcept;
    // One of the oldest group. False: there is none.
    bool take_oldest() noexcept;
    // Forgets the oldest group if its time is over at `now`. Returns how many admissions it had.
    std::uint32_t forget_oldest(TimePoint now) noexcept;
    // Groups that would be forgotten at `at` stay until `until` instead.
    void extend(TimePoint at, TimePoint until) noexcept;

  private:
    void drop_first() noexcept;

    // Two groups, the one that ends first first.
    std::array<TimePoint, 2> until_{};
    std::array<std::uint32_t, 2> open_{};
};

}  // namespace resilience::inline v1::detail
