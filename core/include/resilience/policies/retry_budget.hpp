#pragma once

// A budget of retries: what keeps the retries of many calls from becoming the load that the callee fails under.
//
//     auto budget = std::make_shared<RetryBudget>();              // a tenth of the successes, 10 at most, 0.1 a second
//     Retry reads{"reads", {.max_attempts = 3}, budget};
//     Retry writes{"writes", {.max_attempts = 2}, budget};        // one budget for one dependency
//
// A retry that the budget refuses is not made: the call ends with the outcome it has, and CallReport::retry_stopped is
// RetryStop::budget.
//
// A bucket of tokens, full at first. A retry takes one whole token; a call that succeeds (a "no" of a working callee
// included) puts `ratio` of one back, never above `capacity`, and `trickle` tokens come back each second, so that an
// idle caller can retry as well. Deposits follow successes and not requests: retries <= capacity + ratio * successes +
// trickle * time, whatever the load, hence no retry storm, while a budget fed by requests keeps one alive once load *
// (1 + ratio) reaches the capacity of the callee. After M. Brooker, "Fixing retries with token buckets and circuit
// breakers" (2022).
//
// Exact: a token is a whole number of units and so is a deposit, so ten deposits of a tenth are one retry, and no token
// is given twice, from whatever number of threads. Time is counted in whole microseconds, rounded down. The bound holds
// in every window of time, too, but for this: a retry that was paid for and never began (its call was cancelled in the
// delay) gets its token back, also when the budget has filled up meanwhile, and a window may hold as many retries more
// as were given back in it.
//
// Threads: every member may be called from any thread. Lock-free: one load and one compare-and-swap to take or to put
// back, one load and no write where the budget is full. No allocation. 96 bytes.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <resilience/base/atomics.hpp>
#include <resilience/base/time.hpp>
#include <resilience/measure/fraction.hpp>

namespace resilience::inline v1 {

struct RetryBudgetConfig {
    // Retries earned by a success. 0 to 1; read as the simplest fraction with a denominator up to 10,000.
    double ratio = 0.1;

    // Most retries that may follow each other at once. 1 to 1,000,000.
    std::uint32_t capacity = 10;

    // Retries earned by time, a second. 0 to 1000; read as the simplest fraction with a denominator up to 1,000,000.
    // Not 0 together with ratio: such a budget would never fill again.
    double trickle = 0.1;

    friend bool operator==(const RetryBudgetConfig&, const RetryBudgetConfig&) = default;
};

struct RetryBudgetStats {
    double balance = 0;  // tokens: retries that may start now, and a fraction of the next
    std::uint32_t capacity = 0;
    std::uint64_t spent = 0;       // retries paid for
    std::uint64_t given_back = 0;  // of these: never begun
    std::uint64_t rejected = 0;    // retries refused
};

namespace detail {

// How a budget counts, fixed at its construction. Throws ConfigError naming every bad field.
struct BudgetScale {
    explicit BudgetScale(const RetryBudgetConfig& config);

    // Units earned by time since the clock's epoch; a `now` before it counts as it.
    [[nodiscard]] std::int64_t grown(TimePoint now) const noexcept {
        const std::int64_t microseconds = std::max<std::int64_t>(0, now.time_since_epoch().count() / 1000);
        return static_cast<std::int64_t>(Unsigned128{static_cast<std::uint64_t>(microseconds)} * growth.numerator /
                                         growth.denominator);
    }

    std::int64_t token;     // units
    std::int64_t deposit;   // units for a success
    std::int64_t capacity;  // units
    Fraction growth;        // units a microsecond, at most 128: never reaches 2^61
};

}  // namespace detail

template <class Atomics = StandardAtomics>
class BasicRetryBudget {
  public:
    // Full. Throws ConfigError naming every bad field.
    explicit BasicRetryBudget(const RetryBudgetConfig& config = {}) : scale_(config), config_(config) {}

    BasicRetryBudget(const BasicRetryBudget&) = delete;
    BasicRetryBudget& operator=(const BasicRetryBudget&) = delete;

    // A retry is about to be made: takes a token if there is one.
    [[nodiscard]] bool withdraw(TimePoint now) noexcept {
        const std::int64_t grown = scale_.grown(now);
        // Relaxed throughout: what may be spent rests on the modification order of this one word.
        std::int64_t position = position_.load(std::memory_order_relaxed);
        for (;;) {
            const std::int64_t base = std::max(position, grown - scale_.capacity);
            if (base > grown - scale_.token) {
                rejected_.fetch_add(1, std::memory_order_relaxed);
                return false;
            }
            if (position_.compare_exchange_weak(position, base + scale_.token, std::memory_order_relaxed)) break;
        }
        spent_.fetch_add(1, std::memory_order_relaxed);
        return true;
    }

    // A call has succeeded.
    void deposit(TimePoint now) noexcept { put(scale_.deposit, now); }

    // The retry of an earlier withdrawal was not made.
    void give_back(TimePoint now) noexcept {
        put(scale_.token, now);
        given_back_.fetch_add(1, std::memory_order_relaxed);
    }

    // Counters are read at different instants.
    [[nodiscard]] RetryBudgetStats stats(TimePoint now = Clock::now()) const noexcept {
        const std::int64_t grown = scale_.grown(now);
        const std::int64_t position = position_.load(std::memory_order_relaxed);
        const std::int64_t units = std::clamp<std::int64_t>(grown - position, 0, scale_.capacity);
        return {.balance = static_cast<double>(units) / static_cast<double>(scale_.token),
                .capacity = config_.capacity,
                .spent = spent_.load(std::memory_order_relaxed),
                .given_back = given_back_.load(std::memory_order_relaxed),
                .rejected = rejected_.load(std::memory_order_relaxed)};
    }

    [[nodiscard]] const RetryBudgetConfig& config() const noexcept { return config_; }

  private:
    void put(std::int64_t units, TimePoint now) noexcept {
        const std::int64_t full = scale_.grown(now) - scale_.capacity;
        std::int64_t position = position_.load(std::memory_order_relaxed);
        while (position > full) {
            const std::int64_t lower = std::max(position - units, full);
            if (position_.compare_exchange_weak(position, lower, std::memory_order_relaxed)) return;
        }
    }

    // The bucket holds what has grown by now less the position, at most its capacity: full at every moment until
    // something is taken.
    detail::BudgetScale scale_;
    typename Atomics::template Atomic<std::int64_t> position_{-scale_.capacity};
    typename Atomics::template Atomic<std::uint64_t> spent_{0};
    typename Atomics::template Atomic<std::uint64_t> given_back_{0};
    typename Atomics::template Atomic<std::uint64_t> rejected_{0};
    RetryBudgetConfig config_;
};

using RetryBudget = BasicRetryBudget<StandardAtomics>;

}  // namespace resilience::inline v1
