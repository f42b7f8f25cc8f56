#pragma once

// What the examples in the headers' comments are about: a shop that charges cards and fetches pages.
//
// Each example is compiled as the body of a function that sees these names (tools/document_code.py), in the namespace
// below, so an example may leave out what every reader guesses, and nothing else.

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <resilience/pipeline/any_pipeline.hpp>
#include <resilience/resilience.hpp>
#include <resilience/testing.hpp>
#include <string>
#include <type_traits>
#include <utility>

namespace example_world {

using namespace resilience;

// What an example returns: it stands in for the reader's own result.
struct Anything {
    Anything() = default;
    template <class Value>
        requires(!std::is_same_v<std::remove_cvref_t<Value>, Anything>)
    Anything(Value&&) {}
};

struct Card {};
struct Receipt {};
struct Response {
    int status = 200;
    std::optional<Duration> retry_after;
    std::string body = {};
};
struct Client {
    Response get(const std::string&, Duration = {}) { return {}; }
    Receipt charge(const Card&) { return {}; }
};
struct Fetch {
    std::string operator()() const { return "today's"; }
    std::string operator()(const std::string&) const { return "today's"; }
};
struct CardHost {
    explicit CardHost(AnyPipeline given) : guarded(std::move(given)) {}
    std::expected<Receipt, Rejection> charge(const Card&) {
        return guarded.execute([] { return Receipt{}; });
    }
    AnyPipeline guarded;
};
// What stands in for the classifier of a reader's own answers.
struct StatusJudge {
    Verdict operator()(const Response& response) const { return (*this)(response.status); }
    Verdict operator()(int status) const { return Verdict::of(status >= 500 ? Outcome::failure : Outcome::success); }
};
using ServerErrorsOnly = StatusJudge;

inline Card card;
inline std::string url = "/price";
inline std::string host = "cards.example";
inline std::string api_key = "4f1c";
inline constexpr std::uint64_t user_id = 4711;
inline constexpr std::uint64_t cost = 3;
inline std::string cached = "yesterday's";
inline constexpr Fetch fetch;
inline Client client;
inline Client client_;
inline const TimePoint now{};

inline bool charge(const Card&) { return true; }
inline int pay() { return 200; }
inline void query() {}
inline void work() {}
template <class Query>
void start_fault(const std::string&, const Query&) {}
inline void show(const std::string&) {}
template <class... Words>
void log(const Words&...) {}
inline std::string call_primary() { return "today's"; }
inline std::string call_secondary() { return "yesterday's"; }
inline std::string cached_page() { return "last week's"; }

// What a reader's own code answers when it was refused.
template <class... Why>
Anything unavailable(const Why&...) {
    return {};
}
template <class... Why>
Anything later(const Why&...) {
    return {};
}
template <class... Why>
Anything too_many_requests(const Why&...) {
    return {};
}
template <class... Why>
Anything refuse(const Why&...) {
    return {};
}

inline CircuitBreaker breaker{"card_host"};
inline std::shared_ptr<CircuitBreaker> breaker_pointer = std::make_shared<CircuitBreaker>("card_host");
inline RateLimiter limiter{"card_host", RateLimiterConfig{.capacity = 100, .refill_rate = 10.0}};
inline Bulkhead bulkhead{"card_host", 10};
inline KeyedRateLimiter per_user{"per_user", {.tiers = {{"bronze", 20, 10}, {"gold", 200, 100}}}};
inline Keyed<CircuitBreaker> per_host{"per_host", CircuitBreakerConfig{}};
inline ResilienceManager manager{"checkout"};
inline auto& templates = manager.circuit_breaker_templates();
inline const ResilienceStats stats = manager.stats();
inline const auto maintenance = std::make_shared<ManualControl>();
inline VirtualTime time;
inline std::shared_ptr<Retry> retry = std::make_shared<Retry>("card_host");
inline CircuitBreakerConfig config;
inline CallContext call;
inline Pipeline guarded{RetryConfig{}, breaker};
inline Pipeline outer{limiter};
inline Pipeline inner{bulkhead};
inline Pipeline primary{breaker};
inline Pipeline secondary{bulkhead};
inline auto from_primary = [] { return primary.execute(call_primary); };
inline auto from_secondary = [] { return secondary.execute(call_secondary); };

// In place of the server of prometheus-cpp's pull library.
namespace prometheus {
struct Exposer {
    explicit Exposer(const std::string&) {}
    template <class Collectable>
    void RegisterCollectable(const Collectable&) {}
};
}  // namespace prometheus

}  // namespace example_world
