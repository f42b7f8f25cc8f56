#pragma once

// What one stage of a call tells the stage around it: done, or look again at a given moment.
//
// A Step is 16 bytes and travels in two registers. Details that only a refusal or a push-back has are kept in the
// CallState, one per call, which the path of a successful call never touches.

#include <cstddef>
#include <cstdint>
#include <new>
#include <resilience/base/call_options.hpp>
#include <resilience/base/inlining.hpp>
#include <resilience/base/outcome.hpp>
#include <resilience/base/rejection.hpp>
#include <resilience/base/time.hpp>
#include <type_traits>

namespace resilience::inline v1 {

struct Step {
    enum class State : std::uint8_t { pending = 0, done = 1 };
    enum Flag : std::uint8_t {
        refused = 1,             // our own answer, not the callee's: `reason` is valid
        not_retryable = 2,       // the verdict forbids another attempt
        late = 4,                // the answer came after the deadline
        pushed_back = 8,         // the callee said when to come back: CallState::retry_after
        classifier_failed = 16,  // the classifier threw; counted as a failure
        open_asked = 32          // the callee asked breakers to open: CallState::open_for
    };

    TimePoint at = never;  // done: when it ended. pending: poll again then at the latest; `never` needs no timer
    State state = State::pending;
    CallResult result = CallResult::ignored;
    RejectionReason reason = RejectionReason::circuit_open;
    std::uint8_t flags = 0;

    [[nodiscard]] bool is_done() const noexcept { return state == State::done; }
    [[nodiscard]] bool is(Flag flag) const noexcept { return (flags & flag) != 0; }
    // Done, and what a breaker calls a success. A refused step is `ignored`, hence never ok.
    [[nodiscard]] bool ok() const noexcept { return is_done() && outcome_of(result) == Outcome::success; }

    [[nodiscard]] static Step wait(TimePoint until) noexcept { return Step{.at = until}; }
    [[nodiscard]] static Step end(CallResult result, TimePoint at, std::uint8_t flags = 0) noexcept {
        return Step{.at = at, .state = State::done, .result = result, .flags = flags};
    }
};
static_assert(sizeof(Step) == 16 && std::is_trivially_copyable_v<Step>, "a Step travels in two registers");

// Why an attempt is asked to stop. It decides how the attempt counts: stopped by a deadline it is the callee's failure,
// stopped by the caller it is nobody's.
enum class Cause : std::uint8_t { none = 0, deadline = 1, caller = 2 };

// What is known of one call beside its answer.
class CallState {
  public:
    // Written out, or `CallState{}` would clear the storage below as well.
    CallState() noexcept {}

    // Where a policy writes why it refuses. Raw until the first refusal, so that a call which meets none pays nothing
    // (a Rejection is of implicit-lifetime type: storage of bytes is enough for it to exist).
    [[nodiscard]] Rejection& refusal() noexcept { return *std::launder(reinterpret_cast<Rejection*>(refusal_)); }
    [[nodiscard]] bool met_refusal() const noexcept { return met_refusal_; }

    // The step of a refusal already written to refusal().
    [[nodiscard]] RESILIENCE_COLD Step refused(TimePoint now) noexcept {
        met_refusal_ = true;
        Step step = Step::end(CallResult::ignored, now, Step::refused);
        step.reason = refusal().reason;
        return step;
    }
    // The same of a policy that does not let a try in.
    [[nodiscard]] RESILIENCE_COLD Step turned_away(TimePoint now) noexcept {
        ++tries_refused;
        return refused(now);
    }
    [[nodiscard]] RESILIENCE_COLD Step refuse(const Rejection& why, TimePoint now) noexcept {
        refusal() = why;
        return refused(now);
    }

    Duration retry_after{};           // valid with Step::pushed_back
    Duration open_for;                // valid with Step::open_asked, and written only then
    Duration waited_in_queue{};       // summed by lines, of those who gave up as well
    Duration waited_in_backoff{};     // summed by retries
    std::uint32_t tries = 1;          // counted by retries, nested ones together
    std::uint32_t tries_refused = 0;  // of which: refused on the way in, so that no attempt began
    RetryStop retry_stopped = RetryStop::not_needed;

  private:
    bool met_refusal_ = false;
    alignas(Rejection) std::byte refusal_[sizeof(Rejection)];
};
static_assert(std::is_trivially_copyable_v<Rejection> && std::is_trivially_destructible_v<Rejection>);

}  // namespace resilience::inline v1
