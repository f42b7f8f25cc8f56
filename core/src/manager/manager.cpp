#include <map>
#include <mutex>
#include <resilience/base/config_error.hpp>
#include <resilience/base/names.hpp>
#include <resilience/base/quoted_text.hpp>
#include <resilience/manager/manager.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <resilience/policies/retry.hpp>
#include <shared_mutex>
#include <utility>

#include "differences.hpp"
#include "listeners.hpp"

namespace resilience::inline v1 {
namespace {

// The policies of one kind. Names are interned: the keys live as long as the process.
template <class Policy, class Config>
struct PoliciesByName {
    struct Entry {
        std::shared_ptr<Policy> policy;
        Config registered;
    };
    std::string_view kind;
    std::map<std::string_view, Entry> entries;

    [[nodiscard]] std::shared_ptr<Policy> find(std::string_view name) const {
        const auto known = entries.find(name);
        return known == entries.end() ? nullptr : known->second.policy;
    }

    // nullptr when unknown; throws when it is known with another configuration.
    [[nodiscard]] std::shared_ptr<Policy> find_same(std::string_view name, const Config& config) const {
        const auto known = entries.find(name);
        if (known == entries.end()) return nullptr;
        if (known->second.registered == config) return known->second.policy;
        ConfigProblems problems{std::string(kind) + ' ' + quoted_text(name)};
        detail::add_differences(problems, known->second.registered, config);
        problems.throw_if_any();
        return nullptr;
    }

    // Everything that can throw comes before the first change that anybody can see.
    std::shared_ptr<Policy> create(const std::string& name, const Config& config, detail::ManagerListeners& listeners) {
        auto policy = std::make_shared<Policy>(name, config);
        const std::scoped_lock lock(listeners.mutex);
        std::vector<Subscription> subscriptions;
        subscriptions.reserve(listeners.all.size());
        for (detail::ManagerListener& listener : listeners.all) {
            subscriptions.push_back(policy->on_event(listener.shared(), listener.kinds));
            listener.reserve_one();
        }
        entries.emplace(policy->name(), Entry{policy, config});
        auto subscription = subscriptions.begin();
        for (detail::ManagerListener& listener : listeners.all) {
            listener.subscriptions.push_back(std::move(*subscription++));
        }
        return policy;
    }

    void subscribe(detail::ManagerListener& listener) const {
        for (const auto& [name, entry] : entries) {
            listener.reserve_one();
            listener.subscriptions.push_back(entry.policy->on_event(listener.shared(), listener.kinds));
        }
    }
};

}  // namespace

struct ResilienceManager::Registry {
    std::string_view service;
    TimePoint made{};
    mutable std::shared_mutex mutex;
    PoliciesByName<CircuitBreaker, CircuitBreakerConfig> circuit_breakers{.kind = "circuit breaker", .entries = {}};
    PoliciesByName<RateLimiter, RateLimiterConfig> rate_limiters{.kind = "rate limiter", .entries = {}};
    PoliciesByName<Bulkhead, BulkheadConfig> bulkheads{.kind = "bulkhead", .entries = {}};
    PoliciesByName<Retry, RetryConfig> retries{.kind = "retry", .entries = {}};
    std::shared_ptr<detail::ManagerListeners> listeners = std::make_shared<detail::ManagerListeners>();

    template <class Policies>
    auto find(const Policies& policies, std::string_view name) const {
        const std::shared_lock lock(mutex);
        return policies.find(name);
    }

    template <class Policies, class Config>
    auto find_or_create(Policies& policies, const std::string& name, const Config& config) {
        {
            const std::shared_lock lock(mutex);
            if (auto known = policies.find_same(name, config)) return known;
        }
        const std::unique_lock lock(mutex);
        if (auto known = policies.find_same(name, config)) return known;
        return policies.create(name, config, *listeners);
    }
};

ResilienceManager::ResilienceManager(std::string service) : registry_(std::make_unique<Registry>()) {
    registry_->service = service.empty() ? std::string_view{} : intern_name(service);
    registry_->made = Clock::now();
}

ResilienceManager::~ResilienceManager() = default;

std::shared_ptr<CircuitBreaker> ResilienceManager::register_circuit_breaker(std::string name,
                                                                            CircuitBreakerConfig config) {
    return registry_->find_or_create(registry_->circuit_breakers, name, config);
}

std::shared_ptr<RateLimiter> ResilienceManager::register_rate_limiter(std::string name, std::uint64_t capacity,
                                                                      double refill_rate) {
    return register_rate_limiter(std::move(name), {.capacity = capacity, .refill_rate = refill_rate});
}

std::shared_ptr<RateLimiter> ResilienceManager::register_rate_limiter(std::string name, RateLimiterConfig config) {
    return registry_->find_or_create(registry_->rate_limiters, name, config);
}

std::shared_ptr<Bulkhead> ResilienceManager::register_bulkhead(std::string name, std::uint32_t max_concurrent,
                                                               std::uint32_t queue_size) {
    return register_bulkhead(std::move(name),
                             BulkheadConfig{.max_concurrent = max_concurrent, .queue_size = queue_size});
}

std::shared_ptr<Bulkhead> ResilienceManager::register_bulkhead(std::string name, BulkheadConfig config) {
    return registry_->find_or_create(registry_->bulkheads, name, config);
}

std::shared_ptr<Retry> ResilienceManager::register_retry(std::string name, RetryConfig config) {
    return registry_->find_or_create(registry_->retries, name, config);
}

std::shared_ptr<CircuitBreaker> ResilienceManager::circuit_breaker(std::string_view name) const {
    return registry_->find(registry_->circuit_breakers, name);
}

std::shared_ptr<RateLimiter> ResilienceManager::rate_limiter(std::string_view name) const {
    return registry_->find(registry_->rate_limiters, name);
}

std::shared_ptr<Bulkhead> ResilienceManager::bulkhead(std::string_view name) const {
    return registry_->find(registry_->bulkheads, name);
}

std::shared_ptr<Retry> ResilienceManager::retry(std::string_view name) const {
    return registry_->find(registry_->retries, name);
}

ResilienceStats ResilienceManager::stats(TimePoint now) const {
    ResilienceStats stats;
    stats.service = registry_->service;
    stats.taken = std::chrono::system_clock::now();
    stats.uptime = time_between(registry_->made, Clock::now());
    const std::shared_lock lock(registry_->mutex);
    for (const auto& [name, entry] : registry_->circuit_breakers.entries) {
        stats.circuit_breakers.emplace_hint(stats.circuit_breakers.end(), name, entry.policy->stats(now));
    }
    for (const auto& [name, entry] : registry_->rate_limiters.entries) {
        stats.rate_limiters.emplace_hint(stats.rate_limiters.end(), name, entry.policy->stats(now));
    }
    for (const auto& [name, entry] : registry_->bulkheads.entries) {
        stats.bulkheads.emplace_hint(stats.bulkheads.end(), name, entry.policy->stats(now));
    }
    for (const auto& [name, entry] : registry_->retries.entries) {
        stats.retries.emplace_hint(stats.retries.end(), name, entry.policy->stats());
    }
    return stats;
}

Health ResilienceManager::health(const HealthRules& rules, TimePoint now) const {
    return resilience::health(stats(now), rules);
}

bool ResilienceManager::ready(TimePoint now) const { return is_ready(stats(now)); }

Subscription ResilienceManager::on_event(Listener listener, EventKinds kinds) {
    // Before the locks: if anything fails, what is subscribed so far ends after they are released.
    std::list<detail::ManagerListener> fresh;
    fresh.emplace_back(std::move(listener), kinds);
    const std::shared_lock lock(registry_->mutex);
    registry_->circuit_breakers.subscribe(fresh.front());
    registry_->rate_limiters.subscribe(fresh.front());
    registry_->bulkheads.subscribe(fresh.front());
    registry_->retries.subscribe(fresh.front());
    detail::ManagerListeners& listeners = *registry_->listeners;
    const std::scoped_lock listeners_lock(listeners.mutex);
    Subscription subscription(std::make_shared<detail::ManagerListening>(registry_->listeners, fresh.begin()));
    listeners.all.splice(listeners.all.end(), fresh);
    return subscription;
}

}  // namespace resilience::inline v1
