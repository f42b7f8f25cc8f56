#include <gtest/gtest.h>

#include <chrono>
#include <resilience/base/config_error.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <string>
#include <vector>

namespace resilience::inline v1 {
namespace bulkhead_config_test {

std::vector<std::string> bad_fields(const BulkheadConfig& config) {
    std::vector<std::string> fields;
    try {
        const Bulkhead bulkhead(config);
    } catch (const ConfigError& error) {
        for (const ConfigProblem& problem : error.problems()) fields.push_back(problem.field);
    }
    return fields;
}

TEST(BulkheadConfig, each_field_at_and_just_outside_its_range) {
    struct Row {
        BulkheadConfig config;
        std::vector<std::string> bad;
    };
    const std::vector<Row> rows{
        {{1, 0}, {}},
        {{16'777'215, 1'000'000}, {}},
        {{0, 0}, {"max_concurrent"}},
        {{16'777'216, 0}, {"max_concurrent"}},
        {{0xFFFF'FFFF, 0}, {"max_concurrent"}},
        {{1, 1'000'001}, {"queue_size"}},
        {{0, 0xFFFF'FFFF}, {"max_concurrent", "queue_size"}},
        {{1, 0, Duration::zero()}, {}},
        {{1, 0, Duration::max()}, {}},
        {{1, 0, Duration{-1}}, {"max_wait"}},
        {{.max_concurrent = 1, .queue_size = 1, .record_wait = true}, {}},
        {{.max_concurrent = 1, .queue_size = 0, .record_wait = true}, {"record_wait"}},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(bad_fields(row.config), row.bad) << row.config.max_concurrent << ", " << row.config.queue_size;
    }
}

std::string message_of(const auto& make) {
    try {
        make();
    } catch (const ConfigError& error) {
        return error.what();
    }
    return "no error";
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
TEST(BulkheadConfig, arguments_that_only_look_like_a_limit_are_refused) {
    EXPECT_EQ(message_of([] { const Bulkhead bulkhead("x", {}); }),
              "bulkhead \"x\":\n  max_concurrent is 0; use 1 to 16777215 (a negative number becomes a huge one)");
    EXPECT_EQ(
        message_of([] { const Bulkhead bulkhead("x", -1); }),
        "bulkhead \"x\":\n  max_concurrent is 4294967295; use 1 to 16777215 (a negative number becomes a huge one)");
    EXPECT_EQ(message_of([] { const Bulkhead bulkhead("x", 1, -1); }),
              "bulkhead \"x\":\n  queue_size is 4294967295; use 0 to 1000000 (a negative number becomes a huge one)");
}
#pragma GCC diagnostic pop

TEST(BulkheadConfig, every_problem_is_named_the_name_included) {
    const std::string text = message_of([] { const Bulkhead bulkhead(std::string("a\0b", 3), 0, 2'000'000); });
    EXPECT_EQ(text,
              "bulkhead \"a\\x00b\":\n"
              "  max_concurrent is 0; use 1 to 16777215 (a negative number becomes a huge one)\n"
              "  queue_size is 2000000; use 0 to 1000000 (a negative number becomes a huge one)\n"
              "  name holds a NUL byte");
}

TEST(BulkheadConfig, a_lever_outside_its_range_is_refused_and_changes_nothing) {
    Bulkhead bulkhead("lever", 3);
    EXPECT_EQ(message_of([&] { bulkhead.set_max_concurrent(16'777'216); }),
              "bulkhead \"lever\":\n  max_concurrent is 16777216; use 0 to 16777215 "
              "(a negative number becomes a huge one)");
    EXPECT_EQ(bulkhead.config().max_concurrent, 3U);
    bulkhead.set_max_concurrent(16'777'215);
    EXPECT_EQ(bulkhead.stats().available(), 16'777'215U);
}

// What config() shows can always be given to a new bulkhead.
TEST(BulkheadConfig, a_negative_wait_set_later_becomes_none) {
    Bulkhead bulkhead("billing", {.max_concurrent = 1, .queue_size = 1, .max_wait = std::chrono::seconds(1)});
    bulkhead.set_max_wait(std::chrono::seconds(-1));
    EXPECT_EQ(bulkhead.config().max_wait, Duration::zero());
    EXPECT_NO_THROW(Bulkhead("as_shown", bulkhead.config()));
}

}  // namespace bulkhead_config_test
}  // namespace resilience::inline v1
