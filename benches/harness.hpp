#pragma once

// The timing harness: interleaved batches, their medians, and two threads that begin together.
//
// Timings on a shared machine lie in one direction only, so: short batches (a fifth of a millisecond), all rows in turn
// again and again, the median of each, and no batch in which the kernel took the processor away, as long as enough
// clean ones are left.

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace bench {

inline constexpr std::size_t batches = 31;
inline constexpr std::size_t enough_clean = 5;
inline constexpr double batch_nanoseconds = 2e5;

using Loop = long (*)(long);
using TimerClock = std::chrono::steady_clock;

inline double nanoseconds(TimerClock::duration time) { return std::chrono::duration<double, std::nano>(time).count(); }

inline double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

// How often the kernel took the processor away from the calling thread.
inline long preemptions() {
    rusage usage{};
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nivcsw;
}

// One run of a loop: when, and whether without interruption and with the right result.
struct Run {
    TimerClock::time_point begin;
    TimerClock::time_point end;
    bool clean = false;
    bool right = false;
};

inline Run run(Loop loop, long n) {
    const long before = preemptions();
    const auto begin = TimerClock::now();
    const long done = loop(n);
    const auto end = TimerClock::now();
    return {begin, end, preemptions() == before, done == n};
}

// Nanoseconds per operation, batch by batch.
class Timings {
  public:
    void add(double nanoseconds_each, bool clean) { (clean ? clean_ : disturbed_).push_back(nanoseconds_each); }
    [[nodiscard]] std::size_t clean() const { return clean_.size(); }
    [[nodiscard]] double median_nanoseconds() const {
        if (clean_.size() >= enough_clean) return median(clean_);
        std::vector<double> all = clean_;
        all.insert(all.end(), disturbed_.begin(), disturbed_.end());
        return median(all);
    }

  private:
    std::vector<double> clean_;
    std::vector<double> disturbed_;
};

// How many operations make a batch: a multiple of 100.
inline long batch_length(Loop loop) {
    double fastest = 1e9;
    for (int attempt = 0; attempt < 3; ++attempt) {
        const Run trial = run(loop, 1000);
        fastest = std::min(fastest, nanoseconds(trial.end - trial.begin) / 1000);
    }
    return std::clamp(static_cast<long>(batch_nanoseconds / std::max(fastest, 0.1)) / 100, 10L, 50'000L) * 100;
}

// Keeps the calling thread on the n-th processor it may use, so that two threads never wait for each other's.
inline void stay_on_processor(int n) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
    for (std::size_t processor = 0; processor < CPU_SETSIZE; ++processor) {
        if (!CPU_ISSET(processor, &allowed) || n-- > 0) continue;
        cpu_set_t only;
        CPU_ZERO(&only);
        CPU_SET(processor, &only);
        sched_setaffinity(0, sizeof only, &only);
        return;
    }
}

// A second thread that runs loops at the same time as the calling one, each on a processor of its own.
class Companion {
  public:
    Companion() {
        thread_ = std::jthread([this] {
            stay_on_processor(1);
            serve();
        });
        stay_on_processor(0);
    }
    ~Companion() {
        phase_.store(Phase::over, std::memory_order_release);
        phase_.notify_one();
    }
    Companion(const Companion&) = delete;
    Companion& operator=(const Companion&) = delete;

    // Both threads run the loop n times; the first is this thread's run, the second the companion's.
    std::pair<Run, Run> run_together(Loop loop, long n) {
        loop_ = loop;
        n_ = n;
        // Release: publishes loop_ and n_. The companion answers `ready` and both begin. Whoever yielded here would not
        // run any more when the other begins.
        phase_.store(Phase::called, std::memory_order_release);
        phase_.notify_one();
        while (phase_.load(std::memory_order_acquire) != Phase::ready) {
        }
        phase_.store(Phase::go, std::memory_order_release);
        const Run own = run(loop, n);
        while (phase_.load(std::memory_order_acquire) != Phase::idle) std::this_thread::yield();
        return {own, other_};
    }

  private:
    enum class Phase { idle, called, ready, go, over };

    void serve() {
        for (;;) {
            // Asleep while the other thread measures alone: whoever polls takes the processor away from it.
            phase_.wait(Phase::idle, std::memory_order_acquire);
            if (phase_.load(std::memory_order_acquire) == Phase::over) return;
            phase_.store(Phase::ready, std::memory_order_release);
            while (phase_.load(std::memory_order_acquire) != Phase::go) {
            }
            other_ = run(loop_, n_);
            phase_.store(Phase::idle, std::memory_order_release);
        }
    }

    std::atomic<Phase> phase_{Phase::idle};
    Loop loop_ = nullptr;
    long n_ = 0;
    Run other_;
    std::jthread thread_;  // last: it uses the others
};

}  // namespace bench
