#pragma once

// Any pipeline behind one type: for members of classes, containers, and interfaces between translation units.
//
//     class CardHost {
//       public:
//         explicit CardHost(AnyPipeline guarded) : guarded_(std::move(guarded)) {}
//         std::expected<Receipt, Rejection> charge(const Card& card) {
//             return guarded_.execute(CallOptions{.timeout = 2s}, [&] { return client_.charge(card); });
//         }
//       private:
//         AnyPipeline guarded_;
//     };
//     CardHost host{Pipeline{RetryConfig{}, breaker, limiter}};
//
// execute, execute_or and notes are those of Pipeline, for functions of every result type, with the same answers: only
// the way to the call machine is one indirect call, and the way from it to the function another. An AnyPipeline holds
// its pipeline as that holds its policies, so a borrowed policy must outlive it too. Copies share.
//
// Classifiers. A pipeline with a classifier of its own (`classify(f)`, `breaker.with(f)`) judges values of known types,
// and here the types of the calls to come are not known. So it says which results its functions return, each exactly
// as it is returned:
//
//     AnyPipeline guarded{Pipeline{classify(StatusJudge{}), retry, breaker}, judging<Response, int>};
//
// That each of them can be judged is checked by the compiler. Executing a function with another result throws
// std::logic_error before any policy is asked; functions that return nothing need not be listed.
//
// An empty AnyPipeline (default-constructed, moved from) refuses to execute with std::logic_error: it guards nothing,
// and running the function unguarded would hide that.
//
// Threads: as Pipeline; assigning to an AnyPipeline while another thread executes it is a race. Cost: Pipeline's own
// and the two indirect calls; no allocation per call, one for each AnyPipeline made from a pipeline.

#include <concepts>
#include <memory>
#include <resilience/base/call_options.hpp>
#include <resilience/base/rejection.hpp>
#include <resilience/pipeline/answer.hpp>
#include <resilience/pipeline/erased_call.hpp>
#include <resilience/pipeline/execute_or.hpp>
#include <resilience/pipeline/notes.hpp>
#include <resilience/pipeline/pipeline.hpp>
#include <stop_token>
#include <type_traits>
#include <utility>
#include <vector>

namespace resilience::inline v1 {

// The results that the classifiers of a pipeline are to judge.
template <class... Results>
struct Judging {};
template <class... Results>
inline constexpr Judging<Results...> judging{};

namespace detail {

[[noreturn]] void refuse_empty_pipeline();   // throws std::logic_error
[[noreturn]] void refuse_unjudged_result();  // throws std::logic_error

class HeldPipeline {
  public:
    HeldPipeline() = default;
    HeldPipeline(const HeldPipeline&) = delete;
    HeldPipeline& operator=(const HeldPipeline&) = delete;
    virtual ~HeldPipeline() = default;

    // False: refused, and `why` says so. Throws what the function throws.
    virtual bool run(const CallOptions& options, const std::stop_token& stop, const ErasedCall& call,
                     Rejection& why) const = 0;
    [[nodiscard]] virtual std::vector<Note> notes(const CallOptions& options) const = 0;
};

// Runs on the caller's thread in real time.
struct RunBlocking {
    template <class Pipeline, class Function>
    auto operator()(const Pipeline& pipeline, const CallOptions& options, const std::stop_token& stop,
                    Function& function) const {
        return pipeline.execute(options, stop, function);
    }
};

template <class Pipeline, class Runner, class... Results>
class HeldPipelineOf final : public HeldPipeline {
  public:
    HeldPipelineOf(Pipeline pipeline, Runner runner) : pipeline_(std::move(pipeline)), runner_(runner) {}

    bool run(const CallOptions& options, const std::stop_token& stop, const ErasedCall& call,
             Rejection& why) const override {
        if constexpr (Pipeline::judges) {
            if (!is_one_of<NoValue, StoredResult<Results>...>(call.type)) refuse_unjudged_result();
        }
        auto function = [&call](CallContext& context) {
            return ErasedResult<StoredResult<Results>...>{&call, call.run(call.callee, context)};
        };
        const auto answer = runner_(pipeline_, options, stop, function);
        if (answer) [[likely]]
            return true;
        why = answer.error();
        return false;
    }
    [[nodiscard]] std::vector<Note> notes(const CallOptions& options) const override {
        return pipeline_.notes(options);
    }

  private:
    Pipeline pipeline_;
    [[no_unique_address]] Runner runner_;
};

}  // namespace detail

class AnyPipeline {
  public:
    // Empty.
    AnyPipeline() noexcept = default;

    template <class... Elements>
    AnyPipeline(Pipeline<Elements...> pipeline)  // implicit, as for std::function
        : AnyPipeline(std::move(pipeline), judging<>) {
        static_assert(!Pipeline<Elements...>::judges,
                      "resilience: this pipeline has a classifier; say which results it judges: "
                      "AnyPipeline{pipeline, judging<Response>}");
    }
    template <class... Elements, class... Results>
    AnyPipeline(Pipeline<Elements...> pipeline, Judging<Results...> results)
        : AnyPipeline(std::move(pipeline), results, detail::RunBlocking{}) {}

    // Whether there is a pipeline in it.
    [[nodiscard]] explicit operator bool() const noexcept { return held_ != nullptr; }

    // ---- the forms of Pipeline
    template <class Function>
        requires(!std::same_as<std::remove_cvref_t<Function>, CallOptions>)
    auto execute(Function&& function) const {
        return execute(CallOptions{}, detail::never_stops, function);
    }
    template <class Function>
    auto execute(const CallOptions& options, Function&& function) const {
        return execute(options, detail::never_stops, function);
    }
    template <class Function>
    auto execute(const CallOptions& options, const std::stop_token& stop, Function&& function) const {
        if constexpr (detail::check_function<AnyPipeline, std::remove_reference_t<Function>>()) {
            using Raw = detail::RawResult<Function>;
            detail::TypedCall<std::remove_reference_t<Function>> call(function);
            Rejection why;
            if (!held().run(options, stop, call.erased(), why)) [[unlikely]]
                return detail::refused_answer<Raw>(why);
            if constexpr (std::is_void_v<Raw>) {
                return Answer<Raw>{};
            } else {
                return Answer<Raw>(std::move(call.result()));
            }
        }
    }

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
        if constexpr (detail::check_function<AnyPipeline, std::remove_reference_t<Function>>()) {
            using Raw = detail::RawResult<Function>;
            if constexpr (detail::check_fallback<Raw, Fallback>()) {
                detail::TypedCall<std::remove_reference_t<Function>> call(function);
                Rejection why;
                if (!held().run(options, stop, call.erased(), why)) [[unlikely]]
                    return detail::fall_back<Raw>(why, options.report, fallback);
                if constexpr (!std::is_void_v<Raw>) return Raw(std::move(call.result()));
            }
        }
    }

    // Throws std::logic_error when empty.
    [[nodiscard]] std::vector<Note> notes(const CallOptions& options = {}) const { return held().notes(options); }

    // ---- for drivers ---------------------------------------------------------------------------------------------
    // A pipeline whose calls another driver runs: `runner(pipeline, options, stop, function)` is what execute is.
    template <class... Elements, class... Results, class Runner>
    AnyPipeline(Pipeline<Elements...> pipeline, Judging<Results...>, Runner runner)
        : held_(std::make_shared<detail::HeldPipelineOf<Pipeline<Elements...>, Runner, Results...>>(std::move(pipeline),
                                                                                                    runner)) {
        static_assert((Pipeline<Elements...>::template classifiers_accept<StoredResult<Results>>() && ...),
                      "resilience: the classifier must return resilience::Verdict or resilience::Outcome and accept "
                      "the function's result");
    }
    // Which results are judged is known at run time only.
    template <class Result>
    [[nodiscard]] static consteval bool classifiers_accept() {
        return true;
    }

  private:
    [[nodiscard]] const detail::HeldPipeline& held() const {
        if (!held_) [[unlikely]]
            detail::refuse_empty_pipeline();
        return *held_;
    }

    std::shared_ptr<const detail::HeldPipeline> held_;
};

}  // namespace resilience::inline v1
