#pragma once

// A policy for each key: circuit breakers and bulkheads that are made when a key is first seen and forgotten when idle.
//
//     Keyed<CircuitBreaker> per_host{"per_host", CircuitBreakerConfig{.failure_threshold = 0.3}};
//     if (auto admission = per_host.try_acquire(host)) {              // holds breaker and permit
//         admission->permit().settle(charge(card) ? Outcome::success : Outcome::failure);
//     }
//
//     const auto breaker = per_host.at(host);                         // or the policy itself, for a pipeline
//     if (breaker) return Pipeline{RetryConfig{}, breaker}.execute([&] { return fetch(host); });
//
// All policies of one container have its configuration and its name, so their rejections name the container; a key is
// no name (key_view.hpp: any bytes, of any length; only its digest is kept).
//
// Forgetting. A policy goes when nobody else holds it, it is at rest, and its key was not asked for during `idle`. At
// rest is a breaker that is closed, as are its operations, with no permit out and no lever that will end (or only
// measures, if it began so); a bulkhead with no permit out, nobody waiting and no partition. What is not at rest never
// goes, whatever it costs: an open circuit is not forgotten by asking for other hosts. Only one whose open time is
// over and that nobody has asked for during `idle` goes as well, for else hosts that are gone would hold their places
// for good. With its breaker a key loses its window, so `idle` is best longer than that. A few places are looked at
// with each new key, more by sweep(). At `max_keys` a new key makes room: of the next 64 places of its shard the one
// that was not asked for longest goes if it is at rest and nobody holds it (`evicted_early_total`); else, or with
// WhenFull::refuse_new, the new key is refused.
//
// A permit does not hold its policy: who takes permits from at() keeps the pointer until they have ended. Permits of
// try_acquire() hold it themselves, and a pipeline holds what it was made of; while either lives, the policy stays.
//
// Threads: every member may be called from any thread. Permits and pointers may outlive the container. Cost: digest and
// one short lock of a shard, no allocation for a key that is held; a new key makes its policy, outside the lock.
// Memory: the policy and 70 to 90 bytes; nothing for keys that were forgotten and swept. Where memory is missing, at()
// throws std::bad_alloc if the policy cannot be made and refuses the key if the table cannot grow; nothing else has
// changed.

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <resilience/base/admission.hpp>
#include <resilience/base/atomics.hpp>
#include <resilience/base/time.hpp>
#include <resilience/measure/key_table.hpp>
#include <resilience/measure/key_view.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/keyed_rate_limiter_config.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace resilience::inline v1 {

struct KeyedConfig {
    std::size_t max_keys = 10'000;             // 1 to 2^32
    Duration idle = std::chrono::minutes(10);  // 0 to Duration::max()
    WhenFull when_full = WhenFull::evict_idle;
    std::size_t shards = 0;         // 0: one for each 64 of max_keys, at most 64. Otherwise a power of two up to 1024
    std::optional<KeySeed> seed{};  // without: random, as it must be in production

    friend bool operator==(const KeyedConfig&, const KeyedConfig&) = default;
};

struct KeyedStats {
    std::size_t keys = 0;
    std::size_t max_keys = 0;
    std::uint64_t evicted_idle_total = 0;
    std::uint64_t evicted_early_total = 0;  // at rest, but before `idle` was over, for want of room
    std::uint64_t refused_total = 0;        // new keys for which there was no room
};

namespace detail {
// Throws ConfigError. The number of shards.
std::size_t checked_shards(const std::string& name, const KeyedConfig& config);
// `idle`: nobody has asked for its key for so long.
[[nodiscard]] bool at_rest(const CircuitBreaker& breaker, TimePoint now, bool idle) noexcept;
[[nodiscard]] bool at_rest(const Bulkhead& bulkhead, TimePoint now, bool idle) noexcept;
inline constexpr PolicyKind kind_of(const CircuitBreaker*) noexcept { return PolicyKind::circuit_breaker; }
inline constexpr PolicyKind kind_of(const Bulkhead*) noexcept { return PolicyKind::bulkhead; }
inline Admission<CircuitBreaker::Permit> ask(CircuitBreaker& breaker, TimePoint now) noexcept {
    return breaker.try_acquire(now);
}
inline Admission<Bulkhead::Permit> ask(Bulkhead& bulkhead, TimePoint) noexcept { return bulkhead.try_acquire(); }
}  // namespace detail

template <class Policy>
class Keyed {
  public:
    using Config = std::remove_cvref_t<decltype(std::declval<const Policy&>().config())>;

    // A permit and the policy it is from.
    class Held {
      public:
        Held(std::shared_ptr<Policy> policy, typename Policy::Permit&& permit) noexcept
            : policy_(std::move(policy)), permit_(std::move(permit)) {}
        Held(Held&&) noexcept = default;
        // The permit first: it ends while its policy is still held.
        Held& operator=(Held&& other) noexcept {
            permit_ = std::move(other.permit_);
            policy_ = std::move(other.policy_);
            return *this;
        }
        ~Held() = default;
        [[nodiscard]] typename Policy::Permit& permit() noexcept { return permit_; }
        [[nodiscard]] Policy& policy() const noexcept { return *policy_; }

      private:
        std::shared_ptr<Policy> policy_;  // outlives the permit
        typename Policy::Permit permit_;
    };

    // Throws ConfigError naming every bad field of either configuration, or std::bad_alloc.
    Keyed(std::string name, Config policy, KeyedConfig config = {})
        : name_(std::move(name)),
          policy_(std::move(policy)),
          shard_count_(detail::checked_shards(name_, config)),
          config_(config),
          seed_(config.seed ? *config.seed : KeySeed::random()),
          shards_(std::make_unique<Shard[]>(shard_count_)),
          // Refuses a bad configuration here and not at the first key.
          interned_name_(Policy(name_, policy_).name()) {}
    Keyed(const Keyed&) = delete;
    Keyed& operator=(const Keyed&) = delete;

    // The key's policy, made if there is none. Empty if there is no room for a new key.
    [[nodiscard]] std::shared_ptr<Policy> at(const KeyView& key, TimePoint now = Clock::now()) {
        const KeyDigest digest = digest_of(key, seed_);
        Shard& shard = shard_of(digest);
        if (std::shared_ptr<Policy> known = find(shard, digest, now)) return known;
        // Not under the lock: it takes time, and may throw.
        auto fresh = std::make_shared<Policy>(name_, policy_);
        Leaving leaving;
        const std::lock_guard lock(shard.mutex);
        return add_locked(shard, digest, std::move(fresh), now, leaving);
    }

    // A permit of the key's policy that holds it. Refused by the policy, or with load_shed if there is no room.
    [[nodiscard]] Admission<Held> try_acquire(const KeyView& key, TimePoint now = Clock::now()) {
        std::shared_ptr<Policy> policy = at(key, now);
        if (policy == nullptr) {
            constexpr PolicyKind kind = detail::kind_of(static_cast<const Policy*>(nullptr));
            return std::unexpected(
                Rejection{.reason = RejectionReason::load_shed, .kind = kind, .policy = interned_name_});
        }
        auto permit = detail::ask(*policy, now);
        if (!permit) return std::unexpected(permit.error());
        return Held(std::move(policy), std::move(*permit));
    }

    // Looks at up to `places` places of the table, from where the last sweep ended, and forgets what is idle. Returns
    // how many keys went. As many places as the table has meet every key.
    std::size_t sweep(TimePoint now = Clock::now(), std::size_t places = 4096) noexcept {
        std::size_t removed = 0;
        for (std::size_t shards = 0; shards < shard_count_ && places != 0; ++shards) {
            const std::size_t next = next_to_sweep_.fetch_add(1, std::memory_order_relaxed);
            removed += sweep_shard(shards_[next & (shard_count_ - 1)], now, places);
        }
        return removed;
    }

    // Takes each shard's lock in turn.
    [[nodiscard]] KeyedStats stats() const noexcept {
        KeyedStats stats{.max_keys = config_.max_keys};
        for (std::size_t place = 0; place < shard_count_; ++place) {
            const Shard& shard = shards_[place];
            const std::lock_guard lock(shard.mutex);
            stats.keys += shard.table.size();
            stats.evicted_idle_total += shard.evicted_idle;
            stats.evicted_early_total += shard.evicted_early;
            stats.refused_total += shard.refused;
        }
        return stats;
    }

  private:
    struct Entry {
        KeyDigest digest;
        std::shared_ptr<Policy> policy;
        TimePoint last_asked{};
        [[nodiscard]] bool empty() const noexcept { return policy == nullptr; }
    };
    struct alignas(cache_line) Shard {
        mutable std::mutex mutex;
        detail::KeyTable<Entry> table;
        std::uint64_t evicted_idle = 0;
        std::uint64_t evicted_early = 0;
        std::uint64_t refused = 0;
    };
    static constexpr std::size_t looks = 64;
    static constexpr std::size_t looks_with_each_key = 4;
    // What is forgotten under a lock and dies after it: a listener goes with it.
    struct Leaving {
        std::array<std::shared_ptr<Policy>, looks + looks_with_each_key + 1> policies;
        std::size_t count = 0;
        void take(std::shared_ptr<Policy>& policy) noexcept { policies[count++] = std::move(policy); }
    };

    Shard& shard_of(const KeyDigest& digest) const noexcept { return shards_[digest.hash & (shard_count_ - 1)]; }

    std::shared_ptr<Policy> find(Shard& shard, const KeyDigest& digest, TimePoint now) noexcept {
        const std::lock_guard lock(shard.mutex);
        Entry* const entry = shard.table.find(digest);
        if (entry == nullptr) return nullptr;
        entry->last_asked = std::max(entry->last_asked, now);
        return entry->policy;
    }

    std::shared_ptr<Policy> add_locked(Shard& shard, const KeyDigest& digest, std::shared_ptr<Policy>&& fresh,
                                       TimePoint now, Leaving& leaving) noexcept {
        if (Entry* const other = shard.table.find(digest)) {
            // Somebody was faster.
            leaving.take(fresh);
            other->last_asked = std::max(other->last_asked, now);
            return other->policy;
        }
        static_cast<void>(forget_idle_locked(shard, looks_with_each_key, now, leaving));
        bool room = keys_.fetch_add(1, std::memory_order_relaxed) < config_.max_keys;
        if (!room) {
            keys_.fetch_sub(1, std::memory_order_relaxed);
            room = replace_locked(shard, now, leaving);
        }
        if (!room || !shard.table.make_room()) {
            if (room) keys_.fetch_sub(1, std::memory_order_relaxed);
            ++shard.refused;
            leaving.take(fresh);
            return nullptr;
        }
        Entry& entry = shard.table.insert(digest);
        entry.policy = std::move(fresh);
        entry.last_asked = now;
        return entry.policy;
    }

    // Nobody can get hold of a policy that only the table holds while the shard is locked.
    [[nodiscard]] bool can_go(const Entry& entry, TimePoint now) const noexcept {
        return entry.policy.use_count() == 1 && detail::at_rest(*entry.policy, now, is_idle(entry, now));
    }
    [[nodiscard]] bool is_idle(const Entry& entry, TimePoint now) const noexcept {
        return entry.last_asked <= saturating_add(now, -config_.idle);
    }

    std::size_t forget_idle_locked(Shard& shard, std::size_t places, TimePoint now, Leaving& leaving) noexcept {
        const std::size_t removed = shard.table.sweep(places, [&](Entry& entry) {
            if (leaving.count >= looks || !is_idle(entry, now) || !can_go(entry, now)) return false;
            leaving.take(entry.policy);
            return true;
        });
        shard.evicted_idle += removed;
        keys_.fetch_sub(removed, std::memory_order_relaxed);
        if (removed != 0) shard.table.shrink();
        return removed;
    }

    // Removes one that is at rest; its place in keys_ is the new key's.
    bool replace_locked(Shard& shard, TimePoint now, Leaving& leaving) noexcept {
        if (config_.when_full == WhenFull::refuse_new) return false;
        TimePoint oldest = never;
        KeyDigest digest{};
        shard.table.sweep(looks, [&](Entry& entry) {
            if (entry.last_asked < oldest && can_go(entry, now)) {
                oldest = entry.last_asked;
                digest = entry.digest;
            }
            return false;
        });
        if (oldest == never) return false;
        Entry& entry = *shard.table.find(digest);
        ++(is_idle(entry, now) ? shard.evicted_idle : shard.evicted_early);
        leaving.take(entry.policy);
        shard.table.remove(entry);
        return true;
    }

    // In strides, between which the lock is free. Lowers `places` by those it has looked at.
    std::size_t sweep_shard(Shard& shard, TimePoint now, std::size_t& places) noexcept {
        std::size_t removed = 0;
        for (std::size_t looked = 0; places != 0; looked += looks) {
            Leaving leaving;
            const std::lock_guard lock(shard.mutex);
            const std::size_t held = shard.table.places();
            if (looked >= held) break;
            const std::size_t stride = std::min({places, looks, held - looked});
            removed += forget_idle_locked(shard, stride, now, leaving);
            places -= stride;
        }
        return removed;
    }

    std::string name_;
    Config policy_;
    std::size_t shard_count_;
    KeyedConfig config_;
    KeySeed seed_;
    std::unique_ptr<Shard[]> shards_;
    std::string_view interned_name_;
    std::atomic<std::size_t> keys_{0};
    std::atomic<std::size_t> next_to_sweep_{0};
};

}  // namespace resilience::inline v1
