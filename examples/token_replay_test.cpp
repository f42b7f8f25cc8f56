#include "token_replay.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace token_replay_test {

using namespace std::chrono_literals;
using resilience::TimePoint;

std::vector<token_trace::Request> read(const std::string& text) {
    std::istringstream in(text);
    return token_trace::read(in, "trace.csv");
}

const std::string header = "TIMESTAMP,ContextTokens,GeneratedTokens\n";

TEST(TokenTrace, reads_times_and_tokens_by_the_names_of_their_columns) {
    const auto trace = read(
        "GeneratedTokens,model,TIMESTAMP,ContextTokens\r\n"
        "10,a,2023-11-16 18:17:03.9799600,4808\r\n"
        "8,b,2023-11-16 18:17:04,3180");
    ASSERT_EQ(trace.size(), 2U);
    EXPECT_EQ(trace[0].prompt, 4808U);
    EXPECT_EQ(trace[0].generated, 10U);
    EXPECT_EQ(trace[0].at, TimePoint{1'700'158'623'979'960'000ns});
    EXPECT_EQ(trace[1].at - trace[0].at, 20'040us);
}

TEST(TokenTrace, names_the_line_of_what_it_cannot_read) {
    struct Row {
        std::string text;
        std::string error;
    };
    const std::string good = "2023-11-16 18:17:04,1,2\n";
    for (const auto& [text, error] : {
             Row{"", "trace.csv:1: there is no header"},
             Row{"TIMESTAMP,ContextTokens\n", "trace.csv:1: there is no column GeneratedTokens"},
             Row{header + good + "2023-11-16 18:17:05,1\n", "trace.csv:3: 2 fields instead of 3"},
             Row{header + good + "\n" + good, "trace.csv:3: 1 fields instead of 3"},
             Row{header + "2023-11-16 18:17:05,-1,2\n", "trace.csv:2: '-1' is no number of tokens"},
             Row{header + "2023-11-16 18:17:05,1,2.5\n", "trace.csv:2: '2.5' is no number of tokens"},
             Row{header + "2023-11-16 18:17:05,1,\n", "trace.csv:2: '' is no number of tokens"},
             Row{header + "2023-11-16 18:17:05,4294967296,1\n", "trace.csv:2: '4294967296' is no number of tokens"},
             Row{header + "2023-13-16 18:17:05,1,2\n", "trace.csv:2: '2023-13-16 18:17:05' is no time"},
             Row{header + "2023-11-16 24:17:05,1,2\n", "trace.csv:2: '2023-11-16 24:17:05' is no time"},
             Row{header + "2023-11-16 18:17:05.,1,2\n", "trace.csv:2: '2023-11-16 18:17:05.' is no time"},
             Row{header + "yesterday,1,2\n", "trace.csv:2: 'yesterday' is no time"},
             Row{header + good + "2023-11-16 18:17:03,1,2\n", "trace.csv:3: earlier than the line before"},
         }) {
        try {
            static_cast<void>(read(text));
            ADD_FAILURE() << "read: " << text;
        } catch (const token_trace::BadTrace& problem) {
            EXPECT_EQ(problem.what(), error);
        }
    }
}

token_replay::Result replayed(const std::vector<token_trace::Request>& trace, resilience::Duration time_per_token) {
    return token_replay::Replay(
               {.tokens_per_minute = 60, .burst = 100, .estimated_answer = 20, .time_per_token = time_per_token})
        .run(trace);
}

TEST(TokenReplay, refunds_what_was_not_used_and_admits_the_next) {
    const TimePoint start{1h};
    const auto result = replayed({{start, 80, 10}, {start, 1, 1}, {start + 10s, 0, 19}}, 1s);
    EXPECT_EQ(result.admitted, 2U) << "the first takes all hundred; ten flow back and ten are refunded in ten seconds";
    EXPECT_EQ(result.refused, 1U);
    EXPECT_EQ(result.unused_tokens, 11U);
    EXPECT_EQ(result.refunded_tokens, 11U);
    EXPECT_EQ(result.surplus_tokens, 0U);
    EXPECT_TRUE(result.within_bound);
}

TEST(TokenReplay, charges_what_exceeded_the_estimate_as_debt) {
    const TimePoint start{1h};
    const auto result =
        replayed({{start, 80, 50}, {start + 5s, 0, 1}, {start + 50s, 0, 20}, {start + 60s, 81, 1}}, 100ms);
    EXPECT_EQ(result.surplus_tokens, 30U);
    EXPECT_EQ(result.deepest_debt, 25U) << "five had flowed back";
    EXPECT_EQ(result.admitted, 2U) << "the third asks when twenty are there again";
    EXPECT_EQ(result.refused, 2U);
    EXPECT_EQ(result.too_large, 1U);
    EXPECT_EQ(result.used_tokens, 150U);
    EXPECT_TRUE(result.within_bound);
}

TEST(TokenReplay, finds_the_worst_window_and_what_breaks_the_bound) {
    const TimePoint start{1h};
    token_replay::Charges charges({.tokens_per_minute = 60, .burst = 100});
    charges.admit(start, 5);
    charges.admit(start + 30s, 60);
    const std::size_t last = charges.admit(start + 40s, 55);
    token_replay::Result result;
    charges.judge(result);
    EXPECT_FALSE(result.within_bound);
    ASSERT_TRUE(result.worst);
    EXPECT_EQ(result.worst->from, start + 30s);
    EXPECT_EQ(result.worst->to, start + 40s);
    EXPECT_EQ(result.worst->charged, 115U);
    EXPECT_EQ(result.worst->allowed, 110.0);
    charges.refund(last, 5);
    charges.judge(result);
    EXPECT_TRUE(result.within_bound) << "110 of 110";
}

}  // namespace token_replay_test
