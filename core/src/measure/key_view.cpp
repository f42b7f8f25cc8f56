#include <bit>
#include <cstddef>
#include <cstring>
#include <resilience/base/random.hpp>
#include <resilience/measure/key_view.hpp>

namespace resilience::inline v1 {
namespace {

// SipHash as published by Aumasson and Bernstein (2012), with one round a word and three at the end.
class SipState {
  public:
    explicit SipState(const KeySeed& seed) noexcept
        : a_(seed.first ^ 0x736f'6d65'7073'6575),
          b_(seed.second ^ 0x646f'7261'6e64'6f6d),
          c_(seed.first ^ 0x6c79'6765'6e65'7261),
          d_(seed.second ^ 0x7465'6462'7974'6573) {}

    void add(std::uint64_t word) noexcept {
        d_ ^= word;
        round();
        a_ ^= word;
    }
    // The second word of a long result is another three rounds on, under another mark.
    std::uint64_t end(std::uint64_t mark, std::uint64_t SipState::* marked) noexcept {
        this->*marked ^= mark;
        round();
        round();
        round();
        return a_ ^ b_ ^ c_ ^ d_;
    }
    KeyDigest end_long() noexcept {
        const std::uint64_t hash = end(0xee, &SipState::c_);
        return {hash, end(0xdd, &SipState::b_)};
    }
    std::uint64_t end_short() noexcept { return end(0xff, &SipState::c_); }
    void mark_as_long() noexcept { b_ ^= 0xee; }

  private:
    void round() noexcept {
        a_ += b_;
        c_ += d_;
        b_ = std::rotl(b_, 13) ^ a_;
        d_ = std::rotl(d_, 16) ^ c_;
        a_ = std::rotl(a_, 32);
        c_ += b_;
        a_ += d_;
        b_ = std::rotl(b_, 17) ^ c_;
        d_ = std::rotl(d_, 21) ^ a_;
        c_ = std::rotl(c_, 32);
    }

    std::uint64_t a_;
    std::uint64_t b_;
    std::uint64_t c_;
    std::uint64_t d_;
};

KeyDigest digest_of_text(std::string_view text, const KeySeed& seed) noexcept {
    constexpr std::size_t word_bytes = sizeof(std::uint64_t);
    SipState state(seed);
    state.mark_as_long();
    const std::uint64_t length_mark = static_cast<std::uint64_t>(text.size()) << 56;
    while (text.size() >= word_bytes) {
        std::uint64_t word = 0;
        std::memcpy(&word, text.data(), word_bytes);
        state.add(word);
        text.remove_prefix(word_bytes);
    }
    std::uint64_t last = 0;
    if (!text.empty()) std::memcpy(&last, text.data(), text.size());
    state.add(last | length_mark);
    return state.end_long();
}

}  // namespace

KeySeed KeySeed::random() noexcept {
    Random& random = thread_random();
    const std::uint64_t first = random.next();
    return {first, random.next()};
}

KeyDigest digest_of(const KeyView& key, const KeySeed& seed) noexcept {
    if (!key.is_number()) return digest_of_text(key.text(), seed);
    // All numbers have eight bytes, so their length needs no word.
    SipState state(seed);
    state.add(key.number());
    return {state.end_short(), key.number()};
}

}  // namespace resilience::inline v1
