#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <resilience/base/config_error.hpp>
#include <resilience/manager/manager.hpp>
#include <resilience/policies/keyed_rate_limiter.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <resilience/testing.hpp>
#include <string>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace keyed_registration_test {

constexpr TimePoint start{1000s};
using Names = std::vector<std::string>;

KeyedRateLimiterConfig metals() { return {.tiers = {{"bronze", 10, 10}, {"gold", 100, 50.0 / 3}}, .max_keys = 1000}; }

std::string refusal_of(const std::function<void()>& registers) {
    try {
        registers();
    } catch (const ConfigError& error) {
        return error.what();
    }
    return "";
}

TEST(ManagerOfKeyed, gets_or_creates_and_finds) {
    ResilienceManager manager;
    const auto limiter = manager.register_keyed_rate_limiter("per_user", metals());
    ASSERT_NE(limiter, nullptr);
    EXPECT_EQ(limiter->name(), "per_user");
    EXPECT_EQ(manager.register_keyed_rate_limiter("per_user", metals()), limiter);
    EXPECT_EQ(manager.keyed_rate_limiter("per_user"), limiter);
    EXPECT_EQ(manager.keyed_rate_limiter("per_host"), nullptr);
    EXPECT_EQ(manager.rate_limiter("per_user"), nullptr);
    EXPECT_THROW(manager.register_keyed_rate_limiter("bad", {}), ConfigError);
    EXPECT_EQ(manager.stats(start).keyed_rate_limiters.size(), 1U);
}

TEST(ManagerOfKeyed, lists_what_differs_from_the_first_registration) {
    ResilienceManager manager;
    manager.register_keyed_rate_limiter("per_user", metals());
    KeyedRateLimiterConfig other = metals();
    other.tiers[1].capacity = 200;
    other.max_keys = 2000;
    other.when_full = WhenFull::refuse_new;
    other.idle = 2s;
    other.shards = 4;
    other.seed = KeySeed{17, 19};
    const std::string refusal = refusal_of([&] { manager.register_keyed_rate_limiter("per_user", other); });
    for (const auto* text :
         {R"(tiers is "bronze" of 10 at 10/s, "gold" of 200 at 16.666666666666668/s; the name is registered with)",
          "max_keys is 2000;", "when_full is refuse_new;", "idle is 2 s (2000000000 ns);", "shards is 4;",
          "seed is one that is given; the name is registered with random"}) {
        EXPECT_NE(refusal.find(text), std::string::npos) << text << " in\n" << refusal;
    }
    EXPECT_EQ(refusal.find("17"), std::string::npos) << "the seed is a secret";
}

TEST(ManagerOfKeyed, refuses_a_name_that_a_limiter_of_the_other_sort_has) {
    ResilienceManager manager;
    manager.register_keyed_rate_limiter("a", metals());
    manager.register_rate_limiter("b", 10, 10);
    EXPECT_EQ(refusal_of([&] { manager.register_rate_limiter("a", 10, 10); }),
              "rate limiter \"a\":\n  name is registered as a keyed rate limiter");
    EXPECT_EQ(refusal_of([&] { manager.register_keyed_rate_limiter("b", metals()); }),
              "keyed rate limiter \"b\":\n  name is registered as a rate limiter");
    EXPECT_EQ(manager.rate_limiter("a"), nullptr);
    EXPECT_NE(manager.register_bulkhead("a", 1), nullptr) << "another kind";
    EXPECT_TRUE(manager.remove(PolicyKind::rate_limiter, "a"));
    EXPECT_NE(manager.register_rate_limiter("a", 10, 10), nullptr);
}

TEST(ManagerOfKeyed, removes_by_kind_and_by_name_and_tells_of_it) {
    ResilienceManager manager;
    Names seen;
    const Subscription subscription = manager.on_event(
        [&](const Event& event) {
            seen.push_back(std::string(to_string(event.kind)) + ' ' + std::string(to_string(event.policy)) + ' ' +
                           std::string(event.name));
        },
        EventKinds::registrations);
    manager.register_keyed_rate_limiter("a", metals());
    manager.register_rate_limiter("b", 10, 10);
    EXPECT_TRUE(manager.remove(PolicyKind::rate_limiter, "b")) << "one of the two sorts has it";
    EXPECT_EQ(manager.remove("a"), 1U);
    EXPECT_FALSE(manager.remove(PolicyKind::rate_limiter, "a"));
    EXPECT_EQ(seen, (Names{"added rate_limiter a", "added rate_limiter b", "removed rate_limiter b",
                           "removed rate_limiter a"}));
}

TEST(ManagerOfKeyed, shows_tiers_and_names_keys_only_when_asked_to) {
    for (const std::size_t hottest : {0U, 2U}) {
        ResilienceManager manager{"shop", {.hottest_keys = hottest}};
        const auto limiter = manager.register_keyed_rate_limiter("per_user", metals());
        for (const auto* user : {"alice", "bob", "bob", "bob", "carol", "carol"}) {
            EXPECT_TRUE(limiter->acquire(user, 1, start));
        }
        EXPECT_FALSE(limiter->acquire("bob", 11, start));
        const ResilienceStats stats = manager.stats(start);
        expect_reconciled(stats);
        const KeyedRateLimiterStats& shown = stats.keyed_rate_limiters.at("per_user");
        EXPECT_EQ(shown.keys, 3U);
        EXPECT_EQ(shown.requests, 7U);
        EXPECT_EQ(shown.rejected.exceeds_capacity, 1U);
        EXPECT_EQ(shown.tiers, metals().tiers);
        EXPECT_EQ(shown.when_full, metals().when_full);
        ASSERT_EQ(shown.hottest.size(), hottest);
        if (hottest != 0) {
            EXPECT_EQ(shown.hottest[0].admitted, 3U) << "bob's";
            EXPECT_EQ(shown.hottest[0].rejected, 1U);
        }
    }
    EXPECT_THROW(ResilienceManager("shop", {.hottest_keys = 101}), ConfigError);
    ResilienceManager manager;
    KeyedRateLimiterConfig strict = metals();
    strict.when_full = WhenFull::refuse_new;
    manager.register_keyed_rate_limiter("strict", strict);
    EXPECT_EQ(manager.stats(start).keyed_rate_limiters.at("strict").when_full, WhenFull::refuse_new);
}

TEST(ManagerOfKeyed, a_picture_that_does_not_reconcile_is_noticed) {
    ResilienceStats stats;
    stats.keyed_rate_limiters["per_user"].requests = 1;
    EXPECT_THROW(expect_reconciled(stats), std::logic_error);
}

// What must keep a keyed limiter from expiring, and undoes that at its end.
struct Keeper {
    const char* what;
    std::function<std::shared_ptr<void>(ResilienceManager&, KeyedRateLimiter&)> keep{};
};

std::vector<Keeper> keepers() {
    return {
        {"a shared_ptr", [](ResilienceManager& manager, KeyedRateLimiter&) { return manager.keyed_rate_limiter("a"); }},
        {"an open reservation",
         [](ResilienceManager&, KeyedRateLimiter& limiter) {
             auto reservation = limiter.reserve("user", 1, start - 1h);
             return std::make_shared<KeyedReservation>(std::move(*reservation));
         }},
        {"a key that is assigned",
         [](ResilienceManager&, KeyedRateLimiter& limiter) {
             EXPECT_TRUE(limiter.assign("user", limiter.tier("gold"), start));
             return std::shared_ptr<void>(&limiter,
                                          [](void* held) { static_cast<KeyedRateLimiter*>(held)->release("user"); });
         }},
        {"a tier that was changed", [](ResilienceManager&, KeyedRateLimiter& limiter) {
             limiter.set_tier(limiter.tier("gold"), 500, 10, start);
             return std::shared_ptr<void>(&limiter, [](void* held) {
                 auto& changed = *static_cast<KeyedRateLimiter*>(held);
                 changed.set_tier(changed.tier("gold"), 100, 50.0 / 3, start);
             });
         }}};
}

TEST(ManagerOfKeyed, expires_what_is_idle_and_never_what_is_in_use) {
    for (const Keeper& keeper : keepers()) {
        ResilienceManager manager;
        KeyedRateLimiter& limiter = *manager.register_keyed_rate_limiter("a", metals());
        auto kept = keeper.keep(manager, limiter);
        for (int sweep = 0; sweep < 3; ++sweep) {
            EXPECT_EQ(manager.expire_idle(1min, start + sweep * 1h), 0U) << keeper.what;
        }
        kept.reset();
        // At once if it was at rest before, otherwise when it has been seen so for long enough.
        const std::size_t at_once = manager.expire_idle(1min, start + 3h);
        EXPECT_EQ(at_once + manager.expire_idle(1min, start + 4h), 1U) << keeper.what;
        EXPECT_EQ(manager.keyed_rate_limiter("a"), nullptr);
    }
}

TEST(ManagerOfKeyed, does_not_expire_while_a_key_is_not_full_held_or_forgotten) {
    for (const bool forgotten : {false, true}) {
        ResilienceManager manager;
        KeyedRateLimiterConfig config{.tiers = {{"only", 10, 1e-3}}, .max_keys = 1};
        const auto limiter = manager.register_keyed_rate_limiter("a", config);
        EXPECT_TRUE(limiter->acquire("user", 5, start));
        if (forgotten) {
            EXPECT_TRUE(limiter->acquire("other", 1, start));
        }
        EXPECT_EQ(limiter->stats().evicted_live_total, forgotten ? 1U : 0U);
        EXPECT_EQ(limiter->is_full(start + 5000s - 1ns), false);
        EXPECT_EQ(limiter->is_full(start + 5000s), true) << "as full as a new one";
    }
}

TEST(ManagerOfKeyed, beyond_the_limit_counts_in_the_overflow) {
    ResilienceManager manager{"", {.max_components = 1}};
    manager.register_keyed_rate_limiter("own", metals());
    for (const std::uint64_t round : {1U, 2U}) {
        const auto other = manager.register_keyed_rate_limiter("other", metals());
        EXPECT_EQ(manager.stats(start).overflow.keyed_rate_limiters.names, (Names{"other"}));
        auto reservation = other->reserve("user", 4, start);
        ASSERT_TRUE(reservation);
        reservation->settle(1, start);
        reservation = other->reserve("user", 1, start);
        ASSERT_TRUE(reservation);
        reservation->settle(3, start);
        EXPECT_FALSE(other->acquire("user", 11, start));
        manager.remove("other");
        const auto removed = manager.stats(start).overflow.keyed_rate_limiters.removed;
        ASSERT_TRUE(removed);
        EXPECT_EQ(removed->requests, 3 * round);
        EXPECT_EQ(removed->admitted, 2 * round);
        EXPECT_EQ(removed->rejected.exceeds_capacity, round);
        EXPECT_EQ(removed->returned_tokens, 3 * round);
        EXPECT_EQ(removed->surplus_tokens, 2 * round);
        EXPECT_EQ(removed->keys, 0U) << "only what rises is added up";
    }
    KeyedRateLimiterStats sum;
    add_counters(sum, KeyedRateLimiterStats{.evicted_full_total = 3, .evicted_live_total = 4, .rejected = {1, 2, 3}});
    EXPECT_EQ(sum.evicted_full_total, 3U);
    EXPECT_EQ(sum.evicted_live_total, 4U);
    EXPECT_EQ(sum.rejected.total(), 6U);
}

}  // namespace keyed_registration_test
