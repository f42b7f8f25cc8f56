#pragma once

// What `execute` returns, and how the end of a call becomes that.
//
//     the function returns        execute returns
//     T                           std::expected<T, Rejection>
//     void                        std::expected<void, Rejection>
//     std::expected<T, E>         the same type where rejection_to<E> exists (rejection_to.hpp), else std::expected of
//                                 it
//
// An exception of the function is thrown on unchanged. A late answer is dropped and becomes deadline_exceeded.

#include <exception>
#include <expected>
#include <resilience/base/rejection.hpp>
#include <resilience/pipeline/rejection_to.hpp>
#include <resilience/pipeline/slot.hpp>
#include <resilience/pipeline/step.hpp>
#include <type_traits>
#include <utility>

namespace resilience::inline v1 {

namespace detail {

template <class Raw>
struct AnswerOf {
    using type = std::expected<Raw, Rejection>;
};
template <class T, class Error>
    requires HoldsRejection<Error>
struct AnswerOf<std::expected<T, Error>> {
    using type = std::expected<T, Error>;
};

template <class Raw>
inline constexpr bool merges = false;
template <class T, class Error>
    requires HoldsRejection<Error>
inline constexpr bool merges<std::expected<T, Error>> = true;

}  // namespace detail

// The answer of a guarded function that returns `Raw`.
template <class Raw>
using Answer = typename detail::AnswerOf<std::remove_cvref_t<Raw>>::type;

namespace detail {

template <class Raw>
[[nodiscard]] RESILIENCE_COLD Answer<Raw> refused_answer(const Rejection& why) {
    if constexpr (merges<Raw>) {
        return Answer<Raw>(std::unexpect, rejection_to<typename Raw::error_type>::convert(why));
    } else {
        return Answer<Raw>(std::unexpect, why);
    }
}

[[nodiscard]] constexpr Rejection deadline_passed() noexcept {
    return Rejection{.reason = RejectionReason::deadline_exceeded, .kind = PolicyKind::timeout};
}

template <class Raw>
[[nodiscard]] RESILIENCE_HOT Answer<Raw> finish(const Step& step, CallState& call, Slot<StoredResult<Raw>>& slot) {
    if (step.flags != 0) [[unlikely]] {
        if (step.is(Step::late)) return refused_answer<Raw>(deadline_passed());
        if (step.is(Step::refused)) return refused_answer<Raw>(call.refusal());
    }
    if (slot.has_exception()) [[unlikely]]
        std::rethrow_exception(slot.exception());
    if constexpr (std::is_void_v<Raw>) {
        return {};
    } else {
        return std::move(slot.value());
    }
}

// The report's counterpart of the answer.
RESILIENCE_COLD inline void fill(CallReport& report, Step step, CallState& call, bool started) noexcept {
    report = CallReport{.attempts = started ? call.tries - call.tries_refused : 0,
                        .waited_in_queue = call.waited_in_queue,
                        .waited_in_backoff = call.waited_in_backoff,
                        .retry_stopped = call.retry_stopped};
    if (call.met_refusal()) report.refused = call.refusal();
    if (step.is(Step::late)) report.refused = deadline_passed();
}

}  // namespace detail
}  // namespace resilience::inline v1
