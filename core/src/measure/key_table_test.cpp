#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <resilience/base/random.hpp>
#include <resilience/measure/key_table.hpp>
#include <resilience/measure/key_view.hpp>
#include <set>
#include <string>
#include <unordered_map>

namespace key_table_test {

using namespace resilience;

struct Entry {
    KeyDigest digest;
    std::unique_ptr<std::uint64_t> value;
    [[nodiscard]] bool empty() const noexcept { return value == nullptr; }
};
using Table = detail::KeyTable<Entry>;

bool put(Table& table, KeyDigest digest, std::uint64_t value) {
    if (!table.make_room()) return false;
    table.insert(digest).value = std::make_unique<std::uint64_t>(value);
    return true;
}

// Against a map, with hashes so alike that chains wrap around the end and run into each other.
TEST(KeyTable, agrees_with_a_map_over_any_order_of_inserts_and_removals) {
    Random random(3);
    for (int round = 0; round < 30; ++round) {
        Table table;
        std::unordered_map<std::uint64_t, std::uint64_t> expected;
        const std::uint64_t homes = 1 + random.next() % 9;
        for (int step = 0; step < 2000; ++step) {
            const std::uint64_t rest = random.next() % 100;
            const KeyDigest digest{~std::uint64_t{0} / homes * (rest % homes + 1), rest};
            Entry* const found = table.find(digest);
            ASSERT_EQ(found != nullptr, expected.contains(rest));
            if (found == nullptr) {
                ASSERT_TRUE(put(table, digest, static_cast<std::uint64_t>(step)));
                expected[rest] = static_cast<std::uint64_t>(step);
            } else {
                ASSERT_EQ(*found->value, expected[rest]);
                table.remove(*found);
                expected.erase(rest);
                if (step % 5 == 0) table.shrink();
            }
            ASSERT_EQ(table.size(), expected.size());
        }
    }
}

TEST(KeyTable, meets_every_entry_in_one_round_of_the_sweep_while_it_removes) {
    for (std::uint64_t every : {1U, 2U, 3U, 1000U}) {
        Table table;
        for (std::uint64_t rest = 0; rest < 500; ++rest)
            ASSERT_TRUE(put(table, {rest * 0x9e37'79b9'7f4a'7c15, rest}, rest));
        table.sweep(123, [](const Entry&) { return false; });
        std::set<std::uint64_t> met;
        const std::size_t removed = table.sweep(table.places(), [&](const Entry& entry) {
            met.insert(*entry.value);
            return *entry.value % every == 0;
        });
        EXPECT_EQ(met.size(), 500U);
        EXPECT_EQ(removed, (500 + every - 1) / every);
        EXPECT_EQ(table.size(), 500U - removed);
    }
}

TEST(KeyTable, holds_no_memory_when_it_is_empty_and_at_most_59_bytes_for_an_entry_of_32) {
    struct Small {
        KeyDigest digest;
        std::array<std::uint64_t, 2> rest{};
        [[nodiscard]] bool empty() const noexcept { return rest[0] == 0; }
    };
    detail::KeyTable<Small> table;
    EXPECT_EQ(table.bytes(), 0U);
    Random random(5);
    for (std::uint64_t count = 1; count <= 20'000; ++count) {
        ASSERT_TRUE(table.make_room());
        table.insert({random.next(), count}).rest[0] = 1;
        ASSERT_TRUE(count < 200 || table.bytes() <= count * 59) << count;
    }
    table.sweep(table.places(), [](const Small&) { return true; });
    table.shrink();
    EXPECT_EQ(table.bytes(), 0U);
    EXPECT_EQ(table.find({1, 1}), nullptr);
}

TEST(KeyView, tells_every_text_and_every_number_apart) {
    const KeySeed seed{11, 12};
    std::set<std::pair<std::uint64_t, std::uint64_t>> seen;
    const auto fresh = [&](const KeyView& key) {
        const KeyDigest digest = digest_of(key, seed);
        EXPECT_EQ(digest, digest_of(key, seed));
        return seen.insert({digest.hash, digest.rest}).second;
    };
    // Zeroes of every length differ by their length alone.
    for (std::size_t length = 0; length < 600; ++length) EXPECT_TRUE(fresh(std::string(length, '\0'))) << length;
    for (int number = 0; number < 1000; ++number) {
        EXPECT_TRUE(fresh(number));
        EXPECT_TRUE(fresh(std::to_string(number)));
    }
    std::string text = "0123456789abcdefghi";
    for (std::size_t place = 0; place < text.size(); ++place) {
        text[place] ^= 1;
        EXPECT_TRUE(fresh(text)) << place;
    }
    EXPECT_EQ(digest_of(-1, seed), digest_of(~std::uint64_t{0}, seed));
    EXPECT_EQ(digest_of("key", seed), digest_of(std::string("key"), seed));
}

TEST(KeyView, spreads_by_its_seed) {
    // Numbers that share a place under one seed do not under another.
    const KeySeed known{1, 2};
    const KeySeed other{1, 3};
    std::array<int, 64> places{};
    int met = 0;
    for (std::uint64_t number = 0; met < 1000; ++number) {
        if (digest_of(number, known).hash >> 58 != 0) continue;
        ++met;
        ++places[digest_of(number, other).hash >> 58];
    }
    EXPECT_LT(*std::max_element(places.begin(), places.end()), 40);
    EXPECT_GT(*std::min_element(places.begin(), places.end()), 2);
    EXPECT_NE(KeySeed::random(), KeySeed::random());
}

}  // namespace key_table_test
