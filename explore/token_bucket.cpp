// Takers meet each other and changes of rate: no token is lost or made.

#include <array>
#include <chrono>
#include <resilience/measure/token_bucket.hpp>

#include "explorer_atomics.hpp"
#include "parts.hpp"

namespace resilience::inline v1 {
namespace exploring_token_bucket {

using namespace std::chrono_literals;
using namespace exploring;

constexpr TimePoint now{10s};

// Each thread takes at the same instant, so that nothing grows in between.
template <class Atomics, int Threads>
struct Takers {
    static constexpr int threads = Threads;
    BasicTokenBucket<Atomics> bucket{4, 1.0};
    std::array<std::uint64_t, std::size_t{Threads}> taken{};

    void take(int thread, std::uint64_t tokens) {
        if (bucket.try_take(tokens, now)) taken[static_cast<std::size_t>(thread)] += tokens;
        forget_what_was_seen();
    }
    void change(std::uint64_t capacity, double refill_rate) {
        bucket.set_rate(capacity, refill_rate, now);
        forget_what_was_seen();
    }
    void expect_all(std::uint64_t tokens) {
        std::uint64_t sum = bucket.available(now);
        for (const std::uint64_t part : taken) sum += part;
        require(sum >= tokens, "a token was lost");
        require(sum <= tokens, "a token was made");
    }
};

template <class Atomics>
struct ThreeTakers : Takers<Atomics, 3> {
    void run(int thread) {
        this->take(thread, 2);
        this->take(thread, 1);
    }
    void check() {
        this->expect_all(4);
        require(!this->bucket.try_take(1, now), "somebody was refused for a token that is still there");
    }
};

template <class Atomics>
struct TakersMeetAChange : Takers<Atomics, 3> {
    void run(int thread) {
        if (thread == 0) return this->change(8, 1.0);
        this->take(thread, 1);
        this->take(thread, 2);
    }
    void check() { this->expect_all(4); }
};

template <class Atomics>
struct TakersMeetTwoChanges : Takers<Atomics, 3> {
    void run(int thread) {
        if (thread == 2) {
            this->change(16, 1.0);
            return this->change(8, 10.0);
        }
        this->take(thread, 1);
        if (thread == 0) this->take(thread, 2);
    }
    void check() { this->expect_all(4); }
};

template <class Atomics>
struct TwoChangesAtOnce : Takers<Atomics, 3> {
    void run(int thread) {
        if (thread == 0) return this->take(thread, 3);
        this->change(thread == 1 ? 8 : 16, 1.0);
    }
    void check() { this->expect_all(4); }
};

template <class Atomics>
struct ADrainMeetsAChange : Takers<Atomics, 3> {
    void run(int thread) {
        if (thread == 0) return this->change(8, 1.0);
        if (thread == 1) this->taken[1] += this->bucket.drain(now);
        if (thread == 2) this->take(2, 1);
    }
    void check() { this->expect_all(4); }
};

// An empty bucket a nanosecond later, at 7/s: the 7e-9 tokens that have grown do not fit the units of 10/s.
template <class Atomics>
struct AChangeCarriesAFraction {
    static constexpr int threads = 2;
    BasicTokenBucket<Atomics> bucket{5, 7.0};
    bool emptied = false;
    void run(int thread) {
        if (thread == 0) emptied = bucket.try_take(5, TimePoint{0ns});
        if (thread == 1) bucket.set_rate(5, 10.0, TimePoint{1ns});
    }
    void check() {
        require(emptied, "a full bucket refused");
        require(!bucket.try_take(1, TimePoint{100ms}), "a token came before its time");
        require(bucket.try_take(1, TimePoint{100ms + 1ns}), "a token came too late");
    }
};

// At 16.67/s, where the units that have grown are no whole number: a full bucket gives exactly its capacity.
template <class Atomics>
struct AFullBucketIsEmptied {
    static constexpr int threads = 2;
    BasicTokenBucket<Atomics> bucket{4, 16.67};
    int given = 0;
    void run(int) {
        for (int ask = 0; ask < 2; ++ask) given += bucket.try_take(1, now) ? 1 : 0;
    }
    void check() {
        require(given == 4, "a full bucket gave less than its capacity");
        require(!bucket.try_take(1, now), "a full bucket gave more than its capacity");
    }
};

struct RoundsTheClampUp : ExplorerAtomics {};
struct StoresTheMark : ExplorerAtomics {};
struct CarriesOverRoundedUp : ExplorerAtomics {};
struct LooksThenStores : ExplorerAtomics {};

}  // namespace exploring_token_bucket

using namespace exploring_token_bucket;

template <>
void BasicTokenBucket<StoresTheMark>::replace_locked(OwnedBlock fresh) noexcept {
    Block& old = *newest().block;
    fresh->origin = std::max(fresh->origin, old.origin);
    old.next.store(fresh.get(), std::memory_order_release);
    fresh->take_over(old, old.position.load(std::memory_order_acquire));
    old.position.store(detail::token_position_moved, std::memory_order_release);
    current_.store(fresh.release(), std::memory_order_release);
}

template <>
void detail::TokenBlock<CarriesOverRoundedUp>::take_over(const TokenBlock& old, std::int64_t from) noexcept {
    const Signed128 units = Signed128{old.level(from, TimePoint{Duration{origin}})} * units_per_token;
    Signed128 level = units / old.units_per_token;
    if (level * old.units_per_token < units) ++level;
    position.store(static_cast<std::int64_t>(-level), std::memory_order_relaxed);
}

template <>
BasicTokenBucket<LooksThenStores>::Attempt BasicTokenBucket<LooksThenStores>::take(Block& block, std::uint64_t tokens,
                                                                                   std::uint64_t elapsed) noexcept {
    const std::int64_t grown = block.grown(elapsed);
    const std::int64_t units = static_cast<std::int64_t>(tokens) * block.units_per_token;
    const std::int64_t position = block.position.load(std::memory_order_relaxed);
    const std::int64_t base = std::max(position, grown - block.capacity_units);
    if (base > grown - units) return position == detail::token_position_moved ? Attempt::moved : Attempt::refused;
    block.position.store(base + units, std::memory_order_relaxed);
    return Attempt::taken;
}

// What has grown is rounded up where a full bucket is held at its capacity.
template <>
BasicTokenBucket<RoundsTheClampUp>::Attempt BasicTokenBucket<RoundsTheClampUp>::take(Block& block, std::uint64_t tokens,
                                                                                     std::uint64_t elapsed) noexcept {
    const std::int64_t grown = block.grown(elapsed);
    const std::int64_t units = static_cast<std::int64_t>(tokens) * block.units_per_token;
    std::int64_t position = block.position.load(std::memory_order_relaxed);
    for (;;) {
        const std::int64_t base = std::max(position, grown + 1 - block.capacity_units);
        if (base > grown - units) return position == detail::token_position_moved ? Attempt::moved : Attempt::refused;
        if (block.position.compare_exchange_weak(position, base + units, std::memory_order_relaxed)) {
            return Attempt::taken;
        }
    }
}

namespace exploring_token_bucket {
namespace {

const Listed listed{
    {.name = "token bucket",
     .tests = {{"three takers, two tries each", explore<ThreeTakers<ExplorerAtomics>>},
               {"two takers and a change of rate", explore<TakersMeetAChange<ExplorerAtomics>>},
               {"two takers and two changes in turn", explore<TakersMeetTwoChanges<ExplorerAtomics>>},
               {"a taker and two changes at once", explore<TwoChangesAtOnce<ExplorerAtomics>>},
               {"a taker, a drain and a change", explore<ADrainMeetsAChange<ExplorerAtomics>>},
               {"a change that carries a fraction of a unit", explore<AChangeCarriesAFraction<ExplorerAtomics>>},
               {"a full bucket is emptied", explore<AFullBucketIsEmptied<ExplorerAtomics>>}},
     .mutants = {{"MOVED is written by a plain store", explore<TakersMeetAChange<StoresTheMark>>},
                 {"a level is carried over rounded up", explore<AChangeCarriesAFraction<CarriesOverRoundedUp>>},
                 {"the clamp is rounded up", explore<AFullBucketIsEmptied<RoundsTheClampUp>>},
                 {"a taker looks, then stores", explore<ThreeTakers<LooksThenStores>>}}}};

}  // namespace
}  // namespace exploring_token_bucket
}  // namespace resilience::inline v1
