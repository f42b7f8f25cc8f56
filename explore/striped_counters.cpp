// Threads raise striped counters while a reader adds them up.

#include <resilience/measure/striped_counters.hpp>

#include "explorer_atomics.hpp"
#include "parts.hpp"

namespace resilience::inline v1 {
namespace exploring_striped_counters {

using namespace exploring;

enum : std::size_t { admitted, settled, kinds };

// Two callers are admitted and settle; the second shares a stripe with the reader. The reader takes two pictures.
template <class Atomics, bool SettledFirst = true>
struct AReaderMeetsTwoCallers {
    static constexpr int threads = 3;
    BasicStripedCounters<kinds, Atomics> counters{2};

    void run(int thread) {
        if (thread == 2) return look();
        for (int call = 0; call <= thread; ++call) {
            counters.add(admitted);
            counters.add_release(settled);
        }
    }
    void look() {
        std::uint64_t last_admitted = 0, last_settled = 0;
        for (int picture = 0; picture < 2; ++picture) {
            std::uint64_t ends = SettledFirst ? counters.read_acquire(settled) : 0;
            const std::uint64_t begins = counters.read(admitted);
            if (!SettledFirst) ends = counters.read_acquire(settled);
            require(ends <= begins, "a call settled that was not admitted");
            require(begins >= last_admitted && ends >= last_settled, "a counter falls");
            last_admitted = begins;
            last_settled = ends;
        }
    }
    void check() {
        require(counters.read(admitted) == 3, "an addition was lost");
        require(counters.read(settled) == 3, "an addition was lost");
    }
};

// Each adds to one counter and reads the other: one of the two at least sees the other's addition.
template <class Atomics>
struct TwoLookAtEachOther {
    static constexpr int threads = 2;
    BasicStripedCounters<kinds, Atomics> counters{2};
    int saw = 0;
    void run(int thread) {
        BasicStripedCounter<Atomics> own = counters.counter(thread == 0 ? admitted : settled);
        own.add();
        if (counters.counter(thread == 0 ? settled : admitted).read() == 1) ++saw;
    }
    void check() { require(saw >= 1, "neither saw the other"); }
};

// Three threads on two stripes.
template <class Atomics>
struct ThreeAdders {
    static constexpr int threads = 3;
    BasicStripedCounters<1, Atomics> counters{2};
    void run(int) {
        counters.add(0, 2);
        counters.add(0);
    }
    void check() { require(counters.read(0) == 9, "an addition was lost"); }
};

struct LoadsThenStores : ExplorerAtomics {};

}  // namespace exploring_striped_counters

using namespace exploring_striped_counters;

template <>
void BasicStripedCounters<1, LoadsThenStores>::add(std::size_t index, std::uint64_t by) noexcept {
    own(index).store(own(index).load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

namespace exploring_striped_counters {
namespace {

const Listed listed{
    {.name = "striped counters",
     .tests = {{"two callers and a reader of two pictures", explore<AReaderMeetsTwoCallers<ExplorerAtomics>>},
               {"two that look at each other's counter", explore<TwoLookAtEachOther<ExplorerAtomics>>},
               {"three adders on two stripes", explore<ThreeAdders<ExplorerAtomics>>}},
     .mutants = {{"settled is read after admitted", explore<AReaderMeetsTwoCallers<ExplorerAtomics, false>>},
                 {"an addition is a load and a store", explore<ThreeAdders<LoadsThenStores>>}}}};

}  // namespace
}  // namespace exploring_striped_counters
}  // namespace resilience::inline v1
