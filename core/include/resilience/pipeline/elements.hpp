#pragma once

// What may stand in the list of a pipeline, and how each entry is held: borrowed, shared, or built and owned.

#include <concepts>
#include <cstddef>
#include <memory>
#include <resilience/base/config_error.hpp>
#include <resilience/pipeline/classify.hpp>
#include <resilience/pipeline/machine.hpp>
#include <string>
#include <type_traits>
#include <utility>

namespace resilience::inline v1 {

// In the list of a pipeline: "two retries are meant". Their attempts multiply.
struct AllowNestedRetry {};
inline constexpr AllowNestedRetry allow_nested_retry{};

class RetryExecutor;

namespace detail {

// A policy that the caller gave as a temporary: kept as a type only to say so.
template <class Policy>
struct TemporaryPolicy {};

template <class T>
inline constexpr bool is_library_policy = std::same_as<T, CircuitBreaker> || std::same_as<T, RateLimiter> ||
                                          std::same_as<T, Bulkhead> || std::same_as<T, Retry>;
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
inline constexpr bool is_classifier = false;
template <class C>
inline constexpr bool is_classifier<ClassifyWith<C>> = true;

// ---- from the type of an argument to what the pipeline holds for it
template <class Argument, class Plain = std::remove_cvref_t<Argument>>
struct ElementOf;  // not defined for what has no place in a pipeline

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
    requires(is_classifier<Plain> || std::same_as<Plain, AllowNestedRetry>)
struct ElementOf<Argument, Plain> {
    using type = Plain;
};
template <class Argument>
struct ElementOf<Argument, RetryExecutor> {
    using type = std::conditional_t<std::is_lvalue_reference_v<Argument>, Retry, TemporaryPolicy<RetryExecutor>>;
};

// ---- how the pipeline holds one policy
template <class PolicyType>
class HeldPolicy {
  public:
    using policy_type = PolicyType;

    explicit HeldPolicy(PolicyType& borrowed) noexcept : policy_(&borrowed) {}
    explicit HeldPolicy(std::shared_ptr<PolicyType> shared) noexcept
        : policy_(shared.get()), owner_(std::move(shared)) {}
    template <PolicyConfig Config>
    explicit HeldPolicy(const Config& config) : HeldPolicy(std::make_shared<PolicyType>(config)) {}

    [[nodiscard]] PolicyType* get() const noexcept { return policy_; }

  private:
    PolicyType* policy_;
    std::shared_ptr<PolicyType> owner_;  // empty when borrowed
};
template <class C>
class HeldPolicy<ClassifyWith<C>> {
  public:
    explicit HeldPolicy(ClassifyWith<C> with) : classifier_(std::move(with.classifier)) {}
    [[nodiscard]] const C& classifier() const noexcept { return classifier_; }

  private:
    C classifier_;
};
template <>
class HeldPolicy<AllowNestedRetry> {
  public:
    explicit HeldPolicy(AllowNestedRetry) noexcept {}
};
// Exists so that the message about the temporary is the only error of the line.
template <class PolicyType>
class HeldPolicy<TemporaryPolicy<PolicyType>> {
  public:
    template <class Argument>
    explicit HeldPolicy(Argument&&) noexcept {}
};

template <class Element>
inline constexpr bool is_policy_element = Policy<Element>;

template <class Element>
inline constexpr bool is_temporary = false;
template <class PolicyType>
inline constexpr bool is_temporary<TemporaryPolicy<PolicyType>> = true;

// RetryExecutor stands for its policy; everything else for itself.
template <class Argument>
[[nodiscard]] decltype(auto) as_held(Argument&& argument) noexcept {
    if constexpr (std::same_as<std::remove_cvref_t<Argument>, RetryExecutor>) {
        return argument.policy();
    } else {
        return std::forward<Argument>(argument);
    }
}

template <class... Elements>
inline constexpr std::size_t classifier_count = (std::size_t{0} + ... + (is_classifier<Elements> ? 1 : 0));
template <class... Elements>
inline constexpr std::size_t policy_count = (std::size_t{0} + ... + (is_policy_element<Elements> ? 1 : 0));
template <class... Elements>
inline constexpr std::size_t retry_count = (std::size_t{0} + ... + (std::same_as<Elements, Retry> ? 1 : 0));

// The place in the list of the policy with the given number, counting policies only.
template <int Number, class... Elements>
[[nodiscard]] consteval std::size_t place_of_policy() {
    constexpr bool counts[] = {is_policy_element<Elements>...};
    int seen = -1;
    for (std::size_t place = 0; place < sizeof...(Elements); ++place) {
        if (counts[place] && ++seen == Number) return place;
    }
    return sizeof...(Elements);
}

template <class... Elements>
[[nodiscard]] consteval std::size_t place_of_classifier() {
    constexpr bool found[] = {is_classifier<Elements>...};
    std::size_t place = 0;
    while (!found[place]) ++place;
    return place;
}

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

template <class PolicyType>
[[nodiscard]] constexpr const char* kind_in_words() noexcept {
    if constexpr (std::same_as<PolicyType, CircuitBreaker>) return "circuit breaker";
    if constexpr (std::same_as<PolicyType, RateLimiter>) return "rate limiter";
    if constexpr (std::same_as<PolicyType, Bulkhead>) return "bulkhead";
    if constexpr (std::same_as<PolicyType, Retry>) return "retry";
    return "policy";
}

template <class Element>
void refuse_null(const HeldPolicy<Element>& held, std::size_t& stage, ConfigProblems& problems) {
    if constexpr (is_policy_element<Element>) {
        ++stage;
        if (held.get() == nullptr) {
            problems.add("stage " + std::to_string(stage), std::string("null ") + kind_in_words<Element>());
        }
    }
}

}  // namespace detail
}  // namespace resilience::inline v1
