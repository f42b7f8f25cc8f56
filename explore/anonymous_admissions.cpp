// The two-step form's count of open admissions: each is left by its own result, or left behind by a change of state.

#include <resilience/policies/circuit_breaker_two_step.hpp>

#include "explorer_atomics.hpp"
#include "parts.hpp"

namespace resilience::inline v1 {
namespace exploring_anonymous_admissions {

using namespace exploring;

constexpr detail::CircuitWord word(std::uint64_t generation) {
    return {CircuitState::closed, generation, 0, detail::StateEnd::none};
}

// Two enter and leave in the first generation, which ends beside them; the second of them goes on in the next one.
template <class Atomics>
struct AGenerationEnds {
    static constexpr int threads = 3;
    using Left = typename detail::BasicAnonymousAdmissions<Atomics>::Left;
    detail::BasicAnonymousAdmissions<Atomics> admissions;
    std::uint64_t generation = 1;  // written in the same step as the count
    std::uint32_t entered = 0, left = 0, behind = 0, entered_late = 0;

    void enter(std::uint64_t of) {
        if (!admissions.enter(word(of))) return;
        ++entered;
        if (of != generation) ++entered_late;
    }
    void leave(std::uint64_t of) {
        if (admissions.leave(word(of)) == Left::one) ++left;
    }
    void run(int thread) {
        if (thread == 2) {
            behind = admissions.begin(word(2));
            generation = 2;
            return;
        }
        enter(1);
        leave(1);
        if (thread == 0) return;
        enter(2);
        leave(2);
    }
    void check() {
        require(entered_late == 0, "an admission counts in a generation that it is not of");
        require(entered == left + behind + admissions.open(), "an admission was lost or counts twice");
        require(admissions.open() <= 1, "an admission was carried over");
    }
};

struct StoresTheNewGeneration : ExplorerAtomics {};
struct EntersAnyGeneration : ExplorerAtomics {};

}  // namespace exploring_anonymous_admissions

using namespace exploring_anonymous_admissions;

template <>
std::uint32_t detail::BasicAnonymousAdmissions<StoresTheNewGeneration>::begin(CircuitWord word) noexcept {
    const std::uint64_t seen = word_.load(std::memory_order_acquire);
    word_.store(tag(word) | (seen & older_bit), std::memory_order_release);
    return open(seen);
}

template <>
bool detail::BasicAnonymousAdmissions<EntersAnyGeneration>::enter(CircuitWord) noexcept {
    word_.fetch_add(1, std::memory_order_acq_rel);
    return true;
}

namespace exploring_anonymous_admissions {
namespace {

const Listed listed{
    {.name = "circuit breaker, two-step",
     .tests = {{"two enter and leave beside a change", explore<AGenerationEnds<ExplorerAtomics>>}},
     .mutants = {{"a generation begins by a plain store", explore<AGenerationEnds<StoresTheNewGeneration>>},
                 {"an admission enters any generation", explore<AGenerationEnds<EntersAnyGeneration>>}}}};

}  // namespace
}  // namespace exploring_anonymous_admissions
}  // namespace resilience::inline v1
