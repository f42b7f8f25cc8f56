// Rejections in the function's own kind of error.

#include <gtest/gtest.h>

#include <expected>
#include <for_tests/origin.hpp>
#include <resilience/pipeline/manual_time.hpp>
#include <resilience/pipeline/pipeline.hpp>
#include <string>
#include <system_error>
#include <variant>

namespace resilience::inline v1 {
namespace rejection_to_test {

// An error of the user's own that says what is inside it.
struct OrderError {
    std::string text;
    std::optional<Rejection> rejection{};
};
// One that does not.
struct TextError {
    std::string text;
};
using SomeError = std::variant<std::monostate, Rejection, int>;

}  // namespace rejection_to_test

template <>
struct rejection_to<rejection_to_test::OrderError> {
    static rejection_to_test::OrderError convert(const Rejection& why) { return {to_string(why), why}; }
    static const Rejection* find(const rejection_to_test::OrderError& error) {
        return error.rejection ? &*error.rejection : nullptr;
    }
};
template <>
struct rejection_to<rejection_to_test::TextError> {
    static rejection_to_test::TextError convert(const Rejection& why) { return {to_string(why)}; }
};

namespace rejection_to_test {

static_assert(HoldsRejection<std::error_code> && HoldsRejection<SomeError> && HoldsRejection<OrderError>);
static_assert(!HoldsRejection<std::string> && !HoldsRejection<std::variant<int, std::string>>);
static_assert(!HoldsRejection<std::variant<Rejection, Rejection>>, "which of the two?");
static_assert(FindsRejection<Rejection> && FindsRejection<std::error_code> && FindsRejection<SomeError> &&
              FindsRejection<OrderError> && !FindsRejection<TextError>);
static_assert(std::same_as<Answer<std::expected<int, SomeError>>, std::expected<int, SomeError>>);
static_assert(
    std::same_as<Answer<std::expected<int, std::string>>, std::expected<std::expected<int, std::string>, Rejection>>);

class RejectionTo : public testing::Test {
  public:
    // What a pipeline refuses, when it comes out of the function of another pipeline.
    template <class Error>
    std::expected<int, Error> refused_inside() {
        inner.force_open(time.now());
        const auto function = []() -> std::expected<int, Error> { return 200; };
        return around.execute_in(time, {}, {}, [&] { return Pipeline{inner}.execute_in(time, {}, {}, function); });
    }

    ManualTime time{1, for_tests::origin()};
    CircuitBreaker outer{"outer"};
    CircuitBreaker inner{"inner"};
    Pipeline<CircuitBreaker> around{outer};
};

TEST_F(RejectionTo, an_error_code_has_the_reason) {
    const auto answer = refused_inside<std::error_code>();
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error(), RejectionReason::forced_open);
    EXPECT_STREQ(answer.error().category().name(), "resilience");
    EXPECT_EQ(outer.stats(time.now()).ignored, 1U) << "a rejection inside is no failure of the callee";
    EXPECT_EQ(outer.stats(time.now()).failure, 0U);
}

TEST_F(RejectionTo, a_variant_holds_it_whole) {
    const auto answer = refused_inside<SomeError>();
    ASSERT_FALSE(answer);
    ASSERT_TRUE(std::holds_alternative<Rejection>(answer.error()));
    EXPECT_EQ(std::get<Rejection>(answer.error()).policy, "inner");
    EXPECT_EQ(outer.stats(time.now()).ignored, 1U);
}

TEST_F(RejectionTo, an_error_of_ones_own_may_say_that_a_rejection_is_inside) {
    const auto answer = refused_inside<OrderError>();
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().text, "rejected by circuit breaker \"inner\": forced open");
    EXPECT_EQ(outer.stats(time.now()).ignored, 1U);
}

TEST_F(RejectionTo, an_error_that_does_not_say_so_is_a_failure) {
    const auto answer = refused_inside<TextError>();
    ASSERT_FALSE(answer);
    EXPECT_EQ(outer.stats(time.now()).failure, 1U);
}

TEST_F(RejectionTo, other_errors_of_these_types_stay_failures) {
    (void)around.execute_in(time, {}, {}, []() -> std::expected<int, SomeError> { return std::unexpected(7); });
    (void)around.execute_in(time, {}, {}, []() -> std::expected<int, std::error_code> {
        return std::unexpected(make_error_code(std::errc::io_error));
    });
    EXPECT_EQ(outer.stats(time.now()).failure, 2U);
}

TEST_F(RejectionTo, a_classifier_of_the_value_leaves_a_rejection_one) {
    inner.force_open(time.now());
    const auto guarded = [&] { return Pipeline{inner}.execute_in(time, {}, {}, [] { return 200; }); };
    Pipeline by_value{classify([](int) { return Outcome::success; }), outer};
    EXPECT_FALSE(by_value.execute_in(time, {}, {}, guarded));
    EXPECT_EQ(outer.stats(time.now()).ignored, 1U);
    Pipeline by_all{classify([](const std::expected<int, Rejection>&) { return Outcome::failure; }), outer};
    EXPECT_FALSE(by_all.execute_in(time, {}, {}, guarded));
    EXPECT_EQ(outer.stats(time.now()).failure, 1U) << "who judges the whole has the first word";
}

}  // namespace rejection_to_test
}  // namespace resilience::inline v1
