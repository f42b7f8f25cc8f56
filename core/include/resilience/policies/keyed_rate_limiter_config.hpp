#pragma once

// What a keyed rate limiter can be told, and the picture it gives of itself.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <resilience/base/rejection.hpp>
#include <resilience/base/time.hpp>
#include <resilience/measure/key_view.hpp>
#include <string>
#include <vector>

namespace resilience::inline v1 {

// One of the bargains a key can have: "gold", "silver", "bronze". Ranges of the numbers as for a RateLimiter.
struct KeyTierConfig {
    std::string name;            // 1 to 64 bytes, no two alike
    std::uint64_t capacity = 0;  // most tokens a key's bucket holds. 1 to 2^32 - 1
    double refill_rate = 0;      // tokens per second that flow back to each key. 1e-8 to 1e9

    friend bool operator==(const KeyTierConfig&, const KeyTierConfig&) = default;
};

// What becomes of a new key when `max_keys` are held and no full bucket is found to make room.
enum class WhenFull : std::uint8_t {
    evict_idle,  // of those looked at, the key that would be full soonest makes room; counted as evicted_live
    refuse_new,  // the new key is refused with load_shed
};

struct KeyedRateLimiterConfig {
    // 1 to 8. The first is that of a key for which nobody names another. Required.
    std::vector<KeyTierConfig> tiers{};

    // Keys held at once, 1 to 2^32. A key is held from its first admission until its bucket is full again.
    std::size_t max_keys = 100'000;

    WhenFull when_full = WhenFull::evict_idle;

    // How long a bucket that is full is kept nevertheless, 0 to Duration::max(): callers whose `now` is late by less
    // than this are judged as though it were still there. Where room is needed a full bucket goes at once.
    Duration idle = std::chrono::seconds(1);

    // 0: one for each 64 of max_keys, at most 64. Otherwise a power of two up to 1024; with more than one for each 64
    // keys some shards may stand empty at max_keys, and a new key of such a shard is refused with load_shed.
    std::size_t shards = 0;

    // For tests that need the same places every time. Without: random in each limiter, as it must be in production.
    std::optional<KeySeed> seed{};

    friend bool operator==(const KeyedRateLimiterConfig&, const KeyedRateLimiterConfig&) = default;
};

// A key that asked often, counted from when it was last new. Beyond 2^28 both counts are halved.
struct HotKey {
    // A number in decimals. A text while the limiter remembers it: the first 48 bytes of the eight held keys that asked
    // most in each shard, looked at whenever a key's count reaches a power of two from 16 on; otherwise '#' and 32
    // hexadecimal digits, which are the same as long as the limiter lives.
    std::string key{};
    std::string tier{};
    std::uint64_t admitted = 0;
    std::uint64_t rejected = 0;
};

// requests = admitted + rejected in every picture. The sums of different shards are read one after another.
struct KeyedRateLimiterStats {
    std::size_t keys = 0;
    std::size_t max_keys = 0;
    std::size_t bytes = 0;                 // the limiter and its table
    std::uint64_t evicted_full_total = 0;  // forgotten while full, which changes nothing
    std::uint64_t evicted_live_total = 0;  // forgotten before, for want of room
    struct Rejected {
        std::uint64_t rate_limited = 0;
        std::uint64_t exceeds_capacity = 0;
        std::uint64_t load_shed = 0;  // new keys for which there was no room
        // Every reason a keyed rate limiter can give.
        [[nodiscard]] std::array<RejectionCount, 3> by_reason() const noexcept {
            return {{{RejectionReason::rate_limited, rate_limited},
                     {RejectionReason::exceeds_capacity, exceeds_capacity},
                     {RejectionReason::load_shed, load_shed}}};
        }
        [[nodiscard]] std::uint64_t total() const noexcept { return total_of(by_reason()); }
    } rejected{};
    std::uint64_t requests = 0;  // calls that asked, whatever number of tokens
    std::uint64_t admitted = 0;
    // With reservations only: keys that have open ones, and what settling has brought back and has charged beyond the
    // estimates.
    std::size_t keys_reserved = 0;
    std::uint64_t returned_tokens = 0;
    std::uint64_t surplus_tokens = 0;
    // In the picture of a manager only; the last where ManagerConfig::hottest_keys says so.
    WhenFull when_full = WhenFull::evict_idle;
    std::vector<KeyTierConfig> tiers{};
    std::vector<HotKey> hottest{};
};

}  // namespace resilience::inline v1
