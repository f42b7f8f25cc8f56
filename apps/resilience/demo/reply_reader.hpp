#pragma once

// Reads HTTP/1.1 answers from bytes as they come, as little of them as a load generator must know.
//
// It is deliberately not the parser that the shop's front is built on, so that a malformed answer is seen.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace resilience::demo {

class ReplyReader {
  public:
    enum class State : std::uint8_t { more, complete, malformed };

    // Takes the next bytes of the connection. After `complete`, `reset` begins the next answer. Bytes behind a complete
    // answer are malformed: nothing was asked for them.
    State take(std::string_view bytes);
    void reset();

    [[nodiscard]] bool started() const noexcept { return started_; }
    [[nodiscard]] int status() const noexcept { return status_; }
    [[nodiscard]] bool keeps_alive() const noexcept { return keeps_alive_; }

  private:
    bool read_header();
    bool read_field(std::string_view line);

    static constexpr std::size_t most_header = 64 * 1024;
    std::string header_;
    bool header_complete_ = false;
    bool started_ = false;
    bool has_length_ = false;
    bool keeps_alive_ = true;
    int status_ = 0;
    std::uint64_t body_left_ = 0;
};

}  // namespace resilience::demo
