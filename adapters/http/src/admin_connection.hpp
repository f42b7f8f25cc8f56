#pragma once

// One client of an admin server, from its first byte to its last, within the limits of the configuration.

#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <resilience/http/admin_server.hpp>
#include <utility>

#include "admin_routes.hpp"

namespace resilience::inline v1::detail {

// A seat among a limited number: taken by the connection that holds it, given back when that ends. One thread only.
class ConnectionPlace {
  public:
    explicit ConnectionPlace(std::size_t& taken) noexcept : taken_(&taken) { ++taken; }
    ConnectionPlace(ConnectionPlace&& other) noexcept : taken_(std::exchange(other.taken_, nullptr)) {}
    ConnectionPlace& operator=(ConnectionPlace&&) = delete;
    ~ConnectionPlace() {
        if (taken_ != nullptr) --*taken_;
    }

  private:
    std::size_t* taken_;
};

// Both return at once and go on as handlers on the socket's executor. Configuration and routes outlive them.
void serve_connection(boost::asio::ip::tcp::socket socket, ConnectionPlace place, const AdminServerConfig& config,
                      AdminRoutes& routes);

// Answers 503 without reading a request.
void turn_away(boost::asio::ip::tcp::socket socket, ConnectionPlace place, const AdminServerConfig& config);

// The text of an address, that of the IPv4 address for one mapped into IPv6.
[[nodiscard]] std::string address_text(const boost::asio::ip::address& address);

}  // namespace resilience::inline v1::detail
