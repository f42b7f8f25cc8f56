#pragma once

// Runs the user's function once and judges what came of it: the only place where the function and the classifier are
// called, and one of the few where exceptions are caught.
//
// Whatever they throw, the answer is kept, and the stages around get a result to settle their permits with. The one
// thing that passes is the forced unwind of a cancelled thread (pthread_cancel): swallowing it would end the process,
// so permits are dropped on its way out.

#include <concepts>
#include <exception>
#include <resilience/base/call_context.hpp>
#include <resilience/pipeline/classify.hpp>
#include <resilience/pipeline/slot.hpp>
#include <resilience/pipeline/step.hpp>
#include <type_traits>
#include <utility>
#if __has_include(<cxxabi.h>)
#include <cxxabi.h>
#endif

#if defined(__GLIBCXX__)
#define RESILIENCE_LET_FORCED_UNWIND_PASS \
    catch (abi::__forced_unwind&) {       \
        throw;                            \
    }
#else
#define RESILIENCE_LET_FORCED_UNWIND_PASS
#endif

namespace resilience::inline v1::detail {

// How an attempt ended, without the moment.
struct Judgement {
    CallResult result = CallResult::success;
    std::uint8_t flags = 0;
};

template <class Function>
concept CallableWithContext = std::invocable<Function&, CallContext&>;
template <class Function>
concept CallableAlone = std::invocable<Function&>;

template <class Function>
RESILIENCE_HOT decltype(auto) call_function(Function& function, CallContext& context) {
    if constexpr (CallableWithContext<Function>) {
        return function(context);
    } else {
        return function();
    }
}

// Not inlined: a verdict other than plain success is the exception.
[[nodiscard]] RESILIENCE_COLD inline Judgement judgement_of(const Verdict& verdict, CallState& call) noexcept {
    Judgement judgement{.result = verdict.result, .flags = 0};
    if (!verdict.retryable) judgement.flags |= Step::not_retryable;
    if (verdict.retry_after) {
        judgement.flags |= Step::pushed_back;
        call.retry_after = *verdict.retry_after;
    }
    if (verdict.open_for) {
        judgement.flags |= Step::open_asked;
        call.open_for = *verdict.open_for;
    }
    return judgement;
}

template <class Judge>
[[nodiscard]] RESILIENCE_HOT Judgement judge(Judge&& judge_it, CallState& call) {
    try {
        const Verdict verdict = judge_it();
        if (verdict.result == CallResult::success && verdict.retryable && !verdict.retry_after && !verdict.open_for)
            [[likely]]
            return {};
        return judgement_of(verdict, call);
    }
    RESILIENCE_LET_FORCED_UNWIND_PASS
    catch (...) {
        return {.result = CallResult::failure, .flags = Step::classifier_failed};
    }
}

template <class Result, class Classifier>
[[nodiscard]] RESILIENCE_COLD Judgement judge_thrown(const Classifier& classifier, Slot<Result>& slot,
                                                     CallState& call) {
    return judge([&] { return judge_exception(classifier, slot.exception()); }, call);
}

[[nodiscard]] RESILIENCE_COLD inline Judgement judgement_of_rejection(const Rejection& inside,
                                                                      CallState& call) noexcept {
    call.refusal() = inside;
    return {.result = CallResult::ignored, .flags = Step::refused};
}

template <class Result, class Classifier>
[[nodiscard]] RESILIENCE_HOT Judgement judge_slot(const Classifier& classifier, Slot<Result>& slot, CallState& call) {
    if (slot.has_exception()) [[unlikely]]
        return judge_thrown(classifier, slot, call);
    if (const auto inside = rejection_inside<Classifier>(slot.value())) [[unlikely]] {
        return judgement_of_rejection(*inside, call);
    }
    return judge([&] { return judge_value(classifier, slot.value()); }, call);
}

// Fills the slot. Throws nothing but a forced unwind.
template <class Result, class Function>
RESILIENCE_HOT void run_function(Function& function, CallContext& context, Slot<Result>& slot) {
    try {
        if constexpr (std::is_void_v<decltype(call_function(function, context))>) {
            call_function(function, context);
            slot.put_value([] { return NoValue{}; });
        } else {
            slot.put_value([&]() -> decltype(auto) { return call_function(function, context); });
        }
    }
    RESILIENCE_LET_FORCED_UNWIND_PASS
    catch (...) {
        slot.put_exception(std::current_exception());
    }
}

// The step an ended attempt makes. A late answer is the callee's failure, an unsuccessful one after the caller gave up
// is nobody's.
[[nodiscard]] RESILIENCE_HOT Step step_of(Judgement judgement, TimePoint at, TimePoint deadline, Cause cause,
                                          CallState& call) noexcept {
    if (at > deadline) [[unlikely]] {
        return Step::end(CallResult::timed_out, at, static_cast<std::uint8_t>(judgement.flags | Step::late));
    }
    Step step = Step::end(judgement.result, at, judgement.flags);
    if (step.is(Step::refused)) [[unlikely]] {
        const Step refused = call.refused(at);
        step.reason = refused.reason;
    } else if (cause != Cause::none && !step.ok()) [[unlikely]] {
        step.result = cause == Cause::deadline ? CallResult::timed_out : CallResult::cancelled;
    }
    return step;
}

}  // namespace resilience::inline v1::detail
