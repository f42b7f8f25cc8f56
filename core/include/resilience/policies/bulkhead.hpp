#pragma once

// Limits how many calls run at once, so that one slow dependency cannot take every thread and connection.
//
//     Bulkhead database{"orders_db", 40};                      // 80 % of a pool of 50
//     auto permit = database.try_acquire();
//     if (!permit) return unavailable(permit.error());         // bulkhead_full, at once
//     query();                                                 // the place is held until `permit` dies or is settled
//
// Promises:
// - Never more than max_concurrent permits are out, at any instant and from any number of threads, except those given
//   out before the limit was lowered. Whoever is refused met a full bulkhead: nobody is refused for a permit that no
//   one holds.
// - A permit returns exactly once: when it is settled, released or destroyed, whichever comes first, also when an
//   exception passes. Settling it again does nothing.
// - What was done under a permit is seen by whoever gets its place next.
//
// Nobody waits here: try_acquire never blocks and a full bulkhead refuses at once, without retry_after, as nobody knows
// when a call will end.
//
// Threads: every member may be called from any thread; a permit belongs to one thread at a time but may be settled on
// another than it was taken on. The bulkhead is neither copied nor moved and must outlive its permits: debug builds
// abort with its name when it is destroyed while one is out.
// Cost: try_acquire one load and one CAS, the return one subtraction, a refusal one load and one striped counter; no
// lock, no allocation, no clock. 256 bytes, counters for two hardware threads included; 8 bytes for a permit.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <resilience/base/admission.hpp>
#include <resilience/base/event_channel.hpp>
#include <resilience/base/outcome.hpp>
#include <resilience/base/rejection.hpp>
#include <resilience/base/time.hpp>
#include <resilience/measure/striped_counters.hpp>
#include <resilience/policies/bulkhead_config.hpp>
#include <resilience/policies/bulkhead_word.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace resilience::inline v1 {

class alignas(cache_line) Bulkhead {
  public:
    class Permit;

    // Throws ConfigError naming every bad field, the name included. Negative numbers arrive here as huge ones and are
    // refused by their range.
    Bulkhead(std::string name, std::uint32_t max_concurrent, std::uint32_t queue_size = 0);
    Bulkhead(std::string name, BulkheadConfig config);

    // Unnamed: not exported, its rejections carry no name.
    explicit Bulkhead(BulkheadConfig config);

    ~Bulkhead();
    Bulkhead(const Bulkhead&) = delete;
    Bulkhead& operator=(const Bulkhead&) = delete;

    // A permit, or bulkhead_full, or shutting_down after close().
    Admission<Permit> try_acquire() noexcept;

    // The engine's form of try_acquire: fills `permit` (empty before) and returns true, or writes `why` and returns
    // false. The form with `now` is for drivers with a clock of their own; `now` only dates the events.
    [[nodiscard]] bool enter(Permit& permit, Rejection& why) noexcept;
    [[nodiscard]] bool enter(Permit& permit, TimePoint now, Rejection& why) noexcept;

    // Changes the limit and returns at once. 0 to 2^24 - 1, else ConfigError; 0 is the lever that drains: calls finish,
    // none begins. The next acquire obeys the new limit; permits that are out stay out. Event limit_changed.
    void set_max_concurrent(std::uint32_t max_concurrent);

    // From now on every acquire is refused with shutting_down; permits that are out stay valid. For good.
    void close();

    // Takes a short lock that no call ever takes.
    [[nodiscard]] BulkheadStats stats() const;

    // Empty when unnamed; lives as long as the process.
    [[nodiscard]] std::string_view name() const noexcept { return name_; }

    // What is in force now; max_concurrent as last set.
    [[nodiscard]] BulkheadConfig config() const noexcept {
        return {.max_concurrent = max_concurrent_.load(std::memory_order_relaxed), .queue_size = queue_size_};
    }

    // `changes` is limit_changed; `calls` are permitted, refused and finished, at the cost of a lock and, outside a
    // pipeline, of reading the clock for each call. The listener of `finished` runs after the place has been returned.
    Subscription on_event(Listener listener, EventKinds kinds = EventKinds::changes);

  private:
    enum Counter : std::size_t { bulkhead_full, shutting_down, counters };

    // Stands for "nobody told us the time": whoever needs it reads the clock.
    static constexpr TimePoint unknown = TimePoint::min();

    bool admit(TimePoint now) noexcept {
        // Acquire: whoever sees the limit of a closed bulkhead sees that it is closed and gives the right reason.
        if (!word_.try_admit(limit_.load(std::memory_order_acquire))) [[unlikely]]
            return false;
        if (events_.wants(EventKind::permitted)) [[unlikely]]
            publish_permitted(now);
        return true;
    }
    void settle(CallResult result, TimePoint now) noexcept {
        // Nothing of the bulkhead is touched after the place is back unless somebody listens.
        const bool told = events_.wants(EventKind::finished);
        word_.release();
        if (told) [[unlikely]]
            publish_finished(result, now);
    }
    Rejection refuse(TimePoint now) noexcept;
    void publish_permitted(TimePoint now) noexcept;
    void publish_finished(CallResult result, TimePoint now) noexcept;

    BulkheadWord word_;
    std::atomic<std::uint32_t> limit_;           // what try_acquire obeys: 0 once closed
    std::atomic<std::uint32_t> max_concurrent_;  // what was last set
    std::uint32_t queue_size_;
    std::atomic<bool> closed_{false};
    std::string_view name_;
    StripedCounters<counters> counters_;
    EventChannel events_;
};

// One place in a bulkhead. Move-only; the empty permit (default-made, moved from, settled) holds none.
class [[nodiscard("dropping a permit gives its place back at once")]] Bulkhead::Permit {
  public:
    Permit() noexcept = default;
    Permit(Permit&& other) noexcept : bulkhead_(std::exchange(other.bulkhead_, nullptr)) {}
    Permit& operator=(Permit&& other) noexcept {
        if (this != &other) {
            release();
            bulkhead_ = std::exchange(other.bulkhead_, nullptr);
        }
        return *this;
    }
    ~Permit() { release(); }

    // Gives the place back. The result is only told to listeners of `finished`; a bulkhead takes no side. Twice is
    // harmless.
    void settle(CallResult result, TimePoint now) noexcept {
        if (Bulkhead* const bulkhead = std::exchange(bulkhead_, nullptr)) bulkhead->settle(result, now);
    }
    void settle(Outcome outcome, TimePoint now) noexcept { settle(result_of(outcome), now); }
    void settle(CallResult result) noexcept { settle(result, unknown); }
    void settle(Outcome outcome) noexcept { settle(result_of(outcome), unknown); }

    // As letting the permit die: the result is `ignored`.
    void release() noexcept { settle(CallResult::ignored, unknown); }

    [[nodiscard]] explicit operator bool() const noexcept { return bulkhead_ != nullptr; }

  private:
    friend class Bulkhead;
    explicit Permit(Bulkhead& bulkhead) noexcept : bulkhead_(&bulkhead) {}

    Bulkhead* bulkhead_ = nullptr;
};

inline Admission<Bulkhead::Permit> Bulkhead::try_acquire() noexcept {
    if (admit(unknown)) [[likely]]
        return Permit(*this);
    return std::unexpected(refuse(unknown));
}

inline bool Bulkhead::enter(Permit& permit, TimePoint now, Rejection& why) noexcept {
    if (admit(now)) [[likely]] {
        permit = Permit(*this);
        return true;
    }
    why = refuse(now);
    return false;
}

inline bool Bulkhead::enter(Permit& permit, Rejection& why) noexcept { return enter(permit, unknown, why); }

}  // namespace resilience::inline v1
