#pragma once

// The scenes in which a bulkhead's callers, its line, and its levers meet, over any atomics: for the line as it ships
// and for its mutants.

#include <array>
#include <cstdint>
#include <resilience/policies/bulkhead_line.hpp>

#include "explorer.hpp"
#include "waiting_call.hpp"

namespace resilience::exploring {

// One bulkhead. A call inside counts itself, so that more than the limit would be seen.
template <class Atomics>
struct BulkheadScene {
    using Line = BasicBulkheadLine<Atomics>;
    using Call = WaitingCall<Atomics>;
    Line line;
    std::uint32_t most;
    std::uint32_t inside = 0;
    std::array<Call, 2> calls{};

    explicit BulkheadScene(std::uint32_t limit, std::uint32_t highest = 0)
        : line(limit, 4), most(highest == 0 ? limit : highest) {}

    void enter() { require(++inside <= most, "more than the limit inside"); }
    void leave() {
        --inside;
        line.release();
    }
    // Joins the line and stays until it gets in.
    void patient(Call& call) {
        if (line.join(call.waiter) != Line::Joined::yes) return require(false, "the line was full or closed");
        finish(call, call.await());
    }
    void finish(Call& call, bool granted) {
        if (granted) enter();
        call.end();
        if (granted) leave();
    }
    // Joins and gives up at once, unless a place is on its way.
    void impatient(Call& call) {
        if (line.join(call.waiter) != Line::Joined::yes) return require(false, "the line was full or closed");
        give_up(call);
    }
    void give_up(Call& call) {
        if (line.withdraw(call.waiter)) return call.end();
        finish(call, call.await());
    }
    void expect_empty() {
        require(line.read().in_use == 0, "a place was lost");
        require(line.waiting().depth == 0, "somebody is still in line");
        require(line.try_admit(), "a free place is refused");
    }
};

// One place and it is taken; one call waits, another comes.
template <class Atomics>
struct OnePlace : BulkheadScene<Atomics> {
    static constexpr int threads = 3;
    OnePlace() : BulkheadScene<Atomics>(1) {
        require(this->line.try_admit(), "a free place is refused");
        this->enter();
    }
    void check() { this->expect_empty(); }
};

template <class Atomics>
struct AReturnMeetsTwoWhoJoin : OnePlace<Atomics> {
    void run(int thread) {
        if (thread == 0) return this->leave();
        this->patient(this->calls[static_cast<std::size_t>(thread - 1)]);
    }
};

template <class Atomics>
struct AReturnMeetsOneWhoGivesUp : OnePlace<Atomics> {
    void run(int thread) {
        if (thread == 0) return this->leave();
        if (thread == 1) return this->patient(this->calls[0]);
        this->impatient(this->calls[1]);
    }
};

// All of it at once: a return, one who joins, one who joins and gives up, and a newcomer.
template <class Atomics>
struct FourMeet : OnePlace<Atomics> {
    static constexpr int threads = 4;
    void run(int thread) {
        if (thread == 0) return this->leave();
        if (thread == 1) return this->patient(this->calls[0]);
        if (thread == 2) return this->impatient(this->calls[1]);
        if (!this->line.try_admit()) return;
        this->enter();
        this->leave();
    }
};

// Both are in line before; the first gives up.
template <class Atomics>
struct TheFirstInLineGivesUp : OnePlace<Atomics> {
    TheFirstInLineGivesUp() {
        for (auto& call : this->calls) static_cast<void>(this->line.join(call.waiter));
    }
    void run(int thread) {
        if (thread == 0) return this->leave();
        if (thread == 1) return this->give_up(this->calls[0]);
        this->finish(this->calls[1], this->calls[1].await());
    }
};

// One is in line before; a newcomer tries.
template <class Atomics>
struct ANewcomerTries : OnePlace<Atomics> {
    ANewcomerTries() { static_cast<void>(this->line.join(this->calls[0].waiter)); }
    void run(int thread) {
        if (thread == 0) return this->leave();
        if (thread == 1) return this->finish(this->calls[0], this->calls[0].await());
        if (!this->line.try_admit()) return;
        const WaitState waiting = this->calls[0].waiter.state.peek();
        require(waiting != WaitState::queued && waiting != WaitState::leaving, "a newcomer overtakes who waits");
        this->enter();
        this->leave();
    }
};

// First come, first served: the second in line is not granted before the first.
template <class Atomics>
struct TwoAreServedInOrder : OnePlace<Atomics> {
    TwoAreServedInOrder() {
        for (auto& call : this->calls) static_cast<void>(this->line.join(call.waiter));
    }
    void run(int thread) {
        if (thread == 0) return this->leave();
        if (thread == 1) return this->finish(this->calls[0], this->calls[0].await());
        const bool granted = this->calls[1].await();
        require(this->calls[0].arrivals == 1, "the second in line was served before the first");
        this->finish(this->calls[1], granted);
    }
};

// The limit goes from one to two beside a return and somebody who joins.
template <class Atomics>
struct TheLimitIsRaised : BulkheadScene<Atomics> {
    static constexpr int threads = 3;
    TheLimitIsRaised() : BulkheadScene<Atomics>(1, 2) {
        require(this->line.try_admit(), "a free place is refused");
        this->enter();
    }
    void run(int thread) {
        if (thread == 0) return this->leave();
        if (thread == 1) return this->patient(this->calls[0]);
        BasicDeliveries<Atomics> deliveries;
        this->line.set_limit(2, deliveries);
        deliveries.deliver();
    }
    void check() { this->expect_empty(); }
};

// Nobody gives a place back: only the raise lets the call in.
template <class Atomics>
struct OnlyTheRaiseLetsIn : BulkheadScene<Atomics> {
    static constexpr int threads = 2;
    OnlyTheRaiseLetsIn() : BulkheadScene<Atomics>(1, 2) { static_cast<void>(this->line.try_admit()); }
    void run(int thread) {
        if (thread == 0) return this->patient(this->calls[0]);
        BasicDeliveries<Atomics> deliveries;
        this->line.set_limit(2, deliveries);
        deliveries.deliver();
    }
    void check() { require(this->line.read().in_use == 1, "a place was lost"); }
};

// Everybody is told when the line closes.
template <class Atomics>
struct TheLineCloses : BulkheadScene<Atomics> {
    static constexpr int threads = 3;
    TheLineCloses() : BulkheadScene<Atomics>(1) {
        require(this->line.try_admit(), "a free place is refused");
        this->enter();
    }
    void run(int thread) {
        if (thread == 0) return this->leave();
        if (thread == 1) {
            auto& call = this->calls[0];
            if (this->line.join(call.waiter) == BasicBulkheadLine<Atomics>::Joined::yes)
                this->finish(call, call.await());
            return;
        }
        BasicDeliveries<Atomics> deliveries;
        this->line.close([](BasicWaiter<Atomics>&) {}, deliveries);
        deliveries.deliver();
    }
    void check() {
        require(this->line.read().in_use == 0, "a place was lost");
        require(this->line.waiting().depth == 0, "somebody is still in a closed line");
        require(!this->line.try_admit(), "a closed bulkhead admits");
    }
};

}  // namespace resilience::exploring
