// Counts what calls allocate and what policies weigh: one line a row, read by tools/instruction_gates.py.
//
//     allocations pipeline 0          calls to operator new in 1000 calls, the very first one included
//     bytes circuit_breaker 912       the object and all it holds on the heap, as asked of operator new
//
// Every allocation of the program goes through the operators below, which keep each block's size in front of it.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <expected>
#include <iostream>
#include <memory>
#include <new>
#include <resilience/manager/manager.hpp>
#include <resilience/policies/keyed_rate_limiter.hpp>
#include <string>
#include <utility>
#include <vector>

#include "measured.hpp"

namespace {

std::size_t allocations = 0;
std::size_t live_bytes = 0;

struct BlockSize {
    std::size_t asked;
    std::size_t offset;
};

void* allocate(std::size_t size, std::size_t alignment) {
    const std::size_t offset = alignment < sizeof(BlockSize) ? sizeof(BlockSize) : alignment;
    const std::size_t whole = (offset + size + offset - 1) / offset * offset;
    void* const raw = std::aligned_alloc(offset, whole);
    if (raw == nullptr) throw std::bad_alloc();
    auto* const block = static_cast<std::byte*>(raw) + offset;
    new (block - sizeof(BlockSize)) BlockSize{size, offset};
    ++allocations;
    live_bytes += size;
    return block;
}

void deallocate(void* memory) noexcept {
    if (memory == nullptr) return;
    auto* const block = static_cast<std::byte*>(memory);
    const auto* const size = std::launder(reinterpret_cast<const BlockSize*>(block - sizeof(BlockSize)));
    live_bytes -= size->asked;
    std::free(block - size->offset);
}

}  // namespace

// Two hardware threads, whatever the machine has: the standard library asks this function, and the counters of every
// policy have as many stripes.
extern "C" int get_nprocs() noexcept { return 2; }

// Never inlined: the compiler would compare the two halves of a pair and find new and free mismatched.
[[gnu::noinline]] void* operator new(std::size_t size) { return allocate(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__); }
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { deallocate(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { deallocate(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept { deallocate(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { deallocate(memory); }

namespace {

using namespace resilience;
using namespace std::chrono_literals;

bool all_right = true;

// `call` says whether the call ended as the row's name says.
template <class Call>
void count_allocations(const char* row, Call call) {
    const std::size_t before = allocations;
    bool right = true;
    for (int i = 0; i < 1000; ++i) right = call() && right;
    const std::size_t made = allocations - before;
    std::cout << "allocations " << row << ' ' << made << '\n';
    if (!right) std::cerr << row << ": a call did not end as the row says\n";
    all_right = all_right && right;
}

template <class Result>
bool refused(const Result& result, RejectionReason reason) {
    return !result && result.error().reason == reason;
}

void count_answers() {
    count_allocations("answered", [] { return bench::guarded.execute(bench::Callee{}).has_value(); });
    count_allocations("answered_with_retry", [] { return bench::retried.execute(bench::Callee{}).has_value(); });
    count_allocations("answered_with_options", [] {
        CallReport report;
        const CallOptions options{.timeout = 10s, .report = &report};
        return bench::retried.execute(options, bench::Callee{}).has_value() && report.attempts == 1;
    });
    const Pipeline patient{bench::call_limiter, RetryConfig{.max_attempts = 3, .base_delay = 0s, .jitter = false}};
    int called = 0;
    count_allocations("retried_failing_value", [&] {
        const int before = called;
        const auto result = patient.execute([&]() -> std::expected<int, int> {
            ++called;
            return std::unexpected(7);
        });
        return called == before + 3 && result.has_value() && !*result && result->error() == 7;
    });
    count_allocations("two_step", [] { return measured_two_step(1) == 1; });
    count_allocations("answered_by_any_pipeline",
                      [] { return bench::any_guarded.execute(bench::Callee{}).has_value(); });
    const AnyPipeline through_opened{Pipeline{bench::opened, bench::call_limiter}};
    count_allocations("answered_by_a_fallback", [&] {
        return through_opened.execute_or(bench::Callee{}, [](const Rejection&) { return 7; }) == 7;
    });
}

void count_refusals() {
    const Pipeline through_opened{bench::opened, bench::call_limiter, bench::call_bulkhead};
    const Pipeline through_drained{bench::call_breaker, bench::drained, bench::call_bulkhead};
    const Pipeline through_full{bench::call_breaker, bench::call_limiter, bench::full};
    count_allocations("refused_circuit_open",
                      [&] { return refused(through_opened.execute(bench::Callee{}), RejectionReason::circuit_open); });
    count_allocations("refused_rate_limited",
                      [&] { return refused(through_drained.execute(bench::Callee{}), RejectionReason::rate_limited); });
    count_allocations("refused_exceeds_capacity", [&] {
        return refused(through_drained.execute(CallOptions{.tokens = 2}, bench::Callee{}),
                       RejectionReason::exceeds_capacity);
    });
    count_allocations("refused_bulkhead_full",
                      [&] { return refused(through_full.execute(bench::Callee{}), RejectionReason::bulkhead_full); });
    count_allocations("refused_deadline", [] {
        return refused(bench::guarded.execute(CallOptions{.timeout = 0s}, bench::Callee{}),
                       RejectionReason::deadline_exceeded);
    });
    CircuitBreaker forced{"forced"};
    forced.force_open();
    const Pipeline through_forced{forced, bench::call_limiter};
    count_allocations("refused_forced_open",
                      [&] { return refused(through_forced.execute(bench::Callee{}), RejectionReason::forced_open); });
    CircuitBreaker probing{"probing"};
    probing.half_open();
    std::vector<CircuitBreaker::Permit> probes;
    while (auto probe = probing.try_acquire()) probes.push_back(std::move(*probe));
    const Pipeline through_probing{probing, bench::call_limiter};
    count_allocations("refused_half_open_full", [&] {
        return refused(through_probing.execute(bench::Callee{}), RejectionReason::half_open_full);
    });
}

// A hundred of a kind, all with a name that is known already: names are kept once for the whole process.
template <class Policy, class... Configuration>
void weigh(const char* row, const Configuration&... configuration) {
    constexpr std::size_t policies = 100;
    const std::string name = "service_000";
    const Policy first(name, configuration...);
    std::array<std::unique_ptr<Policy>, policies> kept;
    const std::size_t before = live_bytes;
    for (auto& policy : kept) policy = std::make_unique<Policy>(name, configuration...);
    std::cout << "bytes " << row << ' ' << (live_bytes - before) / policies << '\n';
}

// A million keys, the tables of all shards included, rounded up to a whole byte a key.
void weigh_keys() {
    constexpr std::size_t keys = 1'000'000;
    const std::size_t before = live_bytes;
    KeyedRateLimiter limiter{"keyed", {.tiers = {{"only", 100, 10}}, .max_keys = keys}};
    for (std::size_t key = 0; key < keys; ++key) all_right = limiter.acquire(key, 100, bench::now) && all_right;
    all_right = all_right && limiter.stats().keys == keys;
    std::cout << "bytes keyed_rate_limiter_key " << (live_bytes - before + keys - 1) / keys << '\n';
}

void weigh_manager() {
    std::vector<std::string> services;
    for (int service = 100; service < 110; ++service) services.push_back("service_" + std::to_string(service));
    const std::size_t before = live_bytes;
    const auto manager = std::make_unique<ResilienceManager>("checkout");
    for (const std::string& service : services) {
        manager->register_circuit_breaker(service);
        manager->register_rate_limiter(service, 100, 10);
        manager->register_bulkhead(service, 100);
    }
    std::cout << "bytes manager " << live_bytes - before << '\n';
}

}  // namespace

int main() {
    bench::prepare();
    count_answers();
    count_refusals();
    weigh<CircuitBreaker>("circuit_breaker");
    weigh<RateLimiter>("rate_limiter", RateLimiterConfig{.capacity = 100, .refill_rate = 10});
    weigh<Bulkhead>("bulkhead", BulkheadConfig{.max_concurrent = 100});
    weigh<Retry>("retry", RetryConfig{});
    std::cout << "bytes circuit_breaker_permit " << sizeof(CircuitBreaker::Permit) << '\n';
    std::cout << "bytes bulkhead_permit " << sizeof(Bulkhead::Permit) << '\n';
    weigh_keys();
    weigh_manager();
    const bool two_stripes = StripedCounters<1>{}.stripes() == 2;
    if (!two_stripes) std::cerr << "the bytes are not those of two stripes\n";
    return all_right && two_stripes ? 0 : 1;
}
