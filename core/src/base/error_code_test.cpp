#include <gtest/gtest.h>

#include <resilience/base/error_code.hpp>
#include <string>
#include <vector>

using namespace resilience;

namespace error_code_test {

struct Row {
    RejectionReason reason;
    int value;
    std::string message;
    std::error_condition condition;
};

std::vector<Row> rows() {
    const auto try_again = make_error_condition(std::errc::resource_unavailable_try_again);
    const auto timed_out = make_error_condition(std::errc::timed_out);
    return {
        {RejectionReason::circuit_open, 1, "circuit open", try_again},
        {RejectionReason::half_open_full, 2, "half open full", try_again},
        {RejectionReason::forced_open, 3, "forced open", try_again},
        {RejectionReason::rate_limited, 4, "rate limited", try_again},
        {RejectionReason::exceeds_capacity, 5, "exceeds capacity", make_error_condition(std::errc::value_too_large)},
        {RejectionReason::bulkhead_full, 6, "bulkhead full", try_again},
        {RejectionReason::queue_full, 7, "queue full", try_again},
        {RejectionReason::queue_timeout, 8, "queue timeout", timed_out},
        {RejectionReason::load_shed, 9, "load shed", try_again},
        {RejectionReason::throttled, 10, "throttled", try_again},
        {RejectionReason::deadline_exceeded, 11, "deadline exceeded", timed_out},
        {RejectionReason::retry_budget_exhausted, 12, "retry budget exhausted", try_again},
        {RejectionReason::cancelled, 13, "cancelled", make_error_condition(std::errc::operation_canceled)},
        {RejectionReason::shutting_down, 14, "shutting down", std::error_condition(14, rejection_category())}};
}

TEST(ErrorCode, every_reason_has_a_value_a_message_and_a_condition) {
    ASSERT_EQ(rows().size(), rejection_reasons);
    for (const Row& row : rows()) {
        const std::error_code code = row.reason;
        EXPECT_TRUE(code) << "a rejection is an error: " << row.message;
        EXPECT_EQ(code.value(), row.value);
        EXPECT_STREQ(code.category().name(), "resilience");
        EXPECT_EQ(code.message(), row.message);
        EXPECT_EQ(code.default_error_condition(), row.condition) << row.message;
        EXPECT_TRUE(code == row.condition) << row.message;
        EXPECT_EQ(rejection_reason(code), row.reason);
    }
}

TEST(ErrorCode, is_compared_with_reasons_and_with_generic_conditions) {
    const std::error_code code = make_error_code(RejectionReason::queue_timeout);
    EXPECT_EQ(code, RejectionReason::queue_timeout);
    EXPECT_NE(code, RejectionReason::deadline_exceeded);
    EXPECT_TRUE(code == std::errc::timed_out);
    EXPECT_FALSE(code == std::errc::operation_canceled);
}

TEST(ErrorCode, what_is_no_rejection_has_no_reason) {
    EXPECT_EQ(rejection_reason(std::error_code{}), std::nullopt);
    EXPECT_EQ(rejection_reason(std::make_error_code(std::errc::timed_out)), std::nullopt);
    for (const int value : {-1, 0, 15, 1000}) {
        const std::error_code foreign(value, rejection_category());
        EXPECT_EQ(rejection_reason(foreign), std::nullopt);
        EXPECT_EQ(foreign.message(), "unknown reason " + std::to_string(value));
        EXPECT_EQ(foreign.default_error_condition(), std::error_condition(value, rejection_category()));
    }
}

}  // namespace error_code_test
