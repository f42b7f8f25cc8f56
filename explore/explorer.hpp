#pragma once

// An explorer of our own: it runs every sequentially consistent interleaving of a small program of two or three threads
// over the library's lock-free parts, and counts them.
//
//     template <class Atomics>
//     struct TwoAdders {
//         static constexpr int threads = 2;
//         typename Atomics::template Atomic<std::uint64_t> word{0};
//         void run(int) { word.fetch_add(1, std::memory_order_relaxed); }   // the body of each thread
//         void check() { require(word.load(std::memory_order_relaxed) == 2, "an addition was lost"); }
//     };
//     const Exploration found = explore<TwoAdders<ExplorerAtomics>>();      // 2 interleavings, complete
//
// How. The threads are coroutines on one real thread. Before every operation of an ExplorerAtomics atomic and every
// lock and unlock of its mutex a thread hands over to the scheduler, which tries each thread that can go on, depth
// first, and replays the scene from its beginning for each branch. A thread that waits for a held mutex cannot go on; a
// scene in which nobody can and somebody is not done is a deadlock.
//
// Two prefixes lead to the same state if the scene's memory is equal and each thread has seen the same: what follows is
// then explored once. A state is known by a 64-bit hash, so two of them could be taken for one; among a million states
// the chance of that is 3e-8. Interleavings are counted exactly, by adding up what follows each state.
//
// What a scene must keep to, so that "equal" is true: everything shared lives in the scene or on the heap; what is not
// atomic is read under a mutex of the scene, or only by the thread that wrote it; nothing depends on a clock or on
// chance. Results are written into the scene. `check` runs after all threads, as one piece. Bytes that nobody has set
// (gaps between members, copied from a stack) only make equal states look different, which costs time.
//
// What it cannot see: weak memory. Every operation takes part in one order, whatever its memory order says.

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <resilience/measure/fraction.hpp>
#include <string>

namespace resilience::exploring {

using Count = detail::Unsigned128;

struct Exploration {
    std::uint64_t states = 0;
    Count interleavings = 0;  // of all of them, if complete
    bool complete = false;    // false: something failed, or the bound on states was met
    std::string failure{};    // what failed first, empty if nothing did
    std::string schedule{};   // the threads in the order in which they went on, up to there
    std::size_t longest = 0;  // steps of the longest interleaving
    bool noted = false;       // some interleaving came to what a scene notes
};

// Ends the exploration as failed, with these words and the schedule. From inside a scene only.
void require(bool holds, const char* what);

// An interleaving came to a case that a header names as left open. The exploration goes on.
void note_named_case();

// What the thread keeps from here on stands in the scene: it starts afresh, and states that differ only in what it has
// seen before become one. Said too early, interleavings are missed.
void forget_what_was_seen();

// A place at which the other threads may come first, where no operation makes one.
void let_others_go_first();
// The thread goes on once somebody has changed `count`.
void wait_for_change_of(const std::uint64_t& count, std::uint64_t seen);

// How the explorer drives a scene.
struct Program {
    int threads;
    void* (*make)(void* memory);
    void (*run)(void* scene, int thread);
    void (*check)(void* scene);
    std::size_t size;
};

// More states than that are not explored; the result is then not complete.
inline constexpr std::uint64_t most_states = 4'000'000;

// Whether what follows a state is explored once, or once for each way to it: the second is for tests of the first.
enum class States : std::uint8_t { merged, apart };

Exploration explore(const Program& program, std::uint64_t bound, States states);

template <class Scene>
Exploration explore_up_to(std::uint64_t bound, States states = States::merged) {
    static_assert(Scene::threads >= 1 && Scene::threads <= 4);
    return explore({.threads = Scene::threads,
                    .make = [](void* memory) -> void* { return new (memory) Scene; },
                    .run = [](void* scene, int thread) { static_cast<Scene*>(scene)->run(thread); },
                    .check = [](void* scene) { static_cast<Scene*>(scene)->check(); },
                    .size = sizeof(Scene)},
                   bound, states);
}

template <class Scene>
Exploration explore() {
    return explore_up_to<Scene>(most_states);
}

}  // namespace resilience::exploring
