#pragma once

// How an attempt ended, in the words every policy shares.
//
// `CallResult` is what a classifier says of an attempt, `Outcome` is what a circuit breaker counts of it, `Priority` is
// how much a call matters when not all can be served. All values are part of the API: they are appended to, never
// renumbered. Printing: `to_string` gives the name as written here, `operator<<` prints it.

#include <cstdint>
#include <iosfwd>
#include <string_view>

namespace resilience::inline v1 {

// How a breaker counts an attempt. `ignored` takes no side: its permit returns and no window changes.
enum class Outcome : std::uint8_t { success = 0, failure = 1, ignored = 2 };

// What happened to an attempt, finer than an Outcome.
enum class CallResult : std::uint8_t {
    success = 0,
    application_error = 1,  // the callee works and says no (4xx, a business rule): a success for a breaker
    failure = 2,            // the callee failed: counted, worth a retry
    overloaded = 3,         // the callee refused for lack of capacity (429, 503 with Retry-After): ignored by breakers
    timed_out = 4,          // no answer in time: a failure for a breaker
    cancelled = 5,          // the caller gave up: nobody's fault, never retried
    ignored = 6,            // the classifier takes no side
};

// Smaller is more important. The wire form of `normal` is "default".
enum class Priority : std::uint8_t { critical = 0, normal = 1, sheddable = 2, bulk = 3 };

// How a breaker counts a result: success and application_error are successes, failure and timed_out are failures,
// the rest is ignored.
[[nodiscard]] constexpr Outcome outcome_of(CallResult result) noexcept {
    switch (result) {
        case CallResult::success:
        case CallResult::application_error:
            return Outcome::success;
        case CallResult::failure:
        case CallResult::timed_out:
            return Outcome::failure;
        case CallResult::overloaded:
        case CallResult::cancelled:
        case CallResult::ignored:
            break;
    }
    return Outcome::ignored;
}

// The result a bare Outcome stands for, so that a classifier may return either.
[[nodiscard]] constexpr CallResult result_of(Outcome outcome) noexcept {
    switch (outcome) {
        case Outcome::success:
            return CallResult::success;
        case Outcome::failure:
            return CallResult::failure;
        case Outcome::ignored:
            break;
    }
    return CallResult::ignored;
}

[[nodiscard]] std::string_view to_string(Outcome outcome) noexcept;
[[nodiscard]] std::string_view to_string(CallResult result) noexcept;
[[nodiscard]] std::string_view to_string(Priority priority) noexcept;  // "critical", "default", "sheddable", "bulk"
std::ostream& operator<<(std::ostream& out, Outcome outcome);
std::ostream& operator<<(std::ostream& out, CallResult result);
std::ostream& operator<<(std::ostream& out, Priority priority);

}  // namespace resilience::inline v1
