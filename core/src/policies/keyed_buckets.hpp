#pragma once

// The buckets of a keyed rate limiter: what one shard holds, and every decision about it. Called under its lock.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <resilience/base/rejection.hpp>
#include <resilience/base/time.hpp>
#include <resilience/measure/key_table.hpp>
#include <resilience/measure/key_view.hpp>
#include <resilience/measure/token_block.hpp>
#include <resilience/measure/token_bucket.hpp>
#include <resilience/policies/keyed_rate_limiter_config.hpp>
#include <resilience/policies/keyed_reservation.hpp>
#include <string_view>

namespace resilience::inline v1::detail {

inline constexpr std::size_t most_tiers = 8;

// A tier's parameters. The position in it is nobody's: each key has its own, counted in the same units.
using TierBlock = TokenBlock<StandardAtomics>;

// What a shard holds of a key: 32 bytes.
struct KeyedBucket {
    KeyDigest digest;
    std::int64_t position = 0;
    std::uint64_t held : 1 = 0;
    std::uint64_t is_number : 1 = 0;
    std::uint64_t assigned : 1 = 0;
    std::uint64_t reserved : 1 = 0;  // has open reservations
    std::uint64_t tier : 3 = 0;
    std::uint64_t admitted : 28 = 0;
    std::uint64_t rejected : 28 = 0;

    [[nodiscard]] bool empty() const noexcept { return held == 0; }
    // May not be forgotten.
    [[nodiscard]] bool pinned() const noexcept { return assigned != 0 || reserved != 0; }
    // True when the count has reached a power of two from 16 on: the moments to look at who is hot.
    bool count(bool was_admitted) noexcept;
    [[nodiscard]] std::uint64_t asked() const noexcept { return std::uint64_t{admitted} + rejected; }
};
static_assert(sizeof(KeyedBucket) == 32);

// What a shard holds besides of a key that has open reservations: what a refund has to know and the bucket does not
// say.
struct OpenReservations {
    // Of a key whose reservations return nothing any more.
    static constexpr std::uint32_t last_epoch = 0xFFFF'FFFF;

    KeyDigest digest;
    std::uint64_t returned = 0;  // tokens that have come back
    TimePoint seen{};            // the newest `now` at which something was taken
    std::uint32_t open = 0;
    std::uint32_t epoch = 0;  // changes when the position is carried over to other parameters

    [[nodiscard]] bool empty() const noexcept { return open == 0; }
    void see(TimePoint now) noexcept { seen = now > seen ? now : seen; }
    // What was reserved before is not returned.
    void begin_epoch() noexcept { epoch += epoch == last_epoch ? 0U : 1U; }
};
static_assert(sizeof(OpenReservations) == 40);

// The text of a key that asks often.
struct HotText {
    static constexpr std::size_t kept = 48;
    std::uint64_t hash = 0;
    std::uint64_t asked = 0;
    std::array<char, kept> text{};
    std::uint8_t length = 0;
};

// One request. Small members written one by one are not read back as a whole, which would wait for the writes: the key
// is referred to, and the answer is written where it is wanted.
struct KeyedAsk {
    const KeyView& key;
    KeyDigest digest;
    std::optional<std::uint8_t> tier;
    std::uint64_t tokens;
    TimePoint now;
};

struct KeyedAnswer {
    enum class Kind : std::uint8_t { admitted, rate_limited, exceeds_capacity, load_shed, beyond_span };
    std::uint64_t capacity = 0;  // of exceeds_capacity
    Duration wait{};             // of rate_limited
};

// What the shards of a limiter share: how many keys there may be, and what happens then.
struct KeyRoom {
    std::size_t max_keys;
    WhenFull when_full;
    Duration idle;
    std::atomic<std::size_t> keys{0};

    [[nodiscard]] bool take() noexcept;
    void give_back(std::size_t count) noexcept { keys.fetch_sub(count, std::memory_order_relaxed); }
};

class KeyedBuckets {
  public:
    struct Counts {
        std::uint64_t admitted = 0;
        std::uint64_t rate_limited = 0;
        std::uint64_t exceeds_capacity = 0;
        std::uint64_t load_shed = 0;
        std::uint64_t evicted_full = 0;
        std::uint64_t evicted_live = 0;
        std::uint64_t returned_tokens = 0;
        std::uint64_t surplus_tokens = 0;
    };

    // Before any key: which parameters a tier has. The block outlives its use here.
    void begin_tier(std::size_t tier, const TierBlock& block) noexcept;
    // Moves every key of the tier to the parameters of `fresh`, at its origin. A tier whose turn has not come is none.
    void change_tier(std::size_t tier, const TierBlock& fresh) noexcept;

    // Fills what the kind of answer has in `answer`.
    [[nodiscard]] KeyedAnswer::Kind ask(const KeyedAsk& ask, KeyRoom& room, KeyedAnswer& answer) noexcept;
    // Whether no key, held or not, could be told from a new one.
    [[nodiscard]] bool all_full(TimePoint now) noexcept;
    [[nodiscard]] std::uint64_t available(const KeyDigest& digest, TimePoint now) noexcept;
    [[nodiscard]] KeyedAnswer::Kind assign(const KeyedAsk& ask, KeyRoom& room) noexcept;
    void release(const KeyDigest& digest) noexcept;

    // As ask(); what is admitted is open, and its key held, until it is settled or dropped once.
    [[nodiscard]] KeyedAnswer::Kind reserve(const KeyedAsk& ask, KeyRoom& room, KeyedAnswer& answer,
                                            KeyedReserved& reserved) noexcept;
    // Beyond the span nothing comes back, and what is owed is owed since its end.
    TokenBucket::Settled settle(const KeyedReserved& reserved, std::uint64_t actual, TimePoint now) noexcept;
    void drop(const KeyedReserved& reserved) noexcept;
    // Gives back the memory of reservations that have ended.
    void shrink_open() noexcept { open_.shrink(); }
    // Whether some tier's origin lies too far before `now`.
    [[nodiscard]] bool beyond_span(TimePoint now) const noexcept;

    // Forgets what is full since room.idle among the next `looks` places.
    std::size_t sweep(std::size_t looks, TimePoint now, KeyRoom& room) noexcept;

    // A request that was not judged for want of memory.
    void count_unjudged() noexcept { ++counts_.load_shed; }

    [[nodiscard]] KeyTable<KeyedBucket>& table() noexcept { return table_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return table_.bytes() + open_.bytes(); }
    // Keys that have open reservations.
    [[nodiscard]] std::size_t keys_reserved() const noexcept { return open_.size(); }
    [[nodiscard]] const Counts& counts() const noexcept { return counts_; }
    [[nodiscard]] std::optional<std::string_view> text_of(const KeyDigest& digest) const noexcept;

  private:
    [[nodiscard]] bool full_at(const KeyedBucket& bucket, TimePoint at) const noexcept;
    [[nodiscard]] double nanoseconds_until_full(const KeyedBucket& bucket, TimePoint now) const noexcept;
    void switch_tier(KeyedBucket& bucket, std::uint8_t tier, TimePoint now) noexcept;
    [[nodiscard]] KeyedBucket* add(const KeyedAsk& ask, std::uint8_t tier, KeyRoom& room) noexcept;
    [[nodiscard]] KeyedBucket* hold(const KeyedAsk& ask, std::uint8_t tier, KeyRoom& room) noexcept;
    void carried_over(const KeyedBucket& bucket) noexcept;
    std::uint64_t give_back(const KeyedReserved& reserved, std::uint64_t unused, TimePoint now) noexcept;
    void charge(KeyedBucket& bucket, std::uint64_t surplus, TimePoint now) noexcept;
    [[nodiscard]] bool evict(TimePoint now, KeyRoom& room) noexcept;
    void forget_full(const KeyedBucket& bucket, TimePoint full_at) noexcept;
    void forget_live(const KeyedBucket& bucket, TimePoint now) noexcept;
    void raise_absent(std::size_t tier, Signed128 position) noexcept;
    void count(KeyedBucket* bucket, const KeyedAsk& ask, bool was_admitted) noexcept;
    void remember_text(const KeyedBucket& bucket, std::string_view text) noexcept;
    void forget_text(const KeyedBucket& bucket) noexcept;

    KeyTable<KeyedBucket> table_;
    KeyTable<OpenReservations> open_;
    Counts counts_;
    std::size_t tiers_ = 0;
    // The newest moment at which a key or a tier changed: an older one would give the time between twice.
    TimePoint newest_change_{};
    std::array<const TierBlock*, most_tiers> blocks_{};
    // Where a key stands that is not held: at the emptiest bucket that was forgotten.
    std::array<std::int64_t, most_tiers> absent_{};
    std::array<HotText, 8> hot_{};
};

}  // namespace resilience::inline v1::detail
