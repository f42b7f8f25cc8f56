#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <mutex>
#include <new>
#include <resilience/base/config_error.hpp>
#include <resilience/base/quoted_text.hpp>
#include <resilience/measure/token_bucket.hpp>
#include <resilience/policies/keyed_rate_limiter.hpp>
#include <sstream>
#include <utility>

#include "checked_name.hpp"
#include "keyed_shards.hpp"

namespace resilience::inline v1 {
namespace {

using Kind = detail::KeyedAnswer::Kind;

constexpr std::size_t most_keys = std::size_t{1} << 32;
constexpr std::size_t most_shards = 1024;
constexpr std::size_t keys_of_a_shard = 64;
constexpr std::size_t usual_shards = 64;
constexpr std::size_t longest_tier_name = 64;

void check_numbers(std::uint64_t capacity, double refill_rate, const std::string& field, ConfigProblems& problems) {
    if (TokenBucket::representable(capacity, refill_rate)) return;
    std::ostringstream text;
    text.precision(10);
    text << "has capacity " << capacity << " and refill_rate " << refill_rate
         << "; use a whole number from 1 to 4294967295 and 1e-8 to 1e9 tokens per second that fill it in 9.1 years";
    problems.add(field, text.str());
}

void check(const KeyedRateLimiterConfig& config, ConfigProblems& problems) {
    if (config.tiers.empty() || config.tiers.size() > detail::most_tiers) {
        problems.add("tiers", "are " + std::to_string(config.tiers.size()) + "; use 1 to 8");
    }
    for (auto tier = config.tiers.begin(); tier != config.tiers.end(); ++tier) {
        const std::string field = "tiers[" + std::to_string(tier - config.tiers.begin()) + "]";
        problems.expect(!tier->name.empty() && tier->name.size() <= longest_tier_name, field,
                        "has a name that is empty or too long; use 1 to 64 bytes");
        const bool repeated = std::any_of(config.tiers.begin(), tier,
                                          [&](const KeyTierConfig& other) { return other.name == tier->name; });
        problems.expect(!repeated, field, "has the name of another; use distinct names");
        check_numbers(tier->capacity, tier->refill_rate, field, problems);
    }
    problems.expect(config.max_keys >= 1 && config.max_keys <= most_keys, "max_keys",
                    "is " + std::to_string(config.max_keys) + "; use 1 to 4294967296");
    problems.expect(config.idle >= Duration::zero(), "idle", "is negative; use 0 or longer");
    problems.expect(
        config.shards == 0 || (std::has_single_bit(config.shards) && config.shards <= most_shards), "shards",
        "is " + std::to_string(config.shards) + "; use 0 (chosen by max_keys) or a power of two up to 1024");
}

std::size_t shards_of(const KeyedRateLimiterConfig& config) {
    if (config.shards != 0) return config.shards;
    return std::clamp(std::bit_floor(config.max_keys / keys_of_a_shard), std::size_t{1}, usual_shards);
}

std::string printed(const KeyDigest& digest) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text = "#";
    for (const std::uint64_t word : {digest.hash, digest.rest}) {
        for (int shift = 60; shift >= 0; shift -= 4) text += digits[(word >> shift) & 15];
    }
    return text;
}

bool asked_more(const detail::KeyedBucket& one, const detail::KeyedBucket& other) noexcept {
    return one.asked() > other.asked();
}

}  // namespace

struct KeyedRateLimiter::Checked {
    Checked(const std::string* given_name, KeyedRateLimiterConfig given) : config(std::move(given)) {
        ConfigProblems problems{detail::policy_subject("keyed rate limiter", given_name)};
        check(config, problems);
        name = detail::checked_name(given_name, problems);
        problems.throw_if_any();
    }
    std::string_view name;
    KeyedRateLimiterConfig config;
};

KeyedRateLimiter::KeyedRateLimiter(Checked&& checked)
    : name_(checked.name),
      seed_(checked.config.seed ? *checked.config.seed : KeySeed::random()),
      shard_count_(shards_of(checked.config)),
      shards_(std::make_unique<Shard[]>(shard_count_)),
      levers_(std::make_unique<Levers>(checked.config)) {
    levers_->tiers = std::move(checked.config.tiers);
    for (std::size_t place = 0; place < levers_->tiers.size(); ++place) {
        const KeyTierConfig& tier = levers_->tiers[place];
        levers_->blocks[place] =
            std::make_unique<detail::TierBlock>(tier.capacity, detail::token_scale(tier.refill_rate), TimePoint{});
        for (std::size_t shard = 0; shard < shard_count_; ++shard) {
            shards_[shard].buckets.begin_tier(place, *levers_->blocks[place]);
        }
    }
}

KeyedRateLimiter::KeyedRateLimiter(KeyedRateLimiterConfig config)
    : KeyedRateLimiter(Checked(nullptr, std::move(config))) {}

KeyedRateLimiter::KeyedRateLimiter(std::string name, KeyedRateLimiterConfig config)
    : KeyedRateLimiter(Checked(&name, std::move(config))) {}

KeyedRateLimiter::~KeyedRateLimiter() = default;

KeyedRateLimiter::Shard& KeyedRateLimiter::shard_of(const KeyDigest& digest) const noexcept {
    return shards_[digest.hash & (shard_count_ - 1)];
}

KeyedRateLimiter::Tier KeyedRateLimiter::tier(std::string_view name) const {
    const std::lock_guard lock(levers_->mutex);
    const auto found = std::find_if(levers_->tiers.begin(), levers_->tiers.end(),
                                    [name](const KeyTierConfig& each) { return each.name == name; });
    if (found == levers_->tiers.end()) {
        const std::string own_name(name_);
        ConfigProblems problems{detail::policy_subject("keyed rate limiter", own_name.empty() ? nullptr : &own_name)};
        problems.add("tier", quoted_text(name) + " is not one of its tiers");
        problems.throw_if_any();
    }
    return Tier(static_cast<std::uint8_t>(found - levers_->tiers.begin()));
}

// ---- requests -------------------------------------------------------------------------------------------------------

bool KeyedRateLimiter::ask(const Ask& ask, Answer& answer) const noexcept {
    Shard& shard = shard_of(ask.digest);
    for (;;) {
        {
            const std::lock_guard lock(shard.mutex);
            answer.kind = shard.buckets.ask(ask, levers_->room, answer);
        }
        if (answer.kind != Kind::beyond_span) [[likely]]
            return answer.kind == Kind::admitted;
        if (move_origins(ask.now)) continue;
        const std::lock_guard lock(shard.mutex);
        shard.buckets.count_unjudged();
        answer.kind = Kind::load_shed;
        return false;
    }
}

Rejection KeyedRateLimiter::refusal(const Ask& request, const Answer& given) const noexcept {
    Rejection why{.reason = RejectionReason::load_shed, .kind = PolicyKind::rate_limiter, .policy = name_};
    if (given.kind == Kind::rate_limited) {
        why.reason = RejectionReason::rate_limited;
        why.retry_after = given.wait;
    } else if (given.kind == Kind::exceeds_capacity) {
        why.reason = RejectionReason::exceeds_capacity;
        why.tokens_asked = request.tokens;
        why.capacity = given.capacity;
    }
    return why;
}

std::expected<void, Rejection> KeyedRateLimiter::answer(const Ask& request) const noexcept {
    Answer given;
    if (ask(request, given)) return {};
    return std::unexpected(refusal(request, given));
}

bool KeyedRateLimiter::acquire(const KeyView& key, std::uint64_t tokens, TimePoint now) noexcept {
    Answer given;
    return ask({{key, digest_of(key, seed_), std::nullopt, tokens, now}}, given);
}

bool KeyedRateLimiter::acquire(const KeyView& key, Tier tier, std::uint64_t tokens, TimePoint now) noexcept {
    Answer given;
    return ask({{key, digest_of(key, seed_), tier.place_, tokens, now}}, given);
}

std::expected<void, Rejection> KeyedRateLimiter::try_acquire(const KeyView& key, std::uint64_t tokens,
                                                             TimePoint now) noexcept {
    return answer({{key, digest_of(key, seed_), std::nullopt, tokens, now}});
}

std::expected<void, Rejection> KeyedRateLimiter::try_acquire(const KeyView& key, Tier tier, std::uint64_t tokens,
                                                             TimePoint now) noexcept {
    return answer({{key, digest_of(key, seed_), tier.place_, tokens, now}});
}

KeyedRateLimiter::KeyGate::KeyGate(const KeyedRateLimiter& limiter, const KeyView& key,
                                   std::optional<std::uint8_t> tier)
    : limiter_(&limiter),
      digest_(digest_of(key, limiter.seed_)),
      text_(key.text()),
      is_number_(key.is_number()),
      tier_(tier) {}

std::expected<KeyedRateLimiter::KeyGate::Permit, Rejection> KeyedRateLimiter::KeyGate::try_acquire(
    TimePoint now, const CallContext& context) noexcept {
    const KeyView key = is_number_ ? KeyView(digest_.rest) : KeyView(text_);
    const auto given = limiter_->answer({{key, digest_, tier_, context.tokens(), now}});
    if (given) return Permit{};
    return std::unexpected(given.error());
}

KeyedRateLimiter::KeyGate KeyedRateLimiter::for_key(const KeyView& key) const { return {*this, key, std::nullopt}; }

KeyedRateLimiter::KeyGate KeyedRateLimiter::for_key(const KeyView& key, Tier tier) const {
    return {*this, key, tier.place_};
}

std::uint64_t KeyedRateLimiter::available(const KeyView& key, TimePoint now) const noexcept {
    const KeyDigest digest = digest_of(key, seed_);
    Shard& shard = shard_of(digest);
    const std::lock_guard lock(shard.mutex);
    return shard.buckets.available(digest, now);
}

bool KeyedRateLimiter::assign(const KeyView& key, Tier tier, TimePoint now) noexcept {
    const detail::KeyedAsk ask{key, digest_of(key, seed_), tier.place_, 0, now};
    Shard& shard = shard_of(ask.digest);
    for (;;) {
        {
            const std::lock_guard lock(shard.mutex);
            const Kind kind = shard.buckets.assign(ask, levers_->room);
            if (kind != Kind::beyond_span) return kind == Kind::admitted;
        }
        if (!move_origins(now)) return false;
    }
}

void KeyedRateLimiter::release(const KeyView& key) noexcept {
    const KeyDigest digest = digest_of(key, seed_);
    Shard& shard = shard_of(digest);
    const std::lock_guard lock(shard.mutex);
    shard.buckets.release(digest);
}

// ---- levers ---------------------------------------------------------------------------------------------------------

void KeyedRateLimiter::set_tier(Tier tier, std::uint64_t capacity, double refill_rate, TimePoint now) {
    const std::lock_guard lock(levers_->mutex);
    KeyTierConfig& config = levers_->tiers[tier.place_];
    ConfigProblems problems{detail::policy_subject("tier", &config.name)};
    check_numbers(capacity, refill_rate, "tier", problems);
    problems.throw_if_any();
    std::unique_ptr<detail::TierBlock>& block = levers_->blocks[tier.place_];
    const TimePoint origin = std::max(now, TimePoint{Duration{block->origin}});
    auto fresh = std::make_unique<detail::TierBlock>(capacity, detail::token_scale(refill_rate), origin);
    for (std::size_t shard = 0; shard < shard_count_; ++shard) {
        const std::lock_guard shard_lock(shards_[shard].mutex);
        shards_[shard].buckets.change_tier(tier.place_, *fresh);
    }
    // Every shard has left the old one.
    block = std::move(fresh);
    config.capacity = capacity;
    config.refill_rate = refill_rate;
}

// Carries all tiers over to an origin at `now` when 9.1 years have passed. False if there is no memory for it.
bool KeyedRateLimiter::move_origins(TimePoint now) const noexcept {
    const std::lock_guard lock(levers_->mutex);
    const std::size_t tiers = levers_->tiers.size();
    // A tier that was changed ahead of time takes the others along.
    for (std::size_t place = 0; place < tiers; ++place) {
        now = std::max(now, TimePoint{Duration{levers_->blocks[place]->origin}});
    }
    for (std::size_t place = 0; place < tiers; ++place) {
        std::unique_ptr<detail::TierBlock>& block = levers_->blocks[place];
        if (block->elapsed_at(now) < detail::token_span / 2) continue;
        std::unique_ptr<detail::TierBlock> fresh(new (std::nothrow)
                                                     detail::TierBlock(block->capacity, block->scale(), now));
        if (fresh == nullptr) return false;
        for (std::size_t shard = 0; shard < shard_count_; ++shard) {
            const std::lock_guard shard_lock(shards_[shard].mutex);
            shards_[shard].buckets.change_tier(place, *fresh);
        }
        block = std::move(fresh);
    }
    return true;
}

std::vector<KeyTierConfig> KeyedRateLimiter::tiers() const {
    const std::lock_guard lock(levers_->mutex);
    return levers_->tiers;
}

std::size_t KeyedRateLimiter::sweep(TimePoint now, std::size_t places) noexcept {
    std::size_t removed = 0;
    for (std::size_t shards = 0; shards < shard_count_ && places != 0; ++shards) {
        const std::size_t next = levers_->next_to_sweep.fetch_add(1, std::memory_order_relaxed);
        Shard& shard = shards_[next & (shard_count_ - 1)];
        const std::lock_guard lock(shard.mutex);
        const std::size_t looks = std::min(places, shard.buckets.table().places());
        removed += shard.buckets.sweep(looks, now, levers_->room);
        shard.buckets.shrink_open();
        places -= looks;
    }
    return removed;
}

// ---- pictures -------------------------------------------------------------------------------------------------------

std::vector<HotKey> KeyedRateLimiter::hottest(std::size_t count) const {
    std::vector<detail::KeyedBucket> found;
    count = std::min(count, levers_->room.keys.load(std::memory_order_relaxed));
    found.reserve(count + 1);
    for (std::size_t shard = 0; shard < shard_count_ && count != 0; ++shard) {
        const std::lock_guard lock(shards_[shard].mutex);
        auto& table = shards_[shard].buckets.table();
        for (std::size_t place = 0; place < table.places(); ++place) {
            const detail::KeyedBucket* const bucket = table.at(place);
            if (bucket == nullptr || (found.size() == count && !asked_more(*bucket, found.front()))) continue;
            found.push_back(*bucket);
            std::push_heap(found.begin(), found.end(), asked_more);
            if (found.size() <= count) continue;
            std::pop_heap(found.begin(), found.end(), asked_more);
            found.pop_back();
        }
    }
    std::sort_heap(found.begin(), found.end(), asked_more);
    const std::vector<KeyTierConfig> names = tiers();
    std::vector<HotKey> hot;
    hot.reserve(found.size());
    for (const detail::KeyedBucket& bucket : found) {
        hot.push_back({.tier = names[bucket.tier].name, .admitted = bucket.admitted, .rejected = bucket.rejected});
        if (bucket.is_number != 0) {
            hot.back().key = std::to_string(bucket.digest.rest);
            continue;
        }
        Shard& shard = shard_of(bucket.digest);
        std::string text = printed(bucket.digest);
        const std::lock_guard lock(shard.mutex);
        if (const auto known = shard.buckets.text_of(bucket.digest)) text.assign(*known);
        hot.back().key = std::move(text);
    }
    return hot;
}

bool KeyedRateLimiter::is_full(TimePoint now) const noexcept {
    return std::all_of(shards_.get(), shards_.get() + shard_count_, [now](Shard& shard) {
        const std::lock_guard lock(shard.mutex);
        return shard.buckets.all_full(now);
    });
}

KeyedRateLimiterStats KeyedRateLimiter::stats() const noexcept {
    KeyedRateLimiterStats stats{.max_keys = levers_->room.max_keys,
                                .bytes = sizeof(*this) + sizeof(Levers) + shard_count_ * sizeof(Shard)};
    for (std::size_t shard = 0; shard < shard_count_; ++shard) {
        const std::lock_guard lock(shards_[shard].mutex);
        const auto& counts = shards_[shard].buckets.counts();
        stats.keys += shards_[shard].buckets.table().size();
        stats.keys_reserved += shards_[shard].buckets.keys_reserved();
        stats.bytes += shards_[shard].buckets.bytes();
        stats.evicted_full_total += counts.evicted_full;
        stats.evicted_live_total += counts.evicted_live;
        stats.rejected.rate_limited += counts.rate_limited;
        stats.rejected.exceeds_capacity += counts.exceeds_capacity;
        stats.rejected.load_shed += counts.load_shed;
        stats.admitted += counts.admitted;
        stats.returned_tokens += counts.returned_tokens;
        // As the sum of each shard: it stays at the greatest number.
        stats.surplus_tokens += std::min(counts.surplus_tokens, ~std::uint64_t{0} - stats.surplus_tokens);
    }
    stats.requests = stats.admitted + stats.rejected.total();
    return stats;
}

}  // namespace resilience::inline v1
