#pragma once

// A rolling window of call results: exact counts over the last stretch of time, without a lock in the path of a call
// and without a word that the threads of healthy calls would have to share.
//
//     std::mutex state_mutex;                                        // the owner's own; also covers its decisions
//     StripedCounters<1> results;
//     RollingWindow window(10s, 10, 20, results.counter(0), state_mutex);       // nobody judges fewer than 20 calls
//     if (auto counts = window.record_failure(now, {1, 2})) …        // judge them: this result is in `counts`
//     if (auto counts = window.record_success(now)) …                // absent where it cannot be what reaches a ratio
//
// Time is cut into buckets of window/buckets (rounded down to whole nanoseconds), whose edges are multiples of that
// width from the clock's epoch. The window is the newest bucket seen and the `buckets - 1` before it.
//
// What it promises:
//   - No result is lost, doubled or split. A result counts for at least the window less one bucket and at most the
//     window, plus the time its own thread slept between reading the clock and its add.
//   - Counts that are returned are exact where results are added one after the other. Where threads add at once, the
//     window had at least these failures with exactly these successes at some moment of the call: a share of failures
//     that they reach was reached. And nothing is missed: of all results so far the last one is judged with all of
//     them, or cannot be what makes them reach it (see below).
//   - A result is judged on counts of which nobody had begun to expire any when it was added.
//   - The window only turns forward. A `now` that runs backwards, or lies before the epoch, counts as the newest bucket
//     seen; a `now` far ahead of everyone else's empties the window until then.
//   - A bucket that is over keeps at most 2^32 - 1 successes and as many failures. What it had beyond that leaves the
//     window, not the totals, and is counted by saturated().
//
// How. Two totals never fall: failures in a word that all threads share, successes in a counter striped by thread. What
// of them lies before the window is `start`, so window = totals - start. A result is in the bucket that was the newest
// when it was added; record() only adds to a total, and the turn to a later bucket notes how far the totals had come.
// It happens under the owner's mutex, by whoever first sees it due, with the turn word marked busy meanwhile, and ends
// with a read-modify-write of each word of the totals: an add before that one is in the old bucket, an add after it
// sees the turn. If the turn word did not move between record()'s two reads of it, start is that of the result's own
// bucket; if it did move, record() judges under the mutex. Two results added after an idle hour can therefore not be
// judged on the hour-old counts.
//
// Why a success need not be judged once the window has `least_calls`. One more success lowers the share of failures. So
// if the counts with it reach a ratio, those without it did as well, as long as they were enough to be judged; going
// back like that ends at a failure, at the success that made the calls enough, or at a turn. All three are judged:
// failures always, successes as long as `enough_` is not set, and whoever turns. `enough_` is set for the bucket in use
// under the mutex, with counts that are judged in turn. A failure adds first and sums up the successes then; a success
// adds first and looks at the failures then; both in the order of sequentially consistent operations, so the later of
// two sees the earlier. The sum is taken stripe by stripe after the failures are known. Between turns successes grow by
// ones, so the sum was right at some moment of the summing, at which there were at least those failures. A failure that
// cannot reach the threshold even beside as few successes as somebody summed up before need not ask the stripes at all.
//
// Cost: record_success() about 20 instructions and one locked operation on a line of the thread's own;
// record_failure() about 40, one locked operation on a shared line and one load for each stripe. The mutex is taken at
// a bucket's edge, and once more in a bucket that begins with too few calls. Memory: 128 bytes and 8 bytes for each
// bucket, allocated in the constructor; the stripes of the successes are the owner's.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <resilience/base/atomics.hpp>
#include <resilience/base/inlining.hpp>
#include <resilience/base/time.hpp>
#include <resilience/measure/fraction.hpp>
#include <resilience/measure/striped_counters.hpp>

namespace resilience::inline v1 {

struct WindowCounts {
    std::uint64_t calls = 0;
    std::uint64_t failures = 0;

    friend constexpr bool operator==(const WindowCounts&, const WindowCounts&) = default;
};

template <class Atomics = StandardAtomics>
class alignas(cache_line) BasicRollingWindow {
  public:
    // `window / buckets` must be at least 1 ns and `buckets` at least 1. Fewer than `least_calls` in the window are
    // judged by nobody. `successes` and `state_mutex` must outlive the window. Reads no clock. Throws std::bad_alloc.
    BasicRollingWindow(Duration window, std::uint32_t buckets, std::uint32_t least_calls,
                       BasicStripedCounter<Atomics> successes, typename Atomics::Mutex& state_mutex);

    BasicRollingWindow(const BasicRollingWindow&) = delete;
    BasicRollingWindow& operator=(const BasicRollingWindow&) = delete;

    // ---- any thread that does not hold the state mutex

    // Adds a failure and returns the counts to judge it by. Absent: they cannot reach `threshold`.
    std::optional<WindowCounts> record_failure(TimePoint now, Fraction threshold) noexcept;

    // Adds a success. Absent: no judgement is called for, it cannot be what makes the window reach a failure ratio.
    RESILIENCE_HOT std::optional<WindowCounts> record_success(TimePoint now) noexcept {
        // Acquire: what a turn publishes is seen with its edge.
        const std::int64_t edge = turn_.load(std::memory_order_acquire);
        if (now.time_since_epoch().count() >= edge) [[unlikely]]
            return record_at_edge(false, now);
        successes_.add();
        // Acquire: who sees what a turn left here sees below that it had begun. So does who added after it.
        if (!enough_.load(std::memory_order_acquire)) [[unlikely]]
            return count_until_enough(edge, now);
        if (turn_.load(std::memory_order_acquire) != edge) [[unlikely]]
            return count_beside_turn(now);
        return std::nullopt;
    }

    // Everything ever recorded. Never falls for one reader. What a thread did before it recorded a result is seen by
    // whoever sees the result here: a reader that reads the number of admitted calls afterwards finds no result without
    // its admission.
    [[nodiscard]] WindowCounts totals() const noexcept {
        const std::uint64_t failures = failures_.load(std::memory_order_acquire);
        return {failures + successes_.read(), failures};
    }

    // Results that left a window, not the totals, because their bucket was full.
    [[nodiscard]] std::uint64_t saturated() const noexcept { return saturated_.load(std::memory_order_relaxed); }

    [[nodiscard]] std::uint32_t least_calls() const noexcept { return least_calls_.load(std::memory_order_relaxed); }

    // ---- under the state mutex

    [[nodiscard]] Duration bucket_width() const noexcept { return Duration{width_}; }
    [[nodiscard]] std::uint32_t buckets() const noexcept { return buckets_; }
    // The effective window: bucket_width() * buckets().
    [[nodiscard]] Duration window() const noexcept { return Duration{width_ * static_cast<std::int64_t>(buckets_)}; }

    // Adds a result and returns the counts to judge it by.
    WindowCounts record_locked(bool failed, TimePoint now) noexcept;

    // The counts of the window at `now`. A pure function of what is stored and `now`: buckets that are overdue no
    // longer count, although nobody has turned the window yet.
    [[nodiscard]] WindowCounts counts_locked(TimePoint now) const noexcept;

    // Empties the window and keeps the totals: a new period begins. A record() that is under way meanwhile may leave
    // its result in the new period, or judge by the old one; who cannot have that alternates between two windows and
    // forgets one only when it takes it into use again.
    void forget_locked(TimePoint now) noexcept;

    // Another length, other buckets, another least number of calls: see rolling_window_change.hpp.
    class Shape;
    void reshape_locked(Shape& shape, TimePoint now) noexcept;
    // The bucket that lies `age` buckets before that of `now`.
    [[nodiscard]] WindowCounts bucket_locked(std::uint32_t age, TimePoint now) const noexcept;

  private:
    using Word = typename Atomics::template Atomic<std::uint64_t>;
    // What a bucket that is over had.
    struct Bucket {
        std::uint32_t successes = 0;
        std::uint32_t failures = 0;
    };

    // The turn word while a turn is under way: every `now` is at or after it.
    static constexpr std::int64_t busy = std::numeric_limits<std::int64_t>::min();
    // How many successes of a thread may pass without one that finds out whether the calls are enough by now.
    static constexpr std::uint64_t unasked = 16;

    static constexpr WindowCounts counts_of(std::uint64_t successes, std::uint64_t failures) noexcept {
        return {successes + failures, failures};
    }

    std::int64_t bucket_of(TimePoint now) const noexcept;
    std::int64_t end_of(std::int64_t bucket) const noexcept;
    Bucket& bucket_at(std::int64_t number) const noexcept;
    WindowCounts current_locked() const noexcept;
    void turn_if_due_locked(TimePoint now) noexcept;
    void turn_locked(std::int64_t bucket, std::uint32_t leaving) noexcept;
    [[nodiscard]] bool begins_at(std::uint64_t successes, std::uint64_t failures) const noexcept;
    void close_bucket_locked(std::uint64_t successes, std::uint64_t failures, std::uint64_t& start_successes,
                             std::uint64_t& start_failures) noexcept;
    [[gnu::noinline]] std::optional<WindowCounts> count_until_enough(std::int64_t edge, TimePoint now) noexcept;
    [[gnu::cold, gnu::noinline]] WindowCounts count_enough() noexcept;
    [[gnu::cold, gnu::noinline]] WindowCounts record_at_edge(bool failed, TimePoint now) noexcept;
    [[gnu::cold, gnu::noinline]] WindowCounts count_beside_turn(TimePoint now) noexcept;

    // Read by every record(), written under the mutex at bucket edges.
    typename Atomics::template Atomic<std::int64_t> turn_{0};  // the instant the newest bucket ends at, or `busy`
    typename Atomics::template Atomic<bool> enough_{false};    // the window has least_calls, whatever is added to it
    typename Atomics::template Atomic<std::uint32_t> least_calls_;
    BasicStripedCounter<Atomics> successes_;
    Word start_successes_;  // of the totals, what lies before the window
    Word start_failures_{0};

    // Of the totals, what lies before the newest bucket.
    std::uint64_t bucket_successes_;
    std::uint64_t bucket_failures_ = 0;

    // Written by every failure.
    alignas(cache_line) Word failures_{0};
    Word least_successes_{0};  // of the total; what a failure has found, so that others need not

    std::int64_t newest_ = -1;  // the number of the newest bucket; -1 is the time before the epoch
    std::int64_t width_;
    std::unique_ptr<Bucket[]> closed_;
    typename Atomics::Mutex& state_mutex_;
    Word saturated_{0};
    std::uint32_t buckets_;
};

template <class Atomics>
BasicRollingWindow<Atomics>::BasicRollingWindow(Duration window, std::uint32_t buckets, std::uint32_t least_calls,
                                                BasicStripedCounter<Atomics> successes,
                                                typename Atomics::Mutex& state_mutex)
    : least_calls_(least_calls),
      successes_(successes),
      start_successes_(successes.read()),
      bucket_successes_(start_successes_.load(std::memory_order_relaxed)),
      width_(window.count() / buckets),
      closed_(std::make_unique<Bucket[]>(buckets)),
      state_mutex_(state_mutex),
      buckets_(buckets) {}

template <class Atomics>
std::optional<WindowCounts> BasicRollingWindow<Atomics>::record_failure(TimePoint now, Fraction threshold) noexcept {
    // Acquire, all: what a turn publishes is seen with its edge, and whoever sees any part of a turn sees in the second
    // read of its word that it had begun.
    const std::int64_t edge = turn_.load(std::memory_order_acquire);
    if (now.time_since_epoch().count() >= edge) [[unlikely]]
        return record_at_edge(true, now);
    const std::uint64_t start_successes = start_successes_.load(std::memory_order_acquire);
    const std::uint64_t start_failures = start_failures_.load(std::memory_order_acquire);
    const std::uint64_t failures = failures_.fetch_add(1, std::memory_order_seq_cst) + 1 - start_failures;
    // Acquire: the successes that somebody found are seen.
    std::uint64_t successes = least_successes_.load(std::memory_order_acquire);
    WindowCounts counts = counts_of(successes - std::min(successes, start_successes), failures);
    if (reaches(counts.failures, counts.calls, threshold)) {
        successes = successes_.read();
        least_successes_.store(successes, std::memory_order_release);
        counts = counts_of(successes - start_successes, failures);
    }
    const bool ask = !enough_.load(std::memory_order_acquire) && counts.calls >= least_calls();
    if (turn_.load(std::memory_order_acquire) != edge || !begins_at(start_successes, start_failures)) [[unlikely]]
        return count_beside_turn(now);
    if (ask) [[unlikely]]
        return count_enough();
    return reaches(counts.failures, counts.calls, threshold) ? std::optional(counts) : std::nullopt;
}

// A success in a window that may still have too few calls to be judged.
template <class Atomics>
std::optional<WindowCounts> BasicRollingWindow<Atomics>::count_until_enough(std::int64_t edge, TimePoint now) noexcept {
    const std::uint64_t start_successes = start_successes_.load(std::memory_order_acquire);
    const std::uint64_t start_failures = start_failures_.load(std::memory_order_acquire);
    const std::uint64_t failures = failures_.load(std::memory_order_seq_cst) - start_failures;
    // Without a failure there is nothing to reach, and asking now and then is enough to become quick again.
    const bool ask = failures != 0 || successes_.read_own() % unasked == 0;
    const WindowCounts counts = ask ? counts_of(successes_.read() - start_successes, failures) : WindowCounts{};
    if (turn_.load(std::memory_order_acquire) != edge || !begins_at(start_successes, start_failures)) [[unlikely]]
        return count_beside_turn(now);
    if (!ask) return std::nullopt;
    return counts.calls < least_calls() ? counts : count_enough();
}

// There are enough calls to judge and nobody has noted it. The mutex keeps the window from turning meanwhile; what is
// noted holds until then, since counts only grow.
template <class Atomics>
WindowCounts BasicRollingWindow<Atomics>::count_enough() noexcept {
    const std::lock_guard lock(state_mutex_);
    const WindowCounts counts = current_locked();
    // Release: whoever sees it set sees which turn it is of.
    enough_.store(counts.calls >= least_calls(), std::memory_order_release);
    return counts;
}

template <class Atomics>
WindowCounts BasicRollingWindow<Atomics>::record_at_edge(bool failed, TimePoint now) noexcept {
    const std::lock_guard lock(state_mutex_);
    return record_locked(failed, now);
}

template <class Atomics>
WindowCounts BasicRollingWindow<Atomics>::count_beside_turn(TimePoint now) noexcept {
    const std::lock_guard lock(state_mutex_);
    turn_if_due_locked(now);
    return current_locked();
}

template <class Atomics>
WindowCounts BasicRollingWindow<Atomics>::record_locked(bool failed, TimePoint now) noexcept {
    turn_if_due_locked(now);
    if (failed) {
        failures_.fetch_add(1, std::memory_order_seq_cst);
    } else {
        successes_.add();
    }
    return current_locked();
}

// Failures first: see the top.
template <class Atomics>
WindowCounts BasicRollingWindow<Atomics>::current_locked() const noexcept {
    const std::uint64_t failures =
        failures_.load(std::memory_order_seq_cst) - start_failures_.load(std::memory_order_relaxed);
    return counts_of(successes_.read() - start_successes_.load(std::memory_order_relaxed), failures);
}

template <class Atomics>
WindowCounts BasicRollingWindow<Atomics>::counts_locked(TimePoint now) const noexcept {
    const std::int64_t oldest = std::max(newest_, bucket_of(now)) - static_cast<std::int64_t>(buckets_) + 1;
    if (oldest > newest_) return {};
    std::uint64_t failures = failures_.load(std::memory_order_seq_cst) - bucket_failures_;
    std::uint64_t successes = successes_.read() - bucket_successes_;
    for (std::int64_t number = std::max<std::int64_t>(oldest, -1); number < newest_; ++number) {
        successes += bucket_at(number).successes;
        failures += bucket_at(number).failures;
    }
    return counts_of(successes, failures);
}

template <class Atomics>
void BasicRollingWindow<Atomics>::forget_locked(TimePoint now) noexcept {
    turn_locked(std::max(bucket_of(now), newest_), buckets_);
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
typename BasicRollingWindow<Atomics>::Bucket& BasicRollingWindow<Atomics>::bucket_at(
    std::int64_t number) const noexcept {
    return closed_[static_cast<std::uint64_t>(number + buckets_) % buckets_];
}

template <class Atomics>
void BasicRollingWindow<Atomics>::turn_if_due_locked(TimePoint now) noexcept {
    const std::int64_t bucket = bucket_of(now);
    const std::int64_t steps = bucket - newest_;
    if (steps > 0) turn_locked(bucket, static_cast<std::uint32_t>(std::min<std::int64_t>(steps, buckets_)));
}

// Makes `bucket` the newest; the `leaving` oldest buckets leave the window, the one that was the newest among them
// where that is all of them.
template <class Atomics>
void BasicRollingWindow<Atomics>::turn_locked(std::int64_t bucket, std::uint32_t leaving) noexcept {
    // Relaxed: published by the operations on the totals, to whoever adds to them from there on.
    turn_.store(busy, std::memory_order_relaxed);
    const std::uint64_t failures = failures_.fetch_add(0, std::memory_order_seq_cst);
    const std::uint64_t successes = successes_.read_and_publish();

    std::uint64_t start_successes = start_successes_.load(std::memory_order_relaxed);
    std::uint64_t start_failures = start_failures_.load(std::memory_order_relaxed);
    close_bucket_locked(successes, failures, start_successes, start_failures);
    for (std::uint32_t step = 1; step <= leaving; ++step) {
        Bucket& left = bucket_at(newest_ + step);
        start_successes += left.successes;
        start_failures += left.failures;
        left = {};
    }
    newest_ = bucket;

    const std::uint64_t calls = successes - start_successes + failures - start_failures;
    // Release, all four: whoever sees one of them sees `busy` or what followed it.
    start_successes_.store(start_successes, std::memory_order_release);
    start_failures_.store(start_failures, std::memory_order_release);
    enough_.store(calls >= least_calls(), std::memory_order_release);
    turn_.store(end_of(bucket), std::memory_order_release);
}

// Notes what the newest bucket had, up to what fits; the rest is before the window from now on.
template <class Atomics>
void BasicRollingWindow<Atomics>::close_bucket_locked(std::uint64_t successes, std::uint64_t failures,
                                                      std::uint64_t& start_successes,
                                                      std::uint64_t& start_failures) noexcept {
    constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
    const std::uint64_t had_successes = successes - bucket_successes_;
    const std::uint64_t had_failures = failures - bucket_failures_;
    const Bucket kept{static_cast<std::uint32_t>(std::min(had_successes, most)),
                      static_cast<std::uint32_t>(std::min(had_failures, most))};
    start_successes += had_successes - kept.successes;
    start_failures += had_failures - kept.failures;
    bucket_at(newest_) = kept;
    bucket_successes_ = successes;
    bucket_failures_ = failures;
    const std::uint64_t left_out = had_successes - kept.successes + had_failures - kept.failures;
    if (left_out != 0) saturated_.fetch_add(left_out, std::memory_order_relaxed);
}

}  // namespace resilience::inline v1

#include <resilience/measure/rolling_window_change.hpp>
