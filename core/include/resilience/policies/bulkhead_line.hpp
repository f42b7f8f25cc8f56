#pragma once

// The places of a bulkhead and the line in front of them: who gets in, who waits, and who is told.
//
// Users want bulkhead.hpp. Promises, explored with the memory orders of bulkhead_word.hpp:
//   - never more than the limit inside, except those let in before it was lowered;
//   - nobody overtakes: while somebody waits, try_admit refuses, also for the moment a place is on its way to a waiter;
//   - no place is lost: a waiter that gives up while its place is on the way still gets it, and passes it on;
//   - nobody sleeps beside a free place: a release that meets a waiter serves the line, and so does whoever joins.
//
// The line has its own lock, never held while somebody is told (see base/waiter.hpp). try_admit and a release that
// meets nobody take no lock. A bulkhead without places to wait has no line and no lock at all.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <resilience/base/atomics.hpp>
#include <resilience/base/waiter.hpp>
#include <resilience/measure/latency_histogram.hpp>
#include <resilience/policies/bulkhead_word.hpp>

namespace resilience::inline v1 {

template <class Atomics = StandardAtomics>
class BasicBulkheadLine {
  public:
    using Waiter = BasicWaiter<Atomics>;
    using Word = BasicBulkheadWord<Atomics>;

    enum class Joined : std::uint8_t { yes, full, closed };
    struct Waiting {
        std::uint32_t depth = 0;
        std::optional<TimePoint> oldest_since{};
    };

    // `queue_size` places to wait. Allocates the line if there are any; throws std::bad_alloc. Waits are recorded only
    // where there is a line.
    BasicBulkheadLine(std::uint32_t limit, std::uint32_t queue_size, bool record_wait = false)
        : limit_(limit), queue_size_(queue_size), room_(queue_size == 0 ? nullptr : std::make_unique<Room>()) {
        if (record_wait && room_ != nullptr) room_->waits = std::make_unique<Waits>();
    }
    ~BasicBulkheadLine() = default;
    BasicBulkheadLine(const BasicBulkheadLine&) = delete;
    BasicBulkheadLine& operator=(const BasicBulkheadLine&) = delete;

    [[nodiscard]] bool try_admit() noexcept {
        // Acquire: whoever sees the limit of a closed bulkhead sees that it is closed and gives the right reason.
        return word_.try_admit(limit_.load(std::memory_order_acquire));
    }
    // Gives a place back, to the first in line if somebody waits. Nothing is touched afterwards if nobody does.
    void release() noexcept {
        if (word_.release()) [[unlikely]]
            serve();
    }

    // Stands at the end of the line. The grant may arrive before this returns.
    [[nodiscard]] Joined join(Waiter& waiter) noexcept {
        BasicDeliveries<Atomics> deliveries;
        {
            const std::lock_guard lock(room_->mutex);
            if (room_->closed) return Joined::closed;
            if (room_->list.size() >= queue_size_) return Joined::full;
            if (waiter.blocking) room_->sleepers.fetch_add(1, std::memory_order_relaxed);
            waiter.state.store(WaitState::queued, std::memory_order_relaxed);
            room_->list.push_back(waiter);
            if (word_.announce_waiter(limit_.load(std::memory_order_relaxed))) serve_locked(deliveries);
        }
        deliveries.deliver();
        return Joined::yes;
    }
    // True: it has left the line and taken nothing. False: it was popped before, and its delivery is coming.
    [[nodiscard]] bool withdraw(Waiter& waiter) noexcept {
        const std::lock_guard lock(room_->mutex);
        if (waiter.state.load(std::memory_order_relaxed) != WaitState::queued) return false;
        room_->list.remove(waiter);
        if (room_->list.empty()) word_.nobody_waits();
        waiter.state.store(WaitState::idle, std::memory_order_relaxed);
        return true;
    }
    // The last thing that a `blocking` waiter that joined does here, however its wait ended.
    void depart() noexcept {
        // Release: pairs with empty_of_sleepers().
        room_->sleepers.fetch_sub(1, std::memory_order_release);
    }

    // The next try obeys it, and waiters for whom there is a place now get it: the caller delivers, after its own
    // locks.
    void set_limit(std::uint32_t limit, BasicDeliveries<Atomics>& deliveries) noexcept {
        if (room_ == nullptr) return limit_.store(limit, std::memory_order_relaxed);
        const std::lock_guard lock(room_->mutex);
        limit_.store(limit, std::memory_order_relaxed);
        serve_locked(deliveries);
    }
    // Nobody gets in any more and whoever waits is sent away, each after `each` has seen it under the lock.
    template <class Each>
    void close(Each&& each, BasicDeliveries<Atomics>& deliveries) noexcept {
        // Release: pairs with try_admit.
        if (room_ == nullptr) return limit_.store(0, std::memory_order_release);
        const std::lock_guard lock(room_->mutex);
        room_->closed = true;
        limit_.store(0, std::memory_order_release);
        while (Waiter* const first = room_->list.front()) {
            room_->list.remove(*first);
            each(*first);
            deliveries.end(*first, true);
        }
        word_.nobody_waits();
    }

    [[nodiscard]] typename Word::Reading read() const noexcept { return word_.read(); }
    [[nodiscard]] std::uint32_t queue_size() const noexcept { return queue_size_; }
    [[nodiscard]] Waiting waiting() const noexcept {
        if (room_ == nullptr) return {};
        const std::lock_guard lock(room_->mutex);
        Waiting waiting{.depth = room_->list.size()};
        if (const Waiter* const first = room_->list.front()) waiting.oldest_since = first->since;
        return waiting;
    }
    [[nodiscard]] bool records() const noexcept { return room_ != nullptr && room_->waits != nullptr; }
    // How long somebody waited who was served from the line and makes use of it. Only where it records().
    void record(Duration waited) noexcept { room_->waits->of_served.add(waited); }
    // How long everybody waited who got in: 0 for those who never stood in the line. Throws std::bad_alloc.
    [[nodiscard]] std::optional<LatencyPicture> waits() const {
        if (!records()) return std::nullopt;
        LatencyPicture picture = room_->waits->of_served.picture();
        const std::lock_guard lock(room_->mutex);
        // Both under the lock under which the line is served: what was admitted otherwise only grows.
        const std::uint64_t at_once = word_.read().admitted - room_->waits->served;
        picture.buckets.front() += at_once;
        picture.count += at_once;
        return picture;
    }
    // No thread that sleeps here is still between joining and leaving.
    [[nodiscard]] bool empty_of_sleepers() const noexcept {
        return room_ == nullptr || room_->sleepers.load(std::memory_order_acquire) == 0;
    }

  private:
    struct Waits {
        // One stripe: whoever was served has been through the lock of the line anyway.
        BasicLatencyHistogram<Atomics> of_served{LatencyScale::standard(), 1};
        std::uint64_t served = 0;  // guarded by the lock of the line
    };
    struct Room {
        mutable typename Atomics::Mutex mutex;
        BasicWaitList<Atomics> list;
        bool closed = false;
        typename Atomics::template Atomic<std::uint32_t> sleepers{0};
        std::unique_ptr<Waits> waits{};
    };

    [[gnu::cold, gnu::noinline]] void serve() noexcept {
        BasicDeliveries<Atomics> deliveries;
        {
            const std::lock_guard lock(room_->mutex);
            serve_locked(deliveries);
        }
        deliveries.deliver();
    }
    void serve_locked(BasicDeliveries<Atomics>& deliveries) noexcept {
        const std::uint32_t limit = limit_.load(std::memory_order_relaxed);
        while (Waiter* const first = room_->list.front()) {
            if (!word_.admit_waiter(limit, room_->list.size() == 1)) return;
            room_->list.remove(*first);
            if (room_->waits != nullptr) ++room_->waits->served;
            deliveries.end(*first, false);
        }
    }

    Word word_;
    typename Atomics::template Atomic<std::uint32_t> limit_;  // 0 once closed
    std::uint32_t queue_size_;
    std::unique_ptr<Room> room_;
};

using BulkheadLine = BasicBulkheadLine<StandardAtomics>;

}  // namespace resilience::inline v1
