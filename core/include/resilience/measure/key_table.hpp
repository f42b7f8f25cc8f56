#pragma once

// A hash table of small entries known by the digest of a key; the container of everything that is kept per key.
//
// Users want keyed_rate_limiter.hpp or keyed.hpp. One array, linear probing, at most three quarters full; it grows by
// three eighths, so it is never emptier than 54 % while it grows: an entry of 32 bytes weighs 43 to 59. Removing moves
// the entries behind the hole back and leaves no mark. It shrinks below a quarter, and an empty one holds no memory.
//
// The places follow from the digests alone. Whoever knows the seed can make keys meet; then a look-up walks past all of
// them. Threads: none; each table has one lock outside. No member throws: where memory is missing, the answer says so.
// Pointers to entries are good until the next insert, remove or shrink.
//
// An Entry has a member `digest`, is empty when default constructed, says so by empty(), and moves without throwing.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <resilience/measure/fraction.hpp>
#include <resilience/measure/key_view.hpp>
#include <utility>

namespace resilience::inline v1::detail {

template <class Entry>
class KeyTable {
  public:
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    // Places, taken or not; they are numbered from 0.
    [[nodiscard]] std::size_t places() const noexcept { return places_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return places_ * sizeof(Entry); }

    // The entry at a place, or none.
    [[nodiscard]] Entry* at(std::size_t place) noexcept { return entries_[place].empty() ? nullptr : &entries_[place]; }

    [[nodiscard]] Entry* find(const KeyDigest& digest) noexcept {
        if (size_ == 0) return nullptr;
        for (std::size_t place = home(digest);; place = after(place)) {
            Entry& entry = entries_[place];
            if (entry.empty()) return nullptr;
            if (entry.digest == digest) return &entry;
        }
    }

    // Room for one more. Without memory for a larger table goes on in this one while one place stays free.
    [[nodiscard]] bool make_room() noexcept {
        if ((size_ + 1) * 4 <= places_ * 3) return true;
        return rebuild(std::max(least_places, places_ + places_ * 3 / 8)) || size_ + 1 < places_;
    }

    // An entry for a key that is not there, after make_room(). It has its digest and is the caller's to fill.
    [[nodiscard]] Entry& insert(const KeyDigest& digest) noexcept {
        ++size_;
        Entry& entry = entries_[first_free(digest)];
        entry.digest = digest;
        return entry;
    }

    void remove(Entry& entry) noexcept {
        std::size_t hole = static_cast<std::size_t>(&entry - entries_.get());
        for (std::size_t place = after(hole); !entries_[place].empty(); place = after(place)) {
            // Whoever stands at least as far from its home as the hole is may stand in the hole.
            if (distance(home(entries_[place].digest), place) < distance(hole, place)) continue;
            entries_[hole] = std::move(entries_[place]);
            hole = place;
        }
        entries_[hole] = Entry{};
        --size_;
    }

    // After removals: gives memory back where much of it is empty, if there is memory to do so.
    void shrink() noexcept {
        if (size_ == 0) {
            entries_.reset();
            places_ = 0;
        } else if (size_ * 4 < places_ && places_ > least_places) {
            static_cast<void>(rebuild(std::max(least_places, size_ * 2)));
        }
    }

    // Looks at up to `looks` places from where the last call ended; `judge(entry)` says whether the entry goes, and may
    // not touch the table. Returns how many went. Over as many looks as places each entry is met.
    template <class Judge>
    std::size_t sweep(std::size_t looks, Judge&& judge) noexcept {
        std::size_t removed = 0;
        looks = std::min(looks, places_);
        for (std::size_t looked = 0; looked < looks;) {
            if (cursor_ >= places_) cursor_ = 0;
            Entry* const entry = at(cursor_);
            if (entry != nullptr && judge(*entry)) {
                // Another may have moved here.
                remove(*entry);
                ++removed;
                continue;
            }
            ++cursor_;
            ++looked;
        }
        return removed;
    }

  private:
    static constexpr std::size_t least_places = 8;

    // The upper bits of the hash choose; the lower ones have chosen the table.
    [[nodiscard]] std::size_t home(const KeyDigest& digest) const noexcept {
        return static_cast<std::size_t>((Unsigned128{digest.hash} * places_) >> 64);
    }
    [[nodiscard]] std::size_t after(std::size_t place) const noexcept { return place + 1 == places_ ? 0 : place + 1; }
    [[nodiscard]] std::size_t distance(std::size_t from, std::size_t to) const noexcept {
        return to >= from ? to - from : to + places_ - from;
    }
    [[nodiscard]] std::size_t first_free(const KeyDigest& digest) const noexcept {
        std::size_t place = home(digest);
        while (!entries_[place].empty()) place = after(place);
        return place;
    }

    bool rebuild(std::size_t places) noexcept {
        std::unique_ptr<Entry[]> entries(new (std::nothrow) Entry[places]);
        if (entries == nullptr) return false;
        std::swap(entries, entries_);
        std::swap(places, places_);
        for (std::size_t place = 0; place < places; ++place) {
            if (!entries[place].empty()) entries_[first_free(entries[place].digest)] = std::move(entries[place]);
        }
        return true;
    }

    std::unique_ptr<Entry[]> entries_;
    std::size_t places_ = 0;
    std::size_t size_ = 0;
    std::size_t cursor_ = 0;
};

}  // namespace resilience::inline v1::detail
