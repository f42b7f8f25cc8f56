#pragma once

// What may stand in the list of a pipeline, and how each entry is held: borrowed, shared, or built and owned.
//
//     breaker                            a named policy: borrowed, must outlive the pipeline
//     std::shared_ptr<CircuitBreaker>    shared; null is refused with its stage
//     RetryConfig{…}                     built into an unnamed policy that the pipeline and its copies share
//     breaker.with(classifier)           a policy with a classifier of its own; with_classifier(pointer, classifier)
//     classify(classifier)               no stage: the classifier of the whole pipeline
//     another pipeline                   its stages stand here, its policies are held as that pipeline holds them
//     allow_nested_retry                 no stage: more than one entry with a retry is meant

#include <concepts>
#include <cstddef>
#include <memory>
#include <resilience/base/config_error.hpp>
#include <resilience/pipeline/classify.hpp>
#include <resilience/pipeline/judged_element.hpp>
#include <resilience/pipeline/machine.hpp>
#include <resilience/policies/with_classifier.hpp>
#include <string>
#include <type_traits>
#include <utility>

namespace resilience::inline v1 {

// In the list of a pipeline: "two retries are meant". Their attempts multiply.
struct AllowNestedRetry {};
inline constexpr AllowNestedRetry allow_nested_retry{};

class RetryExecutor;
class AnyPipeline;
template <class... Elements>
class Pipeline;

namespace detail {

// A policy that the caller gave as a temporary: kept as a type only to say so.
template <class Policy>
struct TemporaryPolicy {};

template <class T>
inline constexpr bool is_library_policy =
    std::same_as<T, CircuitBreaker> || LimitsByTokens<T> || std::same_as<T, Bulkhead> || std::same_as<T, Retry>;
template <class T>
concept Policy = is_library_policy<T> || Gate<T>;

template <class Config>
struct OwnedPolicy;
template <>
struct OwnedPolicy<CircuitBreakerConfig> {
    using type = CircuitBreaker;
};
template <>
struct OwnedPolicy<RateLimiterConfig> {
    using type = RateLimiter;
};
template <>
struct OwnedPolicy<BulkheadConfig> {
    using type = Bulkhead;
};
template <>
struct OwnedPolicy<RetryConfig> {
    using type = Retry;
};
template <class T>
concept PolicyConfig = requires { typename OwnedPolicy<T>::type; };

template <class T>
inline constexpr bool has_own_classifier = false;
template <class PolicyType, class C>
inline constexpr bool has_own_classifier<WithClassifier<PolicyType, C>> = true;

template <class T>
inline constexpr bool is_pipeline = false;
template <class... Elements>
inline constexpr bool is_pipeline<Pipeline<Elements...>> = true;

template <class T>
inline constexpr bool is_classifier = false;
template <class C>
inline constexpr bool is_classifier<ClassifyWith<C>> = true;

// What has no place in a pipeline: kept as a type only to say so.
template <class T>
struct NoElement {};

// ---- from the type of an argument to what the pipeline holds for it
template <class Argument, class Plain = std::remove_cvref_t<Argument>>
struct ElementOf {
    using type = NoElement<Plain>;
};

template <class Argument, class Plain>
    requires Policy<Plain> && std::is_lvalue_reference_v<Argument>
struct ElementOf<Argument, Plain> {
    using type = Plain;
};
template <class Argument, class Plain>
    requires Policy<Plain> && (!std::is_lvalue_reference_v<Argument>)
struct ElementOf<Argument, Plain> {
    using type = TemporaryPolicy<Plain>;
};
template <class Argument, class Pointee>
struct ElementOf<Argument, std::shared_ptr<Pointee>> {
    using type = Pointee;
};
template <class Argument, class Plain>
    requires PolicyConfig<Plain>
struct ElementOf<Argument, Plain> {
    using type = typename OwnedPolicy<Plain>::type;
};
template <class Argument, class Plain>
    requires(is_classifier<Plain> || has_own_classifier<Plain> || is_pipeline<Plain> ||
             std::same_as<Plain, AllowNestedRetry>)
struct ElementOf<Argument, Plain> {
    using type = Plain;
};
template <class Argument>
struct ElementOf<Argument, RetryExecutor> {
    using type = std::conditional_t<std::is_lvalue_reference_v<Argument>, Retry, TemporaryPolicy<RetryExecutor>>;
};

// ---- how the pipeline holds one policy
template <class PolicyType>
class HeldPointer {
  public:
    using policy_type = PolicyType;

    explicit HeldPointer(PolicyType& borrowed) noexcept : policy_(&borrowed) {}
    explicit HeldPointer(std::shared_ptr<PolicyType> shared) noexcept
        : policy_(shared.get()), owner_(std::move(shared)) {}
    template <PolicyConfig Config>
    explicit HeldPointer(const Config& config) : HeldPointer(std::make_shared<PolicyType>(config)) {}

    [[nodiscard]] PolicyType* get() const noexcept { return policy_; }

  private:
    PolicyType* policy_;
    std::shared_ptr<PolicyType> owner_;  // empty when borrowed
};
template <class PolicyType>
class HeldPolicy : public HeldPointer<PolicyType> {
  public:
    using HeldPointer<PolicyType>::HeldPointer;
};
template <>
class HeldPolicy<Retry> : public HeldPointer<Retry> {
  public:
    template <class Given>
        requires std::constructible_from<HeldPointer<Retry>, Given>
    explicit HeldPolicy(Given&& given)
        : HeldPointer(std::forward<Given>(given)), has_extras_(get() != nullptr && get()->has_extras()) {}

    // What the retry says of itself for good, kept where a call finds it without looking into the retry.
    [[nodiscard]] bool has_extras() const noexcept { return has_extras_; }

  private:
    bool has_extras_;
};
template <class C>
class HeldPolicy<ClassifyWith<C>> {
  public:
    explicit HeldPolicy(ClassifyWith<C> with) : classifier_(std::move(with.classifier)) {}
    [[nodiscard]] const C& classifier() const noexcept { return classifier_; }

  private:
    C classifier_;
};
template <class PolicyType, class C>
class HeldPolicy<WithClassifier<PolicyType, C>> {
  public:
    explicit HeldPolicy(WithClassifier<PolicyType, C> with) : with_(std::move(with)) {}
    [[nodiscard]] const WithClassifier<PolicyType, C>* get() const noexcept { return with_.policy ? &with_ : nullptr; }

  private:
    WithClassifier<PolicyType, C> with_;
};
template <class... Elements>
class HeldPolicy<Pipeline<Elements...>> {
  public:
    explicit HeldPolicy(Pipeline<Elements...> inner) : inner_(std::move(inner)) {}
    [[nodiscard]] const Pipeline<Elements...>& inner() const noexcept { return inner_; }

  private:
    Pipeline<Elements...> inner_;
};
template <>
class HeldPolicy<AllowNestedRetry> {
  public:
    explicit HeldPolicy(AllowNestedRetry) noexcept {}
};
// These two exist so that the message about what was given is the only error of the line.
template <class PolicyType>
class HeldPolicy<TemporaryPolicy<PolicyType>> {
  public:
    template <class Argument>
    explicit HeldPolicy(Argument&&) noexcept {}
};
template <class T>
class HeldPolicy<NoElement<T>> {
  public:
    template <class Argument>
    explicit HeldPolicy(Argument&&) noexcept {}
};

template <class Element>
inline constexpr bool is_policy_element = Policy<Element> || has_own_classifier<Element>;

template <class Element>
inline constexpr bool is_temporary = false;
template <class PolicyType>
inline constexpr bool is_temporary<TemporaryPolicy<PolicyType>> = true;
template <class Element>
inline constexpr bool is_no_element = false;
template <class T>
inline constexpr bool is_no_element<NoElement<T>> = true;

// RetryExecutor stands for its policy; everything else for itself.
template <class Argument>
[[nodiscard]] decltype(auto) as_held(Argument&& argument) noexcept {
    if constexpr (std::same_as<std::remove_cvref_t<Argument>, RetryExecutor>) {
        return argument.policy();
    } else {
        return std::forward<Argument>(argument);
    }
}

// ---- counting what an entry brings with it
template <class Element>
struct Counts {
    static constexpr int policies = is_policy_element<Element> ? 1 : 0;
    static constexpr int classifiers = is_classifier<Element> ? 1 : 0;
    static constexpr bool retries = std::same_as<Element, Retry>;
    static constexpr bool judges = is_classifier<Element> || has_own_classifier<Element>;
};
template <class... Elements>
struct Counts<Pipeline<Elements...>> {
    static constexpr int policies = (0 + ... + Counts<Elements>::policies);
    static constexpr int classifiers = (0 + ... + Counts<Elements>::classifiers);
    static constexpr bool retries = (Counts<Elements>::retries || ...);
    static constexpr bool judges = (Counts<Elements>::judges || ...);
};

template <class... Elements>
inline constexpr int classifier_count = (0 + ... + Counts<Elements>::classifiers);
template <class... Elements>
inline constexpr int policy_count = (0 + ... + Counts<Elements>::policies);
// Entries with a retry: a pipeline with two of them has said already that it means them.
template <class... Elements>
inline constexpr int retry_count = (0 + ... + (Counts<Elements>::retries ? 1 : 0));

// Where the policy of a number is, counting policies only: its entry, and its number within that entry.
struct Place {
    std::size_t entry;
    int number;
};
template <int Number, class... Elements>
[[nodiscard]] consteval Place place_of_policy() {
    constexpr int counts[] = {Counts<Elements>::policies...};
    int number = Number;
    std::size_t entry = 0;
    while (number >= counts[entry]) number -= counts[entry++];
    return {entry, number};
}

template <class... Elements>
[[nodiscard]] consteval std::size_t place_of_classifier() {
    constexpr int counts[] = {Counts<Elements>::classifiers...};
    std::size_t place = 0;
    while (counts[place] == 0) ++place;
    return place;
}

// Whether the classifier of an entry, if it has one, judges what the function returns.
template <class Element, class Result>
[[nodiscard]] consteval bool element_accepts() {
    if constexpr (requires { typename Element::classifier_type; }) {
        return accepts<typename Element::classifier_type, Result>();
    } else if constexpr (is_pipeline<Element>) {
        return Element::template classifiers_accept<Result>();
    } else {
        return true;
    }
}

template <class PolicyType, class C, int Index, class InnerStage>
struct StageFor<WithClassifier<PolicyType, C>, Index, InnerStage> {
    using type = GateStage<PolicyType, JudgedElement<Index>, InnerStage>;
};

// The machine of a list that has entries which are no stages.
template <class Leaf, int Index, class... Elements>
struct NestOf {
    using type = Leaf;
};
template <class Leaf, int Index, class Element, class... Rest>
    requires is_policy_element<Element>
struct NestOf<Leaf, Index, Element, Rest...> {
    using type = typename StageFor<Element, Index, typename NestOf<Leaf, Index + 1, Rest...>::type>::type;
};
template <class Leaf, int Index, class Element, class... Rest>
    requires(!is_policy_element<Element>)
struct NestOf<Leaf, Index, Element, Rest...> {
    using type = typename NestOf<Leaf, Index, Rest...>::type;
};
template <class Leaf, int Index, class... Inner, class... Rest>
struct NestOf<Leaf, Index, Pipeline<Inner...>, Rest...> {
    using Inside = typename NestOf<Leaf, Index + policy_count<Inner...>, Rest...>::type;
    using type = typename NestOf<Inside, Index, Inner...>::type;
};

template <class Element>
inline constexpr const char* kind_in_words = "policy";
template <>
inline constexpr const char* kind_in_words<CircuitBreaker> = "circuit breaker";
template <LimitsByTokens Limiter>
inline constexpr const char* kind_in_words<Limiter> = "rate limiter";
template <>
inline constexpr const char* kind_in_words<Bulkhead> = "bulkhead";
template <>
inline constexpr const char* kind_in_words<Retry> = "retry";
template <class PolicyType, class C>
inline constexpr const char* kind_in_words<WithClassifier<PolicyType, C>> = kind_in_words<PolicyType>;

template <class Element>
void refuse_null(const HeldPolicy<Element>& held, int& stage, ConfigProblems& problems) {
    stage += Counts<Element>::policies;
    if constexpr (is_policy_element<Element>) {
        if (held.get() == nullptr) {
            problems.add("stage " + std::to_string(stage), std::string("null ") + kind_in_words<Element>);
        }
    }
}

}  // namespace detail
}  // namespace resilience::inline v1
