#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "demo/forwarded_headers.hpp"
#include "demo/reply_reader.hpp"

namespace resilience::demo {
namespace http_text_test {

using namespace std::chrono_literals;
using State = ReplyReader::State;

constexpr std::string_view simple = "HTTP/1.1 503 Service Unavailable\r\nX: y\r\ncontent-LENGTH: 5\r\n\r\nhello";

TEST(ReplyReader, reads_an_answer_that_comes_in_any_pieces) {
    for (std::size_t piece = 1; piece <= simple.size(); ++piece) {
        ReplyReader reader;
        State state = State::more;
        for (std::size_t at = 0; at < simple.size(); at += piece) {
            ASSERT_EQ(state, State::more);
            state = reader.take(simple.substr(at, piece));
        }
        ASSERT_EQ(state, State::complete) << piece;
        EXPECT_EQ(reader.status(), 503);
        EXPECT_TRUE(reader.keeps_alive());
    }
}

TEST(ReplyReader, can_be_used_again) {
    ReplyReader reader;
    EXPECT_EQ(reader.take("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), State::complete);
    EXPECT_FALSE(reader.keeps_alive());
    reader.reset();
    EXPECT_FALSE(reader.started());
    EXPECT_EQ(reader.take("HTTP/1.1 204 No Content\r\n\r\n"), State::complete);
    EXPECT_TRUE(reader.keeps_alive());
}

TEST(ReplyReader, refuses_what_is_no_answer) {
    const std::vector<std::string> bad{
        "HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
        "hello\r\n\r\n",
        "HTTP/1.1 99 X\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 2x0 X\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
        std::string(70'000, 'x'),
    };
    for (const std::string& text : bad) EXPECT_EQ(ReplyReader{}.take(text), State::malformed) << text.substr(0, 60);
}

TEST(ForwardedHeaders, keep_back_what_belongs_to_one_connection) {
    const ShopRequest request{.method = "GET",
                              .target = "/stock",
                              .headers = {{"Host", "shop:8080"},
                                          {"Connection", "close, X-Private"},
                                          {"x-private", "1"},
                                          {"Keep-Alive", "timeout=5"},
                                          {"Transfer-Encoding", "chunked"},
                                          {"Content-Length", "3"},
                                          {"Accept", "*/*"},
                                          {"X-Forwarded-For", "10.0.0.1"},
                                          {"X-Forwarded-Proto", "https"}},
                              .body = {},
                              .remote_address = "127.0.0.1"};
    const HeaderLines lines = forwarded(request);
    const HeaderLines expected{{"Accept", "*/*"},
                               {"X-Forwarded-For", "10.0.0.1, 127.0.0.1"},
                               {"X-Forwarded-Proto", "http"},
                               {"X-Forwarded-Host", "shop:8080"}};
    EXPECT_EQ(lines, expected);
}

}  // namespace http_text_test
}  // namespace resilience::demo
