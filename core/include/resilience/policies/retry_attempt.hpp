#pragma once

// How an attempt ended, what a retry makes of it, and the user's code that it asks on the way.
//
//     Retry retry{"payment_api", {.max_attempts = 5, .jitter = false},
//                 {.delay = [](const AttemptEnd& end) { return end.attempt * 40ms; },
//                  .before_retry = [](const AttemptEnd& end, const Next& next) { log(end.attempt, next.delay); }}};

#include <cstdint>
#include <functional>
#include <optional>
#include <resilience/base/call_options.hpp>
#include <resilience/base/outcome.hpp>
#include <resilience/base/rejection.hpp>
#include <resilience/base/time.hpp>

namespace resilience::inline v1 {

// How an attempt ended, as a retry wants to know it.
struct AttemptEnd {
    std::uint32_t attempt = 1;  // its number; the first is 1, refused attempts count
    TimePoint at{};             // when it ended
    CallResult result = CallResult::ignored;
    bool retryable = true;                  // the verdict's; leave it true for a refusal
    bool refused = false;                   // a policy inside refused it: `reason` is valid, `result` is not looked at
    std::optional<Duration> retry_after{};  // of the refusal, or else the callee's
    TimePoint deadline = never;
    Duration previous_delay{};  // Next::delay of the decision before; 0 before the first
    RejectionReason reason = RejectionReason::circuit_open;
    TimePoint call_began{};  // max_duration is counted from here
    Duration took{};         // how long the attempt lasted; for the hooks, no decision looks at it
};

// What follows.
struct Next {
    std::optional<TimePoint> resume{};       // when the next attempt begins; absent: none does
    RetryStop stop = RetryStop::not_needed;  // why not; valid without `resume`
    Duration delay{};                        // resume - at
};

// Code of the user's that a retry asks. Either may be empty. They run on the thread of the call, outside every lock,
// maybe on many threads at once. What they throw is counted in RetryStats::hook_exceptions and costs no call its
// result: a delay function that throws is answered with the configured delay. Cancellation of the thread
// (pthread_cancel) is held off inside them and acts afterwards.
struct RetryHooks {
    // The delay after an attempt, in place of the configured back-off and without its jitter; still cut at max_delay,
    // and never below the time a callee named. 0: another attempt at once, without a timer. Negative: no further
    // attempt, RetryStop::not_retryable. Asked once for each attempt that would otherwise be followed by another. What
    // a classifier read from the result arrives as AttemptEnd::retry_after.
    std::function<Duration(const AttemptEnd&)> delay{};

    // Before each retry, as soon as it is decided and before its delay: `end` has the attempt that ended and how long
    // it took, `next` the delay. The attempt itself may still not begin, if the call is cancelled meanwhile.
    std::function<void(const AttemptEnd&, const Next&)> before_retry{};
};

}  // namespace resilience::inline v1
