#pragma once

// Runs one asynchronous operation on a thread's own io_context until it ends or its time is over.
//
// Synchronous reads of Beast know no time limit; this is how a thread that owns its connections has one all the same.

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <resilience/base/time.hpp>

namespace resilience::demo {

// `start` is called with a handler (error_code, size_t = 0) and must begin exactly one operation on `socket`. When the
// time is over that operation is cancelled, awaited, and the answer is asio::error::timed_out; the socket stays open.
template <class Start>
boost::system::error_code run_for(boost::asio::io_context& io, boost::asio::ip::tcp::socket& socket, Duration time,
                                  Start start) {
    constexpr Duration longest = std::chrono::hours{1};
    boost::system::error_code result;
    bool ended = false;
    start([&](boost::system::error_code error, std::size_t = 0) {
        result = error;
        ended = true;
    });
    io.restart();
    io.run_for(std::clamp(time, Duration::zero(), longest));
    if (ended) return result;
    boost::system::error_code ignored;
    socket.cancel(ignored);
    io.restart();
    io.run();
    return boost::asio::error::timed_out;
}

}  // namespace resilience::demo
