#include "demo/front.hpp"

#include <sys/socket.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <exception>
#include <list>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "demo/front_connection.hpp"

namespace resilience::demo {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto accept_pause = std::chrono::milliseconds{50};
constexpr std::size_t most_refusals = 64;  // that are told at the same time; more are closed without a word

}  // namespace

struct Front::Running {
    // A served connection. Its io_context outlives its socket.
    struct Customer {
        asio::io_context io{1};
        tcp::socket socket{io};
        std::thread thread;
        bool ended = false;  // under the front's mutex
    };

    Running(ShopService& served, const FrontConfig& given);
    ~Running() { stop(); }

    void listen();
    void accept();
    void accepted(std::shared_ptr<Customer> customer);
    void serve(const std::shared_ptr<Customer>& customer);
    void refuse(const std::shared_ptr<Customer>& customer);
    void join_ended();
    void stop();

    ShopService& shop;
    const FrontConfig config;
    FrontCounters counters;
    asio::io_context io{1};
    tcp::acceptor acceptor{io};
    asio::steady_timer pause{io};
    std::uint16_t port = 0;
    std::size_t refusals = 0;  // under way, on the accepting thread
    std::string refusal_text = all_threads_taken_answer();

    std::mutex mutex;  // of the list and of each customer's `ended`
    std::list<std::shared_ptr<Customer>> customers;
    std::stop_source stopping;
    std::thread thread;
};

Front::Running::Running(ShopService& served, const FrontConfig& given) : shop(served), config(given) {
    listen();
    accept();
    thread = std::thread([this] { io.run(); });
}

void Front::Running::listen() {
    acceptor.open(tcp::v4());
    acceptor.set_option(tcp::acceptor::reuse_address(true));
    error_code error;
    acceptor.bind({asio::ip::address_v4::loopback(), config.port}, error);
    if (error == asio::error::address_in_use && config.next_free_port) {
        acceptor.bind({asio::ip::address_v4::loopback(), 0}, error);
    }
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
        throw std::system_error(std::error_code(error.value(), std::generic_category()),
                                "cannot listen on 127.0.0.1:" + std::to_string(config.port));
    }
    port = acceptor.local_endpoint().port();
}

void Front::Running::accept() {
    auto customer = std::make_shared<Customer>();
    tcp::socket& socket = customer->socket;
    acceptor.async_accept(socket, [this, customer = std::move(customer)](error_code error) mutable {
        if (!acceptor.is_open()) return;
        if (!error) {
            accepted(std::move(customer));
            return accept();
        }
        // Out of descriptors, say: what is open goes on, and accepting is tried again in a moment.
        pause.expires_after(accept_pause);
        pause.async_wait([this](error_code cancelled) {
            if (!cancelled) accept();
        });
    });
}

void Front::Running::accepted(std::shared_ptr<Customer> customer) {
    join_ended();
    counters.connections.fetch_add(1, std::memory_order_relaxed);
    const std::lock_guard lock(mutex);
    if (customers.size() >= config.max_connections) return refuse(customer);
    try {
        customer->thread = std::thread([this, customer] { serve(customer); });
    } catch (const std::system_error&) {
        return refuse(customer);
    }
    customers.push_back(std::move(customer));
}

// The thread of one customer. The socket is closed under the mutex, so that `stop` never shuts down a descriptor that
// belongs to somebody else by now.
void Front::Running::serve(const std::shared_ptr<Customer>& customer) {
    counters.connections_open.fetch_add(1, std::memory_order_relaxed);
    try {
        serve_connection(customer->io, customer->socket, shop, config, counters, stopping.get_token());
    } catch (const std::exception&) {
        // Out of memory, most likely: this customer is lost, the others are not.
        counters.gone.fetch_add(1, std::memory_order_relaxed);
    }
    counters.connections_open.fetch_sub(1, std::memory_order_relaxed);
    const std::lock_guard lock(mutex);
    error_code ignored;
    customer->socket.close(ignored);
    customer->ended = true;
}

void Front::Running::refuse(const std::shared_ptr<Customer>& customer) {
    counters.connections_refused.fetch_add(1, std::memory_order_relaxed);
    if (refusals >= most_refusals) return;
    ++refusals;
    // The customer's own io_context has no thread, so the socket is handed to the accepting one.
    error_code error;
    const auto descriptor = customer->socket.release(error);
    if (error) {
        --refusals;
        return;
    }
    auto socket = std::make_shared<tcp::socket>(io, tcp::v4(), descriptor);
    auto timer = std::make_shared<asio::steady_timer>(io, std::chrono::seconds{1});
    auto bytes = std::make_shared<std::array<char, 4096>>();
    timer->async_wait([this, socket](error_code) {
        error_code ignored;
        socket->close(ignored);
        --refusals;
    });
    asio::async_write(*socket, asio::buffer(refusal_text), [socket, timer, bytes](error_code failed, std::size_t) {
        error_code ignored;
        socket->shutdown(tcp::socket::shutdown_send, ignored);
        if (failed) return static_cast<void>(timer->cancel());
        // Once the customer has read the answer it closes; closing first could reset it away.
        socket->async_read_some(asio::buffer(*bytes), [socket, timer, bytes](error_code, std::size_t) {
            socket->async_read_some(asio::buffer(*bytes),
                                    [socket, timer, bytes](error_code, std::size_t) { timer->cancel(); });
        });
    });
}

void Front::Running::join_ended() {
    std::list<std::shared_ptr<Customer>> ended;
    {
        const std::lock_guard lock(mutex);
        for (auto each = customers.begin(); each != customers.end();) {
            const auto next = std::next(each);
            if ((*each)->ended) ended.splice(ended.end(), customers, each);
            each = next;
        }
    }
    for (const auto& customer : ended) customer->thread.join();
}

void Front::Running::stop() {
    if (!thread.joinable()) return;
    stopping.request_stop();
    asio::post(io, [this] {
        error_code ignored;
        acceptor.close(ignored);
        pause.cancel();
    });
    thread.join();
    std::list<std::shared_ptr<Customer>> last;
    {
        const std::lock_guard lock(mutex);
        // Wakes those who wait for their customer; an answer under way is still written.
        for (const auto& customer : customers) {
            if (!customer->ended) ::shutdown(customer->socket.native_handle(), SHUT_RD);
        }
        last.swap(customers);
    }
    for (const auto& customer : last) customer->thread.join();
}

Front::Front(ShopService& shop, const FrontConfig& config) : running_(std::make_unique<Running>(shop, config)) {}
Front::~Front() = default;

std::uint16_t Front::port() const noexcept { return running_->port; }
FrontPicture Front::picture() const { return running_->counters.picture(); }
void Front::stop() { running_->stop(); }

}  // namespace resilience::demo
