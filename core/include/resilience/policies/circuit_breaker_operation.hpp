#pragma once

// One kind of call of several through a circuit breaker: "charge" and "refund" of one card host.
//
//     CircuitBreaker breaker{"card_host", {.operation_mode = OperationMode::isolate}};
//     const auto charge = breaker.operation("charge");                      // once, beside the breaker
//     auto permit = charge.try_acquire();                                   // asks the breaker as well
//     if (permit) permit->settle(pay() < 500 ? Outcome::success : Outcome::failure);
//     Pipeline guarded{breaker};
//     auto answer = guarded.execute(CallOptions{.operation = charge}, pay);
//
// track     The default. The operation has counters and a part of the breaker's window, for `stats().operations`; the
//           breaker judges the calls of all operations together.
// isolate   The operation also has a state, made from the breaker's configuration: it opens by its own calls, refuses
//           them as `circuit_open` and probes, while all other calls pass. From the moment it opens until it has been
//           closed for one window_size, its calls count for nobody else, and what they had left in the breaker's window
//           is not judged (they are in the breaker's totals). The breaker opens only by what several do: where it would
//           with any one operation left out. A success that makes what is left enough is not judged by this; the next
//           failure is.
//
// A call passes both: open, forced open or with its probe slots taken, the breaker refuses all operations. While it is
// half-open, an operation that is open still refuses; the calls of all others are probes of the breaker only, and
// decide nothing about their operation. When the breaker closes, operations that are closed begin with an empty window;
// `reset` closes all of them. `metrics_only` holds for them too: where one would have opened, its calls count for
// nobody else until one window_size after it last would have. Where either has an end, each operation then is again
// what it was before. While forced closed nobody judges. The ramp after recovery, growing and jittered open times and
// Verdict::open_for (which then opens the operation alone) hold for each operation by itself; hooks are asked about the
// breaker only. An operation that opens, probes and closes by itself is told of as operation_transition, an event of
// the breaker; what the breaker or a lever does with it is not. Where it opens while another thread pulls a lever, the
// two events may come in either order: ask `state`.
//
// The two-step form, `allow` and `record_result`, is always of the whole breaker. A handle that is given to a pipeline
// counts at the breaker that it belongs to; other breakers on the way see a plain call.
//
// A handle is 8 bytes, copies like a pointer, and must not outlive its breaker. The permits are the breaker's own.
// Threads: any. Cost beyond a plain call: with track the counters and the window once more; with isolate a second
// breaker as well. An operation takes memory like the counters and windows of a breaker, with isolate like two. A
// permit keeps 22 bits of the breaker's generation and 21 of the operation's: one that is out while exactly 4,194,304
// (2,097,152) changes of state happen, or a multiple, is taken for one of the present state.

#include <resilience/base/admission.hpp>
#include <resilience/base/call_options.hpp>
#include <resilience/base/circuit_state.hpp>
#include <resilience/base/rejection.hpp>
#include <resilience/base/time.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/circuit_breaker_permit.hpp>
#include <string_view>

namespace resilience::inline v1 {

// From `breaker.operation(name)`: the same name gives the same handle. Throws ConfigError for what is no name (see
// base/names.hpp) and std::bad_alloc. Beyond max_operations names every new one gives the handle of "other".
class CircuitBreaker::Operation : public OperationHandle {
  public:
    // As CircuitBreaker::try_acquire, for this operation. An operation that is open or full refuses in the breaker's
    // name.
    Admission<Permit> try_acquire(TimePoint now = Clock::now()) const noexcept;

    // The state its calls meet: the breaker's, or with isolate, where that admits them, its own.
    [[nodiscard]] CircuitState state(TimePoint now = Clock::now()) const noexcept;
    // Lives as long as the process.
    [[nodiscard]] std::string_view name() const noexcept;

    // ---- for the call machine: `handle` is not empty, and may be of another breaker. As CircuitBreaker::enter.
    [[nodiscard]] [[gnu::cold, gnu::noinline]] static bool enter(OperationHandle handle, CircuitBreaker& breaker,
                                                                 TimePoint now, Permit& permit,
                                                                 Rejection& why) noexcept;

  private:
    friend class CircuitBreaker;
    explicit Operation(detail::CircuitOperation& operation) noexcept : OperationHandle(&operation) {}
};
static_assert(sizeof(CircuitBreaker::Operation) == 8);

}  // namespace resilience::inline v1
