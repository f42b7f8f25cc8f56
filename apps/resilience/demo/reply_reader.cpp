#include "demo/reply_reader.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace resilience::demo {
namespace {

std::string in_lower_case(std::string_view text) {
    std::string lower(text);
    for (char& byte : lower) byte = byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
    return lower;
}

template <class Number>
bool read_number(std::string_view text, Number& number) {
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    return !text.empty() && read.ec == std::errc{} && read.ptr == text.data() + text.size();
}

std::string_view without_blanks(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t");
    return first == std::string_view::npos ? std::string_view{}
                                           : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

void ReplyReader::reset() { *this = ReplyReader{}; }

ReplyReader::State ReplyReader::take(std::string_view bytes) {
    started_ = started_ || !bytes.empty();
    if (!header_complete_) {
        const std::size_t before = header_.size();
        header_.append(bytes);
        const std::size_t end = header_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
        if (end == std::string::npos) return header_.size() > most_header ? State::malformed : State::more;
        bytes.remove_prefix(end + 4 - before);
        header_.resize(end + 2);
        header_complete_ = true;
        if (!read_header()) return State::malformed;
    }
    if (bytes.size() > body_left_) return State::malformed;
    body_left_ -= bytes.size();
    return body_left_ == 0 ? State::complete : State::more;
}

bool ReplyReader::read_header() {
    std::string_view rest = header_;
    const std::size_t first_end = rest.find("\r\n");
    const std::string_view first = rest.substr(0, first_end);
    rest.remove_prefix(first_end + 2);
    const bool modern = first.starts_with("HTTP/1.1 ");
    if ((!modern && !first.starts_with("HTTP/1.0 ")) || first.size() < 12) return false;
    keeps_alive_ = modern;
    if (!read_number(first.substr(9, 3), status_) || status_ < 200 || status_ > 599) return false;
    while (!rest.empty()) {
        const std::size_t end = rest.find("\r\n");
        if (!read_field(rest.substr(0, end))) return false;
        rest.remove_prefix(end + 2);
    }
    return has_length_ || status_ == 204 || status_ == 304;
}

bool ReplyReader::read_field(std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    const std::string name = in_lower_case(line.substr(0, colon));
    const std::string_view value = without_blanks(line.substr(colon + 1));
    if (name == "connection") keeps_alive_ = in_lower_case(value) != "close" && keeps_alive_;
    if (name == "transfer-encoding") return false;  // the front sends lengths
    if (name != "content-length") return true;
    if (has_length_) return false;
    has_length_ = true;
    return read_number(value, body_left_);
}

}  // namespace resilience::demo
