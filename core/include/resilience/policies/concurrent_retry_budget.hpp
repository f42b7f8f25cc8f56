#pragma once

// A budget of retries by what is in flight: a retry is made only while no more than a share of the calls are retries.
//
//     auto budget = std::make_shared<ConcurrentRetryBudget>(ConcurrentRetryBudgetConfig{.rate = 0.2, .minimum = 3});
//     Retry reads{"reads", {.max_attempts = 3}, budget};
//
// With each retry that is granted at most max(minimum, min(floor(rate * calls), maximum)) are in flight, where `calls`
// are those inside a retry that shares this budget, whatever they do there: run, wait, or retry themselves. A retry is
// in flight from the decision to make it, its delay included, until its attempt has ended; it stays so when calls
// around it end, so that for a while the retries are more than so few calls would be granted, but never more than
// maximum. A retry that the budget refuses is not made: the call ends with the outcome it has, and
// CallReport::retry_stopped is RetryStop::budget.
//
// Beside RetryBudget (retry_budget.hpp), which bounds retries by successes: this one follows calls that become slow,
// for then more of them are in flight, and fails to bound those that fail at once. Take RetryBudget unless you know
// that you want this.
//
// Exact from any number of threads: 64 that ask at once for the last 10 get 10. Cost: every call, the successful ones
// included, adds to one shared word when it begins and when it ends; a retry is a compare-and-swap on it. No lock, no
// allocation. 128 bytes, the word alone on its cache line.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <resilience/base/atomics.hpp>
#include <resilience/measure/fraction.hpp>

namespace resilience::inline v1 {

struct ConcurrentRetryBudgetConfig {
    // Retries for each call in flight. 0 to 1; read as the simplest fraction its double can mean.
    double rate = 0.2;

    // Granted however few calls there are. 0 to maximum; not 0 together with rate.
    std::uint32_t minimum = 3;

    // Never more, however many calls there are. 1 to 1,000,000.
    std::uint32_t maximum = 1'000'000;

    friend bool operator==(const ConcurrentRetryBudgetConfig&, const ConcurrentRetryBudgetConfig&) = default;
};

struct ConcurrentRetryBudgetStats {
    std::uint32_t calls = 0;     // in flight
    std::uint32_t retries = 0;   // in flight
    std::uint32_t allowed = 0;   // retries that so many calls may have in flight
    std::uint64_t rejected = 0;  // retries refused
};

namespace detail {
// The rate as a fraction. Throws ConfigError naming every bad field.
[[nodiscard]] Fraction checked_rate(const ConcurrentRetryBudgetConfig& config);
}  // namespace detail

template <class Atomics = StandardAtomics>
class BasicConcurrentRetryBudget {
  public:
    // Throws ConfigError naming every bad field.
    explicit BasicConcurrentRetryBudget(const ConcurrentRetryBudgetConfig& config = {})
        : rate_(detail::checked_rate(config)), config_(config) {}

    BasicConcurrentRetryBudget(const BasicConcurrentRetryBudget&) = delete;
    BasicConcurrentRetryBudget& operator=(const BasicConcurrentRetryBudget&) = delete;

    // Around every call, one beginning and one end. Fewer than 2^31 at a time.
    void begin_call() noexcept { word_.fetch_add(one_call, std::memory_order_relaxed); }
    void end_call() noexcept { word_.fetch_sub(one_call, std::memory_order_relaxed); }

    // A retry is about to be made. When granted, `end_retry` follows once, whether it is made or not.
    [[nodiscard]] bool begin_retry() noexcept {
        // Relaxed throughout: the bound rests on the modification order of this one word, and nothing else is
        // published by it.
        std::uint64_t word = word_.load(std::memory_order_relaxed);
        do {
            if (retries_of(word) >= allowed(calls_of(word))) {
                rejected_.fetch_add(1, std::memory_order_relaxed);
                return false;
            }
        } while (!word_.compare_exchange_weak(word, word + 1, std::memory_order_relaxed));
        return true;
    }
    void end_retry() noexcept { word_.fetch_sub(1, std::memory_order_relaxed); }

    // The first three at one moment.
    [[nodiscard]] ConcurrentRetryBudgetStats stats() const noexcept {
        const std::uint64_t word = word_.load(std::memory_order_relaxed);
        return {.calls = calls_of(word),
                .retries = retries_of(word),
                .allowed = allowed(calls_of(word)),
                .rejected = rejected_.load(std::memory_order_relaxed)};
    }

    [[nodiscard]] const ConcurrentRetryBudgetConfig& config() const noexcept { return config_; }

  private:
    // Calls in flight above, retries in flight below.
    static constexpr std::uint64_t one_call = std::uint64_t{1} << 32;
    static std::uint32_t calls_of(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word >> 32); }
    static std::uint32_t retries_of(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word); }

    [[nodiscard]] std::uint32_t allowed(std::uint32_t calls) const noexcept {
        const std::uint64_t share = calls * rate_.numerator / rate_.denominator;
        return std::max(config_.minimum, static_cast<std::uint32_t>(std::min<std::uint64_t>(share, config_.maximum)));
    }

    alignas(cache_line) typename Atomics::template Atomic<std::uint64_t> word_{0};
    alignas(cache_line) typename Atomics::template Atomic<std::uint64_t> rejected_{0};
    Fraction rate_;
    ConcurrentRetryBudgetConfig config_;
};

using ConcurrentRetryBudget = BasicConcurrentRetryBudget<StandardAtomics>;

}  // namespace resilience::inline v1
