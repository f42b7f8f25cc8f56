#pragma once

// A rate limiter with a bucket for each key: each user, tenant or address has a rate of its own, in bounded memory.
//
//     KeyedRateLimiter per_user{"per_user", {.tiers = {{"bronze", 20, 10}, {"gold", 200, 100}}}};
//     if (!per_user.acquire(user_id)) return too_many_requests();               // bronze, the first tier
//
//     const auto gold = per_user.tier("gold");                                  // looked up once
//     auto answer = per_user.try_acquire(api_key, gold, cost);                  // text keys and number keys
//     if (!answer) return too_many_requests(answer.error().retry_after);        // usable exactly as given
//
// Promise, for every key whose tier stays: the tokens admitted with a `now` in [s, t] are never more than capacity +
// refill_rate * (t - s), from any number of threads, *also if the key was forgotten in between*; in units, fractions
// and strict rates as measure/token_bucket.hpp has them. A key that is new is full.
//
// Forgetting. A full bucket is equal to an absent one, so keys are forgotten when they are full again: a few with each
// new key, more by sweep(). At `max_keys` a new key makes room: of the next 64 places of its shard all that are full
// go; only if none is, the one that would be full soonest goes (`evicted_live_total`), or the new key is refused
// (`WhenFull::refuse_new`). It is refused, too, where no key stands at those places or all are assigned or reserved.
// Each shard remembers the emptiest bucket it has forgotten, and a key that is new there starts as that bucket would
// stand now. So forgetting never admits more; it can refuse a new key tokens that it would have had, until the
// forgotten bucket would have been full.
//
// Tiers. A key has the tier given with its last call, or by assign(), which also keeps it from being forgotten; without
// either, the first. A change of tier, and set_tier() for all its keys at once, keeps the *tokens*, cut at the new
// capacity: the bound is then the capacity at the window's start + the integral of the rate. Only a key that was
// forgotten and comes back in a larger tier is full there: each such raise adds the difference of the capacities.
//
// Weights. A call weighs the tokens it asks for, from 0 to its tier's capacity; what a key may spend weighs its tier:
//
//     const std::uint64_t pages = 12;                                           // each page of an export is a token
//     if (!per_user.acquire(user_id, pages)) return too_many_requests();
//
// Twice the weight of a key is a tier of twice the capacity and rate; twice the weight of a call is twice the tokens.
// Where the weight is known only afterwards, `reserve` takes an estimate.
//
// Keys are not names: any bytes of any length, the empty text too, none of it kept but the digest (key_view.hpp) and
// the text of some of the hottest. The hash is seeded at random in each limiter. 0 tokens are always admitted; more
// than the capacity never. A refused request takes nothing, and a key that was never admitted is not held.
//
// Threads: every member may be called from any thread. Cost: digest, one short lock of a shard (1 of up to 64), one
// look-up; no allocation unless the key is new and its shard's table grows, which moves one shard's entries (15,000 of
// 10^6: some 100 us) under its lock. Memory: 43 to 59 bytes a key, 32 of them the entry; 1 KB for each shard; nothing
// for keys that were forgotten and swept. Where memory is missing the shard goes on in the room it has, then refuses
// new keys with load_shed; nothing that was admitted is lost. Beside max_keys there is no word that shards share.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <resilience/base/admission.hpp>
#include <resilience/base/call_context.hpp>
#include <resilience/base/rejection.hpp>
#include <resilience/base/time.hpp>
#include <resilience/measure/key_view.hpp>
#include <resilience/policies/keyed_rate_limiter_config.hpp>
#include <resilience/policies/keyed_reservation.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::inline v1 {

class KeyedRateLimiter {
  public:
    // One of a limiter's tiers, by its place in the configuration. Good for the limiter it is from alone.
    class Tier {
      public:
        [[nodiscard]] std::size_t place() const noexcept { return place_; }

      private:
        friend class KeyedRateLimiter;
        explicit Tier(std::uint8_t place) noexcept : place_(place) {}
        std::uint8_t place_;
    };

    // A limiter and one of its keys: a gate of a pipeline, which outlives neither.
    class KeyGate;

    // Throws ConfigError naming every bad field, or std::bad_alloc. Unnamed: its rejections carry no name.
    explicit KeyedRateLimiter(KeyedRateLimiterConfig config);
    KeyedRateLimiter(std::string name, KeyedRateLimiterConfig config);
    KeyedRateLimiter(const KeyedRateLimiter&) = delete;
    KeyedRateLimiter& operator=(const KeyedRateLimiter&) = delete;
    ~KeyedRateLimiter();

    // Throws ConfigError if there is none of that name.
    [[nodiscard]] Tier tier(std::string_view name) const;

    // Takes `tokens`, the weight of the call, from the key's bucket if they are there, else nothing.
    [[nodiscard]] bool acquire(const KeyView& key, std::uint64_t tokens = 1, TimePoint now = Clock::now()) noexcept;
    // The same after giving the key that tier, which it keeps.
    [[nodiscard]] bool acquire(const KeyView& key, Tier tier, std::uint64_t tokens = 1,
                               TimePoint now = Clock::now()) noexcept;

    // As acquire; a refusal says why and when: rate_limited with the time until the first nanosecond at which the same
    // request succeeds if nobody comes between, exceeds_capacity, or load_shed, which cannot say when.
    [[nodiscard]] std::expected<void, Rejection> try_acquire(const KeyView& key, std::uint64_t tokens = 1,
                                                             TimePoint now = Clock::now()) noexcept;
    [[nodiscard]] std::expected<void, Rejection> try_acquire(const KeyView& key, Tier tier, std::uint64_t tokens = 1,
                                                             TimePoint now = Clock::now()) noexcept;

    // Takes an estimate from the key's bucket, to be settled when the true cost is known; keyed_reservation.hpp says
    // what that promises. Refuses as try_acquire does.
    [[nodiscard]] Admission<KeyedReservation> reserve(const KeyView& key, std::uint64_t estimate,
                                                      TimePoint now = Clock::now()) noexcept;
    [[nodiscard]] Admission<KeyedReservation> reserve(const KeyView& key, Tier tier, std::uint64_t estimate,
                                                      TimePoint now = Clock::now()) noexcept;

    // The limiter as one key sees it, for a pipeline. The key is copied, and hashed only here. The limiter must outlive
    // the gate.
    [[nodiscard]] KeyGate for_key(const KeyView& key) const;
    // Each call gives the key that tier.
    [[nodiscard]] KeyGate for_key(const KeyView& key, Tier tier) const;

    // Whole tokens that the key has at `now`. Does not make it known.
    [[nodiscard]] std::uint64_t available(const KeyView& key, TimePoint now = Clock::now()) const noexcept;

    // Gives the key a tier that it keeps until release(); until then it is not forgotten and counts in max_keys. False
    // if there is no room for it: then nothing has changed.
    [[nodiscard]] bool assign(const KeyView& key, Tier tier, TimePoint now = Clock::now()) noexcept;
    // The key can be forgotten again, and its tier with it.
    void release(const KeyView& key) noexcept;

    // Changes a tier's numbers for all its keys while calls run; its name stays. Takes each shard's lock in turn for
    // some 10 ns a key. A key that is not held is as full as before: a new one has all of the new capacity. Afterwards
    // an older `now` counts as this one. Throws ConfigError or std::bad_alloc, and then
    // nothing has changed.
    void set_tier(Tier tier, std::uint64_t capacity, double refill_rate, TimePoint now = Clock::now());
    [[nodiscard]] std::vector<KeyTierConfig> tiers() const;

    // Looks at up to `places` places of the table, from where the last sweep ended, and forgets the keys that have been
    // full for `idle`; gives memory back. Returns how many keys went. For a timer: without it memory shrinks only as
    // new keys come. As many places as the table has meet every key.
    std::size_t sweep(TimePoint now = Clock::now(), std::size_t places = 4096) noexcept;

    // The `count` keys that asked most, the most asking first. Looks at every key, under one shard's lock at a time.
    [[nodiscard]] std::vector<HotKey> hottest(std::size_t count) const;

    // Whether every key, held or not, is full at `now`, none is assigned and no reservation is open: then a new limiter
    // with the same tiers answers the same. Looks at keys, under one shard's lock at a time, until one is not.
    [[nodiscard]] bool is_full(TimePoint now = Clock::now()) const noexcept;

    // Takes each shard's lock in turn. Allocates nothing.
    [[nodiscard]] KeyedRateLimiterStats stats() const noexcept;

    // Empty when unnamed; lives as long as the process.
    [[nodiscard]] std::string_view name() const noexcept { return name_; }

  private:
    friend class KeyedReservation;
    struct Shard;
    struct Levers;
    struct Checked;
    struct Ask;
    struct Answer;
    explicit KeyedRateLimiter(Checked&& checked);

    Shard& shard_of(const KeyDigest& digest) const noexcept;
    bool ask(const Ask& ask, Answer& answer) const noexcept;
    Rejection refusal(const Ask& ask, const Answer& answer) const noexcept;
    std::expected<void, Rejection> answer(const Ask& ask) const noexcept;
    Admission<KeyedReservation> reserve(const Ask& ask) const noexcept;
    KeyedReservation::Settled settle(const detail::KeyedReserved& reserved, std::uint64_t actual,
                                     TimePoint now) const noexcept;
    void drop(const detail::KeyedReserved& reserved) const noexcept;
    bool move_origins(TimePoint now) const noexcept;

    std::string_view name_;  // interned
    KeySeed seed_;
    std::size_t shard_count_;
    std::unique_ptr<Shard[]> shards_;
    std::unique_ptr<Levers> levers_;
};

//     auto acme = per_tenant.for_key("acme", gold);
//     Pipeline guarded{acme, breaker};
//     guarded.execute(CallOptions{.tokens = cost}, [&] { return call(); });
class KeyedRateLimiter::KeyGate {
  public:
    // Tokens are spent by asking: giving them back would break the bound.
    struct Permit {
        template <class Step>
        void settle(const Step&) const noexcept {}
    };
    // As the limiter's, with the tokens of the call.
    [[nodiscard]] std::expected<Permit, Rejection> try_acquire(TimePoint now, const CallContext& context) noexcept;

  private:
    friend class KeyedRateLimiter;
    KeyGate(const KeyedRateLimiter& limiter, const KeyView& key, std::optional<std::uint8_t> tier);

    const KeyedRateLimiter* limiter_;
    KeyDigest digest_;
    std::string text_;
    bool is_number_;
    std::optional<std::uint8_t> tier_;
};

}  // namespace resilience::inline v1
