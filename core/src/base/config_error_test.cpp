#include <gtest/gtest.h>

#include <resilience/base/config_error.hpp>

using namespace resilience;

namespace config_error_test {

TEST(ConfigError, prints_the_subject_and_every_problem_one_a_line_field_first) {
    ConfigProblems problems{"circuit breaker \"card_host\""};
    problems.expect(false, "buckets", "is 0; use 1 to 240");
    problems.expect(true, "timeout", "is never wrong here");
    problems.add("failure_threshold", "is not a number; use above 0, at most 1");
    try {
        problems.throw_if_any();
        FAIL() << "two problems, no exception";
    } catch (const ConfigError& error) {
        EXPECT_STREQ(error.what(),
                     "circuit breaker \"card_host\":\n"
                     "  buckets is 0; use 1 to 240\n"
                     "  failure_threshold is not a number; use above 0, at most 1");
        ASSERT_EQ(error.problems().size(), 2U);
        EXPECT_EQ(error.problems()[0].field, "buckets");
        EXPECT_EQ(error.problems()[1].message, "is not a number; use above 0, at most 1");
    }
}

TEST(ConfigError, is_not_thrown_without_a_problem) {
    ConfigProblems problems{"bulkhead"};
    problems.expect(true, "max_concurrent", "is 0");
    EXPECT_FALSE(problems.any());
    EXPECT_NO_THROW(problems.throw_if_any());
}

TEST(ConfigError, is_caught_as_an_invalid_argument) {
    EXPECT_THROW(throw ConfigError("bulkhead", {{.field = "name", .message = "is empty"}}), std::invalid_argument);
}

}  // namespace config_error_test
