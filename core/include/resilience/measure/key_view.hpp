#pragma once

// A key as a caller gives it, text or number, and the digest by which it is known.
//
//     per_user.acquire("alice");       // text: any bytes, of any length; NUL and the empty text are keys like others
//     per_user.acquire(4711);          // a number; the text "4711" is another key
//
// Keys are not names: they are not interned, not exported and not kept. A table knows a number by itself and a text by
// 128 bits of SipHash-1-3 under a secret seed, so a key weighs the same whatever its length, and nobody who does not
// know the seed can make two texts meet: among 10^6 texts two do with a chance of about 10^-27.

#include <concepts>
#include <cstdint>
#include <string_view>

namespace resilience::inline v1 {

// Views the text for the length of the call it is given to. Signed numbers are taken by their 64 bits.
class KeyView {
  public:
    template <std::convertible_to<std::string_view> Text>
    KeyView(const Text& text) noexcept : text_(text) {}
    template <std::integral Number>
    KeyView(Number number) noexcept : number_(static_cast<std::uint64_t>(number)), is_number_(true) {}

    [[nodiscard]] bool is_number() const noexcept { return is_number_; }
    [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
    [[nodiscard]] std::string_view text() const noexcept { return text_; }

  private:
    std::string_view text_{};
    std::uint64_t number_ = 0;
    bool is_number_ = false;
};

// What makes the places of keys unforeseeable. Not for printing or exporting.
struct KeySeed {
    std::uint64_t first = 0;
    std::uint64_t second = 0;

    friend constexpr bool operator==(const KeySeed&, const KeySeed&) = default;

    // From this thread's generator, which the operating system has seeded.
    [[nodiscard]] static KeySeed random() noexcept;
};

// `hash` places the key in a table; both together are the key.
struct KeyDigest {
    std::uint64_t hash = 0;
    std::uint64_t rest = 0;  // of a number: itself

    friend constexpr bool operator==(const KeyDigest&, const KeyDigest&) = default;
};

// Pure; from any thread. About 5 ns for a number, 15 ns for a text of 20 bytes, 1 ns for every 2 to 4 bytes more.
[[nodiscard]] KeyDigest digest_of(const KeyView& key, const KeySeed& seed) noexcept;

}  // namespace resilience::inline v1
