#pragma once

// What a keyed rate limiter is made of: shards with a lock each, and what those share.

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <resilience/base/atomics.hpp>
#include <resilience/policies/keyed_rate_limiter.hpp>
#include <vector>

#include "keyed_buckets.hpp"

namespace resilience::inline v1 {

struct KeyedRateLimiter::Ask : detail::KeyedAsk {};
struct KeyedRateLimiter::Answer : detail::KeyedAnswer {
    Kind kind = Kind::admitted;
};

struct alignas(cache_line) KeyedRateLimiter::Shard {
    std::mutex mutex;
    detail::KeyedBuckets buckets;
};

struct KeyedRateLimiter::Levers {
    explicit Levers(const KeyedRateLimiterConfig& config)
        : room{.max_keys = config.max_keys, .when_full = config.when_full, .idle = config.idle} {}

    // Held by whoever changes parameters; before the locks of shards.
    std::mutex mutex;
    std::vector<KeyTierConfig> tiers;
    std::array<std::unique_ptr<detail::TierBlock>, detail::most_tiers> blocks;
    std::atomic<std::size_t> next_to_sweep{0};
    detail::KeyRoom room;
};

}  // namespace resilience::inline v1
