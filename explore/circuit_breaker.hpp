#pragma once

// What a circuit breaker does with its state word, its two windows and its probe slots, in a few lines, so that all
// three can be explored together: the breaker itself is no template.
//
// The parts are the ones that ship; the order in which they are asked is that of circuit_breaker_settlement.cpp and
// circuit_breaker_transitions.cpp. The faults are those of somebody who gets that order wrong.

#include <cstdint>
#include <mutex>
#include <optional>
#include <resilience/measure/rolling_window.hpp>
#include <resilience/policies/circuit_breaker_probes.hpp>
#include <resilience/policies/circuit_breaker_state.hpp>

#include "explorer.hpp"

namespace resilience::exploring {

struct Faults {
    bool drops_the_generation_check = false;
    bool keeps_one_window = false;
    bool forgets_when_it_opens = false;  // and not when the window is taken into use again
    bool returns_a_slot_twice = false;
    bool looks_at_slots_unlocked = false;
};

constexpr TimePoint instant(std::int64_t nanoseconds) { return TimePoint{Duration{nanoseconds}}; }

// Opens at the first failure.
template <class Atomics, Faults Fault>
struct SmallBreaker {
    using Word = detail::CircuitWord;
    typename Atomics::Mutex mutex;
    detail::BasicCircuitState<Atomics> state;
    BasicStripedCounters<2, Atomics> successes{2};
    BasicRollingWindow<Atomics> windows[2] = {{Duration{20}, 2, 1, successes.counter(0), mutex},
                                              {Duration{20}, 2, 1, successes.counter(1), mutex}};
    int trips = 0;
    int trips_by_old_verdicts = 0;

    void settle(Word admitted_under, bool failed, TimePoint now) {
        if (admitted_under != state.word() || !admitted_under.plainly_closed()) return;  // late
        auto& window = windows[admitted_under.window()];
        const auto counts = failed ? window.record_failure(now, {1, 2}) : window.record_success(now);
        if (!counts || counts->failures == 0 || !reaches(counts->failures, counts->calls, {1, 2})) return;
        const std::lock_guard lock(mutex);
        const Word word = state.word();
        if (!Fault.drops_the_generation_check && !admitted_under.same_period(word)) return;
        ++trips;
        if (!admitted_under.same_period(word)) ++trips_by_old_verdicts;
        begin_locked(CircuitState::open, now);
    }
    void change(CircuitState to, TimePoint now) {
        const std::lock_guard lock(mutex);
        if (state.word().state() != to) begin_locked(to, now);
    }
    void begin_locked(CircuitState to, TimePoint now) {
        const Word over = state.word();
        const bool closes = to == CircuitState::closed;
        const std::uint32_t window = closes && !Fault.keeps_one_window ? over.window() ^ 1U : over.window();
        if (closes != Fault.forgets_when_it_opens) windows[window].forget_locked(now);
        state.publish(Word(to, over.generation() + 1, window, detail::StateEnd::none), never);
    }
};

// Verdicts that were admitted in the first closed period come late: the breaker is opened and closed beside them.
template <class Atomics, Faults Fault = Faults{}, int Periods = 1>
struct LateVerdicts : SmallBreaker<Atomics, Fault> {
    static constexpr int threads = 2;
    detail::CircuitWord admitted_under = this->state.word();

    void run(int thread) {
        if (thread == 0) return this->settle(admitted_under, true, instant(5));
        for (int period = 0; period < Periods; ++period) {
            this->change(CircuitState::open, instant(5));
            this->change(CircuitState::closed, instant(5));
        }
    }
    void check() {
        require(this->trips_by_old_verdicts == 0, "a verdict of an earlier period opened the circuit");
        const auto word = this->state.word();
        require(word.state() == CircuitState::closed, "the circuit was opened again");
        const auto failures = this->windows[0].totals().failures + this->windows[1].totals().failures;
        require(failures <= 1, "a verdict counts twice");
        const WindowCounts present = this->windows[word.window()].counts_locked(instant(5));
        if (present == WindowCounts{}) return;
        require(Periods > 1, "a verdict of an earlier closed period counts in the present window");
        require(present == WindowCounts{.calls = 1, .failures = 1}, "a verdict counts as more than itself");
        note_named_case();
    }
};

// The same over two periods, but the late verdict is in before the second begins, and so is forgotten.
template <class Atomics, Faults Fault = Faults{}>
struct AVerdictIsForgotten : SmallBreaker<Atomics, Fault> {
    static constexpr int threads = 2;
    detail::CircuitWord admitted_under = this->state.word();
    std::uint64_t settled = 0;

    void run(int thread) {
        if (thread == 0) {
            this->settle(admitted_under, true, instant(5));
            ++settled;
            return;
        }
        this->change(CircuitState::open, instant(5));
        this->change(CircuitState::closed, instant(5));
        this->change(CircuitState::open, instant(5));
        wait_for_change_of(settled, 0);
        this->change(CircuitState::closed, instant(5));
    }
    void check() {
        const auto word = this->state.word();
        require(word.state() == CircuitState::closed, "the circuit was opened again");
        require(this->windows[word.window()].counts_locked(instant(5)) == WindowCounts{},
                "a verdict of an earlier period was not forgotten");
    }
};

// Two of them, a failure and a success, and a caller of the new period beside them.
template <class Atomics, Faults Fault = Faults{}>
struct TwoLateVerdicts : SmallBreaker<Atomics, Fault> {
    static constexpr int threads = 3;
    detail::CircuitWord admitted_under = this->state.word();

    void run(int thread) {
        if (thread != 2) return this->settle(admitted_under, thread == 0, instant(thread == 0 ? 5 : 15));
        this->change(CircuitState::open, instant(5));
        this->change(CircuitState::closed, instant(5));
        const auto fresh = this->state.word();
        this->settle(fresh, false, instant(15));
    }
    void check() {
        require(this->trips_by_old_verdicts == 0, "a verdict of an earlier period opened the circuit");
        const auto word = this->state.word();
        require(word.state() == CircuitState::closed, "the circuit was opened again");
        require(this->windows[word.window()].counts_locked(instant(15)) == WindowCounts{.calls = 1, .failures = 0},
                "an earlier period shows in the new window");
    }
};

// Open until 100, half-open, open until 200, closed; a reader looks twice.
template <class Atomics>
struct AReaderMeetsThePublisher {
    static constexpr int threads = 2;
    detail::BasicCircuitState<Atomics> state;

    void publish(CircuitState to, std::uint64_t generation, TimePoint until) {
        const auto ending = until == never ? detail::StateEnd::none : detail::StateEnd::open_time;
        state.publish(detail::CircuitWord(to, generation, 0, ending), until);
    }
    void run(int thread) {
        if (thread == 1) {
            look();
            return look();
        }
        publish(CircuitState::open, 2, instant(100));
        publish(CircuitState::half_open, 3, never);
        publish(CircuitState::open, 4, instant(200));
        publish(CircuitState::closed, 5, never);
    }
    void look() {
        const auto word = state.word();
        if (!word.open_with_end()) return;
        const TimePoint until = state.until();
        require(until != never, "refuses until the end of time");
        require(until >= instant(word.generation() == 2 ? 100 : 200), "the end belongs to an earlier state");
    }
    void check() { require(state.word().generation() == 5, "a change was lost"); }
};

// One slot with a lease of 10, two probes, and the tick that takes the slot back. A probe reports after its lease.
template <class Atomics, Faults Fault = Faults{}>
struct ProbesAndTheirLease {
    static constexpr int threads = 3;
    typename Atomics::Mutex mutex;
    detail::ProbeSlots slots{1};
    int admitted = 0, judged = 0, late = 0, reclaimed = 0;
    TimePoint holder{};  // when the probe that holds the slot was admitted

    void probe(std::int64_t asks, std::int64_t reports) {
        std::optional<std::uint32_t> slot;
        if (!Fault.looks_at_slots_unlocked || !slots.full()) {
            if (Fault.looks_at_slots_unlocked) let_others_go_first();
            const std::lock_guard lock(mutex);
            reclaim_locked(instant(asks));
            if (Fault.looks_at_slots_unlocked || !slots.full()) slot = take_locked(instant(asks));
        }
        if (slot) give_back(*slot, instant(asks), instant(reports));
    }
    std::optional<std::uint32_t> take_locked(TimePoint now) {
        ++admitted;
        require(!slots.full(), "more probes out than slots");
        if (slots.full()) return std::nullopt;
        holder = now;
        return slots.take(now, detail::ProbeHolder::permit);
    }
    void give_back(std::uint32_t slot, TimePoint stamp, TimePoint now) {
        const std::lock_guard lock(mutex);
        reclaim_locked(now);
        if (slots.give_back(slot, Fault.returns_a_slot_twice ? slots.oldest_stamp() : stamp)) {
            ++judged;
            require(stamp == holder, "a probe returned the slot of another: it will be returned twice");
        } else {
            ++late;
        }
        require(slots.in_flight() <= slots.size(), "more probes out than slots");
    }
    void reclaim_locked(TimePoint now) {
        while (slots.reclaim_one(now, Duration{10})) ++reclaimed;
    }
    void run(int thread) {
        if (thread == 0) probe(0, 15);
        if (thread == 1) probe(12, 14);
        if (thread == 2) {
            const std::lock_guard lock(mutex);
            reclaim_locked(instant(11));
        }
    }
    void check() {
        require(judged + late == admitted, "a probe was lost");
        require(judged + reclaimed == admitted, "a slot was returned twice, or never");
        require(slots.in_flight() == 0, "a slot was not returned");
    }
};

}  // namespace resilience::exploring
