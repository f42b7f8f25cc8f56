#include "demo/upstream.hpp"

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cmath>
#include <deque>
#include <future>
#include <mutex>
#include <resilience/base/random.hpp>
#include <thread>
#include <unordered_set>
#include <utility>

namespace resilience::demo {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::uint64_t most_request_body = 1024 * 1024;
constexpr auto rebind_pause = std::chrono::milliseconds{100};

}  // namespace

// Everything but the counters and the copy of the fault belongs to the server's thread.
struct Upstream::Server {
    class Session;

    explicit Server(UpstreamConfig given);
    ~Server();

    void listen();
    void accept();
    void begin(const Fault& fault, Duration period);
    bool end();
    void reopen();
    void narrate(const std::string& deed) const;
    [[nodiscard]] Duration latency() const;
    [[nodiscard]] bool errs();
    [[nodiscard]] bool take_worker(const std::shared_ptr<Session>& session);
    void free_worker();
    void close_sessions();

    // Runs `work` on the server's thread and waits for it.
    template <class Work>
    auto on_thread(Work work) {
        std::packaged_task<decltype(work())()> task(std::move(work));
        auto done = task.get_future();
        asio::post(io, [&task] { task(); });
        return done.get();
    }

    const UpstreamConfig config;
    asio::io_context io{1};
    tcp::acceptor acceptor{io};
    asio::steady_timer fault_timer{io};
    asio::steady_timer rebind_timer{io};
    std::uint16_t port = 0;
    std::unordered_set<Session*> sessions;
    std::deque<std::shared_ptr<Session>> line;  // requests that wait for a worker
    std::size_t busy = 0;                       // workers
    Fault current;
    Random random;

    std::atomic<std::uint64_t> received{0}, answered{0}, errors{0};
    mutable std::mutex fault_mutex;  // of the two below
    Fault shown;
    TimePoint fault_ends{};

    std::thread thread;
};

// One connection. It owns itself through the operations it has under way.
class Upstream::Server::Session : public std::enable_shared_from_this<Session> {
  public:
    Session(Server& server, tcp::socket socket) : server_(server), socket_(std::move(socket)), timer_(server.io) {
        server_.sessions.insert(this);
    }
    ~Session() { server_.sessions.erase(this); }

    void read() {
        request_.emplace();
        request_->body_limit(most_request_body);
        http::async_read(socket_, buffer_, *request_, [self = this->shared_from_this()](error_code error, std::size_t) {
            if (error) return;
            self->server_.received.fetch_add(1, std::memory_order_relaxed);
            if (self->server_.take_worker(self)) self->think();
        });
    }

    // A worker is at it until the answer is written down. It does not see whether anybody still waits for it.
    void think() {
        timer_.expires_after(server_.latency());
        timer_.async_wait([self = this->shared_from_this()](error_code) {
            if (self->socket_.is_open() && self->server_.current.hang) return self->think();
            self->server_.free_worker();
            if (self->socket_.is_open()) self->write();
        });
    }

    // As a killed process does: the kernel closes, and what was under way ends with an error.
    void close() {
        error_code ignored;
        socket_.close(ignored);
        timer_.cancel();
    }

  private:
    void write() {
        const bool error = server_.errs();
        answer_ = {};
        answer_.version(request_->get().version());
        answer_.result(error ? http::status::internal_server_error : http::status::ok);
        answer_.keep_alive(request_->get().keep_alive());
        answer_.set(http::field::content_type, "application/json");
        answer_.body() = "{\"upstream\":\"" + server_.config.name + "\",\"ok\":" + (error ? "false" : "true") + "}\n";
        answer_.prepare_payload();
        if (request_->get().method() == http::verb::head) answer_.body().clear();
        http::async_write(socket_, answer_, [self = this->shared_from_this(), error](error_code failed, std::size_t) {
            if (failed) return;
            self->server_.answered.fetch_add(1, std::memory_order_relaxed);
            if (error) self->server_.errors.fetch_add(1, std::memory_order_relaxed);
            if (self->answer_.keep_alive()) self->read();
        });
    }

    Server& server_;
    tcp::socket socket_;
    asio::steady_timer timer_;
    beast::flat_buffer buffer_;
    std::optional<http::request_parser<http::string_body>> request_;
    http::response<http::string_body> answer_;
};

Upstream::Server::Server(UpstreamConfig given) : config(std::move(given)), random(config.seed) {
    listen();
    accept();
    thread = std::thread([this] { io.run(); });
}

Upstream::Server::~Server() {
    asio::post(io, [this] {
        error_code ignored;
        acceptor.close(ignored);
        fault_timer.cancel();
        rebind_timer.cancel();
        current = {};
        close_sessions();
    });
    thread.join();
}

void Upstream::Server::listen() {
    const tcp::endpoint endpoint{asio::ip::address_v4::loopback(), port};
    acceptor.open(endpoint.protocol());
    acceptor.set_option(tcp::acceptor::reuse_address(true));
    acceptor.bind(endpoint);
    acceptor.listen();
    if (port == 0) port = acceptor.local_endpoint().port();  // read by other threads, so it is written once
}

void Upstream::Server::accept() {
    acceptor.async_accept([this](error_code error, tcp::socket socket) {
        if (error == asio::error::operation_aborted || !acceptor.is_open()) return;
        if (!error) {
            error_code ignored;
            socket.set_option(tcp::no_delay(true), ignored);
            std::make_shared<Session>(*this, std::move(socket))->read();
        }
        accept();
    });
}

void Upstream::Server::begin(const Fault& fault, Duration period) {
    const bool was_down = current.down;
    current = fault;
    {
        const std::lock_guard lock(fault_mutex);
        shown = fault;
        fault_ends = saturating_add(Clock::now(), period);
    }
    narrate(told(config.name, fault));
    if (fault.down && !was_down) {
        error_code ignored;
        acceptor.close(ignored);
        close_sessions();
    } else if (was_down && !fault.down) {
        reopen();
    }
    fault_timer.expires_after(period);
    fault_timer.async_wait([this](error_code error) {
        if (!error) end();
    });
}

bool Upstream::Server::end() {
    if (!current.any()) return false;
    const bool was_down = std::exchange(current, Fault{}).down;
    fault_timer.cancel();
    {
        const std::lock_guard lock(fault_mutex);
        shown = {};
    }
    if (was_down) reopen();
    narrate(config.name + (was_down ? " is up again, on the same port" : " is well again"));
    return true;
}

// Another process may have taken the port meanwhile: then it is tried again until it is free.
void Upstream::Server::reopen() {
    try {
        listen();
        accept();
    } catch (const boost::system::system_error&) {
        error_code ignored;
        acceptor.close(ignored);
        rebind_timer.expires_after(rebind_pause);
        rebind_timer.async_wait([this](error_code error) {
            if (!error && !current.down) reopen();
        });
    }
}

bool Upstream::Server::take_worker(const std::shared_ptr<Session>& session) {
    if (config.workers > 0 && busy >= config.workers) {
        line.push_back(session);
        return false;
    }
    ++busy;
    return true;
}

void Upstream::Server::free_worker() {
    if (line.empty()) {
        --busy;
        return;
    }
    const std::shared_ptr<Session> next = std::move(line.front());
    line.pop_front();
    next->think();
}

void Upstream::Server::close_sessions() {
    for (Session* session : sessions) session->close();
    line.clear();
}

void Upstream::Server::narrate(const std::string& deed) const {
    if (config.narrate) config.narrate(deed);
}

Duration Upstream::Server::latency() const {
    if (current.latency) return *current.latency;
    constexpr Duration while_hanging = std::chrono::milliseconds{100};  // how often a hanging one looks again
    if (current.hang) return while_hanging;
    return Duration{std::llround(static_cast<double>(config.usual_latency.count()) * current.latency_factor)};
}

bool Upstream::Server::errs() { return current.error_ratio > 0 && random.unit() < current.error_ratio; }

Upstream::Upstream(UpstreamConfig config) : server_(std::make_unique<Server>(std::move(config))) {}
Upstream::~Upstream() = default;

std::uint16_t Upstream::port() const noexcept { return server_->port; }
const std::string& Upstream::name() const noexcept { return server_->config.name; }

UpstreamCounts Upstream::counts() const noexcept {
    UpstreamCounts counts;
    counts.errors = server_->errors.load(std::memory_order_relaxed);
    counts.answered = server_->answered.load(std::memory_order_relaxed);
    counts.received = server_->received.load(std::memory_order_relaxed);
    return counts;
}

std::optional<ActiveFault> Upstream::fault() const {
    const std::lock_guard lock(server_->fault_mutex);
    if (!server_->shown.any()) return std::nullopt;
    return ActiveFault{server_->shown, time_between(Clock::now(), server_->fault_ends)};
}

void Upstream::set_fault(const Fault& fault, Duration period) {
    server_->on_thread([&] { server_->begin(fault, period); });
}

bool Upstream::end_fault() {
    return server_->on_thread([&] { return server_->end(); });
}

}  // namespace resilience::demo
