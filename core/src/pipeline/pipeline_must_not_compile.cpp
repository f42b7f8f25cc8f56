// What the compiler says about a mistake in composing a pipeline: each case is compiled alone and must be refused with
// exactly the text of the comment that opens it; without any case the file must compile.

#include <chrono>
#include <expected>
#include <future>
#include <memory>
#include <resilience/pipeline/any_pipeline.hpp>
#include <resilience/pipeline/first_of.hpp>
#include <resilience/pipeline/pipeline.hpp>
#include <resilience/pipeline/virtual_time.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <string>

namespace {

using resilience::AnyPipeline;
using resilience::CircuitBreaker;
using resilience::Pipeline;
using resilience::RetryConfig;

int answer() { return 42; }

[[maybe_unused]] void composed() {
    CircuitBreaker breaker{"card_host"};
    const Pipeline guarded{RetryConfig{}, breaker};
    (void)guarded.execute(answer);
#if defined(a_temporary_policy)
    // resilience: a pipeline borrows its policies; pass a named object, a std::shared_ptr, or the policy's
    // config (RetryConfig{…})
    Pipeline refused{CircuitBreaker{"card_host"}};
#elif defined(no_policy)
    // resilience: a pipeline has at least one policy
    Pipeline refused{};
#elif defined(two_retries)
    // resilience: two retries in one pipeline multiply attempts; say allow_nested_retry if you mean it
    Pipeline refused{RetryConfig{}, RetryConfig{}, breaker};
#elif defined(two_retries_by_nesting)
    // resilience: two retries in one pipeline multiply attempts; say allow_nested_retry if you mean it
    Pipeline refused{RetryConfig{}, guarded};
#elif defined(no_element)
    // resilience: a pipeline lists policies, their configs, classify(...) and other pipelines; for a policy of your
    // own see resilience::Gate
    Pipeline refused{breaker, 42};
#elif defined(two_classifiers)
    // resilience: a pipeline has at most one classifier
    auto judge = [](int) { return resilience::Outcome::success; };
    Pipeline refused{resilience::classify(judge), resilience::classify(judge), breaker};
#elif defined(a_number_for_a_duration)
    // from 'int'
    Pipeline refused{RetryConfig{.base_delay = 50}, breaker};
#elif defined(an_admission_that_is_dropped)
    // dropping a permit counts the call as ignored
    breaker.try_acquire();
#endif
}

[[maybe_unused]] void executed() {
    CircuitBreaker breaker{"card_host"};
    const Pipeline guarded{RetryConfig{}, breaker};
    (void)guarded.execute(answer);
#if defined(a_function_with_an_argument)
    // resilience: execute needs a function callable with no argument or with (resilience::CallContext&)
    (void)guarded.execute([](int twice) { return 2 * twice; });
#elif defined(a_future)
    // resilience: this function returns a coroutine or future; use resilience::async_execute (adapters/asio)
    (void)guarded.execute([] { return std::async(answer); });
#elif defined(a_reference)
    // resilience: this function returns a reference; return a value or a pointer
    int stored = 1;
    (void)guarded.execute([&]() -> int& { return stored; });
#elif defined(a_rejection)
    // resilience: this function returns a Rejection; return std::expected<T, Rejection> instead
    (void)guarded.execute([] { return resilience::Rejection{}; });
#elif defined(a_classifier_of_something_else)
    // resilience: the classifier must return resilience::Verdict or resilience::Outcome and accept the
    // function's result
    Pipeline refused{resilience::classify([](int) { return true; }), breaker};
    (void)refused.execute(answer);
#elif defined(a_classifier_of_one_policy_for_something_else)
    // resilience: the classifier must return resilience::Verdict or resilience::Outcome and accept the
    // function's result
    Pipeline refused{breaker.with([](const std::string&) { return resilience::Outcome::success; })};
    (void)refused.execute(answer);
#endif
}

[[maybe_unused]] void put_together() {
    CircuitBreaker breaker{"card_host"};
    const Pipeline guarded{RetryConfig{}, breaker};
    (void)guarded.execute_or(answer, [](const resilience::Rejection&) { return 7; });
#if defined(a_fallback_of_another_type)
    // resilience: the fallback must return what the function returns
    (void)guarded.execute_or(answer, [](const resilience::Rejection&) { return std::string("cached"); });
#elif defined(a_fallback_without_rejection)
    // resilience: execute_or needs a fallback callable with (const resilience::Rejection&)
    (void)guarded.execute_or(answer, [] { return 7; });
#elif defined(a_fallback_of_another_type_behind_any_pipeline)
    // resilience: the fallback must return what the function returns
    (void)AnyPipeline(guarded).execute_or(answer, [](const resilience::Rejection&) { return std::string("cached"); });
#elif defined(an_any_pipeline_whose_classifier_knows_no_results)
    // resilience: this pipeline has a classifier; say which results it judges: AnyPipeline{pipeline,
    // judging<Response>}
    const AnyPipeline refused{
        Pipeline{resilience::classify([](int) { return resilience::Outcome::success; }), breaker}};
#elif defined(an_any_pipeline_whose_classifier_knows_other_results)
    // resilience: the classifier must return resilience::Verdict or resilience::Outcome and accept the
    // function's result
    const Pipeline judged{resilience::classify([](int) { return resilience::Outcome::success; }), breaker};
    const AnyPipeline refused{judged, resilience::judging<std::string>};
#elif defined(an_any_pipeline_in_virtual_time)
    // resilience: an AnyPipeline is made for virtual time: in_virtual_time(time, pipeline), and executes itself
    resilience::VirtualTime time;
    (void)time.execute(AnyPipeline(guarded), answer);
#elif defined(a_source_of_another_type)
    // resilience: every source of first_of must return what the first one returns
    (void)resilience::first_of([&] { return guarded.execute(answer); }, [] { return std::string("cached"); });
#elif defined(a_source_of_nothing)
    // resilience: a source of first_of must return something
    (void)resilience::first_of([] {}, [] { return 7; });
#endif
}

}  // namespace
