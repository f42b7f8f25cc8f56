// Gradual degradation: which source serves, and what moves the call on to the next one.

#include <gtest/gtest.h>

#include <expected>
#include <memory>
#include <resilience/pipeline/first_of.hpp>
#include <resilience/pipeline/pipeline.hpp>
#include <stdexcept>
#include <string>
#include <system_error>

namespace resilience::inline v1 {
namespace first_of_test {

using Text = std::expected<std::string, Rejection>;

Text refused_by(std::string_view policy) {
    return std::unexpected(Rejection{.reason = RejectionReason::circuit_open, .policy = policy});
}

TEST(FirstOf, the_first_source_that_answers_serves) {
    struct Row {
        bool primary;
        bool secondary;
        std::string value;
        std::size_t level;
        int asked;
        std::string_view refused;
    };
    for (const Row& row : {Row{true, true, "primary", 0, 1, ""}, Row{true, false, "primary", 0, 1, ""},
                           Row{false, true, "secondary", 1, 2, "first"}, Row{false, false, "cached", 2, 2, "second"}}) {
        int asked = 0;
        const auto primary = [&]() -> Text {
            ++asked;
            return row.primary ? Text("primary") : refused_by("first");
        };
        const auto secondary = [&]() -> Text {
            ++asked;
            return row.secondary ? Text("secondary") : refused_by("second");
        };
        const Served<std::string> served = first_of(primary, secondary, "cached");
        EXPECT_EQ(served.value, row.value);
        EXPECT_EQ(served.level, row.level);
        EXPECT_EQ(served.degraded(), row.level != 0);
        EXPECT_EQ(asked, row.asked) << "each at most once, and none after the answer";
        EXPECT_EQ(served.refused ? served.refused->policy : "", row.refused);
    }
}

TEST(FirstOf, serves_from_pipelines) {
    CircuitBreaker primary_breaker{"degrading_primary"};
    CircuitBreaker secondary_breaker{"degrading_secondary"};
    Pipeline primary{primary_breaker};
    Pipeline secondary{secondary_breaker};
    const auto serve = [&] {
        return first_of([&] { return primary.execute([] { return std::string("primary"); }); },
                        [&] { return secondary.execute([] { return std::string("secondary"); }); },
                        [] { return std::string("cached"); });
    };
    EXPECT_EQ(serve().level, 0U);
    primary_breaker.force_open();
    EXPECT_EQ(serve().value, "secondary");
    secondary_breaker.force_open();
    const auto served = serve();
    EXPECT_EQ(served.value, "cached");
    EXPECT_EQ(served.level, 2U);
    EXPECT_EQ(served.refused->policy, "degrading_secondary");
}

TEST(FirstOf, where_the_last_source_may_refuse_its_rejection_is_the_answer) {
    const auto refuse = [] { return refused_by("first"); };
    const std::expected<Served<std::string>, Rejection> served = first_of(refuse, [] { return refused_by("last"); });
    ASSERT_FALSE(served);
    EXPECT_EQ(served.error().policy, "last");
    const auto other = first_of(refuse, []() -> Text { return "secondary"; });
    ASSERT_TRUE(other);
    EXPECT_EQ(other->value, "secondary");
    EXPECT_EQ(other->level, 1U);
}

TEST(FirstOf, an_error_of_the_callees_own_is_its_answer) {
    using Reply = std::expected<int, std::error_code>;
    const auto fails = []() -> Reply { return std::unexpected(make_error_code(std::errc::io_error)); };
    const auto refused = []() -> Reply { return std::unexpected(make_error_code(RejectionReason::rate_limited)); };
    EXPECT_EQ(first_of(fails, [] { return 7; }).value, Reply(std::unexpected(make_error_code(std::errc::io_error))));
    const Served<Reply> served = first_of(refused, [] { return 7; });
    EXPECT_EQ(served.value, 7) << "a rejection inside an error code is one";
    EXPECT_EQ(served.refused->reason, RejectionReason::rate_limited);
    EXPECT_EQ(first_of(degrade_on_failure, fails, [] { return 7; }).value, 7);
}

TEST(FirstOf, an_exception_passes_through_unless_failures_are_to_degrade) {
    const auto throws = []() -> Text { throw std::runtime_error("down"); };
    EXPECT_THROW((void)first_of(throws, "cached"), std::runtime_error);
    const Served<std::string> served = first_of(degrade_on_failure, throws, "cached");
    EXPECT_EQ(served.value, "cached");
    EXPECT_EQ(served.level, 1U);
    EXPECT_FALSE(served.refused) << "nobody refused anything";
    const auto last_throws = []() -> std::string { throw std::logic_error("no cache"); };
    EXPECT_THROW((void)first_of(degrade_on_failure, throws, last_throws), std::logic_error);
}

TEST(FirstOf, carries_what_only_moves) {
    using Pointer = std::expected<std::unique_ptr<int>, Rejection>;
    const auto refused = []() -> Pointer { return std::unexpected(Rejection{}); };
    EXPECT_EQ(*first_of([]() -> Pointer { return std::make_unique<int>(3); }, refused)->value, 3);
    EXPECT_EQ(*first_of(refused, std::make_unique<int>(4)).value, 4);
    std::string kept = "kept";
    EXPECT_EQ(first_of([] { return refused_by("first"); }, kept).value, "kept");
    EXPECT_EQ(kept, "kept") << "a named value is copied";
}

}  // namespace first_of_test
}  // namespace resilience::inline v1
