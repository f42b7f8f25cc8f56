#pragma once

// The admin port of a program: metrics, stats, probes and a page that shows states, over HTTP on a thread of its own.
//
//     ResilienceManager manager{"checkout"};
//     AdminServer admin{manager, {.port = 9911, .next_free_port = true}};
//     std::clog << "states at " << admin.url() << '\n';
//
// | path      | answer                                                                                             |
// |-----------|----------------------------------------------------------------------------------------------------|
// | /         | a page that shows every policy and asks /stats again each second (with /page.js and /page.css)     |
// | /stats    | JSON; ?name=GLOB, ?kind=circuit_breakers (or rate_limiters, bulkheads, retries), ?pretty           |
// | /metrics  | Prometheus text exposition 0.0.4                                                                   |
// | /livez    | 200 {"status":"alive"}; looks at no dependency                                                     |
// | /readyz   | 200 or 503 by the manager's health under `health_rules`, with each circuit's state and criticality |
//
// /readyz says 503 at once when the rules are broken, and 200 again only when they have held for `ready_again_after`
// since somebody was told so: a load balancer is not to follow every flap of a circuit. /stats tells the same health.
//
// They answer GET and HEAD. Anything else is 405 with Allow; an unknown path 404 with a list of the paths; bytes that
// are no request 400; a header or body over its limit 431 or 413; an exception in a route 500. Errors are problem JSON.
// A Host header that names neither this machine's loopback nor the address the connection came in by, and an Origin
// that is not this server, are 403, so that no foreign web page reads or changes anything through a browser; /livez,
// /readyz and /metrics skip this, because probes and scrapes come by any name. There is no authentication: whoever
// reaches the port reads it, so it is bound to loopback unless told otherwise.
//
// A reader costs the program the time to take stats and never stops a call. A client that is slow to send or to read
// is cut off by the limits below; memory is bounded by max_connections times one request and one answer.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <resilience/base/time.hpp>
#include <resilience/http/http_route.hpp>
#include <resilience/manager/health.hpp>
#include <string>
#include <vector>

namespace resilience::inline v1 {

class ResilienceManager;

struct AdminServerConfig {
    std::string address = "127.0.0.1";  // an IPv4 or IPv6 address, not a name; "0.0.0.0" and "::" are every interface
    std::uint16_t port = 9911;          // 0: any free port
    bool next_free_port = false;        // a port in use: take a free one instead of throwing; port() says which
    HealthRules health_rules{};         // what /readyz goes by
    Duration ready_again_after = std::chrono::seconds{5};  // 0 to 1 h; how long it must be well after it was not ready

    std::vector<std::string> allowed_hosts{};  // further names this server is reached by, without a port

    std::size_t max_header_bytes = 8 * 1024;            // 1 KiB to 1 MiB; more is answered 431
    std::size_t max_body_bytes = 64 * 1024;             // 0 to 64 MiB; more is answered 413
    std::size_t max_connections = 64;                   // 1 to 65,536; more are answered 503 and closed
    Duration header_time = std::chrono::seconds{5};     // from the first byte of a request to the end of its header
    Duration request_time = std::chrono::seconds{10};   // from the first byte of a request to its last
    Duration response_time = std::chrono::seconds{10};  // to send an answer; a client that stops reading loses it
    Duration idle_time = std::chrono::seconds{30};      // between the requests of one connection
};

class AdminServer {
  public:
    // Listens when this returns. The manager must outlive the server. Throws ConfigError for a field or route that
    // makes no sense, std::system_error naming address and port when it cannot listen there ("cannot listen on
    // 127.0.0.1:9911: Address already in use").
    explicit AdminServer(ResilienceManager& manager, AdminServerConfig config = {}, std::vector<HttpRoute> extra = {});

    // Closes every connection, also one that is being answered, and joins the thread: waits for no client, only for a
    // route that is running. Not to be called from a route.
    ~AdminServer();
    AdminServer(const AdminServer&) = delete;
    AdminServer& operator=(const AdminServer&) = delete;

    [[nodiscard]] std::uint16_t port() const noexcept;  // the one really listened on
    [[nodiscard]] std::string url() const;              // "http://127.0.0.1:9911", to be opened on this machine

  private:
    struct Running;
    std::unique_ptr<Running> running_;
};

}  // namespace resilience::inline v1
