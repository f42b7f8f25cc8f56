#pragma once

// A log of the last tokens given: exact in every window of its length, wherever that begins.
//
//     SlidingLog log(2, 100ms);
//     if (!log.try_take(1, now)) {
//         Duration wait = log.time_until(1, now);               // until the oldest entry leaves the log
//     }
//
// What it promises: at most `limit` tokens in every window [s, s + period). Entries leave one by one, each exactly one
// period after it was made. There is no burst at an edge, as with fixed windows, and nothing on top of the limit, as a
// token bucket gives (which admits its capacity and then what has flowed back).
//
// A `now` older than the newest one taken counts as that one; a `now` far ahead of everyone else's holds the others up
// until then.
//
// Memory: 8 bytes for each token of the limit, allocated at the start and never more; so a limit of 1000 an hour is
// cheap and one of a million a second is not. Threads: every member may be called from any thread. Cost: one short lock
// around one comparison and a write for each token; no allocation.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <resilience/base/atomics.hpp>
#include <resilience/base/time.hpp>
#include <resilience/measure/fraction.hpp>

namespace resilience::inline v1 {

template <class Atomics = StandardAtomics>
class BasicSlidingLog {
  public:
    static constexpr std::uint64_t highest_limit = 1'000'000;
    static constexpr Duration shortest_period{1};
    static constexpr Duration longest_period{std::int64_t{1} << 58};

    // `limit` 1 to highest_limit, `period` shortest_period to longest_period (9.1 years); the caller has made sure.
    // Throws std::bad_alloc.
    BasicSlidingLog(std::uint64_t limit, Duration period)
        : taken_at_(std::make_unique<std::int64_t[]>(limit)), limit_(limit), period_(period.count()) {
        std::fill_n(taken_at_.get(), limit_, long_ago);
    }

    BasicSlidingLog(const BasicSlidingLog&) = delete;
    BasicSlidingLog& operator=(const BasicSlidingLog&) = delete;

    // Takes `tokens` if that many entries are free, else takes nothing. More than the limit never succeeds, 0 always.
    [[nodiscard]] bool try_take(std::uint64_t tokens, TimePoint now) noexcept {
        if (tokens == 0) return true;
        if (tokens > limit_) return false;
        const std::lock_guard lock(mutex_);
        const std::int64_t at = counted_as(now);
        if (leaves(tokens - 1) > at) return false;
        for (std::uint64_t token = 0; token < tokens; ++token) {
            taken_at_[oldest_] = at;
            if (++oldest_ == limit_) oldest_ = 0;
        }
        return true;
    }

    // How long after `now` the first nanosecond lies at which `tokens` could be taken if nobody takes any meanwhile;
    // 0 if they could be taken at `now`, Duration::max() if never.
    //
    // With `ahead`: for somebody before whom that many tokens are taken, one by one, each as soon as it is there.
    // Larger requests may need longer, as their tokens leave again together.
    [[nodiscard]] Duration time_until(std::uint64_t tokens, TimePoint now, std::uint64_t ahead = 0) const noexcept {
        if (tokens == 0 && ahead == 0) return Duration::zero();
        if (tokens > limit_) return Duration::max();
        const std::lock_guard lock(mutex_);
        const std::int64_t at = counted_as(now);
        const detail::Unsigned128 before = detail::Unsigned128{ahead} + tokens - 1;
        const detail::Signed128 first =
            std::max(leaves(static_cast<std::uint64_t>(before % limit_)), detail::Signed128{at});
        if (before < limit_ && first <= at) return Duration::zero();
        const detail::Signed128 moment =
            first + static_cast<detail::Signed128>(before / limit_) * static_cast<detail::Signed128>(period_);
        constexpr detail::Signed128 longest = Duration::max().count();
        return Duration{static_cast<std::int64_t>(std::min(moment - now.time_since_epoch().count(), longest))};
    }

    // Tokens that could be taken at `now`.
    [[nodiscard]] std::uint64_t available(TimePoint now) const noexcept {
        const std::lock_guard lock(mutex_);
        const std::int64_t at = counted_as(now);
        std::uint64_t free = 0;
        // The log is sorted from the oldest entry on.
        for (std::uint64_t more = limit_; free < more;) {
            const std::uint64_t middle = free + (more - free) / 2;
            if (leaves(middle) <= at) {
                free = middle + 1;
            } else {
                more = middle;
            }
        }
        return free;
    }

    [[nodiscard]] std::uint64_t capacity() const noexcept { return limit_; }
    // Tokens per second in the long run.
    [[nodiscard]] double refill_rate() const noexcept {
        return static_cast<double>(limit_) / std::chrono::duration<double>(Duration{period_}).count();
    }
    [[nodiscard]] Duration period() const noexcept { return Duration{period_}; }

  private:
    static constexpr std::int64_t long_ago = std::numeric_limits<std::int64_t>::min();

    [[nodiscard]] std::int64_t newest() const noexcept { return taken_at_[oldest_ == 0 ? limit_ - 1 : oldest_ - 1]; }
    [[nodiscard]] std::int64_t counted_as(TimePoint now) const noexcept {
        return std::max({now.time_since_epoch().count(), newest(), long_ago + 1});
    }
    // When the entry leaves before which `older` ones do; below limit_.
    [[nodiscard]] detail::Signed128 leaves(std::uint64_t older) const noexcept {
        std::uint64_t index = oldest_ + older;
        if (index >= limit_) index -= limit_;
        return detail::Signed128{taken_at_[index]} + (taken_at_[index] == long_ago ? 0 : period_);
    }

    std::unique_ptr<std::int64_t[]> taken_at_;  // a ring, sorted from oldest_ on
    std::uint64_t oldest_ = 0;
    std::uint64_t limit_;
    std::int64_t period_;
    mutable typename Atomics::Mutex mutex_;
};

using SlidingLog = BasicSlidingLog<StandardAtomics>;

}  // namespace resilience::inline v1
