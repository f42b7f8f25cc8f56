#pragma once

// The scenes in which results meet each other and the turn of a rolling window, over any atomics: for the window as it
// ships and for its mutants. Two buckets of ten nanoseconds.

#include <cstdint>
#include <mutex>
#include <optional>
#include <resilience/measure/rolling_window.hpp>

#include "explorer.hpp"

namespace resilience::exploring {

constexpr TimePoint at(std::int64_t nanoseconds) { return TimePoint{Duration{nanoseconds}}; }

template <class Atomics>
struct WindowScene {
    static constexpr int threads = 3;
    static constexpr Fraction half{1, 2};
    typename Atomics::Mutex mutex;
    BasicStripedCounters<1, Atomics> successes{2};
    std::uint32_t least;
    BasicRollingWindow<Atomics> window;
    int told = 0;  // results that were judged on counts that reach a half

    explicit WindowScene(std::uint32_t least_calls)
        : least(least_calls), window(Duration{20}, 2, least_calls, successes.counter(0), mutex) {}

    std::optional<WindowCounts> record(bool failed, TimePoint now) {
        const auto counts = failed ? window.record_failure(now, half) : window.record_success(now);
        if (counts && counts->failures != 0 && counts->calls >= least &&
            reaches(counts->failures, counts->calls, half)) {
            ++told;
        }
        return counts;
    }
};

// Five results in four buckets, three threads that each may be late.
template <class Atomics>
struct TurnsLoseNothing : WindowScene<Atomics> {
    TurnsLoseNothing() : WindowScene<Atomics>(2) {}
    void run(int thread) {
        if (thread == 0) this->record(true, at(5));
        if (thread == 1) this->record(false, at(15));
        if (thread == 2) this->record(true, at(35));
        forget_what_was_seen();
        if (thread == 0) this->record(false, at(35));
        if (thread == 1) this->record(true, at(25));
    }
    void check() {
        require(this->window.totals() == WindowCounts{.calls = 5, .failures = 3}, "a result was lost or doubled");
        const WindowCounts last = this->window.counts_locked(at(35));
        require(last.calls >= 3 && last.failures >= 2, "a result left the window too early");
        require(last.calls <= 5 && last.failures <= 3, "a result counts twice");
        require(this->window.record_locked(false, at(35)).calls == last.calls + 1,
                "the sum is not that of its buckets");
        require(this->window.counts_locked(at(45)).calls <= last.calls + 1, "the window grows with time");
        require(this->window.counts_locked(at(55)) == WindowCounts{}, "a result stayed too long");
        const WindowCounts fresh = this->window.record_locked(true, at(55));
        require(fresh == WindowCounts{.calls = 1, .failures = 1}, "the turn left something behind");
    }
};

// Three failures, then nobody for an hour, then three at once: judged on what is fresh only.
template <class Atomics>
struct AfterAnIdleHour : WindowScene<Atomics> {
    AfterAnIdleHour() : WindowScene<Atomics>(1) {
        for (int failure = 0; failure < 3; ++failure) this->record(true, at(5));
    }
    void run(int thread) {
        const auto counts = this->record(thread != 1, at(1005));
        require(!counts || (counts->failures <= 2 && counts->calls <= 3), "judged on counts that had expired");
    }
    void check() {
        require(this->window.counts_locked(at(1005)) == WindowCounts{.calls = 3, .failures = 2},
                "wrong counts at rest");
    }
};

// Three failures; a fourth comes with an old `now` beside the turn that expires them. If the turn was first, the fourth
// is in the new bucket, and judged with none of the three.
template <class Atomics>
struct ALateFailureMeetsATurn : WindowScene<Atomics> {
    std::uint64_t judged_failures = 0;
    ALateFailureMeetsATurn() : WindowScene<Atomics>(1) {
        for (int failure = 0; failure < 3; ++failure) this->record(true, at(5));
    }
    void run(int thread) {
        const auto counts = this->record(thread != 1, at(thread == 0 ? 8 : 1005));
        if (thread == 0 && counts) judged_failures = counts->failures;
    }
    void check() {
        const bool in_new_bucket = this->window.counts_locked(at(1005)).failures == 2;
        require(!in_new_bucket || judged_failures <= 2, "judged on counts that had begun to expire");
        require(in_new_bucket || judged_failures <= 4, "a failure counts twice");
    }
};

// The counts reach the ratio with the last of three results, in whatever order: somebody is told.
template <class Atomics, int Successes>
struct TheLastHasAJudge : WindowScene<Atomics> {
    TheLastHasAJudge() : WindowScene<Atomics>(3) {}
    void run(int thread) { this->record(thread >= Successes, at(5)); }
    void check() {
        const WindowCounts counts = this->window.counts_locked(at(5));
        require(counts.calls == 3, "a result was lost");
        const bool half_failed = reaches(counts.failures, counts.calls, this->half);
        require(!half_failed || this->told > 0, "the ratio was reached and nobody was told");
        require(half_failed || this->told == 0, "somebody was told of a ratio that was not reached");
    }
};

// The same after an idle hour, before which there were enough calls: the turn leaves too few, and the last of the three
// is judged although it is a success.
template <class Atomics, int Successes>
struct ATurnLeavesTooFew : WindowScene<Atomics> {
    ATurnLeavesTooFew() : WindowScene<Atomics>(3) {
        for (int call = 0; call < 4; ++call) this->record(call == 0, at(5));
        this->told = 0;
    }
    void run(int thread) { this->record(thread >= Successes, at(1005)); }
    void check() {
        const auto failures = static_cast<std::uint64_t>(this->threads - Successes);
        require(this->window.counts_locked(at(1005)) == WindowCounts{.calls = 3, .failures = failures},
                "wrong counts at rest");
        require(this->told > 0, "the ratio was reached and nobody was told");
    }
};

// The same beside the turn to the next bucket, which takes an old success out.
template <class Atomics>
struct ATurnHasAJudge : WindowScene<Atomics> {
    ATurnHasAJudge() : WindowScene<Atomics>(2) {
        this->record(false, at(5));
        this->record(false, at(5));
        this->record(false, at(15));
    }
    void run(int thread) { this->record(thread != 0, thread == 0 ? at(25) : at(15)); }
    void check() {
        // The window is [10, 30): one old success, one fresh, two failures.
        const WindowCounts counts = this->window.counts_locked(at(25));
        require(counts == WindowCounts{.calls = 4, .failures = 2}, "wrong counts at rest");
        require(this->told > 0, "the ratio was reached and nobody was told");
    }
};

// One failure beside at least two successes: never half of them.
template <class Atomics>
struct NobodyIsToldOfMore : WindowScene<Atomics> {
    NobodyIsToldOfMore() : WindowScene<Atomics>(1) {
        this->record(false, at(5));
        this->record(false, at(5));
    }
    void run(int thread) { this->record(thread == 0, at(5)); }
    void check() { require(this->told == 0, "somebody was told of a ratio that was not reached"); }
};

// The window is given another shape beside a failure, which takes three old failures out and keeps the very edge; then
// a success notes that the calls are enough. The failure is judged with all three, or with none of them.
template <class Atomics>
struct AChangeOfShapeIsSeen : WindowScene<Atomics> {
    static constexpr int threads = 2;
    typename BasicRollingWindow<Atomics>::Shape shape{Duration{10}, 1, 2};
    std::uint64_t judged_failures = 0;
    bool added_before = false;
    AChangeOfShapeIsSeen() : WindowScene<Atomics>(1) {
        for (int failure = 0; failure < 3; ++failure) this->record(true, at(5));
        this->record(true, at(15));
    }
    void run(int thread) {
        if (thread == 0) {
            if (const auto counts = this->record(true, at(15))) judged_failures = counts->failures;
            return;
        }
        {
            const std::lock_guard lock(this->mutex);
            this->window.reshape_locked(shape, at(15));
            added_before = this->window.bucket_locked(0, at(15)).failures == 2;
        }
        this->record(false, at(15));
    }
    void check() {
        require(this->window.totals() == WindowCounts{.calls = 6, .failures = 5}, "a result was lost or doubled");
        require(this->window.counts_locked(at(15)) == WindowCounts{.calls = 3, .failures = 2}, "wrong counts at rest");
        require(judged_failures == 2 || (added_before && judged_failures == 5),
                "judged on counts that a change had taken out");
    }
};

}  // namespace resilience::exploring
