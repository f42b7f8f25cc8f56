#include <algorithm>
#include <list>
#include <mutex>
#include <optional>
#include <resilience/base/config_error.hpp>
#include <resilience/base/event_channel.hpp>
#include <resilience/base/names.hpp>
#include <resilience/base/quoted_text.hpp>
#include <resilience/manager/manager.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/keyed_rate_limiter.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <resilience/policies/retry.hpp>
#include <shared_mutex>
#include <utility>

#include "event_history.hpp"
#include "listeners.hpp"
#include "policies_by_name.hpp"

namespace resilience::inline v1 {
namespace {

// A channel holds so many events for listeners that are busy: a sweep never queues more at once.
constexpr std::size_t events_at_once = 32;

void refuse_bad(const ManagerConfig& config) {
    ConfigProblems problems{"manager"};
    problems.expect(config.max_components >= 1 && config.max_components <= 65'536, "max_components",
                    "is " + std::to_string(config.max_components) + "; use 1 to 65536");
    problems.expect(config.history <= 65'536, "history", "is " + std::to_string(config.history) + "; use 0 to 65536");
    problems.expect(config.hottest_keys <= 100, "hottest_keys",
                    "is " + std::to_string(config.hottest_keys) + "; use 0 to 100");
    problems.throw_if_any();
}

KeyedRateLimiterStats picture_of(const KeyedRateLimiter& limiter, WhenFull when_full, std::size_t hottest) {
    KeyedRateLimiterStats stats = limiter.stats();
    stats.when_full = when_full;
    stats.tiers = limiter.tiers();
    if (hottest != 0) stats.hottest = limiter.hottest(hottest);
    return stats;
}

template <class Policies, class Stats, class Look>
void add_stats(const Policies& policies, StatsByName<Stats>& stats, SeriesOverflow<Stats>& overflow, Look look) {
    for (const auto& [name, entry] : policies.entries()) {
        stats.emplace_hint(stats.end(), name, look(entry));
        if (!entry.own_series) overflow.names.emplace_back(name);
    }
    overflow.removed = policies.removed().without_series;
}

}  // namespace

struct ResilienceManager::Registry {
    Registry(std::string_view named, const ManagerConfig& config)
        : service(named),
          made(Clock::now()),
          hottest_keys(config.hottest_keys),
          circuit_breakers(PolicyKind::circuit_breaker, "circuit breaker", config.max_components),
          rate_limiters(PolicyKind::rate_limiter, "rate limiter", config.max_components),
          keyed_rate_limiters(PolicyKind::rate_limiter, "keyed rate limiter", config.max_components),
          bulkheads(PolicyKind::bulkhead, "bulkhead", config.max_components),
          retries(PolicyKind::retry, "retry", config.max_components) {}

    std::string_view service;
    TimePoint made;
    std::size_t hottest_keys;
    mutable std::shared_mutex mutex;
    detail::PoliciesByName<CircuitBreaker, CircuitBreakerConfig> circuit_breakers;
    detail::PoliciesByName<RateLimiter, RateLimiterConfig> rate_limiters;
    detail::PoliciesByName<KeyedRateLimiter, KeyedRateLimiterConfig> keyed_rate_limiters;
    detail::PoliciesByName<Bulkhead, BulkheadConfig> bulkheads;
    detail::PoliciesByName<Retry, RetryConfig> retries;
    std::shared_ptr<detail::ManagerListeners> listeners = std::make_shared<detail::ManagerListeners>();
    ConfigTemplates<CircuitBreakerConfig> circuit_breaker_templates{};
    ConfigTemplates<RateLimiterConfig> rate_limiter_templates{};
    ConfigTemplates<BulkheadConfig> bulkhead_templates{};
    ConfigTemplates<RetryConfig> retry_templates{};
    std::shared_ptr<detail::EventHistory> history{};
    Subscription recording{};
    EventChannel registrations{};  // queued under the lock, so that their order is that of the changes

    // Calls `visit` with the policies of each sort. Both sorts of rate limiters are of one kind, and share its names.
    template <class Visitor>
    void each_kind(Visitor visit) {
        visit(circuit_breakers);
        visit(rate_limiters);
        visit(keyed_rate_limiters);
        visit(bulkheads);
        visit(retries);
    }

    template <class Policies>
    auto find(const Policies& policies, std::string_view name) const {
        const std::shared_lock lock(mutex);
        return policies.find(name);
    }

    // Two policies of one kind and name would be one series in metrics, and so would a policy and the sum of others.
    template <class Policies>
    void refuse_taken(const Policies& wanted, const std::string& name) {
        const auto refuse = [&](std::string message) {
            throw ConfigError(std::string(wanted.words()) + ' ' + quoted_text(name),
                              {{.field = "name", .message = std::move(message)}});
        };
        if (name == overflow_name) refuse("is that of the sum of policies without metrics of their own");
        each_kind([&](const auto& others) {
            const bool same = static_cast<const void*>(&others) == static_cast<const void*>(&wanted);
            if (same || others.kind() != wanted.kind() || others.find(name) == nullptr) return;
            refuse("is registered as a " + std::string(others.words()));
        });
    }

    // `more` is what the policy's constructor takes after the configuration.
    template <class Policies, class Config, class... More>
    auto find_or_create(Policies& policies, const std::string& name, const Config& config, More... more) {
        {
            const std::shared_lock lock(mutex);
            if (auto known = policies.find_same(name, config)) return known;
        }
        // Before the lock, and destroyed after it where another thread was faster: what hooks hold is user code.
        auto fresh = std::make_shared<typename Policies::Made>(name, config, std::move(more)...);
        std::unique_lock lock(mutex);
        if (auto known = policies.find_same(name, config)) return known;
        refuse_taken(policies, name);
        policies.add(fresh, config, *listeners);
        enqueue(EventKind::added, policies.kind(), fresh->name());
        lock.unlock();
        registrations.deliver();
        return fresh;
    }

    // All policies of that name, of one kind or of any, or none of them when memory runs out.
    std::size_t remove(std::optional<PolicyKind> kind, std::string_view name) {
        detail::TakenOut taken;
        const auto asked = [&](const auto& policies) { return !kind || policies.kind() == *kind; };
        {
            const std::unique_lock lock(mutex);
            std::size_t going = 0;
            each_kind([&](auto& policies) { going += asked(policies) && policies.prepare(name) ? 1U : 0U; });
            taken.reserve(going, listeners->count());
            each_kind([&](auto& policies) {
                if (!asked(policies) || !policies.take_out(name, *listeners, taken)) return;
                enqueue(EventKind::removed, policies.kind(), taken.names.back());
            });
        }
        registrations.deliver();
        return taken.names.size();
    }

    template <class Policies>
    std::size_t expire(Policies& policies, Duration idle_for, TimePoint now) {
        std::size_t expired = 0;
        std::optional<std::string_view> looked_at = std::string_view{};
        while (looked_at) {
            detail::TakenOut taken;
            bool out_of_memory = false;
            {
                const std::unique_lock lock(mutex);
                try {
                    looked_at = policies.take_out_idle(*looked_at, events_at_once, idle_for, now, *listeners, taken);
                } catch (const std::bad_alloc&) {
                    out_of_memory = true;  // those before are gone all the same, and are told of
                }
                for (const std::string_view name : taken.names) enqueue(EventKind::removed, policies.kind(), name);
            }
            registrations.deliver();
            if (out_of_memory) throw std::bad_alloc();
            expired += taken.names.size();
        }
        return expired;
    }

    void enqueue(EventKind kind, PolicyKind policy, std::string_view name) noexcept {
        if (!registrations.wants(kind)) return;
        registrations.enqueue(Event{.kind = kind, .policy = policy, .name = name, .at = Clock::now()});
    }
};

ResilienceManager::ResilienceManager(std::string service, ManagerConfig config) {
    refuse_bad(config);
    registry_ = std::make_unique<Registry>(service.empty() ? std::string_view{} : intern_name(service), config);
    if (config.history == 0) return;
    registry_->history = std::make_shared<detail::EventHistory>(config.history);
    registry_->recording = on_event([history = registry_->history](const Event& event) { history->add(event); },
                                    EventKinds::changes | EventKinds::registrations);
}

ResilienceManager::~ResilienceManager() = default;

std::shared_ptr<CircuitBreaker> ResilienceManager::register_circuit_breaker(std::string name,
                                                                            CircuitBreakerConfig config,
                                                                            CircuitBreakerHooks hooks) {
    return registry_->find_or_create(registry_->circuit_breakers, name, config, std::move(hooks));
}

std::shared_ptr<RateLimiter> ResilienceManager::register_rate_limiter(std::string name, std::uint64_t capacity,
                                                                      double refill_rate) {
    return register_rate_limiter(std::move(name), {.capacity = capacity, .refill_rate = refill_rate});
}

std::shared_ptr<RateLimiter> ResilienceManager::register_rate_limiter(std::string name, RateLimiterConfig config) {
    return registry_->find_or_create(registry_->rate_limiters, name, config);
}

std::shared_ptr<KeyedRateLimiter> ResilienceManager::register_keyed_rate_limiter(std::string name,
                                                                                 KeyedRateLimiterConfig config) {
    return registry_->find_or_create(registry_->keyed_rate_limiters, name, config);
}

std::shared_ptr<Bulkhead> ResilienceManager::register_bulkhead(std::string name, std::uint32_t max_concurrent,
                                                               std::uint32_t queue_size) {
    return register_bulkhead(std::move(name),
                             BulkheadConfig{.max_concurrent = max_concurrent, .queue_size = queue_size});
}

std::shared_ptr<Bulkhead> ResilienceManager::register_bulkhead(std::string name, BulkheadConfig config) {
    return registry_->find_or_create(registry_->bulkheads, name, config);
}

std::shared_ptr<Retry> ResilienceManager::register_retry(std::string name, RetryConfig config, RetryHooks hooks,
                                                         SharedRetryBudget budget) {
    return registry_->find_or_create(registry_->retries, name, config, std::move(hooks), std::move(budget));
}

ConfigTemplates<CircuitBreakerConfig>& ResilienceManager::circuit_breaker_templates() noexcept {
    return registry_->circuit_breaker_templates;
}

ConfigTemplates<RateLimiterConfig>& ResilienceManager::rate_limiter_templates() noexcept {
    return registry_->rate_limiter_templates;
}

ConfigTemplates<BulkheadConfig>& ResilienceManager::bulkhead_templates() noexcept {
    return registry_->bulkhead_templates;
}

ConfigTemplates<RetryConfig>& ResilienceManager::retry_templates() noexcept { return registry_->retry_templates; }

std::shared_ptr<CircuitBreaker> ResilienceManager::circuit_breaker(std::string_view name) const {
    return registry_->find(registry_->circuit_breakers, name);
}

std::shared_ptr<RateLimiter> ResilienceManager::rate_limiter(std::string_view name) const {
    return registry_->find(registry_->rate_limiters, name);
}

std::shared_ptr<KeyedRateLimiter> ResilienceManager::keyed_rate_limiter(std::string_view name) const {
    return registry_->find(registry_->keyed_rate_limiters, name);
}

std::shared_ptr<Bulkhead> ResilienceManager::bulkhead(std::string_view name) const {
    return registry_->find(registry_->bulkheads, name);
}

std::shared_ptr<Retry> ResilienceManager::retry(std::string_view name) const {
    return registry_->find(registry_->retries, name);
}

bool ResilienceManager::remove(PolicyKind kind, std::string_view name) { return registry_->remove(kind, name) != 0; }

std::size_t ResilienceManager::remove(std::string_view name) { return registry_->remove(std::nullopt, name); }

std::size_t ResilienceManager::expire_idle(Duration idle_for, TimePoint now) {
    std::size_t expired = 0;
    registry_->each_kind(
        [&](auto& policies) { expired += registry_->expire(policies, std::max(idle_for, Duration::zero()), now); });
    return expired;
}

ResilienceStats ResilienceManager::stats(TimePoint now) const {
    ResilienceStats stats;
    stats.service = registry_->service;
    stats.taken = std::chrono::system_clock::now();
    stats.uptime = time_between(registry_->made, Clock::now());
    const std::shared_lock lock(registry_->mutex);
    const auto at_now = [now](const auto& entry) { return entry.policy->stats(now); };
    add_stats(registry_->circuit_breakers, stats.circuit_breakers, stats.overflow.circuit_breakers, at_now);
    add_stats(registry_->rate_limiters, stats.rate_limiters, stats.overflow.rate_limiters, at_now);
    add_stats(registry_->keyed_rate_limiters, stats.keyed_rate_limiters, stats.overflow.keyed_rate_limiters,
              [this](const auto& entry) {
                  return picture_of(*entry.policy, entry.registered.when_full, registry_->hottest_keys);
              });
    add_stats(registry_->bulkheads, stats.bulkheads, stats.overflow.bulkheads, at_now);
    add_stats(registry_->retries, stats.retries, stats.overflow.retries, at_now);
    stats.listener_exceptions = registry_->registrations.listener_exceptions();
    stats.events_dropped = registry_->registrations.dropped();
    registry_->each_kind([&](const auto& policies) {
        stats.listener_exceptions += policies.removed().listener_exceptions;
        stats.events_dropped += policies.removed().events_dropped;
    });
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
    registry_->each_kind([&](const auto& policies) { policies.subscribe(fresh.front()); });
    if ((static_cast<std::uint32_t>(kinds) & static_cast<std::uint32_t>(EventKinds::registrations)) != 0) {
        fresh.front().to_registrations = registry_->registrations.subscribe(fresh.front().shared(), kinds);
    }
    detail::ManagerListeners& listeners = *registry_->listeners;
    const std::scoped_lock listeners_lock(listeners.mutex);
    Subscription subscription(std::make_shared<detail::ManagerListening>(registry_->listeners, fresh.begin()));
    listeners.all.splice(listeners.all.end(), fresh);
    return subscription;
}

std::vector<RecordedEvent> ResilienceManager::history() const {
    return registry_->history ? registry_->history->copy() : std::vector<RecordedEvent>{};
}

}  // namespace resilience::inline v1
