// The bound of each key of a keyed limiter under reservations: what was finally charged, against exact numbers.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <random>
#include <resilience/policies/keyed_rate_limiter.hpp>
#include <thread>
#include <utility>
#include <vector>

#include <for_tests/token_charges.hpp>

namespace resilience::inline v1 {
namespace keyed_reservation_bound_test {

constexpr std::size_t key_count = 14;
constexpr std::size_t keys_that_change = 3;
constexpr std::size_t tier_count = 3;

struct Tier {
    std::uint64_t capacity;
    const TokenCharges::Rate* rate;
};

struct Tally {
    std::uint64_t unused = 0;
    std::uint64_t returned = 0;
    std::uint64_t surplus = 0;
    std::uint64_t evicted = 0;
    std::uint64_t shed = 0;
};

// A schedule of calls whose clocks disagree, with settlements in any order, in so little room that keys are forgotten.
// A key that was forgotten is full in a larger tier: so those that change their tier are assigned, and those that may
// be forgotten are all of the last one, which does not change.
class Schedule {
  public:
    explicit Schedule(std::uint64_t seed)
        : random_(seed), newest_(below(2) == 0 ? 0 : std::int64_t{1} << 57), limiter_(config()) {
        for (std::size_t key = 0; key < key_count; ++key) {
            const std::size_t tier = changes(key) ? 0 : tier_count - 1;
            charges_.emplace_back(tiers_[tier].capacity, *tiers_[tier].rate, 0);
            tier_of_.push_back(tier);
            if (changes(key)) {
                EXPECT_TRUE(limiter_.assign(key, tier_named(tier), at(newest_)));
            }
        }
    }

    void step() {
        const Tier& slowest = tiers_[tier_count - 1];
        const auto fill =
            static_cast<std::uint64_t>(2 + 1e9 * static_cast<double>(slowest.capacity) / slowest.rate->per_second);
        newest_ += static_cast<std::int64_t>(below(12) == 0 ? fill * 3 : below(fill / 12 + 2));
        const std::int64_t now = newest_ - static_cast<std::int64_t>(below(3) == 0 ? below(fill * 2) : 0);
        // Two keys are asked most: much happens between a reservation of theirs and its end.
        const std::size_t popular = below(2) == 0 ? 0 : key_count - 1;
        const std::size_t key = below(3) == 0 ? below(key_count) : popular;
        switch (below(9)) {
            case 0:
            case 1:
                return ask(key, now);
            case 2:
            case 3:
                return reserve(key, now);
            case 4:
            case 5:
            case 6:
                return settle(now);
            case 7:
                limiter_.sweep(at(now), 8);
                return;
            default:
                if (below(6) == 0) change(key % keys_that_change, now);
        }
    }

    void judge() const {
        for (std::size_t key = 0; key < key_count; ++key) {
            ASSERT_TRUE(charges_[key].worst_excess() <= 0) << "key " << key;
        }
    }
    void add_to(Tally& tally) const {
        tally.unused += tally_.unused;
        tally.returned += tally_.returned;
        tally.surplus += tally_.surplus;
        tally.evicted += limiter_.stats().evicted_live_total + limiter_.stats().evicted_full_total;
        tally.shed += limiter_.stats().rejected.load_shed;
        EXPECT_EQ(limiter_.stats().returned_tokens, tally_.returned);
        EXPECT_EQ(limiter_.stats().surplus_tokens, tally_.surplus);
    }

  private:
    struct Open {
        KeyedReservation reservation;
        std::size_t key;
        std::size_t admission;
    };

    static TimePoint at(std::int64_t nanoseconds) { return TimePoint{Duration{nanoseconds}}; }
    static bool changes(std::size_t key) { return key < keys_that_change; }
    std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
    const TokenCharges::Rate* any_rate() { return &TokenCharges::rates[below(std::size(TokenCharges::rates))]; }
    KeyedRateLimiter::Tier tier_named(std::size_t tier) const { return limiter_.tier(std::to_string(tier)); }

    KeyedRateLimiterConfig config() {
        KeyedRateLimiterConfig config{.max_keys = 4 + below(key_count),
                                      .when_full = below(3) == 0 ? WhenFull::refuse_new : WhenFull::evict_idle,
                                      .idle = Duration{static_cast<std::int64_t>(below(2) * 1'000'000)},
                                      .shards = 1,
                                      .seed = KeySeed{1, 2}};
        for (std::size_t tier = 0; tier < tier_count; ++tier) {
            tiers_.push_back({below(20) + 1, any_rate()});
            config.tiers.push_back({std::to_string(tier), tiers_[tier].capacity, tiers_[tier].rate->per_second});
        }
        return config;
    }

    void ask(std::size_t key, std::int64_t now) {
        const std::uint64_t tokens = below(tiers_[tier_of_[key]].capacity) + 1;
        if (limiter_.acquire(key, tier_named(tier_of_[key]), tokens, at(now))) charges_[key].admit(tokens, now);
    }
    void reserve(std::size_t key, std::int64_t now) {
        const std::uint64_t tokens = below(tiers_[tier_of_[key]].capacity) + 1;
        auto reservation = limiter_.reserve(key, tier_named(tier_of_[key]), tokens, at(now));
        if (reservation) open_.push_back({std::move(*reservation), key, charges_[key].admit(tokens, now)});
    }
    void settle(std::int64_t now) {
        if (open_.empty()) return;
        std::swap(open_[below(open_.size())], open_.back());
        auto& [reservation, key, admission] = open_.back();
        const std::uint64_t estimate = reservation.estimate();
        if (below(8) != 0) {
            const std::uint64_t actual = below(estimate * (below(4) == 0 ? 2 : 1) + 1);
            const KeyedReservation::Settled settled = reservation.settle(actual, at(now));
            if (settled.returned != 0) charges_[key].give_back(admission, settled.returned);
            if (settled.surplus != 0) charges_[key].add_surplus(settled.surplus);
            tally_.unused += estimate - std::min(actual, estimate);
            tally_.returned += settled.returned;
            tally_.surplus += settled.surplus;
        }
        open_.pop_back();
    }
    // Of one key to another tier, or of a tier for all its keys: what follows counts from the newest change on.
    void change(std::size_t key, std::int64_t now) {
        const std::size_t tier = below(tier_count - 1);
        const bool of_key = below(2) == 0;
        if (of_key && tier == tier_of_[key]) return;
        newest_change_ = std::max(newest_change_, now);
        if (of_key) {
            tier_of_[key] = tier;
            static_cast<void>(limiter_.acquire(key, tier_named(tier), 0, at(now)));
            charges_[key].change(tiers_[tier].capacity, *tiers_[tier].rate, newest_change_);
            return;
        }
        tiers_[tier] = {below(20) + 1, any_rate()};
        limiter_.set_tier(tier_named(tier), tiers_[tier].capacity, tiers_[tier].rate->per_second, at(now));
        for (std::size_t each = 0; each < keys_that_change; ++each) {
            if (tier_of_[each] == tier) {
                charges_[each].change(tiers_[tier].capacity, *tiers_[tier].rate, newest_change_);
            }
        }
    }

    std::mt19937_64 random_;
    std::int64_t newest_;
    std::int64_t newest_change_ = 0;
    std::vector<Tier> tiers_;
    KeyedRateLimiter limiter_;
    std::vector<TokenCharges> charges_;
    std::vector<std::size_t> tier_of_;
    std::vector<Open> open_;
    Tally tally_;
};

TEST(KeyedReservation, final_charges_of_each_key_keep_the_bound_through_evictions_and_changes_of_tier) {
    Tally tally;
    for (std::uint64_t seed = 0; seed < 1500; ++seed) {
        Schedule schedule(seed);
        for (int step = 0; step < 300; ++step) schedule.step();
        schedule.judge();
        schedule.add_to(tally);
        ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
    }
    EXPECT_GT(tally.returned * 8, tally.unused) << "a rule that returns nothing keeps every bound";
    EXPECT_GT(tally.surplus, 10'000U);
    EXPECT_GT(tally.evicted, 10'000U);
    EXPECT_GT(tally.shed, 1'000U);
}

}  // namespace keyed_reservation_bound_test
}  // namespace resilience::inline v1
