// Times single operations the way the project's guide promised them: percentiles of one call, and calls per second.
//
// A sample is one operation between two clock reads, less the median of two clock reads with nothing between them
// (never below 0). Percentiles of single operations therefore contain what the machine does meanwhile: interrupts,
// other programs. Operations read the clock themselves where a user's call does. Prints one JSON object for
// tools/run_benches.py.

#include <algorithm>
#include <cstddef>
#include <iostream>
#include <string_view>
#include <thread>
#include <vector>

#include "harness.hpp"
#include "measured.hpp"

namespace {

using namespace resilience;

constexpr std::size_t samples = 200'000;
constexpr long operations = 200'000;

// What the guide calls a check: may this call go on, and how did it end.
bool check() {
    auto permit = bench::call_breaker.try_acquire();
    if (!permit) return false;
    permit->settle(Outcome::success);
    return true;
}
bool acquire() { return bench::call_limiter.acquire(); }
bool hold() {
    const auto permit = bench::call_bulkhead.try_acquire();
    return permit.has_value();
}
bool call() { return bench::guarded.execute(bench::Callee{}).has_value(); }

struct Percentiles {
    double p50;
    double p99;
    double p999;
};

double at(const std::vector<double>& sorted, double share) {
    return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

template <class Operation>
std::vector<double> sorted_samples(Operation operation, bool& right) {
    std::vector<double> times(samples);
    for (double& time : times) {
        const auto begin = bench::TimerClock::now();
        right = operation() && right;
        time = bench::nanoseconds(bench::TimerClock::now() - begin);
    }
    std::sort(times.begin(), times.end());
    return times;
}

template <class Operation>
Percentiles percentiles(Operation operation, double clock_cost, bool& right) {
    const std::vector<double> sorted = sorted_samples(operation, right);
    const auto less_clock = [&](double share) { return std::max(0.0, at(sorted, share) - clock_cost); };
    return {less_clock(0.5), less_clock(0.99), less_clock(0.999)};
}

// Operations per second of all threads together, all on the same policy.
template <class Operation>
double throughput(Operation operation, std::size_t threads, bool& right) {
    std::vector<char> rights(threads, 1);
    const auto begin = bench::TimerClock::now();
    {
        std::vector<std::jthread> running;
        for (std::size_t thread = 0; thread < threads; ++thread) {
            running.emplace_back([&rights, thread, operation] {
                bool all = true;
                for (long i = 0; i < operations; ++i) all = operation() && all;
                rights[thread] = all ? 1 : 0;
            });
        }
    }
    const double took = bench::nanoseconds(bench::TimerClock::now() - begin);
    right = right && std::count(rights.begin(), rights.end(), 0) == 0;
    return 1e9 * static_cast<double>(operations) * static_cast<double>(threads) / took;
}

template <class Operation>
void print_row(std::string_view name, Operation operation, double clock_cost, bool& right) {
    const Percentiles times = percentiles(operation, clock_cost, right);
    std::cout << ",\n  \"" << name << "\": {\"p50\": " << times.p50 << ", \"p99\": " << times.p99
              << ", \"p999\": " << times.p999 << ", \"per_second_1\": " << throughput(operation, 1, right)
              << ", \"per_second_4\": " << throughput(operation, 4, right) << '}';
}

}  // namespace

int main() {
    bool right = true;
    const double clock_cost = at(sorted_samples([] { return true; }, right), 0.5);
    std::cout << "{\"clock_pair\": " << clock_cost;
    print_row("circuit_breaker", [] { return check(); }, clock_cost, right);
    print_row("rate_limiter", [] { return acquire(); }, clock_cost, right);
    print_row("bulkhead", [] { return hold(); }, clock_cost, right);
    print_row("combined", [] { return call(); }, clock_cost, right);
    print_row("combined_by_hand", [] { return measured_by_hand(1) == 1; }, clock_cost, right);
    std::cout << "}\n";
    if (!right) std::cerr << "an operation was refused\n";
    return right ? 0 : 1;
}
