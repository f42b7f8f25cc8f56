#include "admin_connection.hpp"

#include <array>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>

#include "request_target.hpp"
#include "response_text.hpp"

namespace resilience::inline v1::detail {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;
using Request = beast::http::request<beast::http::string_body>;
using RequestParser = beast::http::request_parser<beast::http::string_body>;

// How long a finished connection is read from and thrown away, so that closing it does not reset the answer under way.
constexpr std::chrono::seconds linger_time{1};

std::string_view view_of(beast::string_view text) { return {text.data(), text.size()}; }

// The status a request that could not be read is answered with; absent when nobody is there to read it.
std::optional<int> status_of(const error_code& code) {
    using beast::http::error;
    if (code == error::end_of_stream) return std::nullopt;
    if (code == error::header_limit || code == error::buffer_overflow) return 431;
    if (code == error::body_limit) return 413;
    if (code.category() == make_error_code(error::bad_method).category()) return 400;
    return std::nullopt;
}

class Connection : public std::enable_shared_from_this<Connection> {
  public:
    Connection(asio::ip::tcp::socket socket, ConnectionPlace place, const AdminServerConfig& config,
               AdminRoutes* routes)
        : place_(std::move(place)),
          config_(config),
          routes_(routes),
          stream_(std::move(socket)),
          buffer_(config.max_header_bytes + discarded_.size()) {
        error_code ignored;
        stream_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
        remote_address_ = address_text(stream_.socket().remote_endpoint(ignored).address());
        local_address_ = address_text(stream_.socket().local_endpoint(ignored).address());
    }

    void read_header() {
        parser_.emplace();
        parser_->header_limit(static_cast<std::uint32_t>(config_.max_header_bytes));
        parser_->body_limit(config_.max_body_bytes);
        request_ends_ = std::chrono::steady_clock::now() + config_.request_time;
        stream_.expires_after(config_.header_time);
        beast::http::async_read_header(stream_, buffer_, *parser_,
                                       [self = shared_from_this()](error_code error, std::size_t) {
                                           if (error) return self->refuse(error);
                                           self->invite_body();
                                       });
    }

    void send_and_close(HttpAnswer answer) { send(std::move(answer), false, false); }

  private:
    void await_next_request() {
        if (buffer_.size() > 0) return read_header();
        stream_.expires_after(config_.idle_time);
        stream_.async_read_some(buffer_.prepare(discarded_.size()),
                                [self = shared_from_this()](error_code error, std::size_t size) {
                                    if (error) return;
                                    self->buffer_.commit(size);
                                    self->read_header();
                                });
    }

    void invite_body() {
        stream_.expires_at(request_ends_);
        if (to_lower(view_of(parser_->get()[beast::http::field::expect])) != "100-continue") return read_body();
        static constexpr std::string_view invitation = "HTTP/1.1 100 Continue\r\n\r\n";
        asio::async_write(stream_, asio::buffer(invitation),
                          [self = shared_from_this()](error_code error, std::size_t) {
                              if (!error) self->read_body();
                          });
    }

    void read_body() {
        beast::http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](error_code error, std::size_t) {
            if (error) return self->refuse(error);
            self->answer_request();
        });
    }

    void refuse(const error_code& error) {
        const std::optional<int> status = status_of(error);
        if (!status) return;
        const bool head = parser_->get().method() == beast::http::verb::head;
        send(problem_answer(*status, "the request could not be read: " + error.message()), false, head);
    }

    void answer_request() {
        const Request& request = parser_->get();
        const bool head = request.method() == beast::http::verb::head;
        const bool keep_alive = parser_->keep_alive();
        std::optional<AdminRequest> question = read_question(request);
        send(question ? routes_->answer(*question) : problem_answer(400, "the target or the Host header is malformed"),
             keep_alive && question, head);
    }

    std::optional<AdminRequest> read_question(const Request& request) const {
        std::optional<RequestTarget> target = parse_request_target(view_of(request.target()));
        const auto hosts = request.count(beast::http::field::host);
        if (!target || hosts > 1 || (hosts == 0 && request.version() >= 11)) return std::nullopt;
        AdminRequest asked;
        asked.question = {.method = std::string(view_of(request.method_string())),
                          .path = std::move(target->path),
                          .query = std::move(target->query),
                          .body = request.body(),
                          .remote_address = remote_address_};
        asked.authority = target->authority.empty() ? std::string(view_of(request[beast::http::field::host]))
                                                    : std::move(target->authority);
        if (const auto origin = request.find(beast::http::field::origin); origin != request.end()) {
            asked.origin = std::string(view_of(origin->value()));
        }
        asked.local_address = local_address_;
        return asked;
    }

    void send(HttpAnswer answer, bool keep_alive, bool head) {
        head_ = response_head(answer, keep_alive, std::chrono::system_clock::now());
        body_ = head || has_no_body(answer.status) ? std::string{} : std::move(answer.body);
        stream_.expires_after(config_.response_time);
        const std::array<asio::const_buffer, 2> parts{asio::buffer(head_), asio::buffer(body_)};
        asio::async_write(stream_, parts, [self = shared_from_this(), keep_alive](error_code error, std::size_t) {
            if (error) return;
            self->body_ = {};
            if (keep_alive) return self->await_next_request();
            self->finish();
        });
    }

    // Closing a socket with unread bytes resets the connection, and the client may never see what it was told.
    void finish() {
        error_code ignored;
        stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
        stream_.expires_after(linger_time);
        discard();
    }

    void discard() {
        stream_.async_read_some(asio::buffer(discarded_), [self = shared_from_this()](error_code error, std::size_t) {
            if (!error) self->discard();
        });
    }

    ConnectionPlace place_;
    const AdminServerConfig& config_;
    AdminRoutes* routes_;
    std::array<char, 4096> discarded_{};
    beast::tcp_stream stream_;
    beast::flat_buffer buffer_;
    std::optional<RequestParser> parser_;
    std::chrono::steady_clock::time_point request_ends_;
    std::string remote_address_, local_address_;
    std::string head_, body_;
};

}  // namespace

void serve_connection(asio::ip::tcp::socket socket, ConnectionPlace place, const AdminServerConfig& config,
                      AdminRoutes& routes) {
    std::make_shared<Connection>(std::move(socket), std::move(place), config, &routes)->read_header();
}

void turn_away(asio::ip::tcp::socket socket, ConnectionPlace place, const AdminServerConfig& config) {
    HttpAnswer answer = problem_answer(503, "all " + std::to_string(config.max_connections) + " connections are taken");
    answer.headers.emplace_back("Retry-After", "1");
    std::make_shared<Connection>(std::move(socket), std::move(place), config, nullptr)
        ->send_and_close(std::move(answer));
}

std::string address_text(const asio::ip::address& address) {
    if (address.is_v6() && address.to_v6().is_v4_mapped()) {
        return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
    }
    return address.to_string();
}

}  // namespace resilience::inline v1::detail
