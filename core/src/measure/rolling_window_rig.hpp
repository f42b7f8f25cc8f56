#pragma once

// A rolling window with what its owner has to bring: for tests.

#include <cstdint>
#include <for_tests/origin.hpp>
#include <mutex>
#include <optional>
#include <resilience/measure/rolling_window.hpp>

namespace resilience {

inline TimePoint at(Duration since_epoch) { return for_tests::origin() + since_epoch; }

inline constexpr std::uint32_t least_calls = 10;
inline constexpr Fraction half{1, 2};

template <class Atomics = StandardAtomics>
struct Rig {
    typename Atomics::Mutex mutex;
    BasicStripedCounters<1, Atomics> successes{2};
    BasicRollingWindow<Atomics> window;

    explicit Rig(Duration length, std::uint32_t buckets, std::uint32_t least = least_calls)
        : window(length, buckets, least, successes.counter(0), mutex) {}

    std::optional<WindowCounts> record(bool failed, TimePoint now) {
        return failed ? window.record_failure(now, half) : window.record_success(now);
    }
    void record_many(int successes_added, int failures_added, TimePoint now) {
        for (int call = 0; call < successes_added; ++call) record(false, now);
        for (int call = 0; call < failures_added; ++call) record(true, now);
    }
    WindowCounts record_locked(bool failed, TimePoint now) {
        const std::lock_guard lock(mutex);
        return window.record_locked(failed, now);
    }
    // What a test asks between two steps of a record under the mutex is told without taking it again.
    WindowCounts counts(TimePoint now) const { return window.counts_locked(now); }
    WindowCounts record_and_count(bool failed, TimePoint now) {
        record(failed, now);
        return counts(now);
    }
    void forget(TimePoint now) {
        const std::lock_guard lock(mutex);
        window.forget_locked(now);
    }
};

}  // namespace resilience
