#pragma once

// How the answer of a function becomes a verdict.
//
//     struct Judge {
//         Verdict operator()(const Response& response) const { … }              // the function's result
//         Outcome operator()(const std::exception_ptr&) const { … }             // optional: exceptions
//     };
//     Pipeline guarded{classify(Judge{}), RetryConfig{}, breaker};
//
// Without a classifier an exception and an `expected` without value are failures worth a retry, everything else is a
// success; a Rejection inside an `expected` (see rejection_to.hpp) is a rejection, not a failure. With one, a function
// that returns `expected<T, E>` may be judged by its T: then a rejection inside stays a rejection, and any other
// valueless case a failure. A classifier runs once per attempt on the thread that runs the attempt, may be called from
// many threads at once, and should not throw: if it does, the attempt counts as a failure, `classifier_errors` rises,
// and the caller still gets the function's own answer.
//
// One breaker may judge by rules of its own; the other policies, and what the retry sees, stay with the pipeline's:
//
//     Pipeline guarded{RetryConfig{}, breaker.with(ServerErrorsOnly{}), bulkhead};

#include <concepts>
#include <exception>
#include <expected>
#include <resilience/base/inlining.hpp>
#include <resilience/base/verdict.hpp>
#include <resilience/pipeline/rejection_to.hpp>
#include <resilience/pipeline/slot.hpp>
#include <resilience/pipeline/step.hpp>
#include <type_traits>
#include <utility>

namespace resilience::inline v1 {

// The classifier of a pipeline that names none.
struct DefaultClassifier {};

template <class Classifier>
struct ClassifyWith {
    using classifier_type = Classifier;
    Classifier classifier;
};

// Gives a pipeline its classifier. Anywhere in the list, at most once.
template <class Classifier>
[[nodiscard]] constexpr ClassifyWith<std::decay_t<Classifier>> classify(Classifier&& classifier) {
    return {std::forward<Classifier>(classifier)};
}

namespace detail {

template <class T>
inline constexpr bool is_expected = false;
template <class T, class E>
inline constexpr bool is_expected<std::expected<T, E>> = true;

template <class T>
concept VerdictLike = std::same_as<std::remove_cvref_t<T>, Verdict> || std::same_as<std::remove_cvref_t<T>, Outcome>;

[[nodiscard]] constexpr Verdict as_verdict(Outcome outcome) noexcept { return Verdict::of(outcome); }
[[nodiscard]] constexpr Verdict as_verdict(const Verdict& verdict) noexcept { return verdict; }

template <class Classifier, class Result>
concept JudgesResult = requires(const Classifier& classifier, const Result& result) {
    { classifier(result) } -> VerdictLike;
};
template <class Classifier, class Result>
concept JudgesValueOf = is_expected<Result> && JudgesResult<Classifier, typename Result::value_type>;
template <class Classifier>
concept JudgesNothing = requires(const Classifier& classifier) {
    { classifier() } -> VerdictLike;
};
template <class Classifier>
concept JudgesException = requires(const Classifier& classifier, const std::exception_ptr& exception) {
    { classifier(exception) } -> VerdictLike;
};

// How a classifier judges a result. Specialised for results that stand for another one.
template <class Result>
struct Judged {
    template <class Classifier>
    [[nodiscard]] static constexpr bool accepted_by() {
        return std::same_as<Classifier, DefaultClassifier> || std::same_as<Result, NoValue> ||
               JudgesResult<Classifier, Result> || JudgesValueOf<Classifier, Result>;
    }

    template <class Classifier>
    [[nodiscard]] RESILIENCE_HOT static Verdict by(const Classifier& classifier, const Result& result) {
        if constexpr (std::same_as<Classifier, DefaultClassifier>) {
            if constexpr (is_expected<Result>) {
                return Verdict::of(result.has_value() ? Outcome::success : Outcome::failure);
            }
            return Verdict::of(Outcome::success);
        } else if constexpr (std::same_as<Result, NoValue>) {
            if constexpr (JudgesNothing<Classifier>) return as_verdict(classifier());
            return Verdict::of(Outcome::success);
        } else if constexpr (JudgesResult<Classifier, Result>) {
            return as_verdict(classifier(result));
        } else {
            return result.has_value() ? as_verdict(classifier(*result)) : Verdict::of(Outcome::failure);
        }
    }

    // A Rejection that the function itself returned, for example from a pipeline inside it: a pointer or an optional.
    // A classifier that judges the whole `expected` has the first word on it.
    template <class Classifier>
    [[nodiscard]] RESILIENCE_HOT static auto rejection_inside(const Result& result) {
        if constexpr (is_expected<Result> && !JudgesResult<Classifier, Result>) {
            if constexpr (FindsRejection<typename Result::error_type>) {
                using To = rejection_to<typename Result::error_type>;
                using Found = decltype(To::find(result.error()));
                return result.has_value() ? Found{} : To::find(result.error());
            } else {
                return static_cast<const Rejection*>(nullptr);
            }
        } else {
            return static_cast<const Rejection*>(nullptr);
        }
    }
};

template <class Classifier, class Result>
[[nodiscard]] constexpr bool accepts() {
    return Judged<Result>::template accepted_by<Classifier>();
}
// The verdict on a result that is there.
template <class Classifier, class Result>
[[nodiscard]] RESILIENCE_HOT Verdict judge_value(const Classifier& classifier, const Result& result) {
    return Judged<Result>::by(classifier, result);
}
template <class Classifier, class Result>
[[nodiscard]] RESILIENCE_HOT auto rejection_inside(const Result& result) {
    return Judged<Result>::template rejection_inside<Classifier>(result);
}

template <class Classifier>
[[nodiscard]] Verdict judge_exception(const Classifier& classifier, const std::exception_ptr& exception) {
    if constexpr (JudgesException<Classifier>) return as_verdict(classifier(exception));
    return Verdict::of(Outcome::failure);
}

}  // namespace detail
}  // namespace resilience::inline v1
