// The state word, the alternating windows and the probe slots of a circuit breaker.

#include "circuit_breaker.hpp"

#include "explorer_atomics.hpp"
#include "parts.hpp"

namespace resilience::inline v1 {
namespace exploring_circuit_breaker {

using namespace exploring;

struct PublishesTheWordFirst : ExplorerAtomics {};
struct ForgetsTheEnd : ExplorerAtomics {};

}  // namespace exploring_circuit_breaker

using namespace exploring_circuit_breaker;

template <>
void detail::BasicCircuitState<PublishesTheWordFirst>::publish(CircuitWord word, TimePoint until) noexcept {
    word_.store(word.bits(), std::memory_order_release);
    if (word.ends()) until_.store(until.time_since_epoch().count(), std::memory_order_relaxed);
}

template <>
void detail::BasicCircuitState<ForgetsTheEnd>::publish(CircuitWord word, TimePoint until) noexcept {
    until_.store(until.time_since_epoch().count(), std::memory_order_relaxed);
    word_.store(word.bits(), std::memory_order_release);
}

namespace exploring_circuit_breaker {
namespace {

constexpr Faults drops_the_generation_check{.drops_the_generation_check = true};
constexpr Faults keeps_one_window{.keeps_one_window = true};
constexpr Faults forgets_when_it_opens{.forgets_when_it_opens = true};
constexpr Faults returns_a_slot_twice{.returns_a_slot_twice = true};
constexpr Faults looks_at_slots_unlocked{.looks_at_slots_unlocked = true};

const Listed listed{
    {.name = "circuit breaker",
     .tests = {{"a late verdict sleeps through one closed period", explore<LateVerdicts<ExplorerAtomics>>},
               {"through two: the case the header names is reached",
                reached<LateVerdicts<ExplorerAtomics, Faults{}, 2>>},
               {"it is forgotten before its window is used again", explore<AVerdictIsForgotten<ExplorerAtomics>>},
               {"two late verdicts and one of the new period", explore<TwoLateVerdicts<ExplorerAtomics>>},
               {"a reader of the state word and its end", explore<AReaderMeetsThePublisher<ExplorerAtomics>>},
               {"two probes, one slot, a lease", explore<ProbesAndTheirLease<ExplorerAtomics>>}},
     .mutants = {
         {"the generation check is dropped", explore<LateVerdicts<ExplorerAtomics, drops_the_generation_check>>},
         {"there is one window for all periods", explore<LateVerdicts<ExplorerAtomics, keeps_one_window>>},
         {"a window is emptied when the circuit opens",
          explore<AVerdictIsForgotten<ExplorerAtomics, forgets_when_it_opens>>},
         {"the word is published before its end", explore<AReaderMeetsThePublisher<PublishesTheWordFirst>>},
         {"a state without an end forgets the last one", explore<AReaderMeetsThePublisher<ForgetsTheEnd>>},
         {"a slot is returned twice", explore<ProbesAndTheirLease<ExplorerAtomics, returns_a_slot_twice>>},
         {"slots are counted before the lock",
          explore<ProbesAndTheirLease<ExplorerAtomics, looks_at_slots_unlocked>>}}}};

}  // namespace
}  // namespace exploring_circuit_breaker
}  // namespace resilience::inline v1
