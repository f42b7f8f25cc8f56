#pragma once

// What policies tell those who listen: plain records, delivered in order and outside every lock.
//
//     Subscription log = manager.on_event([](const Event& event) { std::clog << event << '\n'; });
//
// Per policy, events arrive in the order of `sequence`; one listener may run at the same time for different policies.
// A listener may read stats, pull levers and call the policy it listens to: what it causes is delivered after it
// returns, never inside it. An exception it throws is caught and counted. A reader that falls 64 events behind loses
// the newest ones, which are counted; the gap shows in `sequence`, which numbers the events that anybody listens to.

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <resilience/base/circuit_state.hpp>
#include <resilience/base/outcome.hpp>
#include <resilience/base/rejection.hpp>
#include <resilience/base/time.hpp>
#include <string_view>
#include <utility>

namespace resilience::inline v1 {

enum class EventKind : std::uint8_t {
    transition = 0,         // a breaker changed its state
    lease_reclaimed = 1,    // a probe never reported and its slot was taken back
    lever = 2,              // somebody forced or reset a breaker, drained a limiter
    limit_changed = 3,      // set_rate, set_max_concurrent
    permitted = 4,          // an attempt was admitted
    refused = 5,            // an attempt was not admitted
    finished = 6,           // an admitted attempt was settled
    retry = 7,              // another attempt will follow
    threshold_reached = 8,  // a breaker that only measures would have opened; once for each reason and period
    added = 9,              // a manager made a policy
    removed = 10,           // a manager let a policy go
    // An operation of a breaker changed its own state by itself: see policies/circuit_breaker_operation.hpp.
    operation_transition = 11,
};

// Sets of kinds. `calls` cost work on every call and are therefore asked for by name; `registrations` come from a
// manager only, on its own count of `sequence`.
enum class EventKinds : std::uint32_t {
    none = 0,
    changes = 0b1001'0000'1111,
    calls = 0b0000'1111'0000,
    registrations = 0b0110'0000'0000,
    all = 0b1111'1111'1111,
};
[[nodiscard]] constexpr EventKinds operator|(EventKinds a, EventKinds b) noexcept {
    return static_cast<EventKinds>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}
[[nodiscard]] constexpr EventKinds only(EventKind kind) noexcept {
    return static_cast<EventKinds>(std::uint32_t{1} << static_cast<std::uint32_t>(kind));
}
[[nodiscard]] constexpr bool contains(EventKinds kinds, EventKind kind) noexcept {
    return (static_cast<std::uint32_t>(kinds) & static_cast<std::uint32_t>(only(kind))) != 0;
}

// One record for all kinds; the comment of a field names the kinds that fill it. What a transition fills an
// operation_transition fills too, with what holds for the operation.
struct Event {
    EventKind kind = EventKind::transition;
    PolicyKind policy = PolicyKind::circuit_breaker;
    std::string_view name{};       // of the policy; lives as long as the process
    std::uint64_t sequence = 0;    // per policy, rising
    TimePoint at{};                // when it was noticed
    TimePoint due{};               // transition: when it was due (an open period ends before the next call notices)
    CircuitState from{};           // transition
    CircuitState to{};             // transition
    TransitionCause cause{};       // transition, threshold_reached (the cause it would have had)
    std::uint64_t generation = 0;  // transition: the new one
    double value = 0;              // transition, threshold_reached: the ratio, or number in a row, that decided
    double threshold = 0;          // transition, threshold_reached: the limit it reached
    std::uint64_t requests = 0;  // transition, threshold_reached: calls the ratio was taken of, or probes that decided
    std::optional<Duration> retry_after{};  // transition to open, refused, retry: how long until it is worth trying
    RejectionReason reason{};               // refused
    CallResult result{};                    // finished, retry
    Duration took{};                        // finished, lease_reclaimed (age of the probe): how long
    std::uint32_t attempt = 0;              // retry: the attempt that just ended
    double limit_before = 0;                // limit_changed
    double limit_after = 0;                 // limit_changed
    std::string_view operation{};           // operation_transition: whose; lives as long as the process
};

using Listener = std::function<void(const Event&)>;

// Ends the listening when destroyed. When the destructor returns the listener does not run any more and what it
// captured is gone, unless it is the listener itself that ends its own subscription: then it is gone once it has
// returned. The destructor waits for a listener that runs on another thread, so hold nothing then that the listener
// waits for. Outlives its policy without harm.
class [[nodiscard("a dropped subscription stops listening at once")]] Subscription {
  public:
    Subscription() = default;
    explicit Subscription(std::shared_ptr<void> hold) noexcept : hold_(std::move(hold)) {}
    void reset() noexcept { hold_.reset(); }
    [[nodiscard]] explicit operator bool() const noexcept { return hold_ != nullptr; }

  private:
    std::shared_ptr<void> hold_;
};

[[nodiscard]] std::string_view to_string(EventKind kind) noexcept;
std::ostream& operator<<(std::ostream& out, EventKind kind);

// One line of logfmt without a line end, the kind's own fields only. Durations in seconds, no time of day:
//     level=warn kind=circuit_breaker name=payment_api event=transition from=closed to=open cause=failure_ratio
//     failure_ratio=0.58 threshold=0.50 requests=40 retry_after_seconds=60 generation=8       (all on one line)
std::ostream& operator<<(std::ostream& out, const Event& event);

}  // namespace resilience::inline v1
