#pragma once

// The load: calls that arrive by a schedule and never wait for answers, as those of many customers do.
//
// Arrivals are a Poisson stream from a seed, so two runs ask the same in the same order. With a twin every arrival goes
// to both fronts at the same moment. One thread does it all.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <resilience/base/time.hpp>

#include "demo/customer_ledger.hpp"

namespace resilience::demo {

struct LoadConfig {
    std::uint16_t port = 0;                    // of the shop's front, on loopback
    std::optional<std::uint16_t> twin_port{};  // of another front that gets the same calls
    double rate = 200;                         // calls per second when the factor is 1; 0.1 to 100,000
    std::uint64_t seed = 1;
    std::size_t max_connections = 120;              // to one front; more customers stand in line
    Duration in_time = std::chrono::seconds{2};     // a customer has no use for an answer that comes later
    Duration call_time = std::chrono::seconds{10};  // and leaves after this long, from the line too
    std::function<bool()> in_trouble{};             // asked once a second: whether a fault is on or the load is high
};

// What the customers of one front did and got.
// calls = answered + socket_errors.total() + given_up + in_flight + waiting + not_sent in every picture.
struct LoadPicture {
    std::uint64_t calls = 0;     // arrivals by the schedule
    std::uint64_t answered = 0;  // whole answers, whatever the status
    std::map<int, std::uint64_t> statuses;
    struct SocketErrors {
        std::uint64_t connect = 0;
        std::uint64_t broken = 0;     // the connection ended inside a call
        std::uint64_t malformed = 0;  // what came was no HTTP answer
        std::uint64_t timed_out = 0;
        [[nodiscard]] std::uint64_t total() const noexcept { return connect + broken + malformed + timed_out; }
    } socket_errors;
    std::uint64_t late = 0;      // started more than 10 ms after their moment
    std::uint64_t lagged = 0;    // of which the generator itself was late: this machine is too busy to be measured
    std::uint64_t not_sent = 0;  // left the line, found it too long, or stood in it when the load ended
    std::uint64_t given_up = 0;  // under way when the load ended, and not waited for
    std::uint64_t in_flight = 0;
    std::uint64_t waiting = 0;
    std::uint64_t connections = 0;
    CustomerPicture customers{};
};

class LoadGenerator {
  public:
    explicit LoadGenerator(LoadConfig config);  // starts at once
    ~LoadGenerator();
    LoadGenerator(const LoadGenerator&) = delete;
    LoadGenerator& operator=(const LoadGenerator&) = delete;

    void set_factor(double factor);  // 0 pauses
    // No more arrivals; returns when the last call to the shop has ended. Lines and calls to the twin are given up
    // after `in_time`: from then on an answer changes nothing.
    void stop();
    [[nodiscard]] LoadPicture picture() const;
    [[nodiscard]] std::optional<LoadPicture> twin_picture() const;

  private:
    struct Machine;
    std::unique_ptr<Machine> machine_;
};

}  // namespace resilience::demo
