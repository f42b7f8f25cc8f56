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
// shows it one outcome per call; a bulkhead holds its slot for what stands inside it, back-offs included.
//
// A call. Each policy is asked in turn; the first that refuses ends the attempt, and the permits taken before it are
// dropped in reverse order (tokens of a rate limiter are not given back: that would break its bound). A refusal inside
// is `ignored` by every policy outside.
//
// Threads: execute may be called from any number of threads at once. Cost: the policies' own atomics and two clock
// reads; no allocation, no lock, no virtual call. The pipeline itself is pointers and copies cheaply.

#include <concepts>
#include <cstddef>
#include <resilience/base/call_options.hpp>
#include <resilience/pipeline/answer.hpp>
#include <resilience/pipeline/blocking_driver.hpp>
#include <resilience/pipeline/elements.hpp>
#include <stop_token>
#include <tuple>
#include <type_traits>
#include <utility>

namespace resilience::inline v1 {

namespace detail {

inline const std::stop_token never_stops{};

// One static_assert a mistake, so that the compiler says what to write and nothing else.
template <class Pipeline, class Function>
[[nodiscard]] consteval bool check_function();

}  // namespace detail

template <class... Elements>
class Pipeline {
    static_assert(
        sizeof...(Elements) == 0 || !(detail::is_temporary<Elements> || ...),
        "resilience: a pipeline borrows its policies; pass a named object, a std::shared_ptr, or the policy's "
        "config (RetryConfig{…})");
    static_assert((detail::is_temporary<Elements> || ...) || detail::policy_count<Elements...> >= 1,
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
        std::size_t stage = 0;
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

    // The same in a time of your own, for tests and simulators.
    template <BlockingTime Time, class Function>
    auto execute_in(Time& time, const CallOptions& options, const std::stop_token& stop, Function&& function) const {
        if constexpr (detail::check_function<Pipeline, std::remove_reference_t<Function>>()) {
            return detail::execute_blocking(time, *this, options, stop, std::forward<Function>(function));
        }
    }

    // ---- for drivers ---------------------------------------------------------------------------------------------
    template <class Leaf>
    using Machine = typename detail::NestOf<Leaf, 0, Elements...>::type;

    template <int Index>
    [[nodiscard]] auto& policy() const noexcept {
        return *std::get<detail::place_of_policy<Index, Elements...>()>(held_).get();
    }
    [[nodiscard]] const auto& classifier() const noexcept {
        if constexpr (detail::classifier_count<Elements...> == 1) {
            return std::get<detail::place_of_classifier<Elements...>()>(held_).classifier();
        } else {
            static constexpr DefaultClassifier by_default{};
            return by_default;
        }
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
            using Classifier = std::remove_cvref_t<decltype(std::declval<const Pipeline&>().classifier())>;
            constexpr bool judged = accepts<Classifier, StoredResult<Raw>>();
            static_assert(
                judged,
                "resilience: the classifier must return resilience::Verdict or resilience::Outcome and accept "
                "the function's result");
            return judged;
        }
    }
    return false;
}

}  // namespace detail
}  // namespace resilience::inline v1
