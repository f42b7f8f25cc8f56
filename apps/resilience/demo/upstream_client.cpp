#include "demo/upstream_client.hpp"

#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <optional>
#include <utility>

#include "demo/forwarded_headers.hpp"
#include "demo/timed_operation.hpp"

namespace resilience::demo {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::uint64_t most_answer_body = 1024 * 1024;

using Message = http::request<http::string_body>;

Message message_of(const ShopRequest& request, std::uint16_t port) {
    Message message;
    message.version(11);
    message.method_string(request.method);
    message.target(request.target);
    for (const auto& [name, value] : forwarded(request)) message.insert(name, value);
    message.set(http::field::host, "127.0.0.1:" + std::to_string(port));
    message.body() = request.body;
    message.prepare_payload();
    return message;
}

UpstreamAnswer answer_of(http::response_parser<http::string_body>& parser) {
    http::response<http::string_body>& response = parser.get();
    UpstreamAnswer answer;
    if (const auto length = parser.content_length()) answer.length = *length;
    answer.status = static_cast<int>(response.result_int());
    const std::string connection(response[http::field::connection]);
    for (const auto& field : response) {
        const std::string_view name{field.name_string().data(), field.name_string().size()};
        if (is_handed_on(name, connection)) answer.headers.emplace_back(name, field.value());
    }
    answer.retry_after = std::string(response[http::field::retry_after]);
    answer.body = std::move(response.body());
    return answer;
}

}  // namespace

struct UpstreamClient::Connection {
    enum class Trouble : std::uint8_t { none, unreachable, broken, timed_out };

    Connection(asio::io_context& context, std::uint16_t to, UpstreamTraffic& counted)
        : io(context), port(to), traffic(counted), socket(context) {}

    [[nodiscard]] bool is_alive();
    Trouble connect(TimePoint deadline);
    Trouble send_and_receive(Message& message, bool is_head, TimePoint deadline);
    Trouble exchange(Message& message, bool repeatable, bool is_head, TimePoint deadline);
    void close();
    [[nodiscard]] Trouble give_up(error_code error);

    asio::io_context& io;
    const std::uint16_t port;
    UpstreamTraffic& traffic;
    tcp::socket socket;
    beast::flat_buffer buffer;
    std::optional<http::response_parser<http::string_body>> parser;
    bool answer_begun = false;
};

// An idle connection must have nothing to say: bytes, an end or an error all mean that it is of no use.
bool UpstreamClient::Connection::is_alive() {
    if (!socket.is_open()) return false;
    char byte = 0;
    const ssize_t seen = ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return seen < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

void UpstreamClient::Connection::close() {
    error_code ignored;
    socket.close(ignored);
    buffer.clear();
}

UpstreamClient::Connection::Trouble UpstreamClient::Connection::give_up(error_code error) {
    close();
    return error == asio::error::timed_out ? Trouble::timed_out : Trouble::broken;
}

UpstreamClient::Connection::Trouble UpstreamClient::Connection::connect(TimePoint deadline) {
    close();
    const error_code error = run_for(io, socket, time_between(Clock::now(), deadline), [&](auto handler) {
        socket.async_connect({asio::ip::address_v4::loopback(), port}, std::move(handler));
    });
    if (error) {
        close();
        return Trouble::unreachable;
    }
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    return Trouble::none;
}

UpstreamClient::Connection::Trouble UpstreamClient::Connection::send_and_receive(Message& message, bool is_head,
                                                                                 TimePoint deadline) {
    answer_begun = false;
    const auto left = [&] { return time_between(Clock::now(), deadline); };
    error_code error =
        run_for(io, socket, left(), [&](auto handler) { http::async_write(socket, message, std::move(handler)); });
    if (error) return give_up(error);
    parser.emplace();
    parser->body_limit(most_answer_body);
    parser->skip(is_head);  // the answer to HEAD has no body, whatever its length says
    error = run_for(io, socket, left(),
                    [&](auto handler) { http::async_read(socket, buffer, *parser, std::move(handler)); });
    answer_begun = parser->got_some();
    if (error) return give_up(error);
    if (!parser->get().keep_alive()) close();
    return Trouble::none;
}

UpstreamClient::Connection::Trouble UpstreamClient::Connection::exchange(Message& message, bool repeatable,
                                                                         bool is_head, TimePoint deadline) {
    const bool reused = is_alive();
    if (!reused) {
        if (const Trouble trouble = connect(deadline); trouble != Trouble::none) return trouble;
    }
    const Trouble trouble = send_and_receive(message, is_head, deadline);
    if (trouble != Trouble::broken || !reused || answer_begun || !repeatable) return trouble;
    traffic.resent.fetch_add(1, std::memory_order_relaxed);
    // What cannot be reached now was reached a moment ago: it stays a broken exchange.
    return connect(deadline) == Trouble::none ? send_and_receive(message, is_head, deadline) : Trouble::broken;
}

UpstreamClient::UpstreamClient(asio::io_context& io, std::uint16_t port, UpstreamTraffic& traffic)
    : connection_(std::make_unique<Connection>(io, port, traffic)) {}
UpstreamClient::~UpstreamClient() = default;
UpstreamClient::UpstreamClient(UpstreamClient&&) noexcept = default;

UpstreamAnswer UpstreamClient::exchange(const ShopRequest& request, Duration time) {
    using Trouble = Connection::Trouble;
    UpstreamTraffic& traffic = connection_->traffic;
    traffic.exchanges.fetch_add(1, std::memory_order_relaxed);
    Message message = message_of(request, connection_->port);
    const TimePoint deadline = saturating_add(Clock::now(), time);
    switch (connection_->exchange(message, request.is_read(), request.method == "HEAD", deadline)) {
        case Trouble::none:
            break;
        case Trouble::unreachable:
            traffic.unreachable.fetch_add(1, std::memory_order_relaxed);
            return {.trouble = "unreachable"};
        case Trouble::broken:
            traffic.broken.fetch_add(1, std::memory_order_relaxed);
            return {.trouble = "connection broken"};
        case Trouble::timed_out:
            traffic.timed_out.fetch_add(1, std::memory_order_relaxed);
            return {.trouble = "no answer in time"};
    }
    traffic.answered.fetch_add(1, std::memory_order_relaxed);
    return answer_of(*connection_->parser);
}

}  // namespace resilience::demo
