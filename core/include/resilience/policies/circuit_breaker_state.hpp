#pragma once

// The state word of a circuit breaker, and the moment at which its state ends by itself.
//
// One 64-bit word says everything the hot path asks: state, generation, which of the two windows is in use, and whether
// a lever with an end holds the state. Admitting and settling while closed, and refusing while open, only load it.
// Every change is made under the breaker's mutex; a change raises the generation, so two words are equal only if
// nothing has happened in between.
//
// A permit keeps the word it was admitted under (a probe with its slot in it, a call that is counted as running with
// the number of the count). "Is this verdict still about the present
// state?" is therefore one comparison.

#include <cstdint>
#include <resilience/base/atomics.hpp>
#include <resilience/base/circuit_state.hpp>
#include <resilience/base/time.hpp>

namespace resilience::inline v1::detail {

// Whether the passing of time alone ends a state.
enum class StateEnd : std::uint8_t {
    none,       // it does not
    open_time,  // an open period, which becomes half-open, or a half-open one with a limit
    lever,      // a lever with an end, after which what was before comes back
};

// How much of a closed period's calls an option wants to see.
enum class Watch : std::uint8_t {
    none,        // counting them is all
    results,     // an option judges them
    admissions,  // and looks at each call before it is admitted, under the mutex
};

// A permit of an operation has a word of another make (circuit_breaker_operation.hpp), which equals no state word.
//
// state:3 | ends:1 | lever:1 | window:1 | watched:1 | admissions:1 | slot:10 | generation:46, lowest bit first. A state
// word has slot 0.
class CircuitWord {
  public:
    constexpr CircuitWord() = default;
    explicit constexpr CircuitWord(std::uint64_t bits) noexcept : bits_(bits) {}
    constexpr CircuitWord(CircuitState state, std::uint64_t generation, std::uint32_t window, StateEnd ending) noexcept
        : bits_(static_cast<std::uint64_t>(state) | ending_bits(ending) | (std::uint64_t{window & 1U} << window_at) |
                (generation << generation_at)) {}

    [[nodiscard]] constexpr std::uint64_t bits() const noexcept { return bits_; }
    [[nodiscard]] constexpr CircuitState state() const noexcept {
        return static_cast<CircuitState>(bits_ & state_bits);
    }
    [[nodiscard]] constexpr std::uint64_t generation() const noexcept { return bits_ >> generation_at; }
    [[nodiscard]] constexpr std::uint32_t window() const noexcept {
        return static_cast<std::uint32_t>(bits_ >> window_at) & 1U;
    }
    [[nodiscard]] constexpr std::uint32_t slot() const noexcept {
        return static_cast<std::uint32_t>(bits_ >> slot_at) & slot_mask;
    }
    // There is a moment at which the state ends by itself.
    [[nodiscard]] constexpr bool ends() const noexcept { return (bits_ & ends_bit) != 0; }
    // It is the end of a lever.
    [[nodiscard]] constexpr bool held() const noexcept { return (bits_ & lever_bit) != 0; }

    // Closed, no passing of time will change that and no option asks for more: the whole question of the hot path.
    [[nodiscard]] constexpr bool plainly_closed() const noexcept {
        return (bits_ & (state_bits | ends_bit | watched_bit)) == 0;
    }
    // Results are counted in a window.
    [[nodiscard]] constexpr bool counting() const noexcept {
        return state() == CircuitState::closed || state() == CircuitState::metrics_only;
    }
    [[nodiscard]] constexpr bool watches_admissions() const noexcept { return (bits_ & admissions_bit) != 0; }
    // Open, and there is a moment to come back at.
    [[nodiscard]] constexpr bool open_with_end() const noexcept {
        return (bits_ & (state_bits | ends_bit)) == (static_cast<std::uint64_t>(CircuitState::open) | ends_bit);
    }

    // No state: a permit of an operation keeps something else here, which the breaker takes apart.
    [[nodiscard]] constexpr bool of_operation() const noexcept { return (bits_ & state_bits) == operation_mark; }
    static constexpr std::uint64_t operation_mark = 7;

    // Whether both were seen between the same two changes of state.
    [[nodiscard]] constexpr bool same_period(CircuitWord other) const noexcept {
        return ((bits_ ^ other.bits_) >> generation_at) == 0;
    }

    [[nodiscard]] constexpr CircuitWord with_slot(std::uint32_t slot) const noexcept {
        return CircuitWord(bits_ | (std::uint64_t{slot & slot_mask} << slot_at));
    }
    [[nodiscard]] constexpr CircuitWord with_ending(StateEnd ending) const noexcept {
        return CircuitWord((bits_ & ~(ends_bit | lever_bit)) | ending_bits(ending));
    }

    [[nodiscard]] constexpr CircuitWord with_watch(Watch watch) const noexcept {
        const std::uint64_t bits = watch == Watch::none ? 0 : watched_bit;
        return CircuitWord((bits_ & ~(watched_bit | admissions_bit)) | bits |
                           (watch == Watch::admissions ? admissions_bit : 0));
    }

    friend constexpr bool operator==(CircuitWord, CircuitWord) = default;

  private:
    static constexpr std::uint64_t state_bits = 7;
    static constexpr std::uint64_t ends_bit = 8;
    static constexpr std::uint64_t lever_bit = 16;
    static constexpr unsigned window_at = 5;
    static constexpr std::uint64_t watched_bit = 64;
    static constexpr std::uint64_t admissions_bit = 128;
    static constexpr unsigned slot_at = 8;
    static constexpr std::uint32_t slot_mask = 1023;
    static constexpr unsigned generation_at = 18;

    static constexpr std::uint64_t ending_bits(StateEnd ending) noexcept {
        return ending == StateEnd::none ? 0 : (ending == StateEnd::lever ? ends_bit | lever_bit : ends_bit);
    }

    std::uint64_t bits_ = 0;
};

// Readers are any threads; `publish` is called under the breaker's mutex.
template <class Atomics = StandardAtomics>
class BasicCircuitState {
  public:
    // Acquire: a thread that sees a period has begun also sees the emptied window of that period and its `until`.
    [[nodiscard]] CircuitWord word() const noexcept { return CircuitWord(word_.load(std::memory_order_acquire)); }

    // When the state ends by itself. Read after a word that `ends()`, it is that word's end or the end of a later state
    // that has one; a caller that needs the two to belong together holds the mutex.
    [[nodiscard]] TimePoint until() const noexcept {
        return TimePoint{Duration{until_.load(std::memory_order_relaxed)}};
    }

    // `never` for a word that does not end.
    [[nodiscard]] TimePoint end_of(CircuitWord word) const noexcept { return word.ends() ? until() : never; }

    // `until` is kept from an earlier state where this one has no end: a thread that still refuses under the earlier
    // word must not find the end of time.
    void publish(CircuitWord word, TimePoint until) noexcept {
        if (word.ends()) until_.store(until.time_since_epoch().count(), std::memory_order_relaxed);
        // Release: publishes `until` and what was prepared for the new period.
        word_.store(word.bits(), std::memory_order_release);
    }

  private:
    typename Atomics::template Atomic<std::uint64_t> word_{
        CircuitWord(CircuitState::closed, 1, 0, StateEnd::none).bits()};
    typename Atomics::template Atomic<std::int64_t> until_{never.time_since_epoch().count()};
};

using CircuitStateWord = BasicCircuitState<StandardAtomics>;

}  // namespace resilience::inline v1::detail
