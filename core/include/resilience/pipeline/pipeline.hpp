#pragma once

// A composition of policies around a function, outermost first.
//
//     CircuitBreaker breaker{"card_host", {.timeout = 10s}};
//     RateLimiter limiter{"card_host", {.capacity = 100, .refill_rate = 10.0}};
//     Pipeline guarded{RetryConfig{.max_attempts = 3}, breaker, limiter};
//     std::expected<std::string, Rejection> answer = guarded.execute([&] { return fetch(url); });
//
// The list. A named policy is borrowed and must outlive the pipeline, a std::shared_ptr is shared, a config is built
// into an unnamed policy of its own that copies of the pipeline share. `classify(f)` anywhere in the list judges
// results. Any order compiles; what it means: a retry outside a breaker asks it before every attempt, a retry inside
// shows it one outcome per call; a bulkhead holds its slot for what stands inside it, back-offs included. `notes()`
// says of the order at hand what may surprise. elements.hpp lists what may stand in the list.
//
// Pipelines nest. A pipeline in the list of another stands for its stages: `Pipeline outer{retry, guarded}` is the
// retry around them, one call and one report. A call inside a guarded function is a call of its own; the deadline and
// the priority of the outer one go with it when it is told so, and the earliest deadline wins:
//
//     outer.execute([&](CallContext& call) { return inner.execute(call.options(), call.stop_token(), fetch); });
//
// A call. Each policy is asked in turn; the first that refuses ends the attempt, and the permits taken before it are
// dropped in reverse order (tokens of a rate limiter are not given back: that would break its bound). A refusal inside
// is `ignored` by every policy outside.
//
// Threads: execute may be called from any number of threads at once. Cost: the policies' own atomics and two clock
// reads; no allocation, no lock, no virtual call. The pipeline itself is pointers and copies cheaply. Its type lists
// its policies; where a type must be written down, a member or a container, use AnyPipeline.

#include <concepts>
#include <cstddef>
#include <resilience/base/call_options.hpp>
#include <resilience/pipeline/answer.hpp>
#include <resilience/pipeline/blocking_driver.hpp>
#include <resilience/pipeline/elements.hpp>
#include <resilience/pipeline/execute_or.hpp>
#include <resilience/pipeline/notes.hpp>
#include <stop_token>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace resilience::inline v1 {

namespace detail {

// One static_assert a mistake, so that the compiler says what to write and nothing else.
template <class Pipeline, class Function>
[[nodiscard]] consteval bool check_function();

template <class Pipeline, class Run, class Function, class Fallback>
auto execute_or_with(Run&& run, CallReport* report, Function& function, Fallback& fallback);

}  // namespace detail

template <class... Elements>
class Pipeline {
    static_assert(
        sizeof...(Elements) == 0 || !(detail::is_temporary<Elements> || ...),
        "resilience: a pipeline borrows its policies; pass a named object, a std::shared_ptr, or the policy's "
        "config (RetryConfig{…})");
    static_assert(!(detail::is_no_element<Elements> || ...),
                  "resilience: a pipeline lists policies, their configs, classify(...) and other pipelines; for a "
                  "policy of your own see resilience::Gate");
    static_assert((detail::is_temporary<Elements> || ...) || (detail::is_no_element<Elements> || ...) ||
                      detail::policy_count<Elements...> >= 1,
                  "resilience: a pipeline has at least one policy");
    static_assert(detail::retry_count<Elements...> < 2 || (std::same_as<Elements, AllowNestedRetry> || ...),
                  "resilience: two retries in one pipeline multiply attempts; say allow_nested_retry if you mean it");
    static_assert(detail::classifier_count<Elements...> <= 1, "resilience: a pipeline has at most one classifier");

  public:
    // Throws ConfigError: a bad config, or a null std::shared_ptr ("stage 1: null circuit breaker").
    template <class... Arguments>
        requires(sizeof...(Arguments) == sizeof...(Elements) &&
                 !(sizeof...(Arguments) == 1 && (std::same_as<std::remove_cvref_t<Arguments>, Pipeline> && ...)))
    explicit Pipeline(Arguments&&... arguments)
        : held_(detail::HeldPolicy<Elements>(detail::as_held(std::forward<Arguments>(arguments)))...) {
        ConfigProblems problems("pipeline");
        int stage = 0;
        std::apply([&](const auto&... held) { (detail::refuse_null(held, stage, problems), ...); }, held_);
        problems.throw_if_any();
    }

    // Runs `function`, called with no argument or with (CallContext&), on this thread. Returns Answer<R>; exceptions of
    // the function propagate once no attempt is left.
    template <class Function>
        requires(!std::same_as<std::remove_cvref_t<Function>, CallOptions>)
    auto execute(Function&& function) const {
        return execute(CallOptions{}, detail::never_stops, std::forward<Function>(function));
    }
    template <class Function>
    auto execute(const CallOptions& options, Function&& function) const {
        return execute(options, detail::never_stops, std::forward<Function>(function));
    }
    // `stop` ends a back-off at once with `cancelled`; the function sees it in its context.
    template <class Function>
    auto execute(const CallOptions& options, const std::stop_token& stop, Function&& function) const {
        RealTime time;
        return execute_in(time, options, stop, std::forward<Function>(function));
    }

    // The function's result itself: where execute returns a rejection, what `fallback(const Rejection&)` returns.
    template <class Function, class Fallback>
        requires(!std::same_as<std::remove_cvref_t<Function>, CallOptions>)
    auto execute_or(Function&& function, Fallback&& fallback) const {
        return execute_or(CallOptions{}, detail::never_stops, function, fallback);
    }
    template <class Function, class Fallback>
    auto execute_or(const CallOptions& options, Function&& function, Fallback&& fallback) const {
        return execute_or(options, detail::never_stops, function, fallback);
    }
    template <class Function, class Fallback>
    auto execute_or(const CallOptions& options, const std::stop_token& stop, Function&& function,
                    Fallback&& fallback) const {
        RealTime time;
        return execute_or_in(time, options, stop, function, fallback);
    }

    // The same in a time of your own, for tests and simulators.
    template <BlockingTime Time, class Function>
    auto execute_in(Time& time, const CallOptions& options, const std::stop_token& stop, Function&& function) const {
        if constexpr (detail::check_function<Pipeline, std::remove_reference_t<Function>>()) {
            return detail::execute_blocking(time, *this, options, stop, std::forward<Function>(function));
        }
    }
    template <BlockingTime Time, class Function, class Fallback>
    auto execute_or_in(Time& time, const CallOptions& options, const std::stop_token& stop, Function&& function,
                       Fallback&& fallback) const {
        return detail::execute_or_with<Pipeline>(
            [&](auto&& apart) { return detail::execute_blocking(time, *this, options, stop, apart); }, options.report,
            function, fallback);
    }

    // What this order means, in words: consequences, never a refusal. With options also what they mean for it.
    [[nodiscard]] std::vector<Note> notes(const CallOptions& options = {}) const {
        std::vector<detail::NotedStage> stages;
        visit_policies([&stages](const auto& policy) { stages.push_back(detail::noted(policy)); });
        return detail::notes_on(stages, options);
    }

    // ---- for drivers ---------------------------------------------------------------------------------------------
    template <class Leaf>
    using Machine = typename detail::NestOf<Leaf, 0, Elements...>::type;

    template <int Index>
    [[nodiscard]] RESILIENCE_HOT const auto& held() const noexcept {
        constexpr detail::Place place = detail::place_of_policy<Index, Elements...>();
        const auto& entry = std::get<place.entry>(held_);
        if constexpr (requires { entry.inner(); }) {
            return entry.inner().template held<place.number>();
        } else {
            return entry;
        }
    }
    template <int Index>
    [[nodiscard]] RESILIENCE_HOT auto& policy() const noexcept {
        return *held<Index>().get();
    }
    [[nodiscard]] RESILIENCE_HOT const auto& classifier() const noexcept {
        if constexpr (detail::classifier_count<Elements...> == 1) {
            const auto& held = std::get<detail::place_of_classifier<Elements...>()>(held_);
            if constexpr (requires { held.inner(); }) {
                return held.inner().classifier();
            } else {
                return held.classifier();
            }
        } else {
            static constexpr DefaultClassifier by_default{};
            return by_default;
        }
    }
    // Each policy once, outermost first; one with a classifier of its own together with that.
    template <class Visit>
    void visit_policies(Visit&& visit) const {
        [&]<int... Number>(std::integer_sequence<int, Number...>) {
            (visit(policy<Number>()), ...);
        }(std::make_integer_sequence<int, detail::policy_count<Elements...>>{});
    }
    static constexpr bool judges = detail::Counts<Pipeline>::judges;
    // Whether every classifier in the list accepts what a function returns.
    template <class Result>
    [[nodiscard]] static consteval bool classifiers_accept() {
        return (detail::element_accepts<Elements, Result>() && ...);
    }

  private:
    std::tuple<detail::HeldPolicy<Elements>...> held_;
};

template <class... Arguments>
Pipeline(Arguments&&...) -> Pipeline<typename detail::ElementOf<Arguments>::type...>;

namespace detail {

template <class T>
concept CoroutineOrFuture =
    requires { typename T::promise_type; } || requires(T& value) { value.await_ready(); } || requires(T& value) {
        value.wait();
        value.get();
    };

template <class Pipeline, class Function>
consteval bool check_function() {
    constexpr bool callable = CallableAlone<Function> || CallableWithContext<Function>;
    static_assert(callable,
                  "resilience: execute needs a function callable with no argument or with (resilience::CallContext&)");
    if constexpr (callable) {
        using Raw = decltype(call_function(std::declval<Function&>(), std::declval<CallContext&>()));
        using Plain = std::remove_cvref_t<Raw>;
        constexpr bool later = CoroutineOrFuture<Plain>;
        constexpr bool reference = std::is_reference_v<Raw>;
        constexpr bool rejection = std::same_as<Plain, Rejection>;
        static_assert(!later,
                      "resilience: this function returns a coroutine or future; use resilience::async_execute "
                      "(adapters/asio)");
        static_assert(!reference, "resilience: this function returns a reference; return a value or a pointer");
        static_assert(!rejection,
                      "resilience: this function returns a Rejection; return std::expected<T, Rejection> instead");
        if constexpr (!later && !reference && !rejection) {
            constexpr bool judged = Pipeline::template classifiers_accept<StoredResult<Raw>>();
            static_assert(
                judged,
                "resilience: the classifier must return resilience::Verdict or resilience::Outcome and accept "
                "the function's result");
            return judged;
        }
    }
    return false;
}

// `run` makes the call with the function that is given to it, and returns what came of it.
template <class Pipeline, class Run, class Function, class Fallback>
auto execute_or_with(Run&& run, CallReport* report, Function& function, Fallback& fallback) {
    if constexpr (check_function<Pipeline, Function>()) {
        using Raw = RawResult<Function>;
        if constexpr (check_fallback<Raw, Fallback>()) {
            auto apart = keep_apart(function);
            return answer_or<Raw>(run(apart), report, fallback);
        }
    }
}

}  // namespace detail
}  // namespace resilience::inline v1
