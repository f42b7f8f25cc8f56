#include <algorithm>
#include <bit>
#include <resilience/policies/circuit_breaker_probes.hpp>
#include <resilience/policies/health_probing.hpp>
#include <utility>

namespace resilience::inline v1::detail {

ProbeSlots::ProbeSlots(std::uint32_t slots, RoomForHealth room)
    : words_(std::make_unique<std::uint64_t[]>(slots + 2 * ((std::size_t{slots} + 63) / 64) +
                                               (room == RoomForHealth::reserved ? 1 : 0))),
      size_(static_cast<std::uint16_t>(slots & 0x7fff)) {}

ProbeSlots::~ProbeSlots() { delete health(); }

void ProbeSlots::keep(std::unique_ptr<HealthProbing> health) {
    const std::uint32_t word = health_word();
    auto words = std::make_unique<std::uint64_t[]>(word + 1);
    std::copy_n(words_.get(), word, words.get());
    words[word] = std::bit_cast<std::uint64_t>(health.release());
    words_ = std::move(words);
    keeps_health_ = 1;
}

std::uint32_t ProbeSlots::take(TimePoint stamp, ProbeHolder holder) noexcept {
    std::uint32_t slot = 0;
    while (held_word(slot) == ~std::uint64_t{0}) slot += 64;
    slot += static_cast<std::uint32_t>(std::countr_one(held_word(slot)));
    words_[slot] = static_cast<std::uint64_t>(stamp.time_since_epoch().count());
    held_word(slot) |= bit(slot);
    if (holder == ProbeHolder::anonymous) anonymous_word(slot) |= bit(slot);
    ++in_flight_;
    return slot;
}

void ProbeSlots::free(std::uint32_t slot) noexcept {
    held_word(slot) &= ~bit(slot);
    anonymous_word(slot) &= ~bit(slot);
    --in_flight_;
}

bool ProbeSlots::give_back(std::uint32_t slot, TimePoint stamp) noexcept {
    if (slot >= size_ || !held(slot) || anonymous(slot) || this->stamp(slot) != stamp) return false;
    free(slot);
    return true;
}

bool ProbeSlots::give_back_oldest_anonymous() noexcept {
    const std::uint32_t slot = oldest(true);
    if (slot == none) return false;
    free(slot);
    return true;
}

std::uint32_t ProbeSlots::oldest(bool anonymous_only) const noexcept {
    std::uint32_t found = none;
    std::uint32_t left = in_flight_;
    for (std::uint32_t slot = 0; slot < size_ && left > 0; ++slot) {
        if (!held(slot)) continue;
        --left;
        if (anonymous_only && !anonymous(slot)) continue;
        if (found == none || stamp(slot) < stamp(found)) found = slot;
    }
    return found;
}

TimePoint ProbeSlots::oldest_stamp() const noexcept {
    const std::uint32_t slot = oldest(false);
    return slot == none ? never : stamp(slot);
}

std::optional<ProbeSlots::Reclaimed> ProbeSlots::reclaim_one(TimePoint now, Duration lease) noexcept {
    const std::uint32_t slot = oldest(false);
    if (slot == none) return std::nullopt;
    const TimePoint end = saturating_add(stamp(slot), lease);
    if (end == never || now < end) return std::nullopt;
    const Reclaimed reclaimed{stamp(slot), anonymous(slot) ? ProbeHolder::anonymous : ProbeHolder::permit};
    free(slot);
    return reclaimed;
}

void ProbeSlots::move_into(ProbeSlots& larger) noexcept {
    for (std::uint32_t slot = 0; slot < size_; ++slot) {
        larger.words_[slot] = words_[slot];
        if (held(slot)) larger.held_word(slot) |= bit(slot);
        if (anonymous(slot)) larger.anonymous_word(slot) |= bit(slot);
    }
    if (keeps_health_) larger.words_[larger.health_word()] = words_[health_word()];
    // One by one: what follows this object may lie in its own last bytes.
    std::swap(words_, larger.words_);
    const std::uint16_t size = size_;
    size_ = larger.size_;
    larger.size_ = size & 0x7fff;
}

std::uint32_t ProbeSlots::clear() noexcept {
    std::uint32_t anonymous_ones = 0;
    for (std::uint32_t slot = 0; slot < size_; slot += 64) {
        anonymous_ones += static_cast<std::uint32_t>(std::popcount(anonymous_word(slot)));
        held_word(slot) = 0;
        anonymous_word(slot) = 0;
    }
    in_flight_ = 0;
    return anonymous_ones;
}

}  // namespace resilience::inline v1::detail
