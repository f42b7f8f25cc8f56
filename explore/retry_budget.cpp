// Retries ask both kinds of budget at once.

#include <resilience/policies/concurrent_retry_budget.hpp>
#include <resilience/policies/retry_budget.hpp>

#include "explorer_atomics.hpp"
#include "parts.hpp"

namespace resilience::inline v1 {
namespace exploring_retry_budget {

using namespace exploring;

constexpr TimePoint now{};

// One token, three who want it; the first gives it back if it gets it, so at most two retries are paid for, never
// more than one at a time.
template <class Atomics>
struct ThreeForOneToken {
    static constexpr int threads = 3;
    BasicRetryBudget<Atomics> budget{{.ratio = 1, .capacity = 1, .trickle = 0}};
    int granted = 0;
    int given_back = 0;
    void run(int thread) {
        if (!budget.withdraw(now)) return;
        ++granted;
        if (thread != 0) return;
        budget.give_back(now);
        ++given_back;
    }
    void check() {
        require(granted >= 1, "nobody got the token");
        require(granted - given_back <= 1, "a token was spent twice");
        const RetryBudgetStats stats = budget.stats(now);
        require(stats.balance == 1 - (granted - given_back), "the balance does not tell what was spent");
        require(stats.spent + stats.rejected == 3, "an answer was not counted");
    }
};

// A budget that is full stays full whatever successes come, and one that is not keeps every deposit.
template <class Atomics>
struct DepositsMeetAWithdrawal {
    static constexpr int threads = 3;
    BasicRetryBudget<Atomics> budget{{.ratio = 0.5, .capacity = 1, .trickle = 0}};
    bool granted = false;
    void run(int thread) {
        if (thread == 2) {
            granted = budget.withdraw(now);
        } else {
            budget.deposit(now);
        }
    }
    void check() {
        require(granted, "a full budget refused");
        const double balance = budget.stats(now).balance;
        require(balance == 0 || balance == 0.5 || balance == 1, "half a deposit was lost");
    }
};

// One token is there and one comes by a success, beside two who want one each: what is left is exact.
template <class Atomics>
struct ADepositMeetsTwoWithdrawals {
    static constexpr int threads = 3;
    BasicRetryBudget<Atomics> budget{{.ratio = 1, .capacity = 2, .trickle = 0}};
    int granted = 0;
    ADepositMeetsTwoWithdrawals() { require(budget.withdraw(now), "a full budget refused"); }
    void run(int thread) {
        if (thread == 2) return budget.deposit(now);
        if (budget.withdraw(now)) ++granted;
    }
    void check() {
        require(granted >= 1, "nobody got the token");
        const double balance = budget.stats(now).balance;
        require(balance >= 2 - granted, "a deposit was lost");
        require(balance <= 2 - granted, "a token was spent twice");
    }
};

// Two calls may have one retry in flight, whoever asks.
template <class Atomics>
struct CallsAskForTheirShare {
    static constexpr int threads = 3;
    BasicConcurrentRetryBudget<Atomics> budget{{.rate = 0.5, .minimum = 0, .maximum = 1}};
    int in_flight = 0;
    int granted = 0;
    CallsAskForTheirShare() {
        budget.begin_call();
        budget.begin_call();
    }
    void run(int thread) {
        if (thread == 2) {
            budget.end_call();
            return;
        }
        if (!budget.begin_retry()) return;
        ++granted;
        require(++in_flight <= 1, "more retries in flight than the calls may have");
        let_others_go_first();
        --in_flight;
        budget.end_retry();
    }
    void check() {
        require(budget.stats().retries == 0, "a retry that ended is still counted");
        require(budget.stats().calls == 1, "a call that ended is still counted");
        require(budget.stats().rejected + static_cast<std::uint64_t>(granted) == 2, "an answer was not counted");
    }
};

struct ChecksThenStores : ExplorerAtomics {};
struct AddsBlindly : ExplorerAtomics {};
struct DepositsBlindly : ExplorerAtomics {};

}  // namespace exploring_retry_budget

using namespace exploring_retry_budget;

template <>
bool BasicRetryBudget<ChecksThenStores>::withdraw(TimePoint at) noexcept {
    const std::int64_t grown = scale_.grown(at);
    const std::int64_t base = std::max(position_.load(std::memory_order_relaxed), grown - scale_.capacity);
    if (base > grown - scale_.token) {
        rejected_.fetch_add(1, std::memory_order_relaxed);
        return false;
    }
    position_.store(base + scale_.token, std::memory_order_relaxed);
    spent_.fetch_add(1, std::memory_order_relaxed);
    return true;
}

template <>
void BasicRetryBudget<DepositsBlindly>::put(std::int64_t units, TimePoint at) noexcept {
    const std::int64_t full = scale_.grown(at) - scale_.capacity;
    const std::int64_t position = position_.load(std::memory_order_relaxed);
    position_.store(std::max(position - units, full), std::memory_order_relaxed);
}

template <>
bool BasicConcurrentRetryBudget<AddsBlindly>::begin_retry() noexcept {
    const std::uint64_t word = word_.load(std::memory_order_relaxed);
    if (retries_of(word) >= allowed(calls_of(word))) {
        rejected_.fetch_add(1, std::memory_order_relaxed);
        return false;
    }
    word_.fetch_add(1, std::memory_order_relaxed);
    return true;
}

namespace exploring_retry_budget {
namespace {

const Listed listed{
    {.name = "retry budget",
     .tests = {{"three for one token", explore<ThreeForOneToken<ExplorerAtomics>>},
               {"deposits meet a withdrawal", explore<DepositsMeetAWithdrawal<ExplorerAtomics>>},
               {"a deposit meets two withdrawals", explore<ADepositMeetsTwoWithdrawals<ExplorerAtomics>>},
               {"calls ask for their share", explore<CallsAskForTheirShare<ExplorerAtomics>>}},
     .mutants = {{"a withdrawal checks, then stores", explore<ThreeForOneToken<ChecksThenStores>>},
                 {"a deposit is stored blindly", explore<ADepositMeetsTwoWithdrawals<DepositsBlindly>>},
                 {"a retry in flight is added blindly", explore<CallsAskForTheirShare<AddsBlindly>>}}}};

}  // namespace
}  // namespace exploring_retry_budget
}  // namespace resilience::inline v1
