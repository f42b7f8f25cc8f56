#pragma once

// The shop's front: an HTTP server with one thread per customer's connection.
//
// At most 256 connections are served; the next is told 503 with Retry-After and closed. A thread owns an io_context,
// the customer's socket and its own connections to the upstreams, and does one thing at a time, each with a time limit.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <resilience/base/time.hpp>

#include "demo/front_counters.hpp"
#include "demo/shop_service.hpp"

namespace resilience::demo {

struct FrontConfig {
    std::uint16_t port = 8080;   // on loopback; 0: any free one
    bool next_free_port = true;  // a port in use: take a free one; port() says which
    std::size_t max_connections = 256;
    std::size_t max_header_bytes = 16 * 1024;           // more is answered 431
    std::size_t max_body_bytes = 64 * 1024;             // more is answered 413
    Duration header_time = std::chrono::seconds{5};     // from the first byte of a request to the end of its header
    Duration body_time = std::chrono::seconds{10};      // for the rest of it
    Duration response_time = std::chrono::seconds{10};  // to take the answer
    Duration idle_time = std::chrono::seconds{60};      // between the requests of one connection
};

class Front {
  public:
    // Listens when this returns. Throws std::system_error when it cannot. The shop must outlive it.
    Front(ShopService& shop, const FrontConfig& config);
    ~Front();
    Front(const Front&) = delete;
    Front& operator=(const Front&) = delete;

    [[nodiscard]] std::uint16_t port() const noexcept;
    [[nodiscard]] FrontPicture picture() const;
    // Accepts nobody any more, ends back-offs and idle connections, and returns when every thread has ended.
    void stop();

  private:
    struct Running;
    std::unique_ptr<Running> running_;
};

}  // namespace resilience::demo
