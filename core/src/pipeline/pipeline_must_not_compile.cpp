// What the compiler says about a mistake in composing a pipeline: each case is compiled alone and must be refused with
// exactly the text of the comment that opens it; without any case the file must compile.

#include <chrono>
#include <expected>
#include <future>
#include <resilience/pipeline/pipeline.hpp>
#include <resilience/policies/circuit_breaker.hpp>

namespace {

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
#elif defined(two_classifiers)
    // resilience: a pipeline has at most one classifier
    auto judge = [](int) { return resilience::Outcome::success; };
    Pipeline refused{resilience::classify(judge), resilience::classify(judge), breaker};
#elif defined(a_function_with_an_argument)
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
#elif defined(a_number_for_a_duration)
    // from 'int'
    Pipeline refused{RetryConfig{.base_delay = 50}, breaker};
#elif defined(an_admission_that_is_dropped)
    // dropping a permit counts the call as ignored
    breaker.try_acquire();
#endif
}

}  // namespace
