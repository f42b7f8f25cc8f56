#pragma once

// A blocking HTTP client of a few lines for tests, over plain sockets: it can also send what no client would.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace resilience::demo {

struct ReplyText {
    int status = 0;      // 0: no answer
    std::string header;  // with the status line
    std::string body;

    [[nodiscard]] bool has(std::string_view line) const { return header.find(line) != std::string::npos; }
};

// A connection to a loopback port. Reading gives up after 20 s.
class TestConnection {
  public:
    explicit TestConnection(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const timeval patience{.tv_sec = 20, .tv_usec = 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    }
    ~TestConnection() { ::close(socket_); }
    TestConnection(const TestConnection&) = delete;
    TestConnection& operator=(const TestConnection&) = delete;

    [[nodiscard]] bool connected() const { return connected_; }
    void send(std::string_view bytes) const { (void)::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
    void end_sending() const { ::shutdown(socket_, SHUT_WR); }

    // Everything until the other side closes.
    [[nodiscard]] std::string read_all() const {
        std::string all;
        char bytes[4096];
        for (ssize_t size = 0; (size = ::recv(socket_, bytes, sizeof bytes, 0)) > 0;) {
            all.append(bytes, static_cast<std::size_t>(size));
        }
        return all;
    }

  private:
    int socket_;
    bool connected_ = false;
};

inline ReplyText reply_of(const std::string& text) {
    ReplyText reply;
    const std::size_t end = text.find("\r\n\r\n");
    if (!text.starts_with("HTTP/1.") || end == std::string::npos) return reply;
    reply.status = std::atoi(text.c_str() + 9);
    reply.header = text.substr(0, end + 2);
    reply.body = text.substr(end + 4);
    return reply;
}

inline ReplyText ask(std::uint16_t port, std::string_view method, std::string_view target, std::string_view body = "",
                     std::string_view more_headers = "") {
    const TestConnection connection(port);
    if (!connection.connected()) return {};
    std::string request = std::string(method) + " " + std::string(target) +
                          " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) + "\r\nConnection: close\r\n" +
                          std::string(more_headers);
    if (!body.empty() || method == "POST") request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    connection.send(request + "\r\n" + std::string(body));
    return reply_of(connection.read_all());
}

}  // namespace resilience::demo
