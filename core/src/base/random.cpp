#include <atomic>
#include <bit>
#include <chrono>
#include <random>
#include <resilience/base/random.hpp>

#if __has_include(<pthread.h>) && __has_include(<unistd.h>)
#include <pthread.h>
#include <unistd.h>
#define RESILIENCE_HAS_FORK 1
#else
#define RESILIENCE_HAS_FORK 0
#endif

namespace resilience::inline v1 {
namespace {

// splitmix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014): spreads any seed, also 0,
// over the whole state.
std::uint64_t split_mix(std::uint64_t& state) noexcept {
    state += 0x9E3779B97F4A7C15U;
    std::uint64_t mixed = state;
    mixed = (mixed ^ (mixed >> 30U)) * 0xBF58476D1CE4E5B9U;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94D049BB133111EBU;
    return mixed ^ (mixed >> 31U);
}

// Rises in the child of every fork: a generator seeded under another number is seeded anew.
std::atomic<std::uint64_t> fork_count{1};

#if RESILIENCE_HAS_FORK
std::uint64_t process_number() noexcept { return static_cast<std::uint64_t>(getpid()); }
void watch_forks() noexcept {
    // A failure (no memory) leaves the process without the hook, which only costs forked children their difference.
    static const int registered =
        pthread_atfork(nullptr, nullptr, [] { fork_count.fetch_add(1, std::memory_order_relaxed); });
    static_cast<void>(registered);
}
#else
std::uint64_t process_number() noexcept { return 0; }
void watch_forks() noexcept {}
#endif

std::uint64_t operating_system_seed() noexcept {
    try {
        std::random_device device;
        return (std::uint64_t{device()} << 32U) | device();
    } catch (const std::exception&) {
        return 0;  // without entropy, clock, process and thread still tell generators apart
    }
}

std::uint64_t fresh_seed(const void* thread_mark) noexcept {
    std::uint64_t state = operating_system_seed();
    std::uint64_t seed = split_mix(state);
    state ^= static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
    seed ^= split_mix(state);
    state ^= process_number();
    seed ^= split_mix(state);
    state ^= std::bit_cast<std::uintptr_t>(thread_mark);
    return seed ^ split_mix(state);
}

}  // namespace

Random::Random(std::uint64_t seed) noexcept : state_{} {
    for (std::uint64_t& word : state_) word = split_mix(seed);
}

// xoshiro256++ 1.0 (Blackman, Vigna, "Scrambled Linear Pseudorandom Number Generators", 2021).
std::uint64_t Random::next() noexcept {
    const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
    const std::uint64_t shifted = state_[1] << 17U;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
}

double Random::unit() noexcept { return static_cast<double>(next() >> 11U) * 0x1.0p-53; }

Random& thread_random() noexcept {
    // Trivially destructible, so it may be used by destructors of other thread-locals and by atexit handlers.
    struct Generator {
        Random random{0};
        std::uint64_t seeded_at_fork = 0;
    };
    thread_local Generator generator;
    if (const std::uint64_t forks = fork_count.load(std::memory_order_relaxed); generator.seeded_at_fork != forks) {
        watch_forks();
        generator.random = Random{fresh_seed(&generator)};
        generator.seeded_at_fork = forks;
    }
    return generator.random;
}

}  // namespace resilience::inline v1
