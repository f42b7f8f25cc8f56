// The line in front of a token bucket: whoever leaves or is called, nobody is left behind, and no token is lost.

#include <chrono>
#include <resilience/policies/rate_limiter_line.hpp>

#include "explorer_atomics.hpp"
#include "parts.hpp"
#include "waiting_call.hpp"

namespace resilience::inline v1 {
namespace exploring_token_line {

using namespace std::chrono_literals;
using namespace exploring;

constexpr TimePoint start{1s};
constexpr TimePoint early{3s};  // two tokens have come: enough for nobody
constexpr TimePoint later{5s};  // four: enough for the small one

// The bucket is empty at the start and gets one token a second; who asks for nine stands before who asks for four.
template <class Atomics>
struct TwoInLine {
    using Line = BasicTokenLine<Atomics>;
    using Call = WaitingCall<Atomics>;
    BasicTokenBucket<Atomics> bucket{10, 1.0};
    Line line{0s, 10};
    Call large, small;

    TwoInLine() {
        require(bucket.try_take(10, start), "a full bucket refused");
        large.waiter.tokens = 9;
        small.waiter.tokens = 4;
        for (Call* const call : {&large, &small}) {
            require(line.join(bucket, call->waiter, start, never, never).joined == Line::Joined::yes,
                    "no room in line");
        }
    }
    // Its frame ends when it is gone, or when the delivery that is on its way has come.
    void give_up(Call& call, TimePoint now) {
        const auto left = line.withdraw(bucket, call.waiter, now, {.reason = RejectionReason::cancelled});
        if (left != Line::Withdrawn::gone) await_end(call);
        call.end();
    }
    // A delivery may only say that it is to look again.
    void await_end(Call& call) {
        for (;;) {
            const WaitState state = call.waiter.look();
            if (state == WaitState::granted || state == WaitState::dropped) return;
            wait_for_change_of(call.arrivals, call.arrivals);
        }
    }
    void expect_nobody() {
        require(line.waiting().depth == 0, "somebody is still in line");
        require(line.ahead() == std::uint64_t{0}, "tokens are kept for nobody");
    }
};

template <class Atomics>
struct TheFirstLeavesWhileTheNextLooks : TwoInLine<Atomics> {
    static constexpr int threads = 2;
    void run(int thread) {
        if (thread == 0) return this->give_up(this->large, later);
        static_cast<void>(this->line.look(this->bucket, this->small.waiter, later));
    }
    void check() {
        require(this->small.waiter.look() == WaitState::granted, "sleeps beside tokens that are there");
        require(this->bucket.available(later) == 0, "a token was lost or made");
        this->expect_nobody();
    }
};

// Both give up: the second is called to look again when the first leaves, and leaves itself.
template <class Atomics>
struct BothLeave : TwoInLine<Atomics> {
    static constexpr int threads = 2;
    void run(int thread) { this->give_up(thread == 0 ? this->large : this->small, early); }
    void check() {
        require(this->bucket.available(early) == 2, "a token was lost or made");
        this->expect_nobody();
    }
};

template <class Atomics>
struct TheLineClosesBesideBoth : TwoInLine<Atomics> {
    static constexpr int threads = 3;
    void run(int thread) {
        if (thread == 0) return this->give_up(this->large, later);
        if (thread == 1) {
            static_cast<void>(this->line.look(this->bucket, this->small.waiter, later));
            return this->await_end(this->small);
        }
        BasicDeliveries<Atomics> deliveries;
        this->line.close([](BasicWaiter<Atomics>&) {}, deliveries);
        deliveries.deliver();
    }
    void check() {
        const WaitState ended = this->small.waiter.look();
        require(ended == WaitState::granted || ended == WaitState::dropped, "somebody waits in a closed line");
        require(this->bucket.available(later) == (ended == WaitState::granted ? 0U : 4U), "a token was lost or made");
        require(this->line.waiting().depth == 0, "somebody is still in a closed line");
        require(this->line.closed(), "a line that was closed is open");
    }
};

struct LeavesWithoutServing : ExplorerAtomics {};
struct ForgetsWhoWasCalled : ExplorerAtomics {};

}  // namespace exploring_token_line

using namespace exploring_token_line;

template <>
BasicTokenLine<LeavesWithoutServing>::Withdrawn BasicTokenLine<LeavesWithoutServing>::withdraw(
    Bucket&, Waiter& waiter, TimePoint, const Rejection&) noexcept {
    const std::lock_guard lock(mutex_);
    if (waiter.state.load(std::memory_order_relaxed) != WaitState::queued) return Withdrawn::served_before;
    unlink(waiter);
    waiter.state.store(WaitState::idle, std::memory_order_relaxed);
    return Withdrawn::gone;
}

// It goes although a call is on its way to it.
template <>
BasicTokenLine<ForgetsWhoWasCalled>::Withdrawn BasicTokenLine<ForgetsWhoWasCalled>::withdraw(
    Bucket& bucket, Waiter& waiter, TimePoint now, const Rejection&) noexcept {
    Deliveries deliveries;
    {
        const std::lock_guard lock(mutex_);
        const WaitState state = waiter.state.load(std::memory_order_relaxed);
        if (state != WaitState::queued && state != WaitState::called) return Withdrawn::served_before;
        unlink(waiter);
        waiter.state.store(WaitState::idle, std::memory_order_relaxed);
        serve_locked(bucket, now, deliveries, nullptr);
    }
    deliveries.deliver();
    return Withdrawn::gone;
}

namespace exploring_token_line {
namespace {

const Listed listed{
    {.name = "token line",
     .tests = {{"the first leaves while the next looks", explore<TheFirstLeavesWhileTheNextLooks<ExplorerAtomics>>},
               {"both leave, and one is called meanwhile", explore<BothLeave<ExplorerAtomics>>},
               {"the line closes beside both", explore<TheLineClosesBesideBoth<ExplorerAtomics>>}},
     .mutants = {{"who leaves serves nobody", explore<TheFirstLeavesWhileTheNextLooks<LeavesWithoutServing>>},
                 {"who leaves forgets that it was called", explore<BothLeave<ForgetsWhoWasCalled>>}}}};

}  // namespace
}  // namespace exploring_token_line
}  // namespace resilience::inline v1
