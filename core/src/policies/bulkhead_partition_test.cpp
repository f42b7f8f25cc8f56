#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/bulkhead_partition.hpp>
#include <string>
#include <thread>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace bulkhead_partition_test {

static_assert(sizeof(Bulkhead) == 128, "a bulkhead without partitions pays nothing");

using Permits = std::vector<BulkheadPartition::Permit>;

// How many calls of `asked` get in; they stay in `held`.
std::size_t fill(BulkheadPartition& asked, Permits& held) {
    std::size_t in = 0;
    while (auto permit = asked.try_acquire()) {
        held.push_back(std::move(*permit));
        ++in;
    }
    return in;
}
std::size_t fill(Bulkhead& asked, std::vector<Bulkhead::Permit>& held) {
    std::size_t in = 0;
    while (auto permit = asked.try_acquire()) {
        held.push_back(std::move(*permit));
        ++in;
    }
    return in;
}

TEST(BulkheadPartition, gets_what_it_reserved_whatever_everybody_else_does) {
    Bulkhead bulkhead{"db", 10};
    BulkheadPartition checkout = bulkhead.partition("checkout", {.reserved = 3});
    BulkheadPartition reports = bulkhead.partition("reports", {.reserved = 2});
    std::vector<Bulkhead::Permit> others;
    Permits of_reports;
    Permits of_checkout;
    EXPECT_EQ(fill(bulkhead, others), 5U) << "the rest";
    EXPECT_EQ(fill(reports, of_reports), 2U);
    EXPECT_EQ(fill(checkout, of_checkout), 3U);
    const auto refused = checkout.try_acquire();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason, RejectionReason::bulkhead_full);
    EXPECT_EQ(refused.error().policy, "db");
    others.pop_back();
    EXPECT_EQ(fill(reports, of_reports), 1U) << "one of the rest came back";
    EXPECT_EQ(bulkhead.stats().max_concurrent, 5U) << "what is not reserved";
    EXPECT_EQ(bulkhead.stats().in_use, 5U);
    EXPECT_EQ(bulkhead.config().max_concurrent, 10U);
}

TEST(BulkheadPartition, may_take_the_whole_rest_but_nothing_that_others_reserved) {
    Bulkhead bulkhead{"db", 10};
    BulkheadPartition greedy = bulkhead.partition("greedy", {.reserved = 1});
    BulkheadPartition modest = bulkhead.partition("modest", {.reserved = 4});
    Permits of_greedy;
    Permits of_modest;
    EXPECT_EQ(fill(greedy, of_greedy), 6U);
    EXPECT_FALSE(bulkhead.try_acquire().has_value());
    EXPECT_EQ(fill(modest, of_modest), 4U);
    const BulkheadPartitionStats stats = greedy.stats();
    EXPECT_EQ(stats.reserved, 1U);
    EXPECT_EQ(stats.reserved_in_use, 1U);
    EXPECT_EQ(stats.shared_in_use, 5U);
    EXPECT_EQ(stats.admitted_reserved, 1U);
    EXPECT_EQ(stats.admitted_shared, 5U);
    EXPECT_EQ(stats.rejected, 1U);
    EXPECT_EQ(stats.requests, 7U);
}

TEST(BulkheadPartition, gives_back_what_everybody_shares_before_its_own) {
    Bulkhead bulkhead{"db", 4};
    BulkheadPartition partition = bulkhead.partition("part", {.reserved = 2});
    Permits held;
    ASSERT_EQ(fill(partition, held), 4U);
    EXPECT_FALSE(bulkhead.try_acquire().has_value());
    held.front().settle(Outcome::success);  // whichever of them ends
    held.front().settle(Outcome::success);
    EXPECT_EQ(partition.stats().reserved_in_use, 2U);
    EXPECT_EQ(partition.stats().shared_in_use, 1U);
    const auto other = bulkhead.try_acquire();
    EXPECT_TRUE(other);
    held.clear();
    EXPECT_EQ(partition.stats().reserved_in_use, 0U);
    EXPECT_EQ(bulkhead.stats().in_use, 1U);
}

TEST(BulkheadPartition, returns_what_it_reserved_when_it_ends) {
    Bulkhead bulkhead{"db", 4};
    std::optional<BulkheadPartition> partition;
    partition.emplace(bulkhead, "part", PartitionConfig{.reserved = 4});
    EXPECT_FALSE(bulkhead.try_acquire().has_value());
    partition.reset();
    std::vector<Bulkhead::Permit> others;
    EXPECT_EQ(fill(bulkhead, others), 4U);
}

TEST(BulkheadPartition, refuses_what_cannot_be_and_changes_nothing) {
    Bulkhead bulkhead{"db", 4};
    BulkheadPartition first = bulkhead.partition("first", {.reserved = 3});
    const auto field_of = [&](auto action) -> std::string {
        try {
            action();
            return "accepted";
        } catch (const ConfigError& error) {
            return error.problems().at(0).field;
        }
    };
    EXPECT_EQ(field_of([&] { static_cast<void>(bulkhead.partition("second", {.reserved = 2})); }), "reserved");
    EXPECT_EQ(field_of([&] { static_cast<void>(bulkhead.partition("", {.reserved = 1})); }), "name");
    EXPECT_EQ(field_of([&] { bulkhead.set_max_concurrent(2); }), "max_concurrent");
    EXPECT_EQ(bulkhead.config().max_concurrent, 4U);
    EXPECT_EQ(bulkhead.stats().max_concurrent, 1U);
    EXPECT_EQ(field_of([&] { static_cast<void>(bulkhead.partition("second", {.reserved = 1})); }), "accepted");
}

TEST(BulkheadPartition, obeys_the_levers_of_its_bulkhead) {
    Bulkhead bulkhead{"db", 4};
    BulkheadPartition partition = bulkhead.partition("part", {.reserved = 2});
    bulkhead.set_max_concurrent(6);
    Permits held;
    EXPECT_EQ(fill(partition, held), 6U);
    held.clear();
    bulkhead.set_max_concurrent(0);
    EXPECT_EQ(partition.try_acquire().error().reason, RejectionReason::bulkhead_full);
    bulkhead.set_max_concurrent(2);
    EXPECT_EQ(fill(partition, held), 2U) << "its own only";
    bulkhead.close();
    held.clear();
    EXPECT_EQ(partition.try_acquire().error().reason, RejectionReason::shutting_down);
}

TEST(BulkheadPartition, tells_the_listeners_of_its_bulkhead_of_every_permit_once) {
    Bulkhead bulkhead{"db", 2};
    BulkheadPartition partition = bulkhead.partition("part", {.reserved = 1});
    std::vector<EventKind> kinds;
    const Subscription listening =
        bulkhead.on_event([&](const Event& event) { kinds.push_back(event.kind); }, EventKinds::calls);
    Permits held;
    EXPECT_EQ(fill(partition, held), 2U);
    held.clear();
    EXPECT_EQ(kinds, (std::vector<EventKind>{EventKind::permitted, EventKind::permitted, EventKind::refused,
                                             EventKind::finished, EventKind::finished}));
}

TEST(BulkheadPartition, hands_places_of_the_rest_to_those_who_wait) {
    Bulkhead bulkhead{"db", BulkheadConfig{.max_concurrent = 2, .queue_size = 1}};
    BulkheadPartition partition = bulkhead.partition("part", {.reserved = 1});
    Permits held;
    ASSERT_EQ(fill(partition, held), 2U);
    std::atomic<bool> got{false};
    {
        std::jthread waiter([&] { got = bulkhead.acquire_for(1min).has_value(); });
        while (bulkhead.stats().queue_depth == 0) std::this_thread::yield();
        held.pop_back();
    }
    EXPECT_TRUE(got);
}

TEST(BulkheadPartition, stands_in_the_stats_of_its_bulkhead_while_it_lives) {
    Bulkhead bulkhead{"db", 10};
    EXPECT_TRUE(bulkhead.stats().partitions.empty());
    BulkheadPartition first = bulkhead.partition("first", {.reserved = 1});
    std::optional<BulkheadPartition> second;
    second.emplace(bulkhead, "second", PartitionConfig{.reserved = 2});
    std::optional<BulkheadPartition> third;
    third.emplace(bulkhead, "third", PartitionConfig{});
    Permits held;
    EXPECT_EQ(fill(*second, held), 9U);
    const auto names = [&] {
        std::string text;
        for (const BulkheadPartitionStats& each : bulkhead.stats().partitions) text += std::string(each.name) + ' ';
        return text;
    };
    EXPECT_EQ(names(), "first second third ");
    const BulkheadPartitionStats shown = bulkhead.stats().partitions.at(1);
    EXPECT_EQ(shown.reserved, 2U);
    EXPECT_EQ(shown.reserved_in_use, 2U);
    EXPECT_EQ(shown.shared_in_use, 7U);
    EXPECT_EQ(shown.admitted_reserved, 2U);
    EXPECT_EQ(shown.admitted_shared, 7U);
    EXPECT_EQ(shown.rejected, 1U);
    EXPECT_EQ(shown.requests, 10U);
    held.clear();
    second.reset();
    EXPECT_EQ(names(), "first third ");
    second.emplace(bulkhead, "second", PartitionConfig{});
    EXPECT_EQ(names(), "first third second ");
    third.reset();
    second.reset();
    EXPECT_EQ(names(), "first ");
}

TEST(BulkheadPartition, shares_its_name_with_no_other_of_its_bulkhead) {
    Bulkhead bulkhead{"db", 4};
    Bulkhead other{"other", 4};
    const BulkheadPartition first = bulkhead.partition("part", {.reserved = 1});
    const BulkheadPartition elsewhere = other.partition("part", {.reserved = 1});
    try {
        const BulkheadPartition again = bulkhead.partition("part", {.reserved = 4});
        ADD_FAILURE() << "accepted";
    } catch (const ConfigError& error) {
        EXPECT_STREQ(error.what(),
                     "bulkhead partition \"part\":\n"
                     "  reserved is 4; bulkhead has 3 places that are not reserved\n"
                     "  name is that of another partition");
    }
    EXPECT_EQ(bulkhead.stats().partitions.size(), 1U);
    EXPECT_EQ(bulkhead.stats().max_concurrent, 3U);
}

// A reader of the stats beside partitions that come, work and go.
TEST(BulkheadPartition, may_go_while_its_bulkhead_is_looked_at) {
    Bulkhead bulkhead{"db", 8};
    std::atomic<bool> stop{false};
    std::vector<std::jthread> makers;
    for (const std::uint32_t reserved : {1U, 2U}) {
        makers.emplace_back([&bulkhead, &stop, reserved] {
            while (!stop) {
                BulkheadPartition part = bulkhead.partition(reserved == 1 ? "one" : "two", {.reserved = reserved});
                EXPECT_TRUE(part.try_acquire().has_value());
            }
        });
    }
    for (int look = 0; look < 2000; ++look) {
        for (const BulkheadPartitionStats& each : bulkhead.stats().partitions) {
            EXPECT_EQ(each.reserved, each.name == "one" ? 1U : 2U);
            EXPECT_LE(each.reserved_in_use, each.reserved);
        }
    }
    stop = true;
    makers.clear();
    EXPECT_TRUE(bulkhead.stats().partitions.empty());
    EXPECT_EQ(bulkhead.stats().max_concurrent, 8U);
    EXPECT_EQ(bulkhead.stats().in_use, 0U);
}

// One that is never refused beside others that take all they can, and never more inside than there are places.
TEST(BulkheadPartition, keeps_its_promise_under_threads) {
    constexpr std::uint32_t limit = 4;
    Bulkhead bulkhead{"db", limit};
    BulkheadPartition calm = bulkhead.partition("calm", {.reserved = 1});
    BulkheadPartition eager = bulkhead.partition("eager", {.reserved = 1});
    std::atomic<std::uint32_t> inside{0};
    std::atomic<std::uint32_t> most{0};
    std::atomic<bool> stop{false};
    const auto count = [&](const auto& permit) {
        if (!permit) return;
        const std::uint32_t now = ++inside;
        for (std::uint32_t seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
        }
    };
    const auto leave = [&](auto& permit) {
        if (!permit) return;
        --inside;
        permit->settle(Outcome::success);
    };
    {
        std::vector<std::jthread> workers;
        for (int worker = 0; worker < 2; ++worker) {
            workers.emplace_back([&] {
                while (!stop) {
                    auto first = eager.try_acquire();
                    count(first);
                    auto second = eager.try_acquire();
                    count(second);
                    auto third = bulkhead.try_acquire();
                    count(third);
                    leave(first);
                    leave(second);
                    leave(third);
                }
            });
        }
        for (int call = 0; call < 20'000; ++call) {
            auto permit = calm.try_acquire();
            EXPECT_TRUE(permit) << "its own place is free";
            count(permit);
            leave(permit);
        }
        stop = true;
    }
    EXPECT_LE(most, limit);
    const BulkheadPartitionStats stats = eager.stats();
    EXPECT_EQ(stats.reserved_in_use + stats.shared_in_use, 0U);
    EXPECT_EQ(stats.requests, stats.admitted_reserved + stats.admitted_shared + stats.rejected);
    EXPECT_EQ(bulkhead.stats().in_use, 0U);
}

}  // namespace bulkhead_partition_test
