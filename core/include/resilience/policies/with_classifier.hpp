#pragma once

// A policy together with a classifier of its own, as an entry in the list of a pipeline.
//
//     Pipeline guarded{RetryConfig{}, breaker.with(ServerErrorsOnly{}), limiter};
//     Pipeline shared{with_classifier(breaker_pointer, ServerErrorsOnly{})};       // a std::shared_ptr, kept alive
//
// The classifier judges each answer that passes this policy, the function's own result with its own type, for this
// policy alone: what the others count and what a retry does is up to the pipeline's classifier. It may be called from
// many threads at once and should not throw: then the attempt counts as a failure and `classifier_errors` rises.

#include <memory>
#include <type_traits>
#include <utility>

namespace resilience::inline v1 {

template <class Policy, class Classifier>
struct WithClassifier {
    using classifier_type = Classifier;

    Policy* policy;
    std::shared_ptr<Policy> owner;  // empty when the policy is borrowed
    Classifier classifier;
};

template <class Policy, class Classifier>
[[nodiscard]] WithClassifier<Policy, std::decay_t<Classifier>> with_classifier(std::shared_ptr<Policy> policy,
                                                                               Classifier&& classifier) {
    Policy* const borrowed = policy.get();
    return {borrowed, std::move(policy), std::forward<Classifier>(classifier)};
}

}  // namespace resilience::inline v1
