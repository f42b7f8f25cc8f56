#pragma once

// A circuit breaker: it stops calling what fails, waits, probes, and lets calls through again once the probes succeed.
//
//     CircuitBreaker breaker{"card_host", {.failure_threshold = 0.5, .timeout = 10s}};
//
//     auto permit = breaker.try_acquire();                      // the form for everything new
//     if (!permit) return later(permit.error().retry_after);
//     permit->settle(charge(card) ? Outcome::success : Outcome::failure);
//
//     if (!breaker.allow()) return unavailable();               // the two-step form, for code that has it already
//     breaker.record_result(charge(card));
//
// closed     every call is admitted, and success and failure are counted in a rolling window. After each of them: with
//            min_requests calls in the window and at least failure_threshold of them failed, the breaker opens.
// open       every call is refused until `timeout` is over. At exactly that moment it is half-open.
// half_open  at most half_open_max_calls probes at once. success_threshold successes close it with an empty window; it
//            re-opens as soon as half_open_calls verdicts cannot hold that many. Refused calls, ignored and dropped
//            probes count for neither. A probe that does not report gives its slot back after probe_lease.
//
// Levers put it into any state by hand, for a time or until the next lever; `force_open` and `force_closed` beat every
// timer and every verdict. While forced closed nothing is judged and the window stays empty. `metrics_only` admits and
// counts like closed and never opens: where it would have, it says so once (EventKind::threshold_reached).
//
// Operations (circuit_breaker_operation.hpp): counts for each kind of call, or an open state for one kind alone.
//
// Options (circuit_breaker_config.hpp, circuit_breaker_hooks.hpp): windows of calls, failures in a row, slow calls,
// growing and jittered open times, a limit on half-open, a ramp, functions of yours; health probes (health_probe.hpp).
//
// Late verdicts. A permit belongs to the state it was admitted in. Settled after that state has ended, it counts in the
// totals and in `late`, and decides nothing. One case is left: a thread that has compared its permit with the present
// state, then sleeps through the rest of that closed period, an open period *and* a whole later closed period, and only
// then adds: its result counts in the window of the period it wakes in. Totals are exact.
//
// Time is an argument. `now` may run backwards between threads: a late one counts as the newest seen. A state whose
// time is over ends at the next acquire or `tick`, but `state(now)` says so at once. Suspending the machine stops the
// clock and so lengthens an open period.
//
// Threads: any, for every function. User code never runs under a lock of the breaker. Cost while closed: two locked
// operations on a line of the thread's own and about 65 instructions to admit and to settle a success, one locked
// operation on a shared line more for a failure; refused while open: one and about 35 instructions (`allow`: 25).
// Half-open, levers, changes of state and `stats` take a short mutex. Admitting and settling allocate nothing and do
// not throw. The breaker must outlive its permits; a debug build aborts with the breaker's name if it does not.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <resilience/base/admission.hpp>
#include <resilience/base/event_channel.hpp>
#include <resilience/base/events.hpp>
#include <resilience/base/outcome.hpp>
#include <resilience/base/rejection.hpp>
#include <resilience/base/time.hpp>
#include <resilience/base/verdict.hpp>
#include <resilience/measure/fraction.hpp>
#include <resilience/measure/rolling_window.hpp>
#include <resilience/measure/striped_counters.hpp>
#include <resilience/policies/circuit_breaker_config.hpp>
#include <resilience/policies/circuit_breaker_hooks.hpp>
#include <resilience/policies/circuit_breaker_options.hpp>
#include <resilience/policies/circuit_breaker_parts.hpp>
#include <resilience/policies/circuit_breaker_probes.hpp>
#include <resilience/policies/circuit_breaker_state.hpp>
#include <resilience/policies/circuit_breaker_stats.hpp>
#include <resilience/policies/circuit_breaker_two_step.hpp>
#include <resilience/policies/health_probe.hpp>
#include <resilience/policies/with_classifier.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace resilience::inline v1 {

class CircuitBreaker {
  public:
    class Permit;
    class Operation;

    // Throws ConfigError with every problem of the name (see base/names.hpp) and of the configuration; std::bad_alloc.
    explicit CircuitBreaker(std::string name, CircuitBreakerConfig config = {}, CircuitBreakerHooks hooks = {});
    // Without a name: what a pipeline builds from a config for itself. It is not exported.
    explicit CircuitBreaker(const CircuitBreakerConfig& config);
    ~CircuitBreaker();
    CircuitBreaker(const CircuitBreaker&) = delete;
    CircuitBreaker& operator=(const CircuitBreaker&) = delete;

    // ---- calls

    // A permit, or why not and when it is worth asking again: `circuit_open` with the rest of the open time,
    // `half_open_full` with the earlier of the first lease's end and one open time, `forced_open` without a moment.
    Admission<Permit> try_acquire(TimePoint now = Clock::now()) noexcept;

    // The same for the call machine, which keeps the permit in its own frame. `permit` must be empty and is filled if
    // the call is admitted; `why` is written only if it is not.
    [[nodiscard]] bool enter(TimePoint now, Permit& permit, Rejection& why) noexcept;

    // The two-step form: ask, and tell the result. A bare bool cannot say which admission it ends, so the pair is
    // matched by count: a result ends one of the oldest state that still has any `allow()` open, and decides only if
    // that is the present one. After a change of state, what it left behind is waited for during one probe_lease, then
    // counted as ignored and `abandoned`. (A lease that ends just when the open time does is granted once more:
    // half-open is where a late result would do harm.) A half-open `allow()` holds a probe slot for one lease like any
    // probe. A result without `allow()` counts as one admitted and settled call: while closed like any other, so a
    // breaker can be fed with health signals; otherwise in the totals only, and in `unpaired_results`.
    [[nodiscard]] bool allow(TimePoint now = Clock::now()) noexcept;
    void record_result(bool success, TimePoint now = Clock::now()) noexcept;
    // The same of a call that took this long, which a bare result cannot say: for record_latency and slow calls.
    void record_result(bool success, Duration took, TimePoint now = Clock::now()) noexcept;

    // One kind of call of several through this breaker, with counts (or a state) of its own: see
    // circuit_breaker_operation.hpp. Takes the mutex; look it up once.
    [[nodiscard]] Operation operation(std::string_view name);

    // ---- state and time

    // The state at `now`, whether or not anybody has noticed yet: changes nothing.
    [[nodiscard]] CircuitState state(TimePoint now = Clock::now()) const noexcept;
    // The next moment at which something happens by the passing of time alone: an open period, a lever, a lease, the
    // time of a health probe ends, of the breaker or of one operation. Absent: nothing will, or the first `now` has
    // still to be given. Then, or at any time, `tick` makes it happen without a call. Running calls that become
    // overdue (judge_in_flight) are not foreseen: tick for those now and then.
    [[nodiscard]] std::optional<TimePoint> next_deadline() const noexcept;
    void tick(TimePoint now) noexcept;

    // ---- health probes (health_probe.hpp): a ProbeRunner sends them
    void set_probe(const HealthProbeConfig& config, HealthProbe probe);  // or none. Throws ConfigError, std::bad_alloc
    [[nodiscard]] HealthProbe probe() const noexcept;
    // A permit if one is to be sent now, to be settled with its answer; and the next moment at which to ask, if any.
    [[nodiscard]] std::optional<Permit> probe_due(TimePoint now = Clock::now()) noexcept;
    [[nodiscard]] std::optional<TimePoint> next_probe() const noexcept;

    // ---- levers
    //
    // With a duration the state is held until its end and then what was before comes back: an open period with its own
    // end, half-open with fresh probes, closed with an empty window. Probes can end a held half_open, and failures a
    // held reset, before that. A lever over a lever with an end takes over what that one would have brought back.
    // Without a duration: `open` lasts one open time; forced states and metrics_only last until another lever.
    // Putting a breaker into the state it is in is silent: it only changes the end. `reset` also empties the window.

    void force_open(TimePoint now = Clock::now()) noexcept { pull(CircuitState::forced_open, {}, now); }
    void force_open(Duration hold, TimePoint now = Clock::now()) noexcept {
        pull(CircuitState::forced_open, hold, now);
    }
    void force_closed(TimePoint now = Clock::now()) noexcept { pull(CircuitState::forced_closed, {}, now); }
    void force_closed(Duration hold, TimePoint now = Clock::now()) noexcept {
        pull(CircuitState::forced_closed, hold, now);
    }
    void open(TimePoint now = Clock::now()) noexcept { pull(CircuitState::open, {}, now); }
    void open(Duration hold, TimePoint now = Clock::now()) noexcept { pull(CircuitState::open, hold, now); }
    void half_open(TimePoint now = Clock::now()) noexcept { pull(CircuitState::half_open, {}, now); }
    void half_open(Duration hold, TimePoint now = Clock::now()) noexcept { pull(CircuitState::half_open, hold, now); }
    void reset(TimePoint now = Clock::now()) noexcept { pull(CircuitState::closed, {}, now); }
    void reset(Duration hold, TimePoint now = Clock::now()) noexcept { pull(CircuitState::closed, hold, now); }
    void metrics_only(TimePoint now = Clock::now()) noexcept { pull(CircuitState::metrics_only, {}, now); }
    void metrics_only(Duration hold, TimePoint now = Clock::now()) noexcept {
        pull(CircuitState::metrics_only, hold, now);
    }

    // Another configuration from now on; what becomes of what is under way is said in circuit_breaker_config.hpp.
    // Throws ConfigError with every problem, or std::bad_alloc, and then changes nothing.
    void reconfigure(const CircuitBreakerConfig& config, TimePoint now = Clock::now());

    // ---- seeing

    // Reconciles in every picture, also under load (see circuit_breaker_stats.hpp). Takes the mutex; may throw
    // bad_alloc.
    [[nodiscard]] CircuitBreakerStats stats(TimePoint now = Clock::now()) const;
    // As given. Lives as long as the process.
    [[nodiscard]] std::string_view name() const noexcept { return {name_, name_length_}; }
    // As given last: a 0 that stands for a default stays 0.
    [[nodiscard]] CircuitBreakerConfig config() const noexcept;
    // transition, lease_reclaimed, operation_transition, and lever when a reset of a closed breaker emptied its window
    // or closed an operation; permitted, refused and finished when asked for. Throws std::bad_alloc.
    Subscription on_event(Listener listener, EventKinds kinds = EventKinds::changes);

    // This breaker, judging by a classifier of its own: an entry in the list of a pipeline (with_classifier.hpp).
    // Borrows the breaker.
    template <class Classifier>
    [[nodiscard]] WithClassifier<CircuitBreaker, std::decay_t<Classifier>> with(Classifier&& classifier) & {
        return {this, {}, std::forward<Classifier>(classifier)};
    }

  private:
    friend struct detail::CircuitOperation;
    friend class detail::CircuitOperations;
    friend class detail::HealthProbing;
    using CircuitWord = detail::CircuitWord;
    using ProbeHolder = detail::ProbeHolder;

    // Raised without the mutex, and no more than fit into one cache line. Failures that settle in a window are counted
    // by the window.
    enum Counted : std::size_t {
        admitted,
        success_in_window,  // one for each of the two windows
        success_in_other_window,
        success_outside,  // settled outside the windows: probes, late verdicts, forced closed
        failure_outside,
        ignored,
        rejected_circuit_open,
        rejected_forced_open,
        counters
    };

    using Basics = detail::CircuitBasics;
    using Passage = detail::CircuitPassage;
    using Change = detail::CircuitChange;
    using Findings = detail::CircuitFindings;
    using Settled = detail::CircuitSettled;
    using Position = detail::CircuitPosition;

    // A name and a configuration without problems.
    struct Checked {
        std::string_view name;
        CircuitBreakerConfig config;
    };
    // One counter for each change between two states.
    static constexpr std::size_t changes = circuit_states * (circuit_states - 1);

    static constexpr std::size_t index_of_change(CircuitState from, CircuitState to) noexcept {
        return static_cast<std::size_t>(from) * (circuit_states - 1) + static_cast<std::size_t>(to) -
               (to > from ? 1 : 0);
    }

    CircuitBreaker(const Checked& checked, CircuitBreakerHooks hooks);
    static Checked checked(const std::string* name, const CircuitBreakerConfig& config);
    static Basics basics_of(const CircuitBreakerConfig& config) noexcept;
    [[nodiscard]] CircuitBreakerConfig config_locked() const noexcept;
    void reconfigure_locked(const CircuitBreakerConfig& config, detail::CircuitReconfiguration& made,
                            TimePoint now) noexcept;
    void publish_options_locked(std::unique_ptr<detail::CircuitBreakerOptions> made) noexcept;
    [[nodiscard]] Fraction threshold() const noexcept { return threshold_.read(); }

    // ---- admission (circuit_breaker_admission.cpp)
    bool refuses_at_once(CircuitWord word, TimePoint now, TimePoint& until) noexcept;
    [[gnu::cold, gnu::noinline]] Admission<Permit> try_acquire_otherwise(CircuitWord word, TimePoint now) noexcept;
    [[gnu::noinline]] bool enter_otherwise(CircuitWord word, TimePoint now, Permit& permit, Rejection& why) noexcept;
    [[gnu::cold, gnu::noinline]] void allow_beside_change(CircuitWord word, TimePoint now) noexcept;
    [[gnu::cold, gnu::noinline]] bool enter_slowly(CircuitWord word, TimePoint now, Permit& permit,
                                                   Rejection& why) noexcept;
    [[gnu::cold, gnu::noinline]] bool allow_otherwise(CircuitWord word, TimePoint now) noexcept;
    bool refuses(CircuitWord word, TimePoint now, Rejection& why) noexcept;
    bool admits(ProbeHolder holder, CircuitWord word, TimePoint now, Passage& passage, Rejection& why) noexcept;
    bool admits_locked(ProbeHolder holder, TimePoint now, Passage& passage, Rejection& why) noexcept;
    bool admits_in_ramp_locked(TimePoint now, Rejection& why) noexcept;
    [[nodiscard]] bool probes_full_locked() const noexcept;
    [[nodiscard]] std::optional<Duration> half_open_refusal_locked(TimePoint now) const noexcept;
    bool admits_probe_locked(ProbeHolder holder, TimePoint now, Passage& passage, Rejection& why) noexcept;
    Rejection refusal(RejectionReason reason, std::optional<Duration> retry_after) noexcept;
    [[gnu::cold, gnu::noinline]] void announce_permitted(TimePoint now) noexcept;
    [[gnu::cold, gnu::noinline]] void announce_refused(const Rejection& why, TimePoint now) noexcept;

    // ---- settling (circuit_breaker_settlement.cpp)
    void settle(Passage passage, CallResult result, TimePoint now) noexcept;
    [[gnu::noinline]] void record_latency(Duration took) noexcept;
    void record_success(Passage passage, CallResult result, TimePoint now) noexcept;
    [[gnu::noinline]] void record_failure(Passage passage, CallResult result, TimePoint now) noexcept;
    bool trips(WindowCounts counts) const noexcept;
    [[gnu::cold, gnu::noinline]] void conclude(Passage passage, CallResult result, TimePoint now,
                                               WindowCounts counts) noexcept;
    [[gnu::noinline]] void settle_otherwise(Passage passage, CallResult result, TimePoint now) noexcept;
    [[gnu::cold, gnu::noinline]] void settle_slowly(Passage passage, CallResult result, TimePoint now) noexcept;
    void settle_locked(Passage passage, CallResult result, TimePoint now) noexcept;
    void count_outside(Outcome outcome) noexcept;
    void count_late() noexcept { late_.fetch_add(1, std::memory_order_release); }
    void judge_probe_locked(Outcome outcome, bool slow, TimePoint now) noexcept;
    void decide_half_open_locked(TimePoint now) noexcept;
    [[nodiscard]] std::uint32_t probes_missing_locked() const noexcept;
    [[nodiscard]] std::optional<bool> probes_close_locked() const noexcept;
    [[gnu::cold, gnu::noinline]] void settle_as_asked(Passage passage, CallResult result, TimePoint now,
                                                      Duration open_for) noexcept;
    void open_as_asked_locked(Passage passage, Duration open_for, TimePoint now) noexcept;
    void end_open_at_locked(TimePoint until) noexcept;
    void enqueue_finished(Passage passage, CallResult result, TimePoint now) noexcept;
    [[gnu::cold, gnu::noinline]] void record_result_otherwise(CallResult result, TimePoint now,
                                                              Duration took = {}) noexcept;

    // ---- results that options judge (circuit_breaker_judging.cpp)
    [[gnu::noinline]] void record_watched(Passage passage, CallResult result, TimePoint now) noexcept;
    Findings record_in_windows(Passage passage, bool failed, TimePoint now) noexcept;
    Findings record_in_windows_locked(Passage passage, bool failed, TimePoint now) noexcept;
    [[nodiscard]] bool finds_something(const Findings& found) const noexcept;
    void act_on_locked(const Findings& found, TimePoint now) noexcept;
    void learn_if_due_locked(TimePoint now) noexcept;
    void begin_learning_locked(CircuitWord word, TimePoint now) noexcept;
    [[nodiscard]] double present_threshold_locked() const noexcept;
    void add_overdue_locked(Findings& found, TimePoint now) const noexcept;
    void judge_running_locked(TimePoint now) noexcept;
    [[nodiscard]] bool counts_running() const noexcept { return options_ != nullptr && options_->running != nullptr; }
    [[nodiscard]] bool records_under_mutex() const noexcept {
        return options_ != nullptr && options_->under_mutex.load(std::memory_order_relaxed);
    }
    void end_running_locked(Passage passage) noexcept;
    void reach_threshold_locked(const Change& change, TimePoint now) noexcept;
    void ask_trip_predicate(Passage passage, TimePoint now) noexcept;
    [[nodiscard]] bool is_slow(Passage passage, TimePoint now) const noexcept {
        return options_ != nullptr && options_->is_slow(time_between(passage.admitted_at, now));
    }
    [[nodiscard]] bool trips_by_predicate() const noexcept { return options_ != nullptr && options_->hooks.trips; }

    // ---- how long it stays open (circuit_breaker_open_time.cpp)
    [[nodiscard]] TimePoint open_until_locked(TimePoint from, TransitionCause cause) noexcept;
    [[nodiscard]] Duration present_open_time() const noexcept;
    [[nodiscard]] Duration next_open_time() const noexcept;
    [[nodiscard]] TimePoint half_open_until(TimePoint from) const noexcept;
    [[gnu::cold, gnu::noinline]] void ask_open_time() noexcept;
    // What follows a change of state outside the mutex.
    void after_change() noexcept {
        if (options_ != nullptr && options_->open_time_question.raised()) ask_open_time();
        events_.deliver();
    }

    // ---- changes of state (circuit_breaker_transitions.cpp), under the mutex
    void pull(CircuitState target, std::optional<Duration> hold, TimePoint now) noexcept;
    void pull_locked(CircuitState target, std::optional<Duration> hold, TimePoint now) noexcept;
    TimePoint pass_time_locked(TimePoint now) noexcept;
    void be_born_locked(TimePoint now) const noexcept { since_ = not_closed_since_ = now; }
    // Open from the beginning, and no moment given yet.
    [[nodiscard]] bool unborn_open() const noexcept {
        return state_.word().open_with_end() && state_.until() == TimePoint::min();
    }
    void end_by_time_locked(TimePoint due) noexcept;
    void decide_due_locked(TimePoint now) noexcept;
    void end_half_open_locked(TimePoint due) noexcept;
    void describe_cause(const Change& change, Event& event) const noexcept;
    void prepare_options_locked(bool counts, std::uint32_t window, TimePoint now) noexcept;
    void change_locked(const Change& change, TimePoint now) noexcept;
    void begin_period_locked(CircuitState to, TimePoint until, bool lever, TimePoint now, bool ramp = false) noexcept;
    void forget_left_behind_locked(TimePoint now) noexcept;
    void reclaim_leases_locked(TimePoint now) noexcept;
    void renew_half_open_locked(TimePoint now) noexcept;

    // ---- pictures (circuit_breaker_stats.cpp)
    [[nodiscard]] Position position_locked(TimePoint now) const noexcept;
    [[nodiscard]] Position after_half_open(const Position& over, TimePoint now) const noexcept;
    void describe_options_locked(CircuitBreakerStats& stats) const;
    void describe_window_locked(CircuitBreakerStats& stats, const Position& position, TimePoint now) const noexcept;
    void describe_half_open_locked(CircuitBreakerStats& stats, const Position& position, TimePoint now) const noexcept;
    [[nodiscard]] Settled read_settled() const noexcept;
    void count_calls(CircuitBreakerStats& stats) const noexcept;

    [[nodiscard]] std::uint32_t min_requests() const noexcept { return windows_[0].least_calls(); }
    [[nodiscard]] std::uint32_t probe_verdicts() const noexcept;  // n: how many a half-open period takes
    [[nodiscard]] std::uint32_t probes_at_once() const noexcept;
    [[nodiscard]] Duration lease() const noexcept;

    // Read by every call, written by changes of state.
    detail::CircuitStateWord state_;
    EventChannel events_;
    detail::PublishedOnce<detail::CircuitBreakerOptions> options_;
    const char* name_;
    // With the two small members in its tail, as with the probes below: a default breaker fits into ten cache lines.
    [[no_unique_address]] StripedCounters<counters> counters_;
    std::uint8_t name_length_;
    CircuitState before_ = CircuitState::closed;  // what a lever with an end brings back; guarded by the mutex
    std::uint8_t thresholds_reached_ = 0;         // a bit for each cause a period of metrics_only has told of; the same
    std::uint8_t window_rest_;                    // what window_size has beyond whole buckets, in ns
    // One for each parity of closed periods: a verdict adds to the window of its own period only.
    RollingWindow windows_[2];
    Basics config_;
    detail::CircuitThreshold threshold_;
    detail::AnonymousAdmissions anonymous_;

    std::atomic<std::uint64_t> late_{0};
    std::atomic<std::uint64_t> cancelled_{0};
    std::atomic<std::uint32_t> classifier_errors_{0};
    std::uint32_t unpaired_ = 0;  // guarded by the mutex, as all that follows; stays at the greatest number

    // Guarded by the mutex.
    mutable std::mutex mutex_;
    detail::LeftBehind left_behind_;
    [[no_unique_address]] detail::ProbeSlots probes_;
    std::uint16_t probe_successes_ = 0;
    std::uint16_t probe_failures_ = 0;
    TimePoint newest_ = TimePoint::min();
    mutable TimePoint since_ = TimePoint::min();  // of the present state; min until some `now` is given: its birth
    mutable TimePoint not_closed_since_ = TimePoint::min();
    TimePoint before_until_ = never;  // until when what a lever with an end brings back lasts
    std::uint64_t rejected_half_open_full_ = 0;
    std::uint32_t abandoned_ = 0;  // stays at the greatest number
    std::uint32_t leases_reclaimed_ = 0;
    std::array<std::uint32_t, changes> changes_{};
};

}  // namespace resilience::inline v1

#include <resilience/policies/circuit_breaker_operation.hpp>
#include <resilience/policies/circuit_breaker_permit.hpp>
