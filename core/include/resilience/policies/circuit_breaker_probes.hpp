#pragma once

// The probe slots of a half-open circuit breaker: numbered leases that a verdict or their end gives back, never both.
//
// A probe takes a free slot and stamps it with the moment of its admission. Whoever clears the slot first, the probe's
// own verdict or the end of its lease, is the one that counts: the other finds another stamp, or none. A slot is
// re-issued after its lease only at a later moment, so a stamp never comes twice while an old probe may still report.
//
// Not for several threads at once: every function is called under the breaker's mutex. Memory is taken in the
// constructor only, 8 bytes and 2 bits a slot; and by the first `keep`, for what only a breaker with a health probe
// has.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <resilience/base/time.hpp>

namespace resilience::inline v1::detail {

class HealthProbing;

// Who holds a slot: a permit, which names its slot when it settles, or an `allow()`, which cannot.
enum class ProbeHolder : std::uint8_t { permit, anonymous };

class ProbeSlots {
  public:
    // Reserved in what others move into: theirs may keep health probes.
    enum class RoomForHealth : std::uint8_t { none, reserved };

    explicit ProbeSlots(std::uint32_t slots, RoomForHealth room = RoomForHealth::none);
    ~ProbeSlots();
    ProbeSlots(const ProbeSlots&) = delete;
    ProbeSlots& operator=(const ProbeSlots&) = delete;

    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
    [[nodiscard]] std::uint32_t in_flight() const noexcept { return in_flight_; }
    [[nodiscard]] bool full() const noexcept { return in_flight_ == size_; }

    // The number of the slot taken. Only when not full.
    std::uint32_t take(TimePoint stamp, ProbeHolder holder) noexcept;

    // True if the slot was still that permit's, and now is free.
    bool give_back(std::uint32_t slot, TimePoint stamp) noexcept;
    // The same for the anonymous probe that waits longest. False if there is none.
    bool give_back_oldest_anonymous() noexcept;

    // The stamp of the probe that is out longest; `never` when none is.
    [[nodiscard]] TimePoint oldest_stamp() const noexcept;

    struct Reclaimed {
        TimePoint stamp;
        ProbeHolder holder;
    };
    // Takes back one slot whose lease is over at `now`; call until it finds none.
    std::optional<Reclaimed> reclaim_one(TimePoint now, Duration lease) noexcept;

    // Goes on with the memory of a larger one that has room for health probes; who holds a slot keeps its number.
    void move_into(ProbeSlots& larger) noexcept;

    // Frees all slots. Returns how many were held anonymously.
    std::uint32_t clear() noexcept;

    // What is kept for health probes; nullptr until then.
    [[nodiscard]] HealthProbing* health() const noexcept {
        return keeps_health_ ? std::bit_cast<HealthProbing*>(words_[health_word()]) : nullptr;
    }
    // Once. Throws std::bad_alloc.
    void keep(std::unique_ptr<HealthProbing> health);

  private:
    static constexpr std::uint32_t none = ~std::uint32_t{0};

    // words_: one stamp a slot, then one bit a slot for "held", then one bit a slot for "held anonymously", then, where
    // there is one, the address of what is kept for health probes: no breaker without it carries a word for it.
    [[nodiscard]] std::uint64_t& held_word(std::uint32_t slot) const noexcept { return words_[size_ + slot / 64]; }
    [[nodiscard]] std::uint64_t& anonymous_word(std::uint32_t slot) const noexcept {
        return words_[size_ + bit_words() + slot / 64];
    }
    [[nodiscard]] std::uint32_t bit_words() const noexcept { return (std::uint32_t{size_} + 63) / 64; }
    [[nodiscard]] std::uint32_t health_word() const noexcept { return size_ + 2 * bit_words(); }
    [[nodiscard]] static std::uint64_t bit(std::uint32_t slot) noexcept { return std::uint64_t{1} << (slot % 64); }
    [[nodiscard]] bool held(std::uint32_t slot) const noexcept { return (held_word(slot) & bit(slot)) != 0; }
    [[nodiscard]] bool anonymous(std::uint32_t slot) const noexcept { return (anonymous_word(slot) & bit(slot)) != 0; }
    [[nodiscard]] TimePoint stamp(std::uint32_t slot) const noexcept {
        return TimePoint{Duration{static_cast<std::int64_t>(words_[slot])}};
    }
    [[nodiscard]] std::uint32_t oldest(bool anonymous_only) const noexcept;
    void free(std::uint32_t slot) noexcept;

    std::unique_ptr<std::uint64_t[]> words_;
    std::uint16_t size_ : 15;  // at most 1000, as the configuration allows
    std::uint16_t keeps_health_ : 1 = 0;
    std::uint16_t in_flight_ = 0;
};

}  // namespace resilience::inline v1::detail
