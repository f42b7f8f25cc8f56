#pragma once

// A rolling window of time that sums how long calls took, and counts the slow ones by outcome: to be shown, not judged.
//
//     std::mutex state_mutex;                            // the owner's own
//     DurationWindow window(60s, 10, state_mutex);
//     window.record(false, true, 3s, now);               // any thread: a success that was slow
//     const std::lock_guard lock(state_mutex);
//     window.counts_locked(now).average();               // of the calls of the last minute
//     DurationWindow::Shape shape(30s, 10);              // takes the memory, best without the mutex
//     window.reshape_locked(shape, now);                 // half a minute from now on
//
// The buckets are those of a rolling window (rolling_window.hpp): edges at multiples of window / buckets from the
// clock's epoch, the newest one and the `buckets - 1` before it, only ever forward.
//
// What it promises: no call is lost or doubled. A call counts for at least the window less one bucket and at most the
// window, plus the time its own thread slept between reading the clock and its add. One that is added beside a turn may
// have its number in one bucket and its duration in the next.
//
// How. Totals that never fall, striped by thread; at a turn, under the owner's mutex, what they had gained since the
// last one is what the bucket had. Nobody decides by the sums, so a record has nothing to look at again.
//
// Cost: about 25 instructions and two locked operations on a line of the thread's own; the mutex at a bucket's edge.
// Memory: one cache line for each stripe and 40 bytes for each bucket, taken in the constructor.
//
// It gets another length or other buckets as a rolling window does (rolling_window_change.hpp): what an old bucket had
// is taken to have come when it began. The window may lose calls by it and never gains any. The new shape takes its
// memory when it is made and may throw; `reshape_locked` allocates nothing.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <resilience/base/atomics.hpp>
#include <resilience/base/time.hpp>
#include <resilience/measure/call_window.hpp>
#include <resilience/measure/striped_counters.hpp>
#include <utility>

namespace resilience::inline v1 {

template <class Atomics = StandardAtomics>
class BasicDurationWindow {
  public:
    // A call counts with at most this long, about 2.4 hours, so that a million of them in the window do not overflow.
    static constexpr Duration longest = Duration{std::int64_t{1} << 43};

  private:
    // Calls by outcome and speed, and nanoseconds.
    enum Counted : std::size_t { slow_call = 1, failed_call = 2, nanoseconds = 4, sums };
    using Sums = std::array<std::uint64_t, sums>;

  public:
    // The memory of a shape that a window can be given. Afterwards it holds what the window had.
    class Shape {
      public:
        // As for the window's own constructor. Throws std::bad_alloc.
        Shape(Duration window, std::uint32_t buckets)
            : width_(window.count() / buckets), buckets_(buckets), closed_(std::make_unique<Sums[]>(buckets)) {}

      private:
        friend class BasicDurationWindow;
        std::int64_t width_;
        std::uint32_t buckets_;
        std::unique_ptr<Sums[]> closed_;
    };

    // `window / buckets` must be at least 1 ns and `buckets` at least 1. The mutex must outlive the window. Reads no
    // clock. Throws std::bad_alloc.
    BasicDurationWindow(Duration window, std::uint32_t buckets, typename Atomics::Mutex& state_mutex)
        : width_(window.count() / buckets),
          buckets_(buckets),
          closed_(std::make_unique<Sums[]>(buckets)),
          state_mutex_(state_mutex) {}

    BasicDurationWindow(const BasicDurationWindow&) = delete;
    BasicDurationWindow& operator=(const BasicDurationWindow&) = delete;

    // Any thread that does not hold the mutex. Less than no time counts as none.
    void record(bool failed, bool slow, Duration took, TimePoint now) noexcept {
        // Acquire: who sees the edge of a new bucket adds after the sums of the old one were taken.
        if (now.time_since_epoch().count() >= turn_.load(std::memory_order_acquire)) [[unlikely]] {
            const std::lock_guard lock(state_mutex_);
            turn_if_due_locked(now);
        }
        add(failed, slow, took);
    }

    // ---- under the mutex

    void record_locked(bool failed, bool slow, Duration took, TimePoint now) noexcept {
        turn_if_due_locked(now);
        add(failed, slow, took);
    }

    // The counts of the window at `now`: buckets that are overdue no longer count, although nobody has turned it yet.
    [[nodiscard]] CallCounts counts_locked(TimePoint now) const noexcept;

    // Empties the window.
    void forget_locked(TimePoint now) noexcept {
        turn_locked(std::max(newest_, bucket_of(now)));
        std::fill_n(closed_.get(), buckets_, Sums{});
    }

    void reshape_locked(Shape& shape, TimePoint now) noexcept;

  private:
    void add(bool failed, bool slow, Duration took) noexcept {
        totals_.add((failed ? std::size_t{failed_call} : 0) + (slow ? std::size_t{slow_call} : 0));
        const Duration counted = std::clamp(took, Duration::zero(), longest);
        if (counted != Duration::zero()) totals_.add(nanoseconds, static_cast<std::uint64_t>(counted.count()));
    }
    // The last nanosecond of all belongs to the bucket before it, so that every bucket ends at a representable instant.
    [[nodiscard]] std::int64_t bucket_of(TimePoint now) const noexcept {
        const std::int64_t at = now.time_since_epoch().count();
        return at < 0 ? -1 : std::min(at, std::numeric_limits<std::int64_t>::max() - 1) / width_;
    }
    [[nodiscard]] Sums& bucket_at(std::int64_t number) const noexcept {
        return closed_[static_cast<std::uint64_t>(number + buckets_) % buckets_];
    }
    // What the newest bucket has so far. Modulo 2^64, as the totals are.
    [[nodiscard]] Sums open_locked() const noexcept {
        Sums open{};
        for (std::size_t sum = 0; sum < sums; ++sum) open[sum] = totals_.read(sum) - before_[sum];
        return open;
    }
    void turn_if_due_locked(TimePoint now) noexcept {
        if (const std::int64_t bucket = bucket_of(now); bucket > newest_) turn_locked(bucket);
    }
    void turn_locked(std::int64_t bucket) noexcept;
    void begin_locked(std::int64_t bucket) noexcept;

    std::int64_t width_;
    std::int64_t newest_ = -1;  // the number of the newest bucket; -1 is the time before the epoch
    std::uint32_t buckets_;
    std::unique_ptr<Sums[]> closed_;
    Sums before_{};  // of the totals, what lies before the newest bucket
    typename Atomics::Mutex& state_mutex_;
    typename Atomics::template Atomic<std::int64_t> turn_{0};  // the instant the newest bucket ends at
    BasicStripedCounters<sums, Atomics> totals_{};
};

template <class Atomics>
CallCounts BasicDurationWindow<Atomics>::counts_locked(TimePoint now) const noexcept {
    const std::int64_t oldest = std::max(newest_, bucket_of(now)) - static_cast<std::int64_t>(buckets_) + 1;
    if (oldest > newest_) return {};
    Sums total = open_locked();
    for (std::int64_t number = std::max<std::int64_t>(oldest, -1); number < newest_; ++number) {
        for (std::size_t sum = 0; sum < sums; ++sum) total[sum] += bucket_at(number)[sum];
    }
    const std::uint64_t failures = total[failed_call] + total[failed_call + slow_call];
    return {.calls = total[0] + total[slow_call] + failures,
            .failures = failures,
            .slow = total[slow_call] + total[failed_call + slow_call],
            .slow_failures = total[failed_call + slow_call],
            .total = Duration{static_cast<std::int64_t>(total[nanoseconds])}};
}

template <class Atomics>
void BasicDurationWindow<Atomics>::turn_locked(std::int64_t bucket) noexcept {
    const Sums open = open_locked();
    for (std::size_t sum = 0; sum < sums; ++sum) before_[sum] += open[sum];
    bucket_at(newest_) = open;
    // What lies between the two is empty, and all that was as far back as the window is long has left it.
    const std::int64_t skipped = std::min<std::int64_t>(bucket - newest_, buckets_);
    for (std::int64_t step = 1; step <= skipped; ++step) bucket_at(newest_ + step) = {};
    begin_locked(bucket);
}

// Release: whoever sees its edge adds after the sums of the one before it were taken.
template <class Atomics>
void BasicDurationWindow<Atomics>::begin_locked(std::int64_t bucket) noexcept {
    newest_ = bucket;
    std::int64_t end = 0;
    if (__builtin_mul_overflow(bucket + 1, width_, &end)) end = std::numeric_limits<std::int64_t>::max();
    turn_.store(end, std::memory_order_release);
}

template <class Atomics>
void BasicDurationWindow<Atomics>::reshape_locked(Shape& shape, TimePoint now) noexcept {
    // What is overdue must leave by the old buckets: a longer window would take it back.
    turn_if_due_locked(now);
    const auto new_number = [&](std::int64_t number) { return number < 0 ? -1 : number * width_ / shape.width_; };
    const std::int64_t newest = new_number(newest_);
    for (std::int64_t old = std::max<std::int64_t>(newest_ - buckets_ + 1, -1); old < newest_; ++old) {
        const Sums& had = bucket_at(old);
        const std::int64_t number = new_number(old);
        if (number == newest) {
            for (std::size_t sum = 0; sum < sums; ++sum) before_[sum] -= had[sum];
        } else if (number > newest - static_cast<std::int64_t>(shape.buckets_)) {
            Sums& bucket = shape.closed_[static_cast<std::uint64_t>(number + shape.buckets_) % shape.buckets_];
            for (std::size_t sum = 0; sum < sums; ++sum) bucket[sum] += had[sum];
        }
    }
    std::swap(width_, shape.width_);
    std::swap(buckets_, shape.buckets_);
    std::swap(closed_, shape.closed_);
    begin_locked(newest);
}

using DurationWindow = BasicDurationWindow<StandardAtomics>;

}  // namespace resilience::inline v1
