#include <array>
#include <cstddef>
#include <cstdint>
#include <resilience/base/quoted_text.hpp>

namespace resilience::inline v1 {
namespace {

unsigned char byte_at(std::string_view text, std::size_t index) noexcept {
    return static_cast<unsigned char>(text[index]);
}

void append_hex(std::string& out, unsigned char byte) {
    constexpr std::string_view digits = "0123456789abcdef";
    out += "\\x";
    out += digits[byte >> 4U];
    out += digits[byte & 0xFU];
}

void append_ascii(std::string& out, char character) {
    switch (character) {
        case '"':
        case '\\':
            out += '\\';
            out += character;
            return;
        case '\n':
            out += "\\n";
            return;
        case '\r':
            out += "\\r";
            return;
        case '\t':
            out += "\\t";
            return;
        default:
            break;
    }
    const auto byte = static_cast<unsigned char>(character);
    if (byte < 0x20 || byte == 0x7F) {
        append_hex(out, byte);
    } else {
        out += character;
    }
}

}  // namespace

// The table is that of the Unicode Standard, section 3.9, "Well-Formed UTF-8 Byte Sequences": what the lead byte allows
// the second byte to be excludes overlong forms, surrogates and everything beyond U+10FFFF.
std::size_t utf8_sequence_length(std::string_view text) noexcept {
    struct Lead {
        unsigned char first, last;  // lead bytes
        unsigned char second_low, second_high;
        std::size_t length;
    };
    static constexpr std::array<Lead, 9> leads{{{0x00, 0x7F, 0x00, 0x00, 1},
                                                {0xC2, 0xDF, 0x80, 0xBF, 2},
                                                {0xE0, 0xE0, 0xA0, 0xBF, 3},
                                                {0xE1, 0xEC, 0x80, 0xBF, 3},
                                                {0xED, 0xED, 0x80, 0x9F, 3},
                                                {0xEE, 0xEF, 0x80, 0xBF, 3},
                                                {0xF0, 0xF0, 0x90, 0xBF, 4},
                                                {0xF1, 0xF3, 0x80, 0xBF, 4},
                                                {0xF4, 0xF4, 0x80, 0x8F, 4}}};
    if (text.empty()) return 0;
    for (const Lead& lead : leads) {
        if (byte_at(text, 0) < lead.first || byte_at(text, 0) > lead.last) continue;
        if (text.size() < lead.length) return 0;
        if (lead.length == 1) return 1;
        if (byte_at(text, 1) < lead.second_low || byte_at(text, 1) > lead.second_high) return 0;
        for (std::size_t index = 2; index < lead.length; ++index) {
            if ((byte_at(text, index) & 0xC0U) != 0x80U) return 0;
        }
        return lead.length;
    }
    return 0;
}

std::string quoted_text(std::string_view text) {
    std::string out;
    out.reserve(text.size() + 2);
    out += '"';
    while (!text.empty()) {
        const std::size_t length = utf8_sequence_length(text);
        if (length > 1) {
            out += text.substr(0, length);
        } else if (length == 1) {
            append_ascii(out, text.front());
        } else {
            append_hex(out, byte_at(text, 0));
        }
        text.remove_prefix(length > 1 ? length : 1);
    }
    out += '"';
    return out;
}

std::string logfmt_text(std::string_view text) {
    constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:/-";
    if (!text.empty() && text.find_first_not_of(plain) == std::string_view::npos) return std::string(text);
    return quoted_text(text);
}

}  // namespace resilience::inline v1
