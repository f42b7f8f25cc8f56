#include <gtest/gtest.h>

#include <resilience/base/duration_text.hpp>
#include <resilience/base/quoted_text.hpp>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

namespace text_test {

TEST(DurationText, has_one_unit_below_a_minute_and_two_above) {
    struct Row {
        Duration duration;
        std::string_view text;
    };
    const std::vector<Row> rows{
        {0ns, "0 s"},
        {1ns, "1 ns"},
        {250ns, "250 ns"},
        {999ns, "999 ns"},
        {1us, "1 us"},
        {1049ns, "1 us"},
        {1050ns, "1.1 us"},
        {12500us, "12.5 ms"},
        {41ms, "41 ms"},
        {100ms, "100 ms"},
        {123456us, "123 ms"},
        {99949999ns, "99.9 ms"},
        {99960us, "100 ms"},
        {999400us, "999 ms"},
        {999500us, "1 s"},
        {9800ms, "9.8 s"},
        {10s, "10 s"},
        {12400ms, "12.4 s"},
        {59949ms, "59.9 s"},
        {59960ms, "1 min"},
        {60s, "1 min"},
        {65s, "1 min 5 s"},
        {125s, "2 min 5 s"},
        {3599600ms, "1 h"},
        {3600s, "1 h"},
        {3900s, "1 h 5 min"},
        {24h, "1 d"},
        {49h, "2 d 1 h"},
        {-9800ms, "-9.8 s"},
        {Duration::max(), "106752 d"},
        {Duration::min(), "-106752 d"},
    };
    for (const auto& [duration, text] : rows) EXPECT_EQ(duration_text(duration), text) << duration.count() << " ns";
}

TEST(QuotedText, keeps_one_line_and_hides_nothing) {
    struct Row {
        std::string_view text;
        std::string_view quoted;
    };
    const std::vector<Row> rows{
        {"", "\"\""},
        {"card_host", "\"card_host\""},
        {"a b", "\"a b\""},
        {"say \"no\"", "\"say \\\"no\\\"\""},
        {"back\\slash", "\"back\\\\slash\""},
        {"two\nlines\r\t", "\"two\\nlines\\r\\t\""},
        {std::string_view("nul\0", 4), "\"nul\\x00\""},
        {"\x1b[31m\x7f", "\"\\x1b[31m\\x7f\""},
        {"gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\""},
        {"\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\""},
        {"\xff"
         "a",
         "\"\\xffa\""},
        {"\xc3", "\"\\xc3\""},
    };
    for (const auto& [text, quoted] : rows) EXPECT_EQ(quoted_text(text), quoted);
}

TEST(QuotedText, leaves_plain_names_bare_for_logfmt) {
    EXPECT_EQ(logfmt_text("payment_api"), "payment_api");
    EXPECT_EQ(logfmt_text("eu-1/card.host:443"), "eu-1/card.host:443");
    EXPECT_EQ(logfmt_text(""), "\"\"");
    EXPECT_EQ(logfmt_text("a=b"), "\"a=b\"");
    EXPECT_EQ(logfmt_text("a b level=info"), "\"a b level=info\"");
}

TEST(Utf8, knows_the_well_formed_sequences_and_no_others) {
    struct Row {
        std::string_view text;
        std::size_t length;
    };
    const std::vector<Row> rows{
        {"", 0},
        {"a", 1},
        {std::string_view("\0", 1), 1},
        {"\x7f", 1},
        {"\x80", 0},              // a continuation byte
        {"\xc0\x80", 0},          // overlong
        {"\xc1\xbf", 0},          // overlong
        {"\xc2\x80", 2},          // U+0080
        {"\xdf\xbf", 2},          // U+07FF
        {"\xc2", 0},              // cut off
        {"\xc2\x41", 0},          // no continuation
        {"\xe0\x9f\xbf", 0},      // overlong
        {"\xe0\xa0\x80", 3},      // U+0800
        {"\xe1\x80\x80", 3},      //
        {"\xed\x9f\xbf", 3},      // U+D7FF
        {"\xed\xa0\x80", 0},      // a surrogate
        {"\xee\x80\x80", 3},      // U+E000
        {"\xef\xbf\xbf", 3},      // U+FFFF
        {"\xef\xbf", 0},          // cut off
        {"\xef\xbf\x41", 0},      // no continuation
        {"\xf0\x8f\xbf\xbf", 0},  // overlong
        {"\xf0\x90\x80\x80", 4},  // U+10000
        {"\xf3\x80\x80\x80", 4},  //
        {"\xf4\x8f\xbf\xbf", 4},  // U+10FFFF
        {"\xf4\x90\x80\x80", 0},  // beyond
        {"\xf5\x80\x80\x80", 0},  // beyond
        {"\xff", 0},              //
    };
    for (const auto& [text, length] : rows) EXPECT_EQ(utf8_sequence_length(text), length) << quoted_text(text);
}

}  // namespace text_test
