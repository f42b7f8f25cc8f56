#include <gtest/gtest.h>

#include <memory>
#include <resilience/base/admission.hpp>
#include <string>
#include <type_traits>
#include <utility>

using namespace resilience;

namespace admission_test {

using Permit = std::unique_ptr<int>;  // like every permit: move-only
using Answer = Admission<Permit>;

// A temporary says neither yes nor no: `if (policy.try_acquire()) work();` would work without its permit.
static_assert(!std::is_constructible_v<bool, Answer>);
static_assert(!std::is_constructible_v<bool, const Answer>);
static_assert(std::is_constructible_v<bool, Answer&>);
static_assert(std::is_constructible_v<bool, const Answer&>);
static_assert(!std::is_convertible_v<Answer&, bool>, "only where a condition is asked for");

// Made of what a policy has in hand: a permit, an unexpected rejection, a std::expected of both.
static_assert(std::is_constructible_v<Answer, Permit>);
static_assert(std::is_convertible_v<std::unexpected<Rejection>, Answer>);
static_assert(std::is_convertible_v<std::expected<Permit, Rejection>, Answer>);
static_assert(std::is_base_of_v<std::expected<Permit, Rejection>, Answer>);

static_assert(std::is_nothrow_move_constructible_v<Answer>);
static_assert(!std::is_copy_constructible_v<Answer>);

Answer ask(bool admitted) {
    if (admitted) return Permit(new int(7));
    return std::unexpected(Rejection{.reason = RejectionReason::bulkhead_full});
}

TEST(Admission, holds_the_permit_while_the_condition_holds) {
    int seen = 0;
    if (auto permit = ask(true)) seen = **permit;
    EXPECT_EQ(seen, 7);
}

TEST(Admission, gives_the_rejection_when_refused) {
    const auto permit = ask(false);
    ASSERT_FALSE(permit);
    EXPECT_EQ(permit.error().reason, RejectionReason::bulkhead_full);
}

TEST(Admission, of_a_temporary_is_asked_on_purpose_with_has_value) {
    EXPECT_TRUE(ask(true).has_value());
    EXPECT_FALSE(ask(false).has_value());
}

TEST(Admission, converts_from_a_plain_expected_and_moves) {
    std::expected<Permit, Rejection> plain(Permit(new int(3)));
    Answer converted = std::move(plain);
    Answer moved = std::move(converted);
    ASSERT_TRUE(moved);
    EXPECT_EQ(**moved, 3);
}

}  // namespace admission_test
