// The rolling window and its turn: nothing is lost, nothing expired is judged, nothing that reaches a ratio is missed.

#include "rolling_window.hpp"

#include "explorer_atomics.hpp"
#include "parts.hpp"

namespace resilience::inline v1 {
namespace exploring_rolling_window {

using namespace exploring;

struct JudgesWithoutLookingAgain : ExplorerAtomics {};
struct PublishesTheTurnFirst : ExplorerAtomics {};
struct ClosesTheBucketFirst : ExplorerAtomics {};
struct LooksBeforeItAdds : ExplorerAtomics {};
struct NeverAsksTheStripes : ExplorerAtomics {};
struct LooksAtTheEdgeOnly : ExplorerAtomics {};

}  // namespace exploring_rolling_window

using namespace exploring_rolling_window;

template <>
std::optional<WindowCounts> BasicRollingWindow<JudgesWithoutLookingAgain>::record_failure(TimePoint now,
                                                                                          Fraction) noexcept {
    const std::int64_t edge = turn_.load(std::memory_order_acquire);
    if (now.time_since_epoch().count() >= edge) return record_at_edge(true, now);
    const std::uint64_t start_successes = start_successes_.load(std::memory_order_acquire);
    const std::uint64_t start_failures = start_failures_.load(std::memory_order_acquire);
    const std::uint64_t failures = failures_.fetch_add(1, std::memory_order_seq_cst) + 1 - start_failures;
    return counts_of(successes_.read() - start_successes, failures);
}

// The edge of the new bucket can be seen before what lies before the window.
template <>
void BasicRollingWindow<PublishesTheTurnFirst>::turn_locked(std::int64_t bucket, std::uint32_t leaving) noexcept {
    turn_.store(end_of(bucket), std::memory_order_release);
    const std::uint64_t failures = failures_.fetch_add(0, std::memory_order_seq_cst);
    const std::uint64_t successes = successes_.read_and_publish();
    std::uint64_t start_successes = start_successes_.load(std::memory_order_relaxed);
    std::uint64_t start_failures = start_failures_.load(std::memory_order_relaxed);
    close_bucket_locked(successes, failures, start_successes, start_failures);
    for (std::uint32_t step = 1; step <= leaving; ++step) {
        Bucket& left = bucket_at(newest_ + step);
        start_successes += left.successes;
        start_failures += left.failures;
        left = {};
    }
    newest_ = bucket;
    start_successes_.store(start_successes, std::memory_order_release);
    start_failures_.store(start_failures, std::memory_order_release);
    enough_.store(successes - start_successes + failures - start_failures >= least_calls(), std::memory_order_release);
}

// How far the totals had come is noted before the turn is announced: the bucket before the sum.
template <>
void BasicRollingWindow<ClosesTheBucketFirst>::turn_locked(std::int64_t bucket, std::uint32_t leaving) noexcept {
    const std::uint64_t failures = failures_.fetch_add(0, std::memory_order_seq_cst);
    const std::uint64_t successes = successes_.read_and_publish();
    turn_.store(busy, std::memory_order_relaxed);
    std::uint64_t start_successes = start_successes_.load(std::memory_order_relaxed);
    std::uint64_t start_failures = start_failures_.load(std::memory_order_relaxed);
    close_bucket_locked(successes, failures, start_successes, start_failures);
    for (std::uint32_t step = 1; step <= leaving; ++step) {
        Bucket& left = bucket_at(newest_ + step);
        start_successes += left.successes;
        start_failures += left.failures;
        left = {};
    }
    newest_ = bucket;
    start_successes_.store(start_successes, std::memory_order_release);
    start_failures_.store(start_failures, std::memory_order_release);
    enough_.store(successes - start_successes + failures - start_failures >= least_calls(), std::memory_order_release);
    turn_.store(end_of(bucket), std::memory_order_release);
}

template <>
std::optional<WindowCounts> BasicRollingWindow<LooksBeforeItAdds>::record_success(TimePoint now) noexcept {
    const std::int64_t edge = turn_.load(std::memory_order_acquire);
    if (now.time_since_epoch().count() >= edge) return record_at_edge(false, now);
    const std::uint64_t failures =
        failures_.load(std::memory_order_seq_cst) - start_failures_.load(std::memory_order_acquire);
    successes_.add();
    if (turn_.load(std::memory_order_acquire) != edge) return count_beside_turn(now);
    return counts_of(successes_.read() - start_successes_.load(std::memory_order_acquire), failures);
}

template <>
std::optional<WindowCounts> BasicRollingWindow<NeverAsksTheStripes>::record_failure(TimePoint now, Fraction) noexcept {
    const std::int64_t edge = turn_.load(std::memory_order_acquire);
    if (now.time_since_epoch().count() >= edge) return record_at_edge(true, now);
    const std::uint64_t start_failures = start_failures_.load(std::memory_order_acquire);
    const std::uint64_t failures = failures_.fetch_add(1, std::memory_order_seq_cst) + 1 - start_failures;
    const std::uint64_t successes = least_successes_.load(std::memory_order_acquire);
    if (turn_.load(std::memory_order_acquire) != edge) return count_beside_turn(now);
    return counts_of(successes, failures);
}

// An edge that is the same again is taken for no change.
template <>
bool BasicRollingWindow<LooksAtTheEdgeOnly>::begins_at(std::uint64_t, std::uint64_t) const noexcept {
    return true;
}

namespace exploring_rolling_window {
namespace {

const Listed listed{
    {.name = "rolling window",
     .tests = {{"five results over three turns", explore<TurnsLoseNothing<ExplorerAtomics>>},
               {"three results after an idle hour", explore<AfterAnIdleHour<ExplorerAtomics>>},
               {"a late failure beside a turn", explore<ALateFailureMeetsATurn<ExplorerAtomics>>},
               {"three failures reach the least calls", explore<TheLastHasAJudge<ExplorerAtomics, 0>>},
               {"two failures and a success reach them", explore<TheLastHasAJudge<ExplorerAtomics, 1>>},
               {"one failure and two successes stay below", explore<TheLastHasAJudge<ExplorerAtomics, 2>>},
               {"two failures and a success after an idle hour", explore<ATurnLeavesTooFew<ExplorerAtomics, 1>>},
               {"two failures beside a turn that takes successes out", explore<ATurnHasAJudge<ExplorerAtomics>>},
               {"a failure among successes", explore<NobodyIsToldOfMore<ExplorerAtomics>>},
               {"a failure beside a change of shape", explore<AChangeOfShapeIsSeen<ExplorerAtomics>>}},
     .mutants = {
         {"judges without looking at the turn again", explore<ALateFailureMeetsATurn<JudgesWithoutLookingAgain>>},
         {"the edge is published before the start", explore<AfterAnIdleHour<PublishesTheTurnFirst>>},
         {"the bucket is closed before the turn is announced", explore<ALateFailureMeetsATurn<ClosesTheBucketFirst>>},
         {"a success looks before it adds", explore<TheLastHasAJudge<LooksBeforeItAdds, 1>>},
         {"a failure never asks the stripes", explore<NobodyIsToldOfMore<NeverAsksTheStripes>>},
         {"a record looks at the edge only", explore<AChangeOfShapeIsSeen<LooksAtTheEdgeOnly>>}}}};

}  // namespace
}  // namespace exploring_rolling_window
}  // namespace resilience::inline v1
