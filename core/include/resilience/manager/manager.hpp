#pragma once

// One place that knows every policy of a program by name: registration, look-up, stats, health, events.
//
//     ResilienceManager manager{"checkout"};
//     auto breaker = manager.register_circuit_breaker("payment_api");
//     Pipeline guarded{breaker, manager.register_bulkhead("payment_api", 50, 10)};
//     std::cout << manager.stats().circuit_breakers.at("payment_api").requests;
//
// A name belongs to one policy of each kind: a breaker and a bulkhead may both be "payment_api"; a rate limiter and a
// keyed one, which are of one kind, may not. No policy may be called "overflow", as metrics call the sum of those that
// have none of their own (manager/series_overflow.hpp). A policy is registered until it is removed or expires; one that
// is removed, or whose manager is gone, lives on in the hands that hold it.
//
// Threads: every member may be called from any thread. Registration and look-up take a short lock, which calls never
// take: a registered policy is used through its shared_ptr without the manager. No listener and no other user code runs
// under a lock of the manager, so a listener may register, look up and read stats.
// Cost: look-up allocates nothing and compares names; stats copies every counter and name.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <resilience/base/events.hpp>
#include <resilience/base/rejection.hpp>
#include <resilience/base/time.hpp>
#include <resilience/manager/config_templates.hpp>
#include <resilience/manager/health.hpp>
#include <resilience/manager/manager_config.hpp>
#include <resilience/manager/recorded_event.hpp>
#include <resilience/manager/stats.hpp>
#include <resilience/policies/bulkhead_config.hpp>
#include <resilience/policies/circuit_breaker_config.hpp>
#include <resilience/policies/circuit_breaker_hooks.hpp>
#include <resilience/policies/keyed_rate_limiter_config.hpp>
#include <resilience/policies/rate_limiter_config.hpp>
#include <resilience/policies/retry.hpp>
#include <resilience/policies/retry_config.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::inline v1 {

class CircuitBreaker;
class RateLimiter;
class KeyedRateLimiter;
class Bulkhead;

class ResilienceManager {
  public:
    // The service's name goes into stats and health; empty, or a name by the rules of base/names.hpp, else ConfigError.
    // The same for a bad field of the configuration. Reads the clock once, for `uptime`.
    explicit ResilienceManager(std::string service = "", ManagerConfig config = {});
    ~ResilienceManager();
    ResilienceManager(const ResilienceManager&) = delete;
    ResilienceManager& operator=(const ResilienceManager&) = delete;

    // ---- registration
    // Gets or creates. A new name makes the policy; a known name with the same configuration gives the same object,
    // however many threads ask at once. Throws ConfigError for a bad name, for any bad field, and for a known name with
    // another configuration: it lists what differs. What counts is the configuration of the first registration, also
    // after set_rate, set_tier or set_max_concurrent. Whatever is thrown, std::bad_alloc included, nothing has changed.
    // Functions and budgets cannot be compared: those of the first registration stay, others are dropped.
    std::shared_ptr<CircuitBreaker> register_circuit_breaker(std::string name, CircuitBreakerConfig config = {},
                                                             CircuitBreakerHooks hooks = {});
    std::shared_ptr<RateLimiter> register_rate_limiter(std::string name, std::uint64_t capacity, double refill_rate);
    std::shared_ptr<RateLimiter> register_rate_limiter(std::string name, RateLimiterConfig config);
    std::shared_ptr<KeyedRateLimiter> register_keyed_rate_limiter(std::string name, KeyedRateLimiterConfig config);
    std::shared_ptr<Bulkhead> register_bulkhead(std::string name, std::uint32_t max_concurrent,
                                                std::uint32_t queue_size = 0);
    std::shared_ptr<Bulkhead> register_bulkhead(std::string name, BulkheadConfig config);
    std::shared_ptr<Retry> register_retry(std::string name, RetryConfig config = {}, RetryHooks hooks = {},
                                          SharedRetryBudget budget = {});

    // Named configurations for each kind, to be given to the above: see manager/config_templates.hpp. They live as long
    // as the manager. A configuration that is given without them is taken as it is.
    [[nodiscard]] ConfigTemplates<CircuitBreakerConfig>& circuit_breaker_templates() noexcept;
    [[nodiscard]] ConfigTemplates<RateLimiterConfig>& rate_limiter_templates() noexcept;
    [[nodiscard]] ConfigTemplates<BulkheadConfig>& bulkhead_templates() noexcept;
    [[nodiscard]] ConfigTemplates<RetryConfig>& retry_templates() noexcept;

    // ---- look-up: nullptr when unknown. No allocation.
    [[nodiscard]] std::shared_ptr<CircuitBreaker> circuit_breaker(std::string_view name) const;
    [[nodiscard]] std::shared_ptr<RateLimiter> rate_limiter(std::string_view name) const;
    [[nodiscard]] std::shared_ptr<KeyedRateLimiter> keyed_rate_limiter(std::string_view name) const;
    [[nodiscard]] std::shared_ptr<Bulkhead> bulkhead(std::string_view name) const;
    [[nodiscard]] std::shared_ptr<Retry> retry(std::string_view name) const;

    // ---- letting go
    // The manager forgets the policy: look-up, stats, metrics and health know it no more, listeners to the manager hear
    // it no more, and the name can be registered anew, with any configuration; those who listen to the manager then
    // hear the new one. Whoever holds the policy keeps using it. When nobody does it is destroyed here: hold the
    // shared_ptr for as long as a permit, reservation or gate of it is out. Waits for listeners that run for this
    // policy on other threads. False, or 0: unknown, nothing has changed.
    bool remove(PolicyKind kind, std::string_view name);
    // Of every kind, at once; how many there were. Either may throw std::bad_alloc and has then removed nothing.
    std::size_t remove(std::string_view name);

    // Removes every policy that has not been used for at least `idle_for`; how many. Call it now and then, from
    // wherever it suits: nothing is removed by itself. What has been idle is told by the counters at earlier sweeps,
    // not by calls: a policy that was never seen by a sweep is looked at for the first time and stays, so that it goes
    // between `idle_for` and one interval of sweeping later. Never removed, however long:
    //  - what somebody else holds a shared_ptr of (a pipeline it was given to does);
    //  - what has a permit out, a waiter, a sleeping retry, a partition, an operation or a health probe;
    //  - what somebody would miss: a circuit that is open or under a lever, a bucket that is not full, a key that is
    //    assigned or not full, a configuration, rate, tier or limit that was changed, a policy that was closed.
    // Nobody counts the attempts that run inside a retry, the reservations of a RateLimiter and the gates of keys
    // (KeyedRateLimiter::for_key): keep the policy's shared_ptr beside them. What a closed or half-open circuit has
    // seen so far is forgotten with it.
    // Out of memory half-way it throws std::bad_alloc; those that are gone by then have been told of.
    // Reads the stats of every policy under the manager's lock; the number of names is bounded as in base/names.hpp,
    // and expired names count there for ever.
    std::size_t expire_idle(Duration idle_for, TimePoint now = Clock::now());

    // ---- picture
    // States, windows and tokens are those at `now`.
    [[nodiscard]] ResilienceStats stats(TimePoint now = Clock::now()) const;
    // health(stats(now), rules): see manager/health.hpp.
    [[nodiscard]] Health health(const HealthRules& rules = {}, TimePoint now = Clock::now()) const;
    // The guide's rule: fewer than three circuits open.
    [[nodiscard]] bool ready(TimePoint now = Clock::now()) const;

    // Listens to every policy registered now and later, until the subscription ends; ending it works as for one policy
    // (base/events.hpp) and may happen after the manager is gone. One listener may be called at the same time for
    // different policies. `EventKinds::registrations` tells of policies that are added and removed, once each; an event
    // of the policy itself may overtake it.
    Subscription on_event(Listener listener, EventKinds kinds = EventKinds::changes);

    // The newest ManagerConfig::history events, `changes` and `registrations`, of all policies, the oldest first. Those
    // of one policy stand in its order. Empty without that setting. A policy that is removed leaves its events here;
    // they go when newer ones come, and all of them with the manager.
    [[nodiscard]] std::vector<RecordedEvent> history() const;

  private:
    struct Registry;
    std::unique_ptr<Registry> registry_;
};

}  // namespace resilience::inline v1
