#include "demo/script.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

namespace resilience::demo {
namespace script_test {

using namespace std::chrono_literals;

TEST(Script, reads_the_three_kinds_of_events) {
    const auto script = parse_script(
        "# attack\n"
        "at=15s payment error=0.8 for=20s\n"
        "\n"
        "  at=65s\tload=5x for=20s   # five times\r\n"
        "at=0s say  calm, for now \n"
        "at=1m10s inventory latency=20x error=0.25 for=500ms\n"
        "at=80s recommendations latency=300ms for=1s\n"
        "at=81s payment hang for=1s\n"
        "at=82s payment down for=1s");
    ASSERT_TRUE(script) << script.error().front().message;
    ASSERT_EQ(script->events.size(), 7U);
    EXPECT_EQ(script->events[0].at, 0s);
    EXPECT_EQ(std::get<SayEvent>(script->events[0].what).text, "calm, for now");
    const auto& payment = std::get<FaultEvent>(script->events[1].what);
    EXPECT_EQ(payment.upstream, UpstreamId::payment);
    EXPECT_EQ(payment.fault, (Fault{.error_ratio = 0.8}));
    EXPECT_EQ(payment.period, 20s);
    const auto& load = std::get<LoadEvent>(script->events[2].what);
    EXPECT_EQ(load.factor, 5);
    EXPECT_EQ(load.period, 20s);
    EXPECT_EQ(script->events[3].at, 70s);
    EXPECT_EQ(std::get<FaultEvent>(script->events[3].what).fault, (Fault{.error_ratio = 0.25, .latency_factor = 20}));
    EXPECT_EQ(std::get<FaultEvent>(script->events[4].what).fault, (Fault{.latency = 300ms}));
    EXPECT_EQ(std::get<FaultEvent>(script->events[5].what).fault, (Fault{.hang = true}));
    EXPECT_EQ(std::get<FaultEvent>(script->events[6].what).fault, (Fault{.down = true}));
    EXPECT_EQ(script->loop, 0s);
}

TEST(Script, keeps_the_order_of_lines_at_the_same_moment) {
    std::string text;
    for (int line = 0; line < 50; ++line) text += "at=1s say " + std::to_string(line) + "\n";
    const auto script = parse_script(text + "at=0s say first\n");
    ASSERT_TRUE(script);
    EXPECT_EQ(std::get<SayEvent>(script->events.front().what).text, "first");
    for (std::size_t line = 0; line < 50; ++line) {
        EXPECT_EQ(std::get<SayEvent>(script->events[line + 1].what).text, std::to_string(line));
    }
}

struct BadLine {
    std::string_view line;
    std::string_view message;
};

constexpr std::array<BadLine, 31> bad_lines{{
    {"payment error=0.8 for=20s", "a line begins with its time, like at=15s"},
    {"at 15s say x", "a line begins with its time, like at=15s"},
    {"at=15 say x", "'at' needs a unit; did you mean 15s? (ns, us, ms, s, m, h, d)"},
    {"at=soon say x", "'at' is no duration: 'soon'; write it like 20s, 150ms or 1m30s"},
    {"at=25h say x", "'at' is up to 24h, but is 25h"},
    {"at=1s", "nothing happens; write an upstream and its fault, load=5x, or say and a text"},
    {"at=1s say", "'say' has no text"},
    {"at=1s say a\x1b[31mb", "'say' holds control characters"},
    {"at=1s paymnet error=0.8 for=1s", "unknown word 'paymnet'; did you mean 'payment'?"},
    {"at=1s laod=5x for=1s", "unknown word 'laod=5x'; did you mean 'load'?"},
    {"at=1s warehouse down for=1s", "unknown word 'warehouse'"},
    {"at=1s payment for=1s", "no fault is named; use error=0.8, latency=20x, latency=300ms, hang or down"},
    {"at=1s payment error=0.8", "'for' is missing: say how long, like for=20s"},
    {"at=1s payment error=0.8 for=20", "'for' needs a unit; did you mean 20s? (ns, us, ms, s, m, h, d)"},
    {"at=1s payment error=0.8 for=0s", "'for' is above 0s, up to 24h, but is 0s"},
    {"at=1s payment eror=0.8 for=1s", "unknown word 'eror=0.8'; did you mean 'error'?"},
    {"at=1s payment error=80 for=1s", "'error' is a ratio above 0, up to 1, but is 80; did you mean 0.80?"},
    {"at=1s payment error=0 for=1s", "'error' is a ratio above 0, up to 1, but is '0'"},
    {"at=1s payment error=nan for=1s", "'error' is a ratio above 0, up to 1, but is 'nan'"},
    {"at=1s payment error= for=1s", "'error' is a ratio above 0, up to 1, but is ''"},
    {"at=1s payment latency=20 for=1s",
     "'latency' is a factor from 0.01x to 1000x or a time up to 60s, like 20x or "
     "300ms, but is '20'"},
    {"at=1s payment latency=0x for=1s", "but is '0x'"},
    {"at=1s payment latency=2h for=1s", "but is '2h'"},
    {"at=1s payment hang=5s for=1s", "'hang' takes no value, but has '5s'"},
    {"at=1s payment down error=0.5 for=1s", "'down' stands alone: what is down neither fails, hangs nor is slow"},
    {"at=1s payment error=0.5 error=0.6 for=1s", "'error' stands twice"},
    {"at=1s load=5 for=1s", "'load' is a factor from 0x to 100x, like load=5x, but is '5'"},
    {"at=1s load=101x for=1s", "'load' is a factor from 0x to 100x, like load=5x, but is '101x'"},
    {"at=1s load=5x", "'for' is missing: say how long, like for=20s"},
    {"at=1s load=5x for=1s error=0.5", "unknown word 'error=0.5'"},
    {"at=1s say x", ""},
}};

TEST(Script, says_what_is_wrong_with_each_bad_line) {
    for (const auto& [line, message] : bad_lines) {
        const auto script = parse_script(line);
        if (message.empty()) {
            EXPECT_TRUE(script) << line;
            continue;
        }
        ASSERT_FALSE(script) << line;
        ASSERT_EQ(script.error().size(), 1U) << line << ": " << script.error().back().message;
        EXPECT_NE(script.error().front().message.find(message), std::string::npos)
            << line << "\n  says: " << script.error().front().message;
    }
}

TEST(Script, lists_every_bad_line_of_a_file_with_everything_wrong_with_it) {
    std::string text = "# all of them\n";
    std::size_t bad = 0;
    for (const auto& [line, message] : bad_lines) {
        text += std::string(line) + "\n";
        bad += message.empty() ? 0U : 1U;
    }
    text += "at=x payment error=7000 for=0s\n";  // three in one
    const auto script = parse_script(text);
    ASSERT_FALSE(script);
    EXPECT_EQ(script.error().size(), bad + 3);
    EXPECT_EQ(script.error().front().line, 2U);
    EXPECT_EQ(script.error()[0].line + 1, script.error()[1].line);
    EXPECT_EQ(script.error().back().line, bad_lines.size() + 2);
}

TEST(Script, is_bounded_in_lines_and_size) {
    const auto wide = parse_script("at=0s say " + std::string(2'000, 'x'));
    ASSERT_FALSE(wide);
    EXPECT_EQ(wide.error().front().message, "the line is longer than 1,000 bytes");
    const auto large = parse_script(std::string(2'000'000, '\n'));
    ASSERT_FALSE(large);
    EXPECT_EQ(large.error().front().message, "the script is longer than 1 MiB");
    EXPECT_TRUE(parse_script(""));
}

TEST(Script, by_default_plays_the_attack_in_a_loop_of_100_seconds) {
    const Script script = default_script();
    EXPECT_EQ(script.loop, 100s);
    ASSERT_EQ(script.events.size(), 6U);
    EXPECT_EQ(script.events[1].at, 15s);
    EXPECT_EQ(std::get<FaultEvent>(script.events[1].what).fault, (Fault{.error_ratio = 0.8}));
    EXPECT_EQ(script.events[3].at, 50s);
    EXPECT_EQ(std::get<FaultEvent>(script.events[3].what).fault, (Fault{.latency_factor = 20}));
    EXPECT_EQ(script.events[4].at, 65s);
    EXPECT_EQ(std::get<LoadEvent>(script.events[4].what).factor, 5);
}

TEST(Fault, is_told_in_plain_words) {
    EXPECT_EQ(told("payment", {.error_ratio = 0.8}), "payment starts failing 80 % of its calls");
    EXPECT_EQ(told("inventory", {.latency_factor = 20}), "inventory becomes 20 times slower");
    EXPECT_EQ(told("inventory", {.latency = 300ms}), "inventory takes 300 ms to answer");
    EXPECT_EQ(told("payment", {.error_ratio = 0.125, .latency_factor = 2.5}),
              "payment starts failing 12.5 % of its calls and becomes 2.50 times slower");
    EXPECT_EQ(told("payment", {.hang = true}), "payment hangs: it takes requests and does not answer");
    EXPECT_EQ(told("payment", {.down = true}), "payment goes down: port and connections closed");
}

}  // namespace script_test
}  // namespace resilience::demo
