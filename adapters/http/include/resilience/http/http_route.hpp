#pragma once

// A question and an answer over HTTP as plain values, and the route that joins them: how a program adds paths of its
// own to an AdminServer.
//
//     HttpRoute faults{"POST", "/demo/faults/", [&](const HttpQuestion& question) {
//         start_fault(question.path.substr(13), question.query);
//         return HttpAnswer{.status = 200, .body = "{\"ok\":true}"};
//     }};

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace resilience::inline v1 {

struct HttpQuestion {
    std::string method{};  // "GET"; a HEAD arrives at a GET route as "HEAD"
    std::string path{};    // percent-decoded, begins with '/', never holds NUL
    std::map<std::string, std::string, std::less<>>
        query{};                   // percent-decoded, '+' is a space; the last of a name wins
    std::string body{};            // at most AdminServerConfig::max_body_bytes
    std::string remote_address{};  // "127.0.0.1", without the port
};

struct HttpAnswer {
    int status = 200;  // 200 to 599; anything else is sent as a 500
    std::string content_type = "application/json";
    std::string body{};  // not sent for HEAD, its length is

    // Further headers. The server owns Content-Length, Connection and Date, and drops those it is given, as well as
    // names and values that could not stand in a header (control characters).
    std::vector<std::pair<std::string, std::string>> headers{};
};

// `answer` runs on the server's own thread, one question at a time: it must not block. What it throws becomes a 500
// with a problem JSON; the connection and the server live on.
struct HttpRoute {
    std::string method{};       // "POST"; a GET route answers HEAD too
    std::string path_prefix{};  // "/a" is /a and all below it, "/a/" only what is below; the longest that fits wins
    std::function<HttpAnswer(const HttpQuestion&)> answer{};
};

}  // namespace resilience::inline v1
