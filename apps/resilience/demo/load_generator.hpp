#pragma once

// The load: calls that arrive by a schedule and never wait for answers, as those of many customers do.
//
// Arrivals are a Poisson stream from a seed, so two runs ask the same in the same order. Each takes an idle keep-alive
// connection or a new one; when all are busy it waits in line and is counted as late. One thread does it all.

#include <cstdint>
#include <map>
#include <memory>
#include <resilience/base/time.hpp>

namespace resilience::demo {

struct LoadConfig {
    std::uint16_t port = 0;  // of the shop's front, on loopback
    double rate = 200;       // calls per second when the factor is 1; 0.1 to 100,000
    std::uint64_t seed = 1;
    std::size_t max_connections = 120;
    Duration call_time = std::chrono::seconds{10};  // an answer that takes longer is a socket error
};

// calls = answered + socket_errors.total() + in_flight + waiting + not_sent in every picture.
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
    std::uint64_t not_sent = 0;  // given up because too many waited, or because the load ended
    std::uint64_t in_flight = 0;
    std::uint64_t waiting = 0;
    std::uint64_t connections = 0;
};

class LoadGenerator {
  public:
    explicit LoadGenerator(LoadConfig config);  // starts at once
    ~LoadGenerator();
    LoadGenerator(const LoadGenerator&) = delete;
    LoadGenerator& operator=(const LoadGenerator&) = delete;

    void set_factor(double factor);  // 0 pauses
    void stop();                     // no more arrivals; returns when the last call has ended
    [[nodiscard]] LoadPicture picture() const;

  private:
    struct Machine;
    std::unique_ptr<Machine> machine_;
};

}  // namespace resilience::demo
