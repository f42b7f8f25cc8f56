#include <signal.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <resilience/base/config_error.hpp>
#include <resilience/http/admin_server.hpp>
#include <resilience/manager/manager.hpp>
#include <system_error>
#include <thread>

#include "admin_connection.hpp"
#include "admin_routes.hpp"

namespace resilience::inline v1 {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using namespace std::chrono_literals;

// Ports tried one after the other before the system is asked for any.
constexpr int neighbours_tried = 16;

// Out of descriptors or memory: how long until another client is accepted.
constexpr std::chrono::milliseconds accept_pause = 100ms;

AdminServerConfig checked(AdminServerConfig config) {
    ConfigProblems problems{"admin server"};
    error_code not_an_address;
    static_cast<void>(asio::ip::make_address(config.address, not_an_address));
    problems.expect(!not_an_address, "address", "'" + config.address + "' is no IPv4 or IPv6 address");
    const auto size_within = [&](std::string_view field, std::size_t value, std::size_t least, std::size_t most) {
        problems.expect(
            value >= least && value <= most, field,
            "is " + std::to_string(value) + "; use " + std::to_string(least) + " to " + std::to_string(most));
    };
    size_within("max_header_bytes", config.max_header_bytes, 1024, 1024 * 1024);
    size_within("max_body_bytes", config.max_body_bytes, 0, 64 * 1024 * 1024);
    size_within("max_connections", config.max_connections, 1, 65536);
    const auto time_within = [&](std::string_view field, Duration value) {
        problems.expect(value >= 1ms && value <= 1h, field, "is out of range; use 1 ms to 1 h");
    };
    time_within("header_time", config.header_time);
    time_within("request_time", config.request_time);
    time_within("response_time", config.response_time);
    time_within("idle_time", config.idle_time);
    problems.expect(config.ready_again_after >= 0s && config.ready_again_after <= 1h, "ready_again_after",
                    "is out of range; use 0 s to 1 h");
    problems.throw_if_any();
    return config;
}

std::string bracketed(const asio::ip::address& address) {
    return address.is_v6() ? '[' + address.to_string() + ']' : address.to_string();
}

// Empty when the port is in use; throws for anything else.
std::optional<tcp::acceptor> try_to_listen(asio::io_context& io, const tcp::endpoint& endpoint, error_code& error) {
    tcp::acceptor acceptor{io};
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (!error) return acceptor;
    if (error == asio::error::address_in_use) return std::nullopt;
    throw std::system_error(std::error_code(error), "cannot listen on " + bracketed(endpoint.address()) + ':' +
                                                        std::to_string(endpoint.port()));
}

tcp::acceptor listen(asio::io_context& io, const AdminServerConfig& config) {
    const asio::ip::address address = asio::ip::make_address(config.address);
    error_code error;
    if (auto acceptor = try_to_listen(io, {address, config.port}, error)) return std::move(*acceptor);
    if (config.next_free_port) {
        for (int step = 1; step <= neighbours_tried && config.port + step <= 65535; ++step) {
            const auto port = static_cast<std::uint16_t>(config.port + step);
            if (auto acceptor = try_to_listen(io, {address, port}, error)) return std::move(*acceptor);
        }
        if (auto acceptor = try_to_listen(io, {address, 0}, error)) return std::move(*acceptor);
    }
    throw std::system_error(std::error_code(error),
                            "cannot listen on " + bracketed(address) + ':' + std::to_string(config.port));
}

}  // namespace

struct AdminServer::Running {
    Running(const ResilienceManager& manager, AdminServerConfig wanted, std::vector<HttpRoute> extra)
        : config(checked(std::move(wanted))),
          routes(manager, config.health_rules, config.ready_again_after, config.allowed_hosts, std::move(extra)),
          acceptor(listen(io, config)),
          listening(acceptor.local_endpoint()) {
        accept();
        start_thread();
    }

    ~Running() {
        io.stop();
        thread.join();
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

    // Signals stay with the program's own threads.
    void start_thread() {
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        try {
            thread = std::thread([this] { run(); });
        } catch (...) {
            pthread_sigmask(SIG_SETMASK, &before, nullptr);
            throw;
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    // An exception that gets here is a bad_alloc of one connection: that one ends, the server goes on. Of the next
    // accept: it is asked for again, and those who are connected are heard in between.
    void run() {
        while (!io.stopped()) {
            try {
                if (accepting || accepts_again()) {
                    io.run();
                } else {
                    io.run_for(accept_pause);
                }
            } catch (const std::exception&) {
                continue;
            }
        }
    }

    bool accepts_again() try {
        accept();
        return true;
    } catch (const std::exception&) {
        return false;
    }

    void accept() {
        acceptor.async_accept([this](const error_code& error, tcp::socket socket) {
            accepting = false;
            if (error) {
                pause.expires_after(accept_pause);
                pause.async_wait([this](const error_code&) {
                    accepting = false;
                    accept();
                });
                accepting = true;
                return;
            }
            welcome(std::move(socket));
            accept();
        });
        accepting = true;
    }

    // What one client cannot be given must not keep the next from being accepted.
    void welcome(tcp::socket socket) try {
        if (served < config.max_connections) {
            detail::serve_connection(std::move(socket), detail::ConnectionPlace{served}, config, routes);
        } else if (turned_away < config.max_connections) {
            detail::turn_away(std::move(socket), detail::ConnectionPlace{turned_away}, config);
        }
    } catch (const std::exception&) {
        return;
    }

    const AdminServerConfig config;
    detail::AdminRoutes routes;
    std::size_t served = 0, turned_away = 0;
    bool accepting = false;  // a connection is waited for, or the end of the pause before
    asio::io_context io{1};
    asio::executor_work_guard<asio::io_context::executor_type> goes_on{io.get_executor()};  // also without an accept
    asio::steady_timer pause{io};
    tcp::acceptor acceptor;
    const tcp::endpoint listening;
    std::thread thread;
};

AdminServer::AdminServer(ResilienceManager& manager, AdminServerConfig config, std::vector<HttpRoute> extra)
    : running_(std::make_unique<Running>(manager, std::move(config), std::move(extra))) {}

AdminServer::~AdminServer() = default;

std::uint16_t AdminServer::port() const noexcept { return running_->listening.port(); }

std::string AdminServer::url() const {
    asio::ip::address address = running_->listening.address();
    if (address.is_unspecified()) {
        address = address.is_v6() ? asio::ip::address{asio::ip::address_v6::loopback()}
                                  : asio::ip::address{asio::ip::address_v4::loopback()};
    }
    return "http://" + bracketed(address) + ':' + std::to_string(port());
}

}  // namespace resilience::inline v1
