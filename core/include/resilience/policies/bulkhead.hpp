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
// Waiting. try_acquire never waits. `acquire_for` and a pipeline stand in a bounded queue of `queue_size` places, first
// come first served:
//
//     Bulkhead database{"orders_db", {.max_concurrent = 40, .queue_size = 100, .max_wait = 200ms}};
//     auto permit = database.acquire_for(200ms);               // or: queue_full, queue_timeout
//
// - Nobody overtakes: while somebody waits, try_acquire is refused, also for the moment a place is on its way.
// - A waiter that gives up takes nothing with it; a place that was on its way to it goes to the next.
// - Whoever returns a permit hands the place to the first in line, after every lock; the waiter's own thread or driver
//   goes on. A refusal carries no retry_after, as nobody knows when a call will end.
//
// Threads: every member may be called from any thread; a permit belongs to one thread at a time but may be settled on
// another than it was taken on. The bulkhead is neither copied nor moved and must outlive its permits: debug builds
// abort with its name when it is destroyed while one is out. Its destructor sends everybody in its queue away and
// waits until the threads that sleep there have left.
// Cost: try_acquire one load and one CAS, the return one subtraction, a refusal one load and one striped counter; no
// lock, no allocation, no clock. A wait takes a short lock, as does the return that serves it. 256 bytes, counters for
// two hardware threads included, 80 more with a queue, and a histogram of one stripe with `record_wait`; 8 bytes for a
// permit.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <resilience/base/admission.hpp>
#include <resilience/base/event_channel.hpp>
#include <resilience/base/inlining.hpp>
#include <resilience/base/outcome.hpp>
#include <resilience/base/rejection.hpp>
#include <resilience/base/time.hpp>
#include <resilience/measure/striped_counters.hpp>
#include <resilience/policies/bulkhead_config.hpp>
#include <resilience/policies/bulkhead_line.hpp>
#include <resilience/policies/place_in_line.hpp>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

namespace resilience::inline v1 {

class BulkheadPartition;

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

    // Waits in the queue for at most `max_wait` on this thread. Refused with bulkhead_full where there is no queue or
    // no time to wait, queue_full, queue_timeout, cancelled once `stop` is requested, shutting_down. A free place is
    // taken whatever `max_wait` is.
    Admission<Permit> acquire_for(Duration max_wait, const std::stop_token& stop = {});

    // Changes the limit and returns at once. 0 to 2^24 - 1, else ConfigError; 0 is the lever that drains: calls finish,
    // none begins. The next acquire obeys the new limit, waiters for whom there is a place now get it; permits that are
    // out stay out. Event limit_changed.
    void set_max_concurrent(std::uint32_t max_concurrent);

    // A part of the callers gets `reserved` places that nobody else can take; bulkhead_partition.hpp is to be included.
    // Throws ConfigError for a bad name, for one that another of its partitions bears and for more than is left; what
    // is out stays out. From then on set_max_concurrent refuses a limit below all that is reserved, except 0.
    [[nodiscard]] BulkheadPartition partition(std::string_view name, PartitionConfig config);

    // Calls in pipelines that come from now on wait for at most this long; those that wait keep their own limit. A
    // negative one becomes 0: never wait.
    void set_max_wait(Duration max_wait) noexcept {
        max_wait_.store(std::max(max_wait, Duration::zero()).count(), std::memory_order_relaxed);
    }

    // From now on every acquire is refused with shutting_down, and so is everybody in the queue; permits that are out
    // stay valid. For good.
    void close();

    // Takes two short locks that a call takes only when it waits. Its permits carry no clock: how long the oldest of
    // them has been out is not known. Throws std::bad_alloc, with partitions or record_wait only.
    [[nodiscard]] BulkheadStats stats(TimePoint now = Clock::now()) const;

    // Empty when unnamed; lives as long as the process.
    [[nodiscard]] std::string_view name() const noexcept { return name_; }

    // What is in force now; max_concurrent as last set.
    [[nodiscard]] BulkheadConfig config() const noexcept {
        return {.max_concurrent = max_concurrent_.load(std::memory_order_relaxed),
                .queue_size = line_.queue_size(),
                .max_wait = max_wait(),
                .record_wait = line_.records()};
    }
    [[nodiscard]] Duration max_wait() const noexcept { return Duration{max_wait_.load(std::memory_order_relaxed)}; }

    // `changes` is limit_changed; `calls` are permitted, refused and finished, at the cost of a lock and, outside a
    // pipeline, of reading the clock for each call. The listener of `finished` runs after the place has been returned.
    Subscription on_event(Listener listener, EventKinds kinds = EventKinds::changes);

    // ---- for drivers -----------------------------------------------------------------------------------------------
    // Takes a free place, else counts nothing and takes nothing. `now` only dates the events.
    [[nodiscard]] bool enter(Permit& permit, TimePoint now) noexcept;
    // Counts and words a refusal of somebody who does not wait.
    [[nodiscard]] Rejection refuse(TimePoint now) noexcept;
    // Whether somebody who has time may wait here at all.
    [[nodiscard]] bool opens_line(std::uint64_t = 1) const noexcept { return line_.queue_size() != 0; }

    // ---- for PlaceInLine, which says what they mean ----------------------------------------------------------------
    [[nodiscard]] bool join_line(Waiter& waiter, TimePoint now, const WaitTerms& terms, Rejection& why) noexcept;
    [[nodiscard]] TimePoint look_in_line(Waiter&, TimePoint) const noexcept { return never; }
    [[nodiscard]] bool leave_line(Waiter& waiter, RejectionReason reason, TimePoint now, Rejection& why) noexcept;
    [[nodiscard]] Rejection rejection_of(RejectionReason reason) const noexcept;
    [[nodiscard]] Permit adopt(Waiter& waiter, TimePoint now) noexcept;
    void return_turn(Waiter& waiter, TimePoint now) noexcept;
    void depart() noexcept { line_.depart(); }

  private:
    enum Counter : std::size_t {
        bulkhead_full,
        queue_full,
        queue_timeout,
        deadline_exceeded,
        cancelled,
        shutting_down,
        counters
    };
    friend class BulkheadPartition;
    struct Checked;
    explicit Bulkhead(const Checked& checked);
    static Counter counter_of(RejectionReason reason) noexcept;

    // Stands for "nobody told us the time": whoever needs it reads the clock.
    static constexpr TimePoint unknown = TimePoint::min();

    bool admit(TimePoint now) noexcept {
        if (!line_.try_admit()) [[unlikely]]
            return false;
        if (events_.wants(EventKind::permitted)) [[unlikely]]
            publish_permitted(now);
        return true;
    }
    void settle(CallResult result, TimePoint now) noexcept {
        // Nothing of the bulkhead is touched after the place is back unless somebody waits or listens.
        const bool told = events_.wants(EventKind::finished);
        line_.release();
        if (told) [[unlikely]]
            publish_finished(result, now);
    }
    RejectionReason count_refusal(TimePoint now) noexcept;
    void take_in(BulkheadPartition& partition);
    void let_go(BulkheadPartition& partition) noexcept;
    [[nodiscard]] bool lets_partitions_in() const noexcept {
        return !closed_.load(std::memory_order_relaxed) && max_concurrent_.load(std::memory_order_relaxed) != 0;
    }
    void publish_permitted(TimePoint now) noexcept;
    Rejection refuse_because(RejectionReason reason, TimePoint now) noexcept;
    void send_everybody_away(BasicDeliveries<>& deliveries) noexcept;
    void enqueue_refused(RejectionReason reason, TimePoint now) noexcept;
    void publish_finished(CallResult result, TimePoint now) noexcept;

    BulkheadLine line_;
    std::atomic<std::uint32_t> max_concurrent_;  // what was last set; the line obeys it less `reserved_`, 0 once closed
    std::uint32_t reserved_ = 0;                 // by partitions; guarded, as their list, by the lock of the levers
    std::atomic<std::int64_t> max_wait_;
    std::atomic<bool> closed_{false};
    std::string_view name_;
    StripedCounters<counters> counters_;
    EventChannel events_;
    BulkheadPartition* partitions_ = nullptr;
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
    friend class BulkheadPartition;
    explicit Permit(Bulkhead& bulkhead) noexcept : bulkhead_(&bulkhead) {}

    Bulkhead* bulkhead_ = nullptr;
};

RESILIENCE_HOT Admission<Bulkhead::Permit> Bulkhead::try_acquire() noexcept {
    if (admit(unknown)) [[likely]]
        return Permit(*this);
    // Written where the caller wants it: a refusal made elsewhere would have to be copied.
    return Admission<Permit>(std::unexpect, count_refusal(unknown), PolicyKind::bulkhead, name_);
}

// Counted here unless there is something to find out first.
RESILIENCE_HOT RejectionReason Bulkhead::count_refusal(TimePoint now) noexcept {
    if (closed_.load(std::memory_order_relaxed) || events_.wants(EventKind::refused)) [[unlikely]]
        return refuse(now).reason;
    counters_.add(bulkhead_full);
    return RejectionReason::bulkhead_full;
}

RESILIENCE_HOT bool Bulkhead::enter(Permit& permit, TimePoint now) noexcept {
    if (!admit(now)) [[unlikely]]
        return false;
    permit = Permit(*this);
    return true;
}

}  // namespace resilience::inline v1
