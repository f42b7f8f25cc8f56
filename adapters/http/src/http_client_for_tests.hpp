#pragma once

// A small HTTP client over a POSIX socket for tests: it sends exactly the bytes it is given, well formed or not.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace resilience::inline v1::testing_http {

struct Response {
    int status = 0;
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
};

class Client {
  public:
    // Every read gives up after ten seconds, so that a broken server fails a test instead of hanging it.
    explicit Client(std::uint16_t port, int receive_buffer = 0) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
        const timeval patience{.tv_sec = 10, .tv_usec = 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (receive_buffer > 0) ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const void* any_address = &address;
        if (::connect(socket_, static_cast<const sockaddr*>(any_address), sizeof address) != 0) {
            ::close(socket_);
            throw std::runtime_error("cannot connect");
        }
    }
    Client(Client&& other) noexcept : socket_(other.socket_), received_(std::move(other.received_)) {
        other.socket_ = -1;
    }
    Client& operator=(Client&&) = delete;
    ~Client() {
        if (socket_ >= 0) ::close(socket_);
    }

    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }

    void end_sending() { ::shutdown(socket_, SHUT_WR); }

    // Whether something, an end included, can be read within that time.
    bool readable_within(int milliseconds) {
        pollfd waiting{.fd = socket_, .events = POLLIN, .revents = 0};
        return ::poll(&waiting, 1, milliseconds) > 0;
    }

    // True when the other side has closed or reset; throws when nothing comes for ten seconds.
    bool at_end() {
        std::array<char, 4096> block{};
        const ssize_t size = ::recv(socket_, block.data(), block.size(), 0);
        if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) throw std::runtime_error("nothing came for 10 s");
        if (size <= 0) return true;
        received_.append(block.data(), static_cast<std::size_t>(size));
        return false;
    }

    Response read_response(bool to_head = false) {
        std::size_t end = 0;
        while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
            if (at_end()) throw std::runtime_error("closed before the end of a head, after: " + received_);
        }
        Response response = parse_head(std::string_view(received_).substr(0, end + 2));
        received_.erase(0, end + 4);
        const auto length = response.headers.find("content-length");
        if (to_head || length == response.headers.end()) return response;
        const std::size_t size = std::stoul(length->second);
        while (received_.size() < size) {
            if (at_end()) throw std::runtime_error("closed before the end of a body");
        }
        response.body = received_.substr(0, size);
        received_.erase(0, size);
        return response;
    }

    // Everything until the other side closes.
    std::string read_rest() {
        while (!at_end()) continue;
        return std::exchange(received_, {});
    }

    Response ask(std::string_view method, std::string_view target, std::string_view more_headers = "",
                 std::string_view body = "") {
        std::string bytes;
        bytes.append(method).append(" ").append(target).append(" HTTP/1.1\r\n");
        if (more_headers.find("Host:") == std::string_view::npos) bytes.append("Host: localhost\r\n");
        bytes.append(more_headers);
        if (!body.empty()) bytes.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
        bytes.append("\r\n").append(body);
        send(bytes);
        return read_response(method == "HEAD");
    }

  private:
    static Response parse_head(std::string_view head) {
        Response response;
        response.status = std::atoi(std::string(head.substr(head.find(' ') + 1, 3)).c_str());
        for (std::size_t at = head.find("\r\n") + 2; at < head.size(); at = head.find("\r\n", at) + 2) {
            const std::string_view line = head.substr(at, head.find("\r\n", at) - at);
            std::string name{line.substr(0, line.find(':'))};
            for (char& letter : name) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
            response.headers[name] = line.substr(line.find(':') + 2);
        }
        return response;
    }

    int socket_;
    std::string received_;
};

}  // namespace resilience::inline v1::testing_http
