#pragma once

// How a rolling window gets another shape while results are added to it: its length, its buckets, its least number of
// calls.
//
//     std::mutex state_mutex;                                    // the owner's own
//     StripedCounters<1> results;
//     RollingWindow window(10s, 10, 20, results.counter(0), state_mutex);
//     RollingWindow::Shape shape(30s, 10, 20);                   // takes the memory; may throw
//     const std::lock_guard lock(state_mutex);
//     window.reshape_locked(shape, now);                         // allocates nothing
//
// What it promises:
//   - The totals stay exact, and no result is doubled or split. The window may lose results by it, never gain any.
//   - The results of an old bucket are taken to have come when it began, since they came no earlier: none counts
//     longer than the new window, and each leaves at most one old bucket's width too early. Where old buckets lie
//     within new ones, nothing else changes: one that is made shorter keeps its newest buckets.
//   - The next result is judged, also a success: the change itself judges nothing.
//
// How. It is a turn: the turn word is busy meanwhile, each word of the totals gets a read-modify-write, and what lies
// before the window is published before the word. Unlike a turn it may leave the very edge that was there before, so
// that a record() which read it then would miss the change. Therefore record() also looks whether `start` is what it
// was: that never falls, so a start that is the same was never another.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <resilience/measure/rolling_window.hpp>
#include <utility>

namespace resilience::inline v1 {

// The memory of a shape that a window can be given. Afterwards it holds what the window had.
template <class Atomics>
class BasicRollingWindow<Atomics>::Shape {
  public:
    // As for the window's own constructor. Throws std::bad_alloc.
    Shape(Duration window, std::uint32_t buckets, std::uint32_t least_calls)
        : closed_(std::make_unique<Bucket[]>(buckets)),
          width_(window.count() / buckets),
          buckets_(buckets),
          least_calls_(least_calls) {}

  private:
    friend class BasicRollingWindow;
    std::unique_ptr<Bucket[]> closed_;
    std::int64_t width_;
    std::uint32_t buckets_;
    std::uint32_t least_calls_;
};

// Whether this still lies before the window. Relaxed: called after an acquire of the turn word, which brings it along.
template <class Atomics>
bool BasicRollingWindow<Atomics>::begins_at(std::uint64_t successes, std::uint64_t failures) const noexcept {
    return start_successes_.load(std::memory_order_relaxed) == successes &&
           start_failures_.load(std::memory_order_relaxed) == failures;
}

template <class Atomics>
WindowCounts BasicRollingWindow<Atomics>::bucket_locked(std::uint32_t age, TimePoint now) const noexcept {
    const std::int64_t number = std::max(newest_, bucket_of(now)) - static_cast<std::int64_t>(age);
    if (age >= buckets_ || number < -1 || number > newest_) return {};
    if (number < newest_) return counts_of(bucket_at(number).successes, bucket_at(number).failures);
    const std::uint64_t failures = failures_.load(std::memory_order_seq_cst) - bucket_failures_;
    return counts_of(successes_.read() - bucket_successes_, failures);
}

template <class Atomics>
void BasicRollingWindow<Atomics>::reshape_locked(Shape& shape, TimePoint now) noexcept {
    // What is overdue must leave by the old buckets: a longer window would take it back.
    turn_if_due_locked(now);
    // Relaxed: published by the operations on the totals, to whoever adds to them from there on.
    turn_.store(busy, std::memory_order_relaxed);
    const std::uint64_t failures = failures_.fetch_add(0, std::memory_order_seq_cst);
    const std::uint64_t successes = successes_.read_and_publish();

    const auto new_number = [&](std::int64_t number) { return number < 0 ? -1 : number * width_ / shape.width_; };
    const std::int64_t newest = new_number(newest_);
    std::uint64_t open_successes = successes - bucket_successes_;
    std::uint64_t open_failures = failures - bucket_failures_;
    std::uint64_t kept_successes = 0;
    std::uint64_t kept_failures = 0;
    const auto keep = [](std::uint32_t& bucket, std::uint32_t more, std::uint64_t& kept) {
        const std::uint32_t fits = std::min(more, std::numeric_limits<std::uint32_t>::max() - bucket);
        bucket += fits;
        kept += fits;
        return std::uint64_t{more} - fits;
    };
    std::uint64_t left_out = 0;
    for (std::int64_t old = std::max<std::int64_t>(newest_ - buckets_ + 1, -1); old < newest_; ++old) {
        const Bucket had = bucket_at(old);
        const std::int64_t number = new_number(old);
        if (number == newest) {
            open_successes += had.successes;
            open_failures += had.failures;
        } else if (number > newest - static_cast<std::int64_t>(shape.buckets_)) {
            Bucket& bucket = shape.closed_[static_cast<std::uint64_t>(number + shape.buckets_) % shape.buckets_];
            left_out += keep(bucket.successes, had.successes, kept_successes);
            left_out += keep(bucket.failures, had.failures, kept_failures);
        }
    }
    if (left_out != 0) saturated_.fetch_add(left_out, std::memory_order_relaxed);

    newest_ = newest;
    std::swap(closed_, shape.closed_);
    std::swap(width_, shape.width_);
    std::swap(buckets_, shape.buckets_);
    bucket_successes_ = successes - open_successes;
    bucket_failures_ = failures - open_failures;
    // Release, all: whoever sees one of them sees `busy` or what followed it.
    least_calls_.store(shape.least_calls_, std::memory_order_release);
    start_successes_.store(bucket_successes_ - kept_successes, std::memory_order_release);
    start_failures_.store(bucket_failures_ - kept_failures, std::memory_order_release);
    enough_.store(false, std::memory_order_release);
    turn_.store(end_of(newest), std::memory_order_release);
}

extern template class BasicRollingWindow<StandardAtomics>;

using RollingWindow = BasicRollingWindow<StandardAtomics>;

}  // namespace resilience::inline v1
