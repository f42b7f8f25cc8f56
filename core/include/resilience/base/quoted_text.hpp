#pragma once

// Names and other foreign text made safe for one line of output.
//
// Names are any UTF-8, so they may hold quotes, line ends and control characters. Whatever prints them for people or
// for logs goes through here: one event stays one line, and a name cannot forge another field.

#include <string>
#include <string_view>

namespace resilience::inline v1 {

// The text in double quotes. `"` and `\` get a backslash, line end and tab become \n, \r, \t, every other control
// character and every byte that is not part of valid UTF-8 becomes \xNN.
[[nodiscard]] std::string quoted_text(std::string_view text);

// As it stands if it is only of [A-Za-z0-9_.:/-] and not empty, otherwise quoted: the form logfmt readers expect.
[[nodiscard]] std::string logfmt_text(std::string_view text);

// The length in bytes of the valid UTF-8 sequence at the start of `text`; 0 if there is none (a stray or missing
// continuation byte, an overlong form, a surrogate, beyond U+10FFFF) or the text is empty.
[[nodiscard]] std::size_t utf8_sequence_length(std::string_view text) noexcept;

}  // namespace resilience::inline v1
