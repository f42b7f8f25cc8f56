#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <resilience/json/filter.hpp>
#include <resilience/json/json.hpp>
#include <resilience/manager/manager.hpp>
#include <resilience/policies/keyed_rate_limiter.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <resilience/policies/retry.hpp>
#include <string>
#include <vector>

namespace keyed_json_test {

using namespace resilience;
using namespace std::chrono_literals;
using Parsed = nlohmann::json;

constexpr TimePoint start{1h};

TEST(KeyedJson, is_an_entry_of_rate_limiters_with_keys) {
    ResilienceManager manager{"shop", {.hottest_keys = 2}};
    const auto limiter = manager.register_keyed_rate_limiter(
        "per_user", {.tiers = {{"bronze", 10, 2.5}, {"gold", 100, 50}}, .max_keys = 1000});
    for (int call = 0; call < 10; ++call) EXPECT_TRUE(limiter->acquire("alice", 1, start));
    EXPECT_FALSE(limiter->acquire("alice", 1, start));
    EXPECT_FALSE(limiter->acquire("bob", limiter->tier("gold"), 101, start));
    auto reservation = limiter->reserve(7, limiter->tier("gold"), 40, start);
    ASSERT_TRUE(reservation);
    const auto document = Parsed::parse(to_json_text(manager.stats(start)));
    const auto& shown = document.at("rate_limiters").at("per_user");
    struct Row {
        const char* pointer;
        Parsed value;
    };
    const Row rows[] = {
        {"/capacity", nullptr},
        {"/available_tokens", nullptr},
        {"/retry_after_seconds", nullptr},
        {"/debt_tokens", nullptr},
        {"/requests_total", 13},
        {"/admitted_total", 11},
        {"/rejected_total", {{"rate_limited", 1}, {"exceeds_capacity", 1}, {"load_shed", 0}}},
        {"/returned_tokens_total", 0},
        {"/keys/held", 2},
        {"/keys/max", 1000},
        {"/keys/when_full", "evict_idle"},
        {"/keys/reserved", 1},
        {"/keys/evicted_live_total", 0},
        {"/keys/tiers/bronze", {{"capacity", 10}, {"refill_rate_per_second", 2.5}}},
        {"/keys/hottest/0/tier", "bronze"},
        {"/keys/hottest/0/admitted_total", 10},
        {"/keys/hottest/0/rejected_total", 1},
        {"/keys/hottest/1", {{"key", "7"}, {"tier", "gold"}, {"admitted_total", 1}, {"rejected_total", 0}}},
    };
    for (const Row& row : rows) EXPECT_EQ(shown.at(Parsed::json_pointer(row.pointer)), row.value) << row.pointer;
}

TEST(KeyedJson, stands_among_the_plain_ones_in_the_order_of_names_and_is_filtered_with_them) {
    ResilienceStats stats;
    for (const auto* name : {"b", "d"}) stats.rate_limiters[name];
    for (const auto* name : {"a", "c", "e"}) stats.keyed_rate_limiters[name].max_keys = 1;
    const auto document = nlohmann::ordered_json::parse(to_json_text(stats));
    std::string names;
    for (const auto& [name, entry] : document["rate_limiters"].items()) {
        names += name;
        EXPECT_EQ(entry["keys"].is_null(), name == "b" || name == "d") << name;
    }
    EXPECT_EQ(names, "abcde");
    EXPECT_EQ(filter(stats, "c", "rate_limiters").keyed_rate_limiters.size(), 1U);
    EXPECT_TRUE(filter(stats, "c", "rate_limiters").rate_limiters.empty());
    EXPECT_TRUE(filter(stats, "", "bulkheads").keyed_rate_limiters.empty());
}

TEST(KeyedJson, writes_keys_of_any_bytes_as_text) {
    ResilienceStats stats;
    stats.keyed_rate_limiters["per_user"].hottest = {{.key = "\"},{\n"}, {.key = "\xff cut \xf0\x9f\x94"}};
    const auto document = Parsed::parse(to_json_text(stats));
    const auto& hottest = document["rate_limiters"]["per_user"]["keys"]["hottest"];
    ASSERT_EQ(hottest.size(), 2U);
    EXPECT_EQ(hottest[0]["key"], "\"},{\n");
    EXPECT_EQ(hottest[1]["key"].get<std::string>().substr(3, 5), " cut ") << "what is no text is replaced";
}

TEST(RetryBudgetJson, shows_what_is_left_and_null_without_one) {
    ResilienceManager manager;
    const auto budget = std::make_shared<RetryBudget>(RetryBudgetConfig{.capacity = 2, .trickle = 0});
    const auto reads = manager.register_retry("reads", {}, {}, budget);
    manager.register_retry("plain");
    for (int retry = 0; retry < 3; ++retry) EXPECT_EQ(reads->begin_retry(start), retry < 2);
    const auto document = Parsed::parse(to_json_text(manager.stats(start)));
    const Parsed expected{{"balance", 0.0}, {"capacity", 2.0}};
    EXPECT_EQ(document["retries"]["reads"]["budget"], expected);
    EXPECT_EQ(document["retries"]["reads"]["budget_rejections_total"], 1);
    EXPECT_TRUE(document["retries"]["plain"]["budget"].is_null());
}

}  // namespace keyed_json_test
