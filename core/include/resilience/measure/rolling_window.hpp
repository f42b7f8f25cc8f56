#pragma once

// A rolling window of call results: exact counts over the last stretch of time, without a lock in the path of a call.
//
//     std::mutex state_mutex;                                   // the owner's own; also covers its decisions
//     RollingWindow window(10s, 10, state_mutex);
//     WindowCounts counts = window.record(failed, now);         // this call's result is in `counts`
//     if (reaches(counts.failures, counts.calls, threshold)) …  // each result is judged on what its own add returned
//
// Time is cut into buckets of window/buckets (rounded down to whole nanoseconds), whose edges are multiples of that
// width from the clock's epoch. The window is the newest bucket seen and the `buckets - 1` before it.
//
// What it promises:
//   - No result is lost, doubled or split. A result counts for at least the window less one bucket and at most the
//     window, plus the time its own thread slept between reading the clock and its last add.
//   - A result is judged on counts of which nobody had begun to expire any when it was added.
//   - The window only turns forward. A `now` that runs backwards, or lies before the epoch, counts as the newest bucket
//     seen; a `now` far ahead of everyone else's empties the window until then.
//   - A window holds at most 2^31 calls. Beyond that further successes are not added to it, failures are up to 3 *
//   2^30,
//     and saturated() counts what was left out. The totals have all of them.
//
// How. `total` counts everything ever recorded in one word (calls in the low half, failures in the high half) and never
// falls; `expired` is what has left the window. Window = total - expired as one 64-bit subtraction, exact even when the
// halves wrap. record() adds to the total first and then the same to the newest bucket: two locked operations. Turning
// to a later bucket moves the buckets that leave into `expired`; it happens under the owner's mutex, by whoever first
// sees it due, with the turn word marked busy meanwhile. If the turn word did not move between record()'s two reads of
// it, no turn began before the add, so total - expired is the window as published; if it did move, record() finishes
// under the mutex. Two results added after an idle hour can therefore not be judged on the hour-old counts.
//
// Cost: record() about 30 instructions and two locked operations; it takes the mutex only at a bucket's edge, and once
// in 2^30 calls. Memory: 128 bytes and 8 bytes for each bucket, allocated in the constructor.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <resilience/base/atomics.hpp>
#include <resilience/base/time.hpp>

namespace resilience::inline v1 {

struct WindowCounts {
    std::uint64_t calls = 0;
    std::uint64_t failures = 0;

    friend constexpr bool operator==(const WindowCounts&, const WindowCounts&) = default;
};

template <class Atomics = StandardAtomics>
class alignas(cache_line) BasicRollingWindow {
  public:
    // `window / buckets` must be at least 1 ns and `buckets` at least 1. `state_mutex` must outlive the window.
    // `recorded_before` is what totals() starts from. Reads no clock. Throws std::bad_alloc.
    BasicRollingWindow(Duration window, std::uint32_t buckets, typename Atomics::Mutex& state_mutex,
                       WindowCounts recorded_before = {});

    BasicRollingWindow(const BasicRollingWindow&) = delete;
    BasicRollingWindow& operator=(const BasicRollingWindow&) = delete;

    // Adds one result and returns the window's counts with it. Any thread that does not hold the state mutex.
    WindowCounts record(bool failed, TimePoint now) noexcept {
        const std::uint64_t one = packed(1, failed ? 1 : 0);
        // Acquire, all three: what a turn publishes is seen with its edge, and whoever sees any part of a turn sees in
        // the second read below that the turn had begun.
        const std::int64_t edge = turn_.load(std::memory_order_acquire);
        if (now.time_since_epoch().count() >= edge) [[unlikely]]
            return record_at_edge(one, now);
        const std::uint64_t expired = expired_.load(std::memory_order_acquire);
        Word* const bucket = current_.load(std::memory_order_acquire);
        // Acquire and release: whose add follows that of a thread which saw a later edge sees that edge too. Release
        // also for totals(): what led to this result is seen by whoever sees it counted.
        const std::uint64_t total = total_.fetch_add(one, std::memory_order_acq_rel) + one;
        if (turn_.load(std::memory_order_acquire) != edge) [[unlikely]]
            return finish_beside_turn(one, now);
        const std::uint64_t counts = total - expired;
        if (static_cast<std::uint32_t>(total) % renewal_interval == 0) [[unlikely]]
            renew_base();
        if (static_cast<std::uint32_t>(counts) >= most_calls) [[unlikely]]
            return add_to_bucket(one, total, expired, *bucket);
        // Release: pairs with the drain of the bucket.
        bucket->fetch_add(one, std::memory_order_release);
        return unpacked(counts);
    }

    // As record(), for a caller that holds the state mutex.
    WindowCounts record_locked(bool failed, TimePoint now) noexcept {
        return add_locked(packed(1, failed ? 1 : 0), now);
    }

    // The counts of the window at `now`. A pure function of what is stored and `now`: buckets that are overdue no
    // longer count, although nobody has turned the window yet. Any thread; waits for nobody (it starts again when a
    // turn began while it was adding up). A result is seen once its record() has returned. Costs one load for each
    // bucket.
    [[nodiscard]] WindowCounts counts(TimePoint now) const noexcept;

    // Everything ever recorded, in 64 bits. Any thread; never falls. What a thread did before it recorded a result is
    // seen by whoever sees the result here: a reader that reads the number of admitted calls afterwards finds no result
    // without its admission.
    [[nodiscard]] WindowCounts totals() const noexcept;

    // Empties the window and keeps the totals: a new period begins. The caller holds the state mutex. A record() that
    // is under way meanwhile may leave its result in the new period; who cannot have that alternates between two
    // windows and forgets one only when it takes it into use again.
    void forget_locked(TimePoint now) noexcept;

    // Results left out of the window (not out of the totals) because it was full.
    [[nodiscard]] std::uint64_t saturated() const noexcept { return saturated_.load(std::memory_order_relaxed); }

    [[nodiscard]] Duration bucket_width() const noexcept { return Duration{width_}; }
    // The effective window: bucket_width() * buckets.
    [[nodiscard]] Duration window() const noexcept { return Duration{width_ * static_cast<std::int64_t>(buckets_)}; }

  private:
    using Word = typename Atomics::template Atomic<std::uint64_t>;
    using SignedWord = typename Atomics::template Atomic<std::int64_t>;

    // The turn word while a turn is under way: every `now` is at or after it.
    static constexpr std::int64_t busy = std::numeric_limits<std::int64_t>::min();
    static constexpr std::uint32_t most_calls = std::uint32_t{1} << 31;
    static constexpr std::uint32_t most_calls_with_failures = std::uint32_t{3} << 30;
    static constexpr std::uint32_t renewal_interval = std::uint32_t{1} << 30;

    static constexpr std::uint64_t packed(std::uint64_t calls, std::uint64_t failures) noexcept {
        return calls + (failures << 32);
    }
    static constexpr WindowCounts unpacked(std::uint64_t word) noexcept {
        return {static_cast<std::uint32_t>(word), word >> 32};
    }

    std::int64_t bucket_of(TimePoint now) const noexcept;
    std::int64_t end_of(std::int64_t bucket) const noexcept;
    Word& slot_of(std::int64_t bucket) const noexcept;
    WindowCounts add_locked(std::uint64_t one, TimePoint now) noexcept;
    [[gnu::noinline]] WindowCounts add_to_bucket(std::uint64_t one, std::uint64_t total, std::uint64_t expired,
                                                 Word& bucket) noexcept;
    void turn_if_due_locked(TimePoint now) noexcept;
    void turn_locked(std::int64_t bucket, std::uint32_t leaving) noexcept;
    void renew_base_locked() noexcept;
    [[gnu::cold, gnu::noinline]] WindowCounts record_at_edge(std::uint64_t one, TimePoint now) noexcept;
    [[gnu::cold, gnu::noinline]] WindowCounts finish_beside_turn(std::uint64_t one, TimePoint now) noexcept;
    [[gnu::cold, gnu::noinline]] void renew_base() noexcept;

    // Read by every record(), written at bucket edges only.
    SignedWord turn_{0};  // the instant at which the newest bucket ends, or `busy`
    Word expired_;
    typename Atomics::template Atomic<Word*> current_;  // the newest bucket
    SignedWord newest_{-1};                             // its number; -1 is the time before the epoch
    SignedWord target_{-1};                             // the number that is being turned to, set before any drain
    std::unique_ptr<Word[]> slots_;
    std::int64_t width_;
    typename Atomics::Mutex& state_mutex_;

    // Written by every record().
    alignas(cache_line) Word total_;
    Word base_calls_;  // the totals in 64 bits at some instant less than 2^32 calls ago
    Word base_failures_;
    Word saturated_{0};
    std::uint32_t buckets_;
};

template <class Atomics>
BasicRollingWindow<Atomics>::BasicRollingWindow(Duration window, std::uint32_t buckets,
                                                typename Atomics::Mutex& state_mutex, WindowCounts recorded_before)
    : expired_(packed(recorded_before.calls, recorded_before.failures)),
      slots_(std::make_unique<Word[]>(buckets)),
      width_(window.count() / buckets),
      state_mutex_(state_mutex),
      total_(packed(recorded_before.calls, recorded_before.failures)),
      base_calls_(recorded_before.calls),
      base_failures_(recorded_before.failures),
      buckets_(buckets) {
    current_.store(&slot_of(-1), std::memory_order_relaxed);
}

template <class Atomics>
WindowCounts BasicRollingWindow<Atomics>::counts(TimePoint now) const noexcept {
    for (;;) {
        // Acquire: a newest bucket that was seen has its target seen in the second read below.
        const std::int64_t target = target_.load(std::memory_order_acquire);
        const std::int64_t newest = newest_.load(std::memory_order_acquire);
        // During a turn the buckets after `newest` are empty or still hold what is leaving: both are left out.
        const std::int64_t oldest = std::max(target, bucket_of(now)) - static_cast<std::int64_t>(buckets_) + 1;
        std::uint64_t sum = 0;
        for (std::int64_t bucket = std::max<std::int64_t>(oldest, -1); bucket <= newest; ++bucket) {
            // Acquire: a bucket that was seen drained has its target seen in the second read below.
            sum += slot_of(bucket).load(std::memory_order_acquire);
        }
        if (target_.load(std::memory_order_relaxed) == target) return unpacked(sum);
    }
}

template <class Atomics>
WindowCounts BasicRollingWindow<Atomics>::totals() const noexcept {
    for (;;) {
        // Acquire: the base is never ahead of the word read after it.
        const std::uint64_t calls = base_calls_.load(std::memory_order_acquire);
        const std::uint64_t failures = base_failures_.load(std::memory_order_acquire);
        // Acquire: what led to the results counted here is seen.
        const std::uint64_t word = total_.load(std::memory_order_acquire);
        // A thread that slept here while the base was renewed cannot tell how far the word has run.
        if (base_calls_.load(std::memory_order_relaxed) != calls) continue;
        // The word is calls + failures * 2^32 modulo 2^64, and each count is less than 2^32 above its base.
        WindowCounts total;
        total.calls = calls + static_cast<std::uint32_t>(word - calls);
        total.failures = failures + static_cast<std::uint32_t>(((word - total.calls) >> 32) - failures);
        return total;
    }
}

template <class Atomics>
void BasicRollingWindow<Atomics>::forget_locked(TimePoint now) noexcept {
    turn_locked(std::max(bucket_of(now), newest_.load(std::memory_order_relaxed)), buckets_);
}

template <class Atomics>
std::int64_t BasicRollingWindow<Atomics>::bucket_of(TimePoint now) const noexcept {
    const std::int64_t at = now.time_since_epoch().count();
    // The last nanosecond of all belongs to the bucket before it, so that every bucket ends at a representable instant.
    return at < 0 ? -1 : std::min(at, std::numeric_limits<std::int64_t>::max() - 1) / width_;
}

template <class Atomics>
std::int64_t BasicRollingWindow<Atomics>::end_of(std::int64_t bucket) const noexcept {
    std::int64_t end = 0;
    if (__builtin_mul_overflow(bucket + 1, width_, &end)) return std::numeric_limits<std::int64_t>::max();
    return end;
}

template <class Atomics>
typename BasicRollingWindow<Atomics>::Word& BasicRollingWindow<Atomics>::slot_of(std::int64_t bucket) const noexcept {
    return slots_[static_cast<std::uint64_t>(bucket + buckets_) % buckets_];
}

template <class Atomics>
WindowCounts BasicRollingWindow<Atomics>::add_locked(std::uint64_t one, TimePoint now) noexcept {
    turn_if_due_locked(now);
    const std::uint64_t total = total_.fetch_add(one, std::memory_order_acq_rel) + one;
    if (static_cast<std::uint32_t>(total) % renewal_interval == 0) renew_base_locked();
    return add_to_bucket(one, total, expired_.load(std::memory_order_relaxed),
                         *current_.load(std::memory_order_relaxed));
}

template <class Atomics>
void BasicRollingWindow<Atomics>::turn_if_due_locked(TimePoint now) noexcept {
    const std::int64_t bucket = bucket_of(now);
    const std::int64_t steps = bucket - newest_.load(std::memory_order_relaxed);
    if (steps > 0) turn_locked(bucket, static_cast<std::uint32_t>(std::min<std::int64_t>(steps, buckets_)));
}

// Makes `bucket` the newest after moving the `leaving` oldest buckets into `expired`.
template <class Atomics>
void BasicRollingWindow<Atomics>::turn_locked(std::int64_t bucket, std::uint32_t leaving) noexcept {
    const std::int64_t newest = newest_.load(std::memory_order_relaxed);
    turn_.store(busy, std::memory_order_relaxed);
    // Before any drain, and published by it: a reader that adds up a drained bucket starts again.
    target_.store(bucket, std::memory_order_relaxed);
    std::uint64_t left = 0;
    for (std::uint32_t step = 1; step <= leaving; ++step) {
        left += slot_of(newest + step).exchange(0, std::memory_order_acq_rel);
    }
    // Release, all four: whoever sees one of them sees `busy` or what followed it.
    expired_.fetch_add(left, std::memory_order_release);
    current_.store(&slot_of(bucket), std::memory_order_release);
    newest_.store(bucket, std::memory_order_release);
    turn_.store(end_of(bucket), std::memory_order_release);
}

template <class Atomics>
void BasicRollingWindow<Atomics>::renew_base_locked() noexcept {
    const WindowCounts total = totals();
    // Calls last: totals() reads them first and again, so it never uses failures older than its calls.
    base_failures_.store(total.failures, std::memory_order_release);
    base_calls_.store(total.calls, std::memory_order_release);
}

template <class Atomics>
void BasicRollingWindow<Atomics>::renew_base() noexcept {
    const std::lock_guard lock(state_mutex_);
    renew_base_locked();
}

template <class Atomics>
WindowCounts BasicRollingWindow<Atomics>::record_at_edge(std::uint64_t one, TimePoint now) noexcept {
    const std::lock_guard lock(state_mutex_);
    return add_locked(one, now);
}

template <class Atomics>
WindowCounts BasicRollingWindow<Atomics>::finish_beside_turn(std::uint64_t one, TimePoint now) noexcept {
    const std::lock_guard lock(state_mutex_);
    turn_if_due_locked(now);
    const std::uint64_t total = total_.load(std::memory_order_acquire);
    // The add may have been the one that has to renew the base.
    renew_base_locked();
    return add_to_bucket(one, total, expired_.load(std::memory_order_relaxed),
                         *current_.load(std::memory_order_relaxed));
}

// The second half of an add that is not the ordinary one: the window may be full.
template <class Atomics>
WindowCounts BasicRollingWindow<Atomics>::add_to_bucket(std::uint64_t one, std::uint64_t total, std::uint64_t expired,
                                                        Word& bucket) noexcept {
    const std::uint64_t counts = total - expired;
    const std::uint32_t limit = one >> 32 != 0 ? most_calls_with_failures : most_calls;
    if (static_cast<std::uint32_t>(counts) <= limit) {
        bucket.fetch_add(one, std::memory_order_release);
        return unpacked(counts);
    }
    // It leaves the window at once. Release: whoever sees it gone had to see it come.
    expired_.fetch_add(one, std::memory_order_release);
    saturated_.fetch_add(1, std::memory_order_relaxed);
    return unpacked(counts - one);
}

extern template class BasicRollingWindow<StandardAtomics>;

using RollingWindow = BasicRollingWindow<StandardAtomics>;

}  // namespace resilience::inline v1
