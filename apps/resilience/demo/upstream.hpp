#pragma once

// One upstream of the shop: a real HTTP server on a free loopback port, with faults to order.
//
//     Upstream payment{{.name = "payment", .usual_latency = 20ms}};
//     payment.set_fault({.error_ratio = 0.8}, 20s);       // and well again by itself afterwards
//
// It runs on a thread of its own. All functions may be called from any thread.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <resilience/base/time.hpp>
#include <string>

#include "demo/fault.hpp"

namespace resilience::demo {

struct UpstreamConfig {
    std::string name;
    Duration usual_latency{};
    std::size_t workers = 0;                            // work at the same time, the rest stand in line; 0: no bound
    std::uint64_t seed = 1;                             // of the errors
    std::function<void(const std::string&)> narrate{};  // what happens to it, in words; from its own thread
};

// Counted by the upstream itself, so that what the policies count can be held against it.
struct UpstreamCounts {
    std::uint64_t received = 0;  // whole requests read
    std::uint64_t answered = 0;  // answers written, errors included
    std::uint64_t errors = 0;    // of which 500
};

struct ActiveFault {
    Fault fault;
    Duration remaining{};
};

class Upstream {
  public:
    explicit Upstream(UpstreamConfig config);
    ~Upstream();
    Upstream(const Upstream&) = delete;
    Upstream& operator=(const Upstream&) = delete;

    [[nodiscard]] std::uint16_t port() const noexcept;  // also while it is down
    [[nodiscard]] const std::string& name() const noexcept;
    [[nodiscard]] UpstreamCounts counts() const noexcept;
    [[nodiscard]] std::optional<ActiveFault> fault() const;

    // Replaces the fault there is. Returns when the fault is in force.
    void set_fault(const Fault& fault, Duration period);
    bool end_fault();  // false when there was none

  private:
    struct Server;
    std::unique_ptr<Server> server_;
};

}  // namespace resilience::demo
