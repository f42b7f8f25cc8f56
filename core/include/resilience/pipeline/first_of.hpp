#pragma once

// Gradual degradation: the first source that answers serves the call, and the answer says how far down that was.
//
//     auto page = first_of([&] { return primary.execute(call_primary); },
//                          [&] { return secondary.execute(call_secondary); },
//                          cached_page);
//     show(page.value);
//     if (page.degraded()) log("served by level", page.level, to_string(*page.refused));
//
// A source is a function called without argument, or, in the last place, a plain value. The sources are asked in turn
// and each at most once. One that returns an `expected` with a Rejection in it (rejection_to.hpp) has not answered: the
// next is asked. Anything else is an answer: a value, and also an error of the callee's own. An exception passes
// through, for it is the callee's answer too; with `degrade_on_failure` as the first argument it, and an `expected`
// without value, lead to the next source as a rejection does, and only the last source's exception reaches the caller:
//
//     auto page = first_of(degrade_on_failure, from_primary, from_secondary, cached_page);
//
// What comes out: where the last source cannot refuse, a Served<T>; where it can, std::expected<Served<T>, Rejection>
// with the last source's rejection. T is what the sources return: for an expected<T, Rejection> its T, an `expected`
// with another error as it is. Cost: the sources' own; no allocation, no lock.

#include <concepts>
#include <cstddef>
#include <expected>
#include <optional>
#include <resilience/base/rejection.hpp>
#include <resilience/pipeline/classify.hpp>
#include <resilience/pipeline/run_attempt.hpp>
#include <tuple>
#include <type_traits>
#include <utility>

namespace resilience::inline v1 {

// An answer and the source it came from.
template <class T>
struct Served {
    T value;
    std::size_t level = 0;               // 0: the first source, 1: the second, …
    std::optional<Rejection> refused{};  // the last rejection met on the way, if any

    [[nodiscard]] bool degraded() const noexcept { return level != 0; }
};

// The first argument of first_of where failures of the callee degrade as well.
struct DegradeOnFailure {};
inline constexpr DegradeOnFailure degrade_on_failure{};

namespace detail {

// What a source gives when asked.
template <class Source>
[[nodiscard]] decltype(auto) ask(Source&& source) {
    if constexpr (std::invocable<Source&>) {
        return source();
    } else {
        return std::forward<Source>(source);
    }
}
template <class Source>
using Given = std::remove_cvref_t<decltype(ask(std::declval<Source>()))>;

// The value in it for the caller.
template <class Result>
struct ValueGiven {
    using type = Result;
};
template <class T>
struct ValueGiven<std::expected<T, Rejection>> {
    using type = T;
};
template <class Source>
using ValueOf = typename ValueGiven<Given<Source>>::type;

template <class Source>
inline constexpr bool may_refuse = false;
template <class Source>
    requires std::same_as<Given<Source>, std::expected<ValueOf<Source>, Rejection>>
inline constexpr bool may_refuse<Source> = true;

template <class T>
class Degrading {
  public:
    explicit Degrading(bool on_failure) noexcept : on_failure_(on_failure) {}

    // One source after the other; the last one's word is final.
    template <class Source, class... Others>
    [[nodiscard]] std::expected<Served<T>, Rejection> serve(std::size_t level, Source&& source, Others&&... others) {
        if constexpr (sizeof...(Others) == 0) {
            return answer(level, ask(std::forward<Source>(source)));
        } else {
            if (on_failure_) {
                try {
                    auto given = ask(std::forward<Source>(source));
                    if (answers(given)) return answer(level, std::move(given));
                }
                RESILIENCE_LET_FORCED_UNWIND_PASS
                catch (...) {
                }
            } else {
                auto given = ask(std::forward<Source>(source));
                if (answers(given)) return answer(level, std::move(given));
            }
            return serve(level + 1, std::forward<Others>(others)...);
        }
    }

  private:
    template <class Result>
    [[nodiscard]] bool answers(const Result& given) {
        if (const auto inside = rejection_inside<DefaultClassifier>(given)) {
            refused_ = *inside;
            return false;
        }
        if constexpr (is_expected<Result>) {
            if (on_failure_ && !given.has_value()) return false;
        }
        return true;
    }
    template <class Result>
    [[nodiscard]] std::expected<Served<T>, Rejection> answer(std::size_t level, Result&& given) {
        using Plain = std::remove_cvref_t<Result>;
        if constexpr (std::same_as<Plain, std::expected<T, Rejection>>) {
            if (!given) return std::unexpected(given.error());
            return Served<T>{*std::forward<Result>(given), level, refused_};
        } else {
            return Served<T>{T(std::forward<Result>(given)), level, refused_};
        }
    }

    bool on_failure_;
    std::optional<Rejection> refused_{};
};

template <class First, class... Others>
auto first_that_answers(bool on_failure, First&& first, Others&&... others) {
    using T = ValueOf<First>;
    using Last = std::tuple_element_t<sizeof...(Others), std::tuple<First, Others...>>;
    constexpr bool none_void = !std::is_void_v<T> && (!std::is_void_v<ValueOf<Others>> && ...);
    static_assert(none_void, "resilience: a source of first_of must return something");
    if constexpr (none_void) {
        constexpr bool fits = (std::convertible_to<ValueOf<Others>, T> && ...);
        static_assert(fits, "resilience: every source of first_of must return what the first one returns");
        if constexpr (fits) {
            auto served =
                Degrading<T>(on_failure).serve(0, std::forward<First>(first), std::forward<Others>(others)...);
            if constexpr (may_refuse<Last>) {
                return served;
            } else {
                return std::move(*served);
            }
        }
    }
}

}  // namespace detail

template <class First, class Second, class... Others>
    requires(!std::same_as<std::remove_cvref_t<First>, DegradeOnFailure>)
auto first_of(First&& first, Second&& second, Others&&... others) {
    return detail::first_that_answers(false, std::forward<First>(first), std::forward<Second>(second),
                                      std::forward<Others>(others)...);
}
template <class First, class Second, class... Others>
auto first_of(DegradeOnFailure, First&& first, Second&& second, Others&&... others) {
    return detail::first_that_answers(true, std::forward<First>(first), std::forward<Second>(second),
                                      std::forward<Others>(others)...);
}

}  // namespace resilience::inline v1
