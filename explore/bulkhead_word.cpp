// The word of a bulkhead: never more than the limit inside, and a reader's pictures are right across the wrap.

#include <array>
#include <resilience/policies/bulkhead_word.hpp>

#include "explorer_atomics.hpp"
#include "parts.hpp"

namespace resilience::inline v1 {
namespace exploring_bulkhead_word {

using namespace exploring;

// Two places, three callers, two of whom come again.
template <class Atomics>
struct ThreeCallers {
    static constexpr int threads = 3;
    BasicBulkheadWord<Atomics> word;
    std::uint32_t inside = 0;
    std::uint64_t admitted = 0;

    void call() {
        // What follows an operation belongs to its step, so `inside` is right at every moment.
        if (!word.try_admit(2)) return require(inside == 2, "refused beside a free place");
        require(++inside <= 2, "more than the limit inside");
        ++admitted;
        const bool somebody_waits = word.release();
        --inside;
        require(!somebody_waits, "somebody waits, though nobody does");
        forget_what_was_seen();
    }
    void run(int thread) {
        call();
        if (thread != 0) call();
    }
    void check() {
        const auto seen = word.read();
        require(seen.in_use == 0, "a place was lost");
        require(seen.admitted == admitted, "an admission was lost");
    }
};

// The counter of admissions is about to wrap its top bit; a reader looks three times.
template <class Atomics>
struct AReaderMeetsTheWrap {
    static constexpr int threads = 3;
    static constexpr std::uint64_t before = (std::uint64_t{1} << 38) - 1;
    BasicBulkheadWord<Atomics> word{before};
    std::uint64_t begun = before;  // admissions that may have happened
    std::uint64_t ended = before;  // admissions that have

    void run(int thread) {
        if (thread != 2) {
            ++begun;
            if (word.try_admit(2)) ++ended;
            static_cast<void>(word.release());
            return;
        }
        std::uint64_t last = 0;
        for (int look = 0; look < 3; ++look) {
            const std::uint64_t least = ended;
            const auto seen = word.read();
            require(seen.admitted >= last, "admitted falls");
            require(seen.admitted >= least, "admitted lags behind");
            require(seen.admitted <= begun, "admitted runs ahead");
            require(seen.in_use <= 2, "more inside than the limit");
            last = seen.admitted;
        }
    }
    void check() { require(word.read().admitted == before + 2, "an admission was lost in the wrap"); }
};

struct AddsAndUndoes : ExplorerAtomics {};
struct ReadsTheWordFirst : ExplorerAtomics {};
struct ForgetsTheParity : ExplorerAtomics {};

}  // namespace exploring_bulkhead_word

using namespace exploring_bulkhead_word;

template <>
bool BasicBulkheadWord<AddsAndUndoes>::try_admit(std::uint32_t limit) noexcept {
    if ((word_.fetch_add(one_admission, std::memory_order_acquire) & occupied_mask) < limit) return true;
    word_.fetch_sub(one_admission, std::memory_order_relaxed);
    return false;
}

template <>
BasicBulkheadWord<ReadsTheWordFirst>::Reading BasicBulkheadWord<ReadsTheWordFirst>::read() const noexcept {
    const std::uint64_t word = word_.load(std::memory_order_acquire);
    std::uint64_t flips = flips_.load(std::memory_order_acquire);
    if ((flips & 1) != word >> 63) ++flips;
    return Reading{.admitted = ((flips >> 1) << admitted_bits) + (word >> admitted_shift),
                   .in_use = static_cast<std::uint32_t>(word & in_use_mask)};
}

template <>
BasicBulkheadWord<ForgetsTheParity>::Reading BasicBulkheadWord<ForgetsTheParity>::read() const noexcept {
    const std::uint64_t flips = flips_.load(std::memory_order_acquire);
    const std::uint64_t word = word_.load(std::memory_order_acquire);
    return Reading{.admitted = (flips << (admitted_bits - 1)) + ((word << 1 >> 1) >> admitted_shift),
                   .in_use = static_cast<std::uint32_t>(word & in_use_mask)};
}

namespace exploring_bulkhead_word {
namespace {

const Listed listed{{.name = "bulkhead word",
                     .tests = {{"three callers, two places", explore<ThreeCallers<ExplorerAtomics>>},
                               {"two callers and a reader at the wrap", explore<AReaderMeetsTheWrap<ExplorerAtomics>>}},
                     .mutants = {{"adds blindly and undoes", explore<ThreeCallers<AddsAndUndoes>>},
                                 {"a reader takes the word first", explore<AReaderMeetsTheWrap<ReadsTheWordFirst>>},
                                 {"a reader forgets the parity", explore<AReaderMeetsTheWrap<ForgetsTheParity>>}}}};

}  // namespace
}  // namespace exploring_bulkhead_word
}  // namespace resilience::inline v1
