#include "demo/load_generator.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include "demo/arrivals.hpp"
#include "demo/reply_reader.hpp"

namespace resilience::demo {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr Duration late_after = std::chrono::milliseconds{10};
constexpr Duration sweep_every = std::chrono::milliseconds{100};
constexpr Duration most_idle = std::chrono::seconds{10};  // well below what the front allows
constexpr std::size_t most_waiting = 10'000;

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

// Everything but the picture belongs to the generator's thread; the picture has a lock of its own.
struct LoadGenerator::Machine {
    struct Arrival {
        TimePoint due{};
        std::size_t kind = 0;
    };
    class Connection;
    using ConnectionPointer = std::shared_ptr<Connection>;

    explicit Machine(LoadConfig given) : config(given), arrivals(given.seed) {
        for (const CallKind& kind : call_kinds) requests.push_back(request_text(kind, config.port));
        next_due = Clock::now();
        schedule();
        sweep();
        thread = std::thread([this] { io.run(); });
    }

    void schedule();
    void arrive();
    void start(const Arrival& arrival);
    void ended(ConnectionPointer connection, bool reusable);
    void sweep();
    void end_arrivals();
    void close_when_idle();

    template <class Change>
    void count(Change change) {
        const std::lock_guard lock(mutex);
        change(picture);
    }

    const LoadConfig config;
    asio::io_context io{1};
    asio::steady_timer arrival_timer{io};
    asio::steady_timer sweep_timer{io};
    Arrivals arrivals;
    std::vector<std::string> requests;
    double factor = 1;
    TimePoint next_due{};
    bool stopping = false;
    std::deque<Arrival> waiting;
    std::vector<ConnectionPointer> idle;  // the last one used is the first one taken
    std::unordered_set<ConnectionPointer> all;

    mutable std::mutex mutex;
    LoadPicture picture;
    std::thread thread;
};

class LoadGenerator::Machine::Connection : public std::enable_shared_from_this<Connection> {
  public:
    explicit Connection(Machine& machine) : machine_(machine), socket_(machine.io) {}

    void call(const Arrival& arrival) {
        kind_ = arrival.kind;
        started_ = Clock::now();
        busy_ = true;
        reader_.reset();
        if (socket_.is_open()) return send();
        socket_.async_connect({asio::ip::address_v4::loopback(), machine_.config.port},
                              [self = shared_from_this()](error_code error) {
                                  if (error) return self->fail(&LoadPicture::SocketErrors::connect);
                                  error_code ignored;
                                  self->socket_.set_option(tcp::no_delay(true), ignored);
                                  self->send();
                              });
    }

    // Ends a call that takes too long and a connection that is idle too long. The first is told by its handler.
    void look(TimePoint now) {
        const Duration age = time_between(busy_ ? started_ : idle_since_, now);
        if (busy_ && age > machine_.config.call_time) timed_out_ = true;
        if (busy_ ? timed_out_ : age > most_idle) close();
    }

    [[nodiscard]] bool open() const { return socket_.is_open(); }
    void close() {
        error_code ignored;
        socket_.close(ignored);
    }

  private:
    void send() {
        asio::async_write(socket_, asio::buffer(machine_.requests[kind_]),
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
        machine_.count([status = reader_.status()](LoadPicture& seen) {
            ++seen.answered;
            ++seen.statuses[status];
        });
        finish(reader_.keeps_alive());
    }

    void fail(std::uint64_t LoadPicture::SocketErrors::* cause) {
        machine_.count([&](LoadPicture& seen) {
            ++(seen.socket_errors.*(timed_out_ ? &LoadPicture::SocketErrors::timed_out : cause));
        });
        finish(false);
    }

    void finish(bool reusable) {
        busy_ = false;
        idle_since_ = Clock::now();
        machine_.ended(shared_from_this(), reusable);
    }

    Machine& machine_;
    tcp::socket socket_;
    ReplyReader reader_;
    std::array<char, 8192> bytes_{};
    std::size_t kind_ = 0;
    TimePoint started_{};
    TimePoint idle_since_{};
    bool busy_ = false;
    bool timed_out_ = false;
};

void LoadGenerator::Machine::schedule() {
    if (stopping || factor <= 0) return;
    next_due = saturating_add(next_due, arrivals.pause(config.rate * factor));
    arrival_timer.expires_at(next_due);
    arrival_timer.async_wait([this](error_code error) {
        if (!error) arrive();
    });
}

// Starts all whose moment has come, also when this thread was late: the schedule does not bend.
void LoadGenerator::Machine::arrive() {
    if (stopping || factor <= 0) return;  // this wait had ended before it could be cancelled
    const TimePoint now = Clock::now();
    while (next_due <= now) {
        start({next_due, arrivals.kind()});
        next_due = saturating_add(next_due, arrivals.pause(config.rate * factor));
    }
    arrival_timer.expires_at(next_due);
    arrival_timer.async_wait([this](error_code error) {
        if (!error) arrive();
    });
}

void LoadGenerator::Machine::start(const Arrival& arrival) {
    const bool can_connect = !idle.empty() || all.size() < config.max_connections;
    const bool can_wait = waiting.size() < most_waiting;
    const bool late = Clock::now() - arrival.due > late_after;
    count([&](LoadPicture& seen) {
        ++seen.calls;
        if (can_connect) {
            ++seen.in_flight;
            seen.late += late ? 1 : 0;
        } else {
            ++(can_wait ? seen.waiting : seen.not_sent);
        }
    });
    if (!can_connect) {
        if (can_wait) waiting.push_back(arrival);
        return;
    }
    if (idle.empty()) {
        const auto made = std::make_shared<Connection>(*this);
        all.insert(made);
        made->call(arrival);
        return;
    }
    const ConnectionPointer connection = std::move(idle.back());
    idle.pop_back();
    connection->call(arrival);
}

void LoadGenerator::Machine::ended(ConnectionPointer connection, bool reusable) {
    if (!reusable) {
        connection->close();
        all.erase(connection);
        connection = nullptr;
    }
    const bool next = !waiting.empty() && !stopping;
    count([&](LoadPicture& seen) {
        if (!next) {
            --seen.in_flight;
        } else {
            --seen.waiting;
            ++seen.late;
        }
        seen.connections = all.size();
    });
    if (next) {
        if (!connection) all.insert(connection = std::make_shared<Connection>(*this));
        const Arrival arrival = waiting.front();
        waiting.pop_front();
        connection->call(arrival);
    } else if (connection) {
        idle.push_back(std::move(connection));
    }
    close_when_idle();
}

void LoadGenerator::Machine::sweep() {
    if (stopping && all.empty()) return;
    const TimePoint now = Clock::now();
    for (const ConnectionPointer& connection : all) connection->look(now);
    std::erase_if(idle, [this](const ConnectionPointer& connection) {
        if (connection->open()) return false;
        all.erase(connection);
        return true;
    });
    sweep_timer.expires_after(sweep_every);
    sweep_timer.async_wait([this](error_code error) {
        if (!error) sweep();
    });
}

void LoadGenerator::Machine::end_arrivals() {
    stopping = true;
    arrival_timer.cancel();
    count([](LoadPicture& seen) { seen.not_sent += std::exchange(seen.waiting, 0); });
    waiting.clear();
    close_when_idle();
}

// The io_context ends when nothing is under way any more: the sweep is the last.
void LoadGenerator::Machine::close_when_idle() {
    if (!stopping || idle.size() != all.size()) return;
    for (const ConnectionPointer& connection : idle) connection->close();
    idle.clear();
    all.clear();
    sweep_timer.cancel();
}

LoadGenerator::LoadGenerator(LoadConfig config) : machine_(std::make_unique<Machine>(config)) {}
LoadGenerator::~LoadGenerator() { stop(); }

void LoadGenerator::set_factor(double factor) {
    asio::post(machine_->io, [machine = machine_.get(), factor] {
        machine->factor = factor;
        machine->next_due = Clock::now();
        machine->arrival_timer.cancel();
        machine->schedule();
    });
}

void LoadGenerator::stop() {
    if (!machine_->thread.joinable()) return;
    asio::post(machine_->io, [machine = machine_.get()] { machine->end_arrivals(); });
    machine_->thread.join();
}

LoadPicture LoadGenerator::picture() const {
    const std::lock_guard lock(machine_->mutex);
    return machine_->picture;
}

}  // namespace resilience::demo
