#pragma once

// Runs a call on the caller's own thread: the function where it stands, a back-off as sleep.
//
// A running function cannot be interrupted. A deadline is handed to it in its context, and an answer that comes after
// it becomes deadline_exceeded. A stop token ends a back-off at once with `cancelled`.
// Cost: two clock reads, the policies' own atomics, no allocation, no lock. An exception costs what throwing costs.

#include <memory>
#include <resilience/base/call_options.hpp>
#include <resilience/base/parker.hpp>
#include <resilience/base/waiter.hpp>
#include <resilience/pipeline/answer.hpp>
#include <resilience/pipeline/blocking_time.hpp>
#include <resilience/pipeline/machine.hpp>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace resilience::inline v1::detail {

inline const std::stop_token never_stops{};

// What every part of one blocking call shares.
template <class Pipeline, class Time>
struct BlockingCall {
    const Pipeline& pipeline;
    Time& time;
    const std::stop_token& stop;
    CallState state{};

    static constexpr CallContext::Services services{
        .now = [](const void* call) noexcept { return static_cast<const BlockingCall*>(call)->time.now(); },
        .stop_token = [](void* call) { return static_cast<BlockingCall*>(call)->stop; }};
};

// The end of an attempt that has just run here.
template <class Result, class Function, class Pipeline, class Time>
RESILIENCE_HOT Step run_here(Function& function, Attempt<Result>& attempt, CallContext& context,
                             BlockingCall<Pipeline, Time>& call) {
    run_function(function, context, attempt.answer());
    const Judgement judgement = judge_slot(call.pipeline.classifier(), attempt.answer(), call.state);
    // A caller who gave up meanwhile is asked about only where it matters: after an answer that is no success.
    const bool failed = outcome_of(judgement.result) != Outcome::success;
    const Cause cause = failed && call.stop.stop_requested() ? Cause::caller : Cause::none;
    return step_of(judgement, call.time.now(), context.deadline(), cause, call.state);
}

// The driver of everything after the first failure or wait. The function is erased to a pointer, so this code exists
// once per result type and not once per lambda.
template <class Result, class Pipeline, class Time>
class ErasedDriver {
  public:
    using Run = Step (*)(void*, Attempt<Result>&, CallContext&, BlockingCall<Pipeline, Time>&);

    ErasedDriver(void* function, Run run, BlockingCall<Pipeline, Time>& call) noexcept
        : function_(function), run_(run), call_(call) {}

    template <int Index>
    [[nodiscard]] auto& policy() const noexcept {
        return call_.pipeline.template policy<Index>();
    }
    template <int Index>
    [[nodiscard]] const auto& held() const noexcept {
        return call_.pipeline.template held<Index>();
    }
    [[nodiscard]] CallState& call() const noexcept { return call_.state; }
    [[nodiscard]] ErasedDriver& cold() noexcept { return *this; }
    [[nodiscard]] Random& random() const noexcept { return call_.time.random(); }
    [[nodiscard]] bool stop_requested() const noexcept { return call_.stop.stop_requested(); }
    [[nodiscard]] TimePoint now() const noexcept { return call_.time.now(); }
    // Where a queue wakes this thread. Asked for by polls only, hence inside finish_waiting.
    static constexpr bool blocks = true;
    [[nodiscard]] Waker waker() const noexcept {
        return {[](void* parker, Waiter& waiter) noexcept {
                    static_cast<Parker*>(parker)->wake([&waiter] { waiter.arrive(); });
                },
                parker_};
    }
    void await_delivery(const Waiter& waiter) {
        while (waiter.look() == WaitState::called || waiter.look() == WaitState::leaving) parker_->park(never, {});
    }
    Step begin(Attempt<Result>& attempt, CallContext& context, TimePoint) {
        return run_(function_, attempt, context, call_);
    }
    // Attempts end inside begin, so there is never one to stop or to judge later.
    void stop(Attempt<Result>&) noexcept {}
    [[nodiscard]] Judgement judge(Attempt<Result>& attempt) {
        return judge_slot(call_.pipeline.classifier(), attempt.answer(), call_.state);
    }

    // Waits and polls until the call is done. A forced unwind on the way abandons the machine, which drops its permits.
    template <class Machine>
    RESILIENCE_COLD Step finish_waiting(Machine& machine, Step step) {
        Parker parker;
        parker_ = &parker;
        auto abandon = [this](Machine* pending) noexcept { pending->abandon(*this); };
        std::unique_ptr<Machine, decltype(abandon)> pending(&machine, abandon);
        bool cancelled = false;
        do {
            TimePoint now = call_.time.now();
            if (step.at > now) {
                // A stop that is known must not keep waking a thread that waits for something else.
                call_.time.wait_until(step.at, cancelled ? never_stops : call_.stop, parker);
                now = call_.time.now();
            }
            if (!cancelled && call_.stop.stop_requested()) {
                cancelled = true;
                machine.cancel(*this, now, Cause::caller);
            }
            step = machine.poll(*this, now);
        } while (!step.is_done());
        (void)pending.release();
        return step;
    }

  private:
    void* function_;
    Run run_;
    BlockingCall<Pipeline, Time>& call_;
    Parker* parker_ = nullptr;
};

// The driver of the way in: the function is known and melts into the caller.
template <class Function, class Result, class Pipeline, class Time>
class InlineDriver {
    using Erased = ErasedDriver<Result, Pipeline, Time>;

  public:
    InlineDriver(Function& function, Erased& erased, BlockingCall<Pipeline, Time>& call) noexcept
        : function_(function), erased_(erased), call_(call) {}

    template <int Index>
    [[nodiscard]] RESILIENCE_HOT auto& policy() const noexcept {
        return call_.pipeline.template policy<Index>();
    }
    template <int Index>
    [[nodiscard]] RESILIENCE_HOT const auto& held() const noexcept {
        return call_.pipeline.template held<Index>();
    }
    [[nodiscard]] CallState& call() const noexcept { return call_.state; }
    [[nodiscard]] Erased& cold() noexcept { return erased_; }
    RESILIENCE_HOT Step begin(Attempt<Result>& attempt, CallContext& context, TimePoint) {
        return run_here(function_, attempt, context, call_);
    }

  private:
    Function& function_;
    Erased& erased_;
    BlockingCall<Pipeline, Time>& call_;
};

[[nodiscard]] RESILIENCE_HOT TimePoint deadline_of(const CallOptions& options, TimePoint now) noexcept {
    TimePoint deadline = options.deadline.value_or(never);
    if (options.timeout) {
        const TimePoint by_timeout = saturating_add(now, *options.timeout);
        if (by_timeout < deadline) deadline = by_timeout;
    }
    return deadline;
}

// Before anything is asked of anybody: a caller that is gone, or has no time left, takes no permit.
[[nodiscard]] RESILIENCE_HOT bool has_no_use(const std::stop_token& stop, TimePoint deadline, TimePoint now) noexcept {
    return now >= deadline || stop.stop_requested();
}
[[nodiscard]] RESILIENCE_COLD inline Step refuse_at_once(CallState& call, const std::stop_token& stop, TimePoint now) {
    if (!stop.stop_requested()) return call.refuse(deadline_passed(), now);
    return call.refuse(Rejection{.reason = RejectionReason::cancelled, .kind = PolicyKind::pipeline}, now);
}

template <class Time, class Pipeline, class Function>
RESILIENCE_HOT auto execute_blocking(Time& time, const Pipeline& pipeline, const CallOptions& options,
                                     const std::stop_token& stop, Function&& function) {
    using Callable = std::remove_reference_t<Function>;
    using Raw = std::remove_cvref_t<decltype(call_function(function, std::declval<CallContext&>()))>;
    using Result = StoredResult<Raw>;
    using Machine = typename Pipeline::template Machine<Attempt<Result>>;
    using Erased = ErasedDriver<Result, Pipeline, Time>;

    BlockingCall<Pipeline, Time> call{.pipeline = pipeline, .time = time, .stop = stop};
    Machine machine;
    Callable* target = std::addressof(function);  // by its address: a plain function has no void* of its own
    Erased erased(
        &target,
        [](void* erased_function, Attempt<Result>& attempt, CallContext& context,
           BlockingCall<Pipeline, Time>& shared) {
            return run_here(**static_cast<Callable**>(erased_function), attempt, context, shared);
        },
        call);
    InlineDriver<Callable, Result, Pipeline, Time> driver(function, erased, call);

    const TimePoint now = time.now();
    CallContext context(now, deadline_of(options, now), options.priority, options.tokens, options.operation);
    context.serve_from(BlockingCall<Pipeline, Time>::services, &call);

    const bool started = !has_no_use(stop, context.deadline(), now);
    Step step = started ? machine.start(driver, context, now) : refuse_at_once(call.state, stop, now);
    if (!step.is_done()) [[unlikely]]
        step = erased.finish_waiting(machine, step);
    if (options.report) [[unlikely]]
        fill(*options.report, step, call.state, started);
    return finish<Raw>(step, call.state, machine.answer());
}

}  // namespace resilience::inline v1::detail
