#pragma once

// What `execute_or` does around `execute`: another answer in place of a rejection.
//
//     std::string page = guarded.execute_or(fetch, [&](const Rejection&) { return cached; });
//
//     the function returns        execute_or returns
//     T, void                     T, void: there is no rejection left
//     std::expected<T, E>         the same type; an error of the function's own passes through
//
// The fallback is called when the call was refused: by a policy, by its deadline (also when the answer came too late),
// because the caller gave up, or by a Rejection inside the function's own result. An exception of the function passes
// through, and so does the last answer of a retry that is exhausted: those are the callee's answers, not ours. The
// fallback runs on the caller's thread after every permit has been settled, so no policy sees it and nothing is held
// meanwhile; its own exception is the caller's. Afterwards CallReport::served_by is "fallback", and CallReport::refused
// is what it was given.

#include <concepts>
#include <expected>
#include <resilience/base/call_options.hpp>
#include <resilience/pipeline/classify.hpp>
#include <resilience/pipeline/run_attempt.hpp>
#include <resilience/pipeline/slot.hpp>
#include <type_traits>
#include <utility>

namespace resilience::inline v1::detail {

// A function's result kept apart from rejections, whatever its type: `execute` gives expected<Apart<R>, Rejection>,
// from which one can tell who refused. Classifiers judge what is inside.
template <class Result>
struct Apart {
    Result result;
};

template <class Result>
struct Judged<Apart<Result>> {
    template <class Classifier>
    [[nodiscard]] static constexpr bool accepted_by() {
        return accepts<Classifier, Result>();
    }
    template <class Classifier>
    [[nodiscard]] RESILIENCE_HOT static Verdict by(const Classifier& classifier, const Apart<Result>& apart) {
        return judge_value(classifier, apart.result);
    }
    template <class Classifier>
    [[nodiscard]] RESILIENCE_HOT static auto rejection_inside(const Apart<Result>& apart) {
        return detail::rejection_inside<Classifier>(apart.result);
    }
};

template <class Function>
using RawResult = std::remove_cvref_t<decltype(call_function(std::declval<Function&>(), std::declval<CallContext&>()))>;

// The function with its result kept apart; borrows it.
template <class Function>
[[nodiscard]] auto keep_apart(Function& function) {
    using Raw = RawResult<Function>;
    return [&function](CallContext& context) -> Apart<StoredResult<Raw>> {
        if constexpr (std::is_void_v<Raw>) {
            call_function(function, context);
            return {};
        } else {
            return {call_function(function, context)};
        }
    };
}

// One static_assert a mistake.
template <class Raw, class Fallback>
[[nodiscard]] consteval bool check_fallback() {
    constexpr bool callable = std::invocable<Fallback&, const Rejection&>;
    static_assert(callable, "resilience: execute_or needs a fallback callable with (const resilience::Rejection&)");
    if constexpr (callable) {
        constexpr bool fits = std::convertible_to<std::invoke_result_t<Fallback&, const Rejection&>, Raw>;
        static_assert(fits, "resilience: the fallback must return what the function returns");
        return fits;
    }
    return false;
}

// Not inlined: a rejection is the exception.
template <class Raw, class Fallback>
[[nodiscard]] RESILIENCE_COLD Raw fall_back(const Rejection& why, CallReport* report, Fallback& fallback) {
    if (report) report->served_by = "fallback";
    return fallback(why);
}

template <class Raw, class Fallback>
[[nodiscard]] Raw answer_or(std::expected<Apart<StoredResult<Raw>>, Rejection>&& answer, CallReport* report,
                            Fallback& fallback) {
    if (!answer) [[unlikely]]
        return fall_back<Raw>(answer.error(), report, fallback);
    if constexpr (!std::is_void_v<Raw>) return std::move(answer->result);
}

}  // namespace resilience::inline v1::detail
