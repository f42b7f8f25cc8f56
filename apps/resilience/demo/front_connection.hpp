#pragma once

// One customer's connection, served by the thread that calls `serve_connection`.

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <stop_token>
#include <string>

#include "demo/front.hpp"

namespace resilience::demo {

// Reads and answers requests until the customer leaves, misbehaves, is idle too long, or `stop` is asked for (then
// after the request that is under way). `io` runs nothing else.
void serve_connection(boost::asio::io_context& io, boost::asio::ip::tcp::socket& socket, ShopService& shop,
                      const FrontConfig& config, FrontCounters& counters, const std::stop_token& stop);

// The whole answer for a connection that finds every thread taken.
[[nodiscard]] std::string all_threads_taken_answer();

}  // namespace resilience::demo
