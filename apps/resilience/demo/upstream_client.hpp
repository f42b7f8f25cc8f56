#pragma once

// One connection thread's way to one upstream: a keep-alive connection, used for one exchange at a time.
//
// It runs on the thread's own io_context and never longer than it is given. An idle connection may have died: it is
// looked at first, and when it breaks before the first byte of an answer the request is sent once more on a fresh one,
// if it may be repeated. That is no retry of the policy: a dead idle connection is not the upstream's failure.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <resilience/base/time.hpp>
#include <string>

#include "demo/shop_message.hpp"

namespace boost::asio {
class io_context;
}

namespace resilience::demo {

// How exchanges with one upstream ended, over all threads: exchanges = the sum of the next four at rest.
struct UpstreamTraffic {
    std::atomic<std::uint64_t> exchanges{0};    // attempts that the policies admitted
    std::atomic<std::uint64_t> answered{0};     // a whole answer came, errors included
    std::atomic<std::uint64_t> unreachable{0};  // no connection: the upstream saw nothing of it
    std::atomic<std::uint64_t> broken{0};       // sent, and the connection ended before the answer did
    std::atomic<std::uint64_t> timed_out{0};    // sent, and no answer in time
    std::atomic<std::uint64_t> resent{0};       // sent once more on a fresh connection: the upstream may count two
};

struct UpstreamAnswer {
    int status = 0;         // 0: there was no HTTP answer, see `trouble`
    std::string trouble{};  // "unreachable", "connection broken", "no answer in time"
    HeaderLines headers{};  // without those that belong to the connection
    std::string body{};
    std::string retry_after{};              // the header's text; empty when absent
    std::optional<std::uint64_t> length{};  // what Content-Length said; the answer to HEAD has one and no body
};

class UpstreamClient {
  public:
    UpstreamClient(boost::asio::io_context& io, std::uint16_t port, UpstreamTraffic& traffic);
    ~UpstreamClient();
    UpstreamClient(UpstreamClient&&) noexcept;
    UpstreamClient& operator=(UpstreamClient&&) = delete;

    [[nodiscard]] UpstreamAnswer exchange(const ShopRequest& request, Duration time);

  private:
    struct Connection;
    std::unique_ptr<Connection> connection_;
};

}  // namespace resilience::demo
