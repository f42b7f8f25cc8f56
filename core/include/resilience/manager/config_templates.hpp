#pragma once

// Named configurations that build on each other, so that what many policies share is written once.
//
//     auto& templates = manager.circuit_breaker_templates();
//     templates.define("default", [](CircuitBreakerConfig& config) { config.min_requests = 20; });
//     templates.define("fragile", [](CircuitBreakerConfig& config) { config.timeout = 10s; });
//     templates.define("fragile_and_slow", [](CircuitBreakerConfig& config) { config.window_size = 5min; }, "fragile");
//
//     manager.register_circuit_breaker("payment_api", templates.config("fragile", [](CircuitBreakerConfig& config) {
//         config.failure_threshold = 0.3;                  // this one only
//     }));
//
// A template is what it changes. A configuration begins as `Config{}`; then the template named `default` changes it, if
// it is defined, then the template at the root of the chain, and so on to the one that was asked for, at last the
// override: what comes later wins, field by field. `default` reaches every template, also those defined before it.
//
// Threads: every member from any thread. The functions are called without a lock, by `config` only; one that throws
// leaves the templates as they were. Nothing here judges values: the policy that is given the configuration does.
// Meant for configuration time: every member allocates.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::inline v1 {

// For CircuitBreakerConfig, RateLimiterConfig, BulkheadConfig and RetryConfig.
template <class Config>
class ConfigTemplates {
  public:
    using Changes = std::function<void(Config&)>;

    ConfigTemplates() = default;
    ConfigTemplates(const ConfigTemplates&) = delete;
    ConfigTemplates& operator=(const ConfigTemplates&) = delete;

    // Defines a template once and for all. Throws ConfigError, and changes nothing, for an empty name, a name that is
    // defined already, no function, and an `extends` that is not defined; so no chain can go in a circle. `default`
    // extends nothing.
    void define(std::string name, Changes changes, std::string_view extends = "default");

    // The configuration of that template, changed by `overrides` if there are any. Throws ConfigError with the names
    // that are defined when this one is not; `default` always is, if only as `Config{}`.
    [[nodiscard]] Config config(std::string_view name = "default", const Changes& overrides = {}) const;

    // In the order of names.
    [[nodiscard]] std::vector<std::string> names() const;

  private:
    struct Template {
        std::shared_ptr<const Changes> changes;
        const Template* extends;  // nodes of a map never move, and none is ever removed
    };
    [[nodiscard]] std::string known_names() const;

    mutable std::mutex mutex_;
    std::map<std::string, Template, std::less<>> templates_;
};

}  // namespace resilience::inline v1
