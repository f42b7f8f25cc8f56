// The hand-over of a bulkhead's places: nobody overtakes, no place is lost, nobody sleeps beside a free place.

#include "bulkhead_line.hpp"

#include "explorer_atomics.hpp"
#include "parts.hpp"

namespace resilience::inline v1 {
namespace exploring_bulkhead_line {

using namespace exploring;

struct SetsTheFlagBlindly : ExplorerAtomics {};
struct IgnoresTheFlag : ExplorerAtomics {};
struct ClearsAfterTheLock : ExplorerAtomics {};
struct GrantsAfterTheTimeOut : ExplorerAtomics {};
struct LooksBeforeItLeaves : ExplorerAtomics {};
struct FollowsADeadFrame : ExplorerAtomics {};
struct RaisesWithoutServing : ExplorerAtomics {};

}  // namespace exploring_bulkhead_line

using namespace exploring_bulkhead_line;

template <>
bool BasicBulkheadWord<SetsTheFlagBlindly>::announce_waiter(std::uint32_t) noexcept {
    word_.fetch_or(waiting_bit, std::memory_order_acq_rel);
    return false;
}

template <>
bool BasicBulkheadWord<IgnoresTheFlag>::try_admit(std::uint32_t limit) noexcept {
    return admit(limit, in_use_mask, 0);
}

template <>
bool BasicBulkheadLine<ClearsAfterTheLock>::withdraw(Waiter& waiter) noexcept {
    bool empty = false;
    {
        const std::lock_guard lock(room_->mutex);
        if (waiter.state.load(std::memory_order_relaxed) != WaitState::queued) return false;
        room_->list.remove(waiter);
        empty = room_->list.empty();
        waiter.state.store(WaitState::idle, std::memory_order_relaxed);
    }
    if (empty) word_.nobody_waits();
    return true;
}

template <>
bool BasicBulkheadLine<GrantsAfterTheTimeOut>::withdraw(Waiter& waiter) noexcept {
    const std::lock_guard lock(room_->mutex);
    if (waiter.state.load(std::memory_order_relaxed) != WaitState::queued) return true;
    room_->list.remove(waiter);
    if (room_->list.empty()) word_.nobody_waits();
    waiter.state.store(WaitState::idle, std::memory_order_relaxed);
    return true;
}

template <>
bool BasicBulkheadWord<LooksBeforeItLeaves>::release() noexcept {
    const bool somebody_waits = (word_.load(std::memory_order_acquire) & waiting_bit) != 0;
    word_.fetch_sub(1, std::memory_order_release);
    return somebody_waits;
}

template <>
void BasicDeliveries<FollowsADeadFrame>::deliver() noexcept {
    for (; first_ != nullptr; first_ = first_->next) first_->waker.deliver(first_->waker.call, *first_);
}

template <>
void BasicBulkheadLine<RaisesWithoutServing>::set_limit(std::uint32_t limit,
                                                        BasicDeliveries<RaisesWithoutServing>&) noexcept {
    limit_.store(limit, std::memory_order_relaxed);
}

namespace exploring_bulkhead_line {
namespace {

const Listed listed{
    {.name = "bulkhead line",
     .tests = {{"a return meets two who join", explore<AReturnMeetsTwoWhoJoin<ExplorerAtomics>>},
               {"a return meets one who joins and one who gives up",
                explore<AReturnMeetsOneWhoGivesUp<ExplorerAtomics>>},
               {"a return, a join, a withdrawal and a newcomer", explore<FourMeet<ExplorerAtomics>>},
               {"the first in line gives up", explore<TheFirstInLineGivesUp<ExplorerAtomics>>},
               {"a newcomer tries while somebody waits", explore<ANewcomerTries<ExplorerAtomics>>},
               {"two in line are served in order", explore<TwoAreServedInOrder<ExplorerAtomics>>},
               {"the limit is raised beside a return and a join", explore<TheLimitIsRaised<ExplorerAtomics>>},
               {"only the raise lets somebody in", explore<OnlyTheRaiseLetsIn<ExplorerAtomics>>},
               {"the line closes beside a return and a join", explore<TheLineCloses<ExplorerAtomics>>}},
     .mutants = {
         {"the flag is set without looking at in_use", explore<AReturnMeetsTwoWhoJoin<SetsTheFlagBlindly>>},
         {"try_admit ignores the flag", explore<ANewcomerTries<IgnoresTheFlag>>},
         {"the flag is cleared after the unlock", explore<AReturnMeetsOneWhoGivesUp<ClearsAfterTheLock>>},
         {"a waiter is granted after its time-out", explore<TheFirstInLineGivesUp<GrantsAfterTheTimeOut>>},
         {"release looks at the flag before it subtracts", explore<AReturnMeetsTwoWhoJoin<LooksBeforeItLeaves>>},
         {"the line follows a frame that has ended", explore<TwoAreServedInOrder<FollowsADeadFrame>>},
         {"a raise serves nobody", explore<OnlyTheRaiseLetsIn<RaisesWithoutServing>>}}}};

}  // namespace
}  // namespace exploring_bulkhead_line
}  // namespace resilience::inline v1
