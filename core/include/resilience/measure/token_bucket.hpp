#pragma once

// A token bucket that never gives more than capacity + rate * time, in any window, and that does not drift.
//
//     TokenBucket bucket(5, 3.0);                               // holds 5, refills 3 per second; starts full
//     if (!bucket.try_take(1, now)) {
//         Duration wait = bucket.time_until(1, now);            // the first nanosecond at which it would succeed
//     }
//
// What it promises. Let N be the tokens taken by calls whose `now` lies in [s, t], from any number of threads:
//
//     N <= capacity + rate * (t - s)          where the interval between tokens is a multiple of 1/p ns with p <= 16:
//                                             10/s, 3/s, 1000 per minute, one a day, 7e8/s, 1e9/s
//     N <= capacity + rate * (t - s + 1 ns)   at every other rate
//
// The rate is read as the simplest fraction its double can mean (see fraction.hpp), so 3/s asked once a second for a
// year gives exactly three each second. A full bucket gives exactly its capacity at one instant. The bound is by the
// `now` each caller gave: by the wall clock add rate * the longest time between reading the clock and returning. A late
// `now` is judged as itself (a caller that slept may be refused although tokens have come since); a `now` before the
// origin counts as the origin. A `now` far ahead of everyone else's uses up the refill until then.
//
// How. The bucket is one 64-bit position in *units*; a token is U units. With rate = p/q tokens per ns in lowest terms,
// G(t) = floor(t * P/Q), P/Q = U * p/q, is the units grown since the origin. p <= 16: U = q and P/Q = p, an integer.
// Otherwise U is the power of two with P/Q in (1, 2]. Taking n tokens moves the position x to
// max(x, G - capacity*U) + n*U if that is at most G. Proof of the bound: x never falls; the first admission in the
// window leaves x >= G(s) - capacity*U + its own units, the last leaves x <= G(t), and each adds its units. Nothing is
// assumed about the order of `now` between threads. G needs no division: (t * M) >> 120 with M = ceil(2^120 * P/Q) is
// exact for t < 2^58, as Q < 2^62.
//
// Reservations. Where the cost is known only afterwards, an estimate is taken first and settled later:
//
//     TokenBucket bucket(60'000, 1000);
//     if (auto reserved = bucket.try_reserve(4000, now)) bucket.settle(*reserved, 3200, now + 5s);
//
// Final charges, each at the instant of its reservation, never exceed capacity + rate * (t - s). Unused tokens come
// back only as far as the bucket has not overflowed past them; what a change of rate or an overflow has replaced is not
// returned. What exceeds the estimate is charged when reported and delays what comes after: admissions plus surplus,
// from the first to the last admission of a window, keep the bound. Counted by admission, before the refunds, a window
// may hold more. Whole tokens come back. A flight longer than capacity / rate returns little.
//
// The rule: a reservation leaves X in the word, with R tokens returned so far. To return d tokens the word falls by
// d * U, where d * U <= X - (R now - R) * U - (G(newest now seen) - capacity*U). Then the outcome is that of a history
// in which the reservation had taken d less from the start, and the proof above holds for that history.
//
// Threads: every member may be called from any thread. Cost: try_take is one load and one CAS when it admits, one load
// when it refuses; no lock, no allocation. Changing the rate allocates 64 bytes that are kept until the bucket dies, so
// it suits reloads and levers, not a change per call. The first reservation allocates 128 bytes; from then on each
// try_take does two atomic operations more, and a settle takes a short lock of this bucket.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <resilience/base/atomics.hpp>
#include <resilience/base/time.hpp>
#include <resilience/measure/token_block.hpp>
#include <utility>

namespace resilience::inline v1 {

template <class Atomics = StandardAtomics>
class BasicTokenBucket {
  public:
    // Whether a bucket of these numbers can be built: capacity 1..2^32-1 tokens, refill_rate 1e-8..1e9 tokens per
    // second, and at most 2^58 ns (9.1 years) to fill it.
    [[nodiscard]] static bool representable(std::uint64_t capacity, double refill_rate) noexcept {
        return detail::token_scale_exists(capacity, refill_rate);
    }

    // A full bucket. The caller has made sure that the numbers are representable(). Reads no clock: the bucket is full
    // at whatever instant it is first asked. `origin` is the instant from which time is counted; every `now` before it
    // counts as it.
    BasicTokenBucket(std::uint64_t capacity, double refill_rate, TimePoint origin = TimePoint{})
        : first_(capacity, detail::token_scale(refill_rate), origin), refill_rate_(refill_rate) {}
    ~BasicTokenBucket();

    BasicTokenBucket(const BasicTokenBucket&) = delete;
    BasicTokenBucket& operator=(const BasicTokenBucket&) = delete;

    // Takes `tokens` if they are there at `now`, else takes nothing. More than the capacity never succeeds, 0 always.
    [[nodiscard]] bool try_take(std::uint64_t tokens, TimePoint now) noexcept {
        // Acquire: the parameters of the block are seen.
        Block& block = *current_.load(std::memory_order_acquire);
        const std::uint64_t elapsed = block.since_origin(now);
        if (elapsed >= detail::token_span || tokens - 1 >= block.direct_capacity) [[unlikely]]
            return try_take_at_edge(tokens, now);
        const Attempt attempt = take(block, tokens, elapsed);
        if (attempt == Attempt::moved) [[unlikely]]
            return try_take_at_edge(tokens, now);
        return attempt == Attempt::taken;
    }

    // How long after `now` the first nanosecond lies at which `tokens` could be taken if nobody takes any meanwhile;
    // 0 if they could be taken at `now`, Duration::max() if never. Costs one division.
    //
    // With `ahead`: for somebody in a line, before whom that many tokens are taken, each as soon as it is there.
    [[nodiscard]] Duration time_until(std::uint64_t tokens, TimePoint now, std::uint64_t ahead = 0) const noexcept;

    // Whole tokens in the bucket at `now`.
    [[nodiscard]] std::uint64_t available(TimePoint now) const noexcept;

    // Takes every whole token in the bucket at `now` and returns how many those were.
    std::uint64_t drain(TimePoint now) noexcept;

    // Replaces the parameters at `now`; the caller has made sure that they are representable(). The bucket keeps its
    // *tokens* (fractions included), cut at the new capacity: 1 of 1 becomes 1 of 1000. The bound over a change is the
    // capacity at the window's start + the integral of the rate, through any number of changes. Afterwards an older
    // `now` counts as this one; a call decided under the old rate counts at it up to its own `now`. Callers of try_take
    // never wait for it. Throws std::bad_alloc, and then nothing has changed.
    void set_rate(std::uint64_t capacity, double refill_rate, TimePoint now);

    // What is taken and may be settled once, by this bucket, which must still exist.
    struct Reserved {
        std::uint64_t tokens = 0;
        detail::ReservingBlock<Atomics>* block = nullptr;  // without one nothing comes back
        std::int64_t position = 0;                         // as this reservation wrote it
        std::uint64_t returned = 0;                        // before
    };
    // How a settlement ended: tokens that came back, or that were charged beyond the estimate.
    struct Settled {
        std::uint64_t returned = 0;
        std::uint64_t surplus = 0;
    };

    // As try_take. If there is no memory for the first reservation of a bucket, tokens are taken and none come back.
    [[nodiscard]] std::optional<Reserved> try_reserve(std::uint64_t tokens, TimePoint now) noexcept;
    Settled settle(const Reserved& reserved, std::uint64_t actual, TimePoint now) noexcept;
    // All settlements so far.
    [[nodiscard]] Settled settled() const noexcept;
    // Tokens that have to flow back before the bucket is empty rather than owing, rounded up.
    [[nodiscard]] std::uint64_t debt(TimePoint now) const noexcept;

    [[nodiscard]] std::uint64_t capacity() const noexcept { return newest().block->capacity; }
    // As given, in tokens per second.
    [[nodiscard]] double refill_rate() const noexcept { return refill_rate_.load(std::memory_order_relaxed); }

  private:
    using Block = detail::TokenBlock<Atomics>;
    using ReservingBlock = detail::ReservingBlock<Atomics>;
    using OwnedBlock = std::unique_ptr<Block, detail::DisposeOfBlock<Atomics>>;
    enum class Attempt { taken, refused, moved };
    // The block in force and a position read from it, which is not the mark of a replaced block.
    struct Reading {
        Block* block;
        std::int64_t position;
    };

    static Attempt take(Block& block, std::uint64_t tokens, std::uint64_t elapsed) noexcept {
        std::int64_t written = 0;
        return take<std::memory_order_relaxed>(block, tokens, elapsed, written);
    }
    // For the block of a bucket with reservations. Release: whoever reads the position sees what this call has seen.
    static Attempt take_seen(ReservingBlock& block, std::uint64_t tokens, std::uint64_t elapsed,
                             std::int64_t& written) noexcept {
        block.see(elapsed);
        return take<std::memory_order_release>(block, tokens, elapsed, written);
    }
    template <std::memory_order Order>
    static Attempt take(Block& block, std::uint64_t tokens, std::uint64_t elapsed, std::int64_t& written) noexcept {
        const std::int64_t grown = block.grown(elapsed);
        const std::int64_t least = grown - block.capacity_units;
        const std::int64_t units = static_cast<std::int64_t>(tokens) * block.units_per_token;
        // Relaxed without reservations: the bound rests on the modification order of this one word alone. Whoever meets
        // the mark of a replaced block reads it again in newest().
        std::int64_t position = block.position.load(std::memory_order_relaxed);
        for (;;) {
            const std::int64_t base = std::max(position, least);
            // Not `base + units > grown`: that sum can overflow, and would then admit.
            if (base > grown - units)
                return position == detail::token_position_moved ? Attempt::moved : Attempt::refused;
            if (block.position.compare_exchange_weak(position, base + units, Order, std::memory_order_relaxed)) {
                written = base + units;
                return Attempt::taken;
            }
        }
    }

    Reading newest() const noexcept;
    [[gnu::cold, gnu::noinline]] bool try_take_at_edge(std::uint64_t tokens, TimePoint now) noexcept;
    bool move_origin(TimePoint now) noexcept;
    [[nodiscard]] static ReservingBlock* reserving(Block& block) noexcept {
        return block.direct_capacity == 0 ? static_cast<ReservingBlock*>(&block) : nullptr;
    }
    [[nodiscard]] static OwnedBlock make_block(bool reserving, std::uint64_t capacity, detail::TokenScale scale,
                                               TimePoint at) noexcept;
    bool start_reserving() noexcept;
    std::uint64_t give_back(const Reserved& reserved, std::uint64_t unused, TimePoint now) noexcept;
    void charge(std::uint64_t surplus, TimePoint now) noexcept;
    void replace_locked(OwnedBlock fresh) noexcept;

    Block first_;
    typename Atomics::template Atomic<Block*> current_{&first_};
    typename Atomics::template Atomic<double> refill_rate_;
    // One for all buckets: reloads are rare, and a mutex in each would cost a limiter a quarter of its 256 bytes.
    static inline typename Atomics::Mutex reload_mutex_;
};

template <class Atomics>
BasicTokenBucket<Atomics>::~BasicTokenBucket() {
    for (Block* block = first_.next.load(std::memory_order_relaxed); block != nullptr;) {
        const OwnedBlock gone(block);
        block = gone->next.load(std::memory_order_relaxed);
    }
}

template <class Atomics>
typename BasicTokenBucket<Atomics>::Reading BasicTokenBucket<Atomics>::newest() const noexcept {
    // Acquire, all three: the parameters of each block are seen, and with the mark its successor.
    for (Block* block = current_.load(std::memory_order_acquire);;
         block = block->next.load(std::memory_order_acquire)) {
        const std::int64_t position = block->position.load(std::memory_order_acquire);
        if (position != detail::token_position_moved) return {block, position};
    }
}

template <class Atomics>
bool BasicTokenBucket<Atomics>::try_take_at_edge(std::uint64_t tokens, TimePoint now) noexcept {
    if (tokens == 0) return true;
    for (;;) {
        Block& block = *newest().block;
        if (tokens > block.capacity) return false;
        const std::uint64_t elapsed = block.elapsed_at(now);
        if (elapsed >= detail::token_span) {
            if (!move_origin(now)) return false;
            continue;
        }
        std::int64_t written = 0;
        ReservingBlock* const careful = reserving(block);
        const Attempt attempt =
            careful == nullptr ? take(block, tokens, elapsed) : take_seen(*careful, tokens, elapsed, written);
        if (attempt != Attempt::moved) return attempt == Attempt::taken;
    }
}

template <class Atomics>
std::uint64_t BasicTokenBucket<Atomics>::available(TimePoint now) const noexcept {
    const Reading reading = newest();
    const std::int64_t level = reading.block->level(reading.position, now);
    return level <= 0 ? 0 : static_cast<std::uint64_t>(level / reading.block->units_per_token);
}

template <class Atomics>
std::uint64_t BasicTokenBucket<Atomics>::drain(TimePoint now) noexcept {
    for (std::uint64_t tokens = available(now); tokens != 0; tokens = available(now)) {
        if (try_take(tokens, now)) return tokens;
        // There is no memory to move the origin: nobody is given anything at this `now`.
        if (newest().block->elapsed_at(now) >= detail::token_span) break;
    }
    return 0;
}

template <class Atomics>
Duration BasicTokenBucket<Atomics>::time_until(std::uint64_t tokens, TimePoint now,
                                               std::uint64_t ahead) const noexcept {
    if (tokens == 0 && ahead == 0) return Duration::zero();
    const Reading reading = newest();
    const Block& block = *reading.block;
    if (tokens > block.capacity) return Duration::max();
    const std::int64_t units = block.units_of(ahead, tokens);
    const std::uint64_t elapsed = block.elapsed_at(now);
    std::uint64_t wait = 0;
    if (elapsed < detail::token_span) {
        const std::int64_t grown = block.grown(elapsed);
        const std::int64_t base = std::max(reading.position, grown - block.capacity_units);
        if (base <= grown - units) return Duration::zero();
        wait = block.first_reaching(base, units, elapsed) - elapsed;
    } else {
        // As though the origin had been moved to `now`, as the next try_take does.
        const std::int64_t level = block.level(reading.position, now);
        if (level >= units) return Duration::zero();
        wait = block.first_reaching(-level, units, 0);
    }
    // Until the origin time stands still for the bucket.
    const Duration before_origin = time_between(now, TimePoint{Duration{block.origin}});
    return saturating_add(TimePoint{before_origin}, Duration{static_cast<std::int64_t>(wait)}).time_since_epoch();
}

template <class Atomics>
void BasicTokenBucket<Atomics>::set_rate(std::uint64_t capacity, double refill_rate, TimePoint now) {
    const std::lock_guard lock(reload_mutex_);
    OwnedBlock fresh =
        make_block(reserving(*newest().block) != nullptr, capacity, detail::token_scale(refill_rate), now);
    if (fresh == nullptr) throw std::bad_alloc();
    replace_locked(std::move(fresh));
    refill_rate_.store(refill_rate, std::memory_order_relaxed);
}

// Carries the bucket over to an origin at `now` when 9.1 years have passed. False if there is no memory for it.
template <class Atomics>
bool BasicTokenBucket<Atomics>::move_origin(TimePoint now) noexcept {
    const std::lock_guard lock(reload_mutex_);
    Block& block = *newest().block;
    if (block.elapsed_at(now) < detail::token_span) return true;
    OwnedBlock fresh = make_block(reserving(block) != nullptr, block.capacity, block.scale(), now);
    if (fresh == nullptr) return false;
    replace_locked(std::move(fresh));
    return true;
}

template <class Atomics>
auto BasicTokenBucket<Atomics>::make_block(bool reserving, std::uint64_t capacity, detail::TokenScale scale,
                                           TimePoint at) noexcept -> OwnedBlock {
    if (!reserving) return OwnedBlock(new (std::nothrow) Block(capacity, scale, at));
    return OwnedBlock(new (std::nothrow) ReservingBlock(capacity, scale, at));
}

template <class Atomics>
void BasicTokenBucket<Atomics>::replace_locked(OwnedBlock fresh) noexcept {
    Block& old = *newest().block;
    // An older `now` counts as the last change.
    fresh->origin = std::max(fresh->origin, old.origin);
    // Settlements on the old block end first, so that the totals carried over are complete.
    std::unique_lock<typename Atomics::Mutex> settlers;
    if (ReservingBlock* const before = reserving(old)) {
        settlers = std::unique_lock(before->mutex);
        ReservingBlock& after = *reserving(*fresh);
        after.returned.store(before->returned.load(std::memory_order_relaxed), std::memory_order_relaxed);
        after.surplus.store(before->surplus.load(std::memory_order_relaxed), std::memory_order_relaxed);
    }
    // Release: before the mark that sends others here.
    old.next.store(fresh.get(), std::memory_order_release);
    std::int64_t position = old.position.load(std::memory_order_acquire);
    // A plain store of the mark would lose what is taken between the load and the store.
    do {
        fresh->take_over(old, position);
    } while (!old.position.compare_exchange_weak(position, detail::token_position_moved, std::memory_order_acq_rel,
                                                 std::memory_order_acquire));
    // Release: the parameters of the block.
    current_.store(fresh.release(), std::memory_order_release);
}

using TokenBucket = BasicTokenBucket<StandardAtomics>;

}  // namespace resilience::inline v1

#include <resilience/measure/token_bucket_reservations.hpp>  // the bodies
