#include "demo/front_connection.hpp"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <optional>
#include <resilience/http/rejection_response.hpp>
#include <utility>
#include <vector>

#include "demo/timed_operation.hpp"

namespace resilience::demo {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

using Parser = http::request_parser<http::string_body>;

ShopRequest request_of(Parser& parser, std::string_view remote_address) {
    auto& message = parser.get();
    ShopRequest request;
    request.method = std::string(message.method_string());
    request.target = std::string(message.target());
    for (const auto& field : message) request.headers.emplace_back(field.name_string(), field.value());
    request.body = std::move(message.body());
    request.remote_address = remote_address;
    return request;
}

// The status for bytes that are no acceptable request.
int status_of(const error_code& error) {
    if (error == http::error::header_limit || error == http::error::buffer_overflow) return 431;
    if (error == http::error::body_limit) return 413;
    return 400;
}

class Connection {
  public:
    Connection(asio::io_context& io, tcp::socket& socket, ShopService& shop, const FrontConfig& config,
               FrontCounters& counters, const std::stop_token& stop)
        : io_(io),
          socket_(socket),
          shop_(shop),
          config_(config),
          counters_(counters),
          stop_(stop),
          buffer_(config.max_header_bytes + config.max_body_bytes),
          clients_(shop.clients(io)) {
        error_code ignored;
        socket_.set_option(tcp::no_delay(true), ignored);
        remote_address_ = socket_.remote_endpoint(ignored).address().to_string();
    }

    void serve() {
        while (!stop_.stop_requested() && read() && answer()) {
        }
        error_code ignored;
        socket_.shutdown(tcp::socket::shutdown_both, ignored);
    }

  private:
    bool read() {
        parser_.emplace();
        parser_->header_limit(static_cast<std::uint32_t>(config_.max_header_bytes));
        parser_->body_limit(config_.max_body_bytes);
        if (buffer_.size() == 0) {
            const error_code idle = run_for(io_, socket_, config_.idle_time, [&](auto handler) {
                socket_.async_wait(tcp::socket::wait_read, std::move(handler));
            });
            if (idle) return false;
        }
        error_code error = run_for(io_, socket_, config_.header_time, [&](auto handler) {
            http::async_read_header(socket_, buffer_, *parser_, std::move(handler));
        });
        if (error) return refuse(error);
        if (parser_->get()[http::field::expect] == "100-continue" && !parser_->is_done()) {
            if (!write_text("HTTP/1.1 100 Continue\r\n\r\n")) return false;
        }
        if (parser_->is_done()) return true;
        error = run_for(io_, socket_, config_.body_time,
                        [&](auto handler) { http::async_read(socket_, buffer_, *parser_, std::move(handler)); });
        return !error || refuse(error);
    }

    // Ends a connection whose request cannot be read: in silence when the customer left, otherwise with a reason.
    bool refuse(const error_code& error) {
        if (error == http::error::end_of_stream || error == asio::error::connection_reset) return false;
        if (error == http::error::partial_message || error == asio::error::eof) {
            counters_.gone.fetch_add(1, std::memory_order_relaxed);
            return false;
        }
        const bool slow = error == asio::error::timed_out;
        (slow ? counters_.too_slow : counters_.malformed).fetch_add(1, std::memory_order_relaxed);
        const int status = slow ? 408 : status_of(error);
        ShopAnswer answer{.status = status, .ending = Ending::not_a_route};
        answer.headers.emplace_back("Content-Type", problem_content_type);
        answer.body = problem_json(status, http_status_title(status),
                                   slow ? "the request came too slowly" : std::string_view(error.message()));
        write(answer, 11, false, false);
        linger();
        return false;
    }

    bool answer() {
        const TimePoint parsed = Clock::now();
        const unsigned version = parser_->get().version();
        const bool keep_alive = parser_->get().keep_alive() && !stop_.stop_requested();
        const ShopRequest request = request_of(*parser_, remote_address_);
        const ShopAnswer answer = shop_.serve(request, clients_, stop_);
        const bool written = write(answer, version, keep_alive, request.method == "HEAD");
        counters_.count(answer, time_between(parsed, Clock::now()));
        return written && keep_alive;
    }

    bool write(const ShopAnswer& answer, unsigned version, bool keep_alive, bool is_head) {
        http::response<http::string_body> response;
        response.version(version);
        response.result(static_cast<unsigned>(answer.status));
        response.keep_alive(keep_alive);
        for (const auto& [name, value] : answer.headers) response.insert(name, value);
        if (is_head) {
            response.content_length(answer.body.empty() ? answer.length.value_or(0) : answer.body.size());
        } else {
            response.body() = answer.body;
            response.prepare_payload();
        }
        const error_code error = run_for(io_, socket_, config_.response_time, [&](auto handler) {
            http::async_write(socket_, response, std::move(handler));
        });
        if (error)
            (error == asio::error::timed_out ? counters_.too_slow : counters_.gone)
                .fetch_add(1, std::memory_order_relaxed);
        return !error;
    }

    bool write_text(std::string_view text) {
        return !run_for(io_, socket_, config_.response_time,
                        [&](auto handler) { asio::async_write(socket_, asio::buffer(text), std::move(handler)); });
    }

    // Closing with unread bytes resets the connection and can take the answer with it: read what still comes, briefly.
    void linger() {
        constexpr Duration briefly = std::chrono::milliseconds{500};
        std::array<char, 4096> unread{};
        error_code error;
        socket_.shutdown(tcp::socket::shutdown_send, error);
        const TimePoint until = saturating_add(Clock::now(), briefly);
        while (!error && Clock::now() < until) {
            error = run_for(io_, socket_, time_between(Clock::now(), until),
                            [&](auto handler) { socket_.async_read_some(asio::buffer(unread), std::move(handler)); });
        }
    }

    asio::io_context& io_;
    tcp::socket& socket_;
    ShopService& shop_;
    const FrontConfig& config_;
    FrontCounters& counters_;
    const std::stop_token& stop_;
    beast::flat_buffer buffer_;  // belongs to the connection: it may hold the next request
    std::optional<Parser> parser_;
    std::vector<UpstreamClient> clients_;
    std::string remote_address_;
};

}  // namespace

void serve_connection(asio::io_context& io, tcp::socket& socket, ShopService& shop, const FrontConfig& config,
                      FrontCounters& counters, const std::stop_token& stop) {
    Connection{io, socket, shop, config, counters, stop}.serve();
}

std::string all_threads_taken_answer() {
    const std::string body = problem_json(503, http_status_title(503), "every connection thread is taken");
    return "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Type: " +
           std::string(problem_content_type) + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace resilience::demo
