#include "demo/customers.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "demo/reply_reader.hpp"

namespace resilience::demo {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr Duration late_after = std::chrono::milliseconds{10};
constexpr Duration most_idle = std::chrono::seconds{10};  // well below what the front allows
constexpr std::size_t longest_line = 10'000;

std::string request_text(const CallKind& kind, std::uint16_t port) {
    const std::string_view body = kind.method == "POST" ? R"({"cart":[17,4],"total":42})" : "";
    std::string text = std::string(kind.method) + " " + std::string(kind.path) +
                       " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) + "\r\n";
    if (!body.empty()) {
        text += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
    }
    return text + "\r\n" + std::string(body);
}

}  // namespace

class Customers::Connection : public std::enable_shared_from_this<Connection> {
  public:
    explicit Connection(Customers& customers) : customers_(customers), socket_(customers.io_) {}

    void call(const Arrival& arrival) {
        arrival_ = arrival;
        busy_ = true;
        reader_.reset();
        if (socket_.is_open()) return send();
        socket_.async_connect({asio::ip::address_v4::loopback(), customers_.port_},
                              [self = shared_from_this()](error_code error) {
                                  if (error) return self->fail(&LoadPicture::SocketErrors::connect);
                                  error_code ignored;
                                  self->socket_.set_option(tcp::no_delay(true), ignored);
                                  self->send();
                              });
    }

    // Ends a call that takes too long and a connection that is idle too long. The first is told by its handler.
    void look(TimePoint now) {
        if (!busy_) {
            if (time_between(idle_since_, now) > most_idle) close();
            return;
        }
        timed_out_ = timed_out_ || time_between(arrival_.due, now) > customers_.config_.call_time;
        given_up_ = given_up_ || now >= customers_.give_up_calls_;
        if (timed_out_ || given_up_) close();
    }

    [[nodiscard]] bool open() const { return socket_.is_open(); }
    void close() {
        error_code ignored;
        socket_.close(ignored);
    }

  private:
    void send() {
        asio::async_write(socket_, asio::buffer(customers_.requests_[arrival_.kind]),
                          [self = shared_from_this()](error_code error, std::size_t) {
                              if (error) return self->fail(&LoadPicture::SocketErrors::broken);
                              self->receive();
                          });
    }

    void receive() {
        socket_.async_read_some(asio::buffer(bytes_), [self = shared_from_this()](error_code error, std::size_t size) {
            if (error) return self->fail(&LoadPicture::SocketErrors::broken);
            switch (self->reader_.take({self->bytes_.data(), size})) {
                case ReplyReader::State::more:
                    return self->receive();
                case ReplyReader::State::malformed:
                    return self->fail(&LoadPicture::SocketErrors::malformed);
                case ReplyReader::State::complete:
                    return self->succeed();
            }
        });
    }

    void succeed() {
        const TimePoint now = Clock::now();
        customers_.count([&](LoadPicture& seen) {
            ++seen.answered;
            ++seen.statuses[reader_.status()];
            customers_.ledger_.answered(arrival_.due, now, reader_.status());
        });
        finish(reader_.keeps_alive());
    }

    void fail(std::uint64_t LoadPicture::SocketErrors::* cause) {
        customers_.count([&](LoadPicture& seen) {
            if (given_up_ && !timed_out_) {
                ++seen.given_up;
            } else {
                ++(seen.socket_errors.*(timed_out_ ? &LoadPicture::SocketErrors::timed_out : cause));
            }
            customers_.ledger_.hung();
        });
        finish(false);
    }

    void finish(bool reusable) {
        busy_ = false;
        idle_since_ = Clock::now();
        customers_.freed(shared_from_this(), reusable);
    }

    Customers& customers_;
    tcp::socket socket_;
    ReplyReader reader_;
    std::array<char, 8192> bytes_{};
    Arrival arrival_;
    TimePoint idle_since_{};
    bool busy_ = false;
    bool timed_out_ = false;
    bool given_up_ = false;
};

Customers::Customers(asio::io_context& io, const LoadConfig& config, std::uint16_t port, TimePoint opened,
                     std::function<void()> at_rest)
    : io_(io), config_(config), port_(port), at_rest_(std::move(at_rest)), ledger_(opened, config.in_time) {
    for (const CallKind& kind : call_kinds) requests_.push_back(request_text(kind, port));
}

Customers::~Customers() = default;

void Customers::arrive(const Arrival& arrival, bool trouble) {
    const bool can_connect = !idle_.empty() || all_.size() < config_.max_connections;
    const bool can_wait = line_.size() < longest_line;
    const bool lagged = Clock::now() - arrival.due > late_after;
    count([&](LoadPicture& seen) {
        ++seen.calls;
        seen.lagged += lagged ? 1 : 0;
        ledger_.arrived(arrival.due, trouble);
        if (can_connect) {
            ++seen.in_flight;
            seen.late += lagged ? 1 : 0;
        } else if (can_wait) {
            ++seen.waiting;
        } else {
            ++seen.not_sent;
            ledger_.hung();
        }
    });
    if (can_connect) return start(arrival);
    if (can_wait) line_.push_back(arrival);
}

void Customers::start(const Arrival& arrival) {
    if (idle_.empty()) {
        const auto made = std::make_shared<Connection>(*this);
        all_.insert(made);
        return made->call(arrival);
    }
    const ConnectionPointer connection = std::move(idle_.back());
    idle_.pop_back();
    connection->call(arrival);
}

// A call has ended: its connection goes to the first in line.
void Customers::freed(ConnectionPointer connection, bool reusable) {
    if (!reusable) {
        connection->close();
        all_.erase(connection);
        connection = nullptr;
    }
    const bool next = !line_.empty();
    count([&](LoadPicture& seen) {
        if (!next) {
            --seen.in_flight;
        } else {
            --seen.waiting;
            ++seen.late;
        }
        seen.connections = all_.size();
    });
    if (connection) idle_.push_back(std::move(connection));
    if (next) {
        const Arrival arrival = line_.front();
        line_.pop_front();
        start(arrival);
    }
    if (is_at_rest()) at_rest_();
}

void Customers::look(TimePoint now) {
    look_at_line(now);
    for (const ConnectionPointer& connection : all_) connection->look(now);
    std::erase_if(idle_, [this](const ConnectionPointer& connection) {
        if (connection->open()) return false;
        all_.erase(connection);
        return true;
    });
    if (is_at_rest()) at_rest_();
}

void Customers::look_at_line(TimePoint now) {
    if (now >= give_up_line_) return leave_line(line_.size());
    const auto stays = std::ranges::find_if(
        line_, [&](const Arrival& arrival) { return time_between(arrival.due, now) <= config_.call_time; });
    leave_line(static_cast<std::size_t>(stays - line_.begin()));
}

void Customers::leave_line(std::size_t leaving) {
    line_.erase(line_.begin(), line_.begin() + static_cast<std::ptrdiff_t>(leaving));
    count([&](LoadPicture& seen) {
        seen.waiting -= leaving;
        seen.not_sent += leaving;
        for (std::size_t each = 0; each < leaving; ++each) ledger_.hung();
    });
}

void Customers::end_arrivals(TimePoint now, TimePoint give_up_line, TimePoint give_up_calls) {
    ended_ = true;
    count([&](LoadPicture&) { ledger_.end_arrivals(now); });
    give_up_line_ = give_up_line;
    give_up_calls_ = give_up_calls;
    if (is_at_rest()) at_rest_();
}

void Customers::close() {
    for (const ConnectionPointer& connection : idle_) connection->close();
    idle_.clear();
    all_.clear();
    count([&](LoadPicture&) { ledger_.close(); });
}

LoadPicture Customers::picture() const {
    const std::lock_guard lock(mutex_);
    LoadPicture seen = picture_;
    seen.customers = ledger_.picture();
    return seen;
}

}  // namespace resilience::demo
