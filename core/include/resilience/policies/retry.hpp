#pragma once

// Decides whether a failed attempt is followed by another one, and when. It never waits: whoever drives the call does.
//
//     Retry retry{"payment_api", {.max_attempts = 4, .base_delay = 50ms}};
//     Next next = retry.next({.attempt = 1, .at = now, .result = CallResult::failure}, thread_random());
//     if (next.resume) …            // attempt 2 begins then; otherwise next.stop says why there is none
//
// How it decides, in this order:
//   1. cancelled                    stop `cancelled`: never retried
//   2. success, application_error, ignored
//                                   stop `not_needed` after the first attempt, `succeeded` after a later one
//   3. the verdict forbids it       stop `not_retryable`. So does `overloaded` without retry_after: who is asked for
//                                   relief and told no time does not add load
//   4. max_attempts made            stop `exhausted`
//      the delay function           if there is one, is asked here; negative: stop `not_retryable`
//   5. the callee named a time r    wait max(delay, r), never less; an r above max_delay stops with `max_delay`
//   6. a policy inside refused      with a retry_after r: wait max(delay, r) if r is at most this attempt's delay
//                                   before jitter, else stop `circuit_open`: blocking a caller for ten seconds is what
//                                   breakers exist to avoid (wait_for_circuit: r of a circuit is waited for, whatever
//                                   it is). Without one: bulkhead_full, queue_full, queue_timeout,
//                                   rate_limited, load_shed and throttled wait the delay; a circuit that names no time
//                                   stops with `circuit_open`; exceeds_capacity and shutting_down stop with
//                                   `not_retryable`; deadline_exceeded stops with `deadline`, retry_budget_exhausted
//                                   with `budget`
//   7. the next attempt would begin at or after the deadline, or max_duration after the call began
//                                   stop `deadline`, `max_duration`. Neither shortens a delay
//   8. the budget has nothing left  stop `budget`: the call keeps the outcome it has
//
// Where r exceeds the jittered delay the wait is uniform in [r, 1.25 r], the upper end cut at max_delay and at the
// deadline: callers that were told the same time do not come back together, and none comes early.
//
// Threads: every member may be called from any thread; the Random is the caller's own. A retry is neither copied nor
// moved. Cost: around a success one striped addition; no lock, no allocation, no clock. 240 bytes, counters for two
// hardware threads included; hooks and a budget add an allocation when the retry is made, and work to every call.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <resilience/base/call_options.hpp>
#include <resilience/base/event_channel.hpp>
#include <resilience/base/outcome.hpp>
#include <resilience/base/random.hpp>
#include <resilience/base/rejection.hpp>
#include <resilience/base/time.hpp>
#include <resilience/measure/striped_counters.hpp>
#include <resilience/policies/concurrent_retry_budget.hpp>
#include <resilience/policies/retry_attempt.hpp>
#include <resilience/policies/retry_budget.hpp>
#include <resilience/policies/retry_config.hpp>
#include <string>
#include <string_view>
#include <variant>

namespace resilience::inline v1 {

// The delay after attempt `attempt` (1 is the first; 0 counts as 1) before jitter, cut at max_delay; the formulas stand
// in retry_config.hpp. Exact for linear and constant, and for whole multipliers below 2^53 ns, otherwise to the nearest
// nanosecond a double can hold; never overflows, whatever the attempt. Decorrelated: the most it may be, min(3 *
// max(base_delay, previous), max_delay), where `previous` is the delay before this attempt, 0 before the first.
[[nodiscard]] Duration longest_backoff(const RetryConfig& config, std::uint32_t attempt, Duration previous) noexcept;

// The same with jitter, where `unit` in [0, 1] takes the place of the random number: 0 gives the shortest delay, 1 the
// longest. A pure function: same arguments, same delay.
[[nodiscard]] Duration backoff_delay(const RetryConfig& config, std::uint32_t attempt, Duration previous,
                                     double unit) noexcept;

// The budget of a retry, shared with whoever else asks the same callee. Empty, or a null pointer: no budget.
using SharedRetryBudget =
    std::variant<std::monostate, std::shared_ptr<RetryBudget>, std::shared_ptr<ConcurrentRetryBudget>>;

class Retry {
  public:
    // Unnamed: not exported. Throws ConfigError naming every bad field.
    explicit Retry(RetryConfig config = {});
    // Throws ConfigError, also for a name that is empty, too long or not UTF-8.
    explicit Retry(std::string name, RetryConfig config = {});
    // With a budget, with hooks, with both. A budget outlives every retry that shares it.
    Retry(RetryConfig config, SharedRetryBudget budget);
    Retry(std::string name, RetryConfig config, SharedRetryBudget budget);
    Retry(RetryConfig config, RetryHooks hooks, SharedRetryBudget budget = {});
    Retry(std::string name, RetryConfig config, RetryHooks hooks, SharedRetryBudget budget = {});
    ~Retry();

    Retry(const Retry&) = delete;
    Retry& operator=(const Retry&) = delete;

    // Counts nothing, publishes nothing and asks no budget. It asks the delay function.
    [[nodiscard]] Next next(const AttemptEnd& end, Random& random) const noexcept;

    // ---- counting, for whoever drives the call: exactly one of the first two for each call, when it ends ------------
    void count_first_success() noexcept { counters_.add(success_first); }
    // `success`: the call was answered. `attempts`: tries in all, refused ones included.
    void count_end(bool success, RetryStop stop, std::uint32_t attempts) noexcept;
    // Around every wait between two attempts, one beginning and one end, also when the call is cancelled or abandoned.
    void begin_sleep() noexcept { counters_.add(sleeps_begun); }
    void end_sleep() noexcept { counters_.add_release(sleeps_ended); }

    [[nodiscard]] bool wants_retry_events() const noexcept { return events_.wants(EventKind::retry); }
    // Event retry: the attempt that ended, how, and the delay that follows. Only where `next.resume` is there.
    void publish_retry(const AttemptEnd& end, const Next& next) noexcept;

    // Calls the hook before_retry. Only where `next.resume` is there.
    void call_before_retry(const AttemptEnd& end, const Next& next) noexcept;

    // ---- the budget, for whoever drives the call. Without one: all is granted, and nothing is counted ---------------
    // Whether a call needs more than the counting above: it has a budget or hooks.
    [[nodiscard]] bool has_extras() const noexcept { return extras_ != nullptr; }
    // Around every call, one beginning and one end; `success` earns a deposit.
    void begin_call() noexcept;
    void end_call(bool success, TimePoint at) noexcept;
    // After `next` has said when: may it be so? A refusal is published as event refused. A retry that is granted is
    // ended once, `began` or not: when its attempt has ended, or when it is given up in the delay.
    [[nodiscard]] bool begin_retry(TimePoint at) noexcept;
    void end_retry(bool began, TimePoint at) noexcept;

    // `now` is for the budget.
    [[nodiscard]] RetryStats stats(TimePoint now = Clock::now()) const;

    // Empty when unnamed; lives as long as the process.
    [[nodiscard]] std::string_view name() const noexcept { return name_; }
    [[nodiscard]] const RetryConfig& config() const noexcept { return config_; }
    // Whether the delays are a function's and not the configuration's.
    [[nodiscard]] bool has_delay_function() const noexcept;

    // The kinds `retry` and `refused` (by the budget) belong to EventKinds::calls; a retry has no `changes` of its own.
    Subscription on_event(Listener listener, EventKinds kinds = EventKinds::changes);

  private:
    enum Counter : std::size_t {
        success_first,
        success_retried,
        exhausted,
        not_retryable,
        gave_up,
        retries,
        sleeps_begun,
        sleeps_ended,
        counters
    };

    struct Extras;

    Retry(const std::string* name, const RetryConfig& config, RetryHooks hooks, SharedRetryBudget budget);

    // What the delay function says, cut at max_delay; absent without one.
    [[nodiscard]] std::optional<Duration> asked_delay(const AttemptEnd& end) const noexcept;
    Next pause(const AttemptEnd& end, std::optional<Duration> asked, Random& random) const noexcept;
    Next after_refusal(const AttemptEnd& end, Random& random) const noexcept;

    RetryConfig config_;
    std::string_view name_;
    std::unique_ptr<Extras> extras_;  // absent without hooks and budget
    StripedCounters<counters> counters_;
    EventChannel events_;
};

}  // namespace resilience::inline v1
