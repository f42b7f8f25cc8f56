#pragma once

// The line in front of a token bucket, or of another source of tokens: who waits for how many tokens, and who is served
// next.
//
// Users want rate_limiter.hpp. What holds:
//   - waiting reserves nothing in the bucket: a waiter that leaves has taken nothing, and those behind it move up;
//   - first come first served, also between large and small requests: while somebody waits, nobody else gets a token;
//   - whoever's moment comes serves everybody whose tokens are there, from the front, so that one thread which sleeps
//     too long delays the line by no more than the next one's moment.
//
// Each waiter knows the moment at which its tokens are there if those before it stay. When the first one's comes
// sooner, because somebody left or the rate was raised, it is called to look again. All of it happens under the line's
// lock, which is never held while somebody is told.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <mutex>
#include <optional>
#include <resilience/base/atomics.hpp>
#include <resilience/base/time.hpp>
#include <resilience/base/waiter.hpp>
#include <resilience/measure/token_bucket.hpp>

namespace resilience::inline v1 {

// `Source` is what the tokens come from: a bucket, a window, a log.
template <class Atomics = StandardAtomics, class Source = BasicTokenBucket<Atomics>>
class BasicTokenLine {
  public:
    using Waiter = BasicWaiter<Atomics>;
    using Bucket = Source;
    using Deliveries = BasicDeliveries<Atomics>;

    enum class Joined : std::uint8_t { yes, full, closed, too_late, too_many };
    // after_delivery: it is out of the line, but a call was on its way and brings the end.
    enum class Withdrawn : std::uint8_t { gone, after_delivery, served_before };
    struct Waiting {
        std::uint32_t depth = 0;
        std::optional<TimePoint> oldest_since{};
    };
    struct Answer {
        Joined joined = Joined::yes;
        Duration wait{};  // until the tokens are there: what a refusal gives as retry_after
    };

    explicit BasicTokenLine(Duration max_wait, std::uint32_t max_waiters) noexcept
        : max_wait_(max_wait.count()), max_waiters_(max_waiters) {}
    BasicTokenLine(const BasicTokenLine&) = delete;
    BasicTokenLine& operator=(const BasicTokenLine&) = delete;

    // Somebody waits, who is in nobody's way that asks for no token, or nobody gets in any more. One relaxed load: who
    // comes at the same moment as the first waiter may be before it or after it.
    [[nodiscard]] bool blocks(std::uint64_t tokens) const noexcept {
        const std::uint64_t ahead = ahead_.load(std::memory_order_relaxed);
        return ahead != 0 && (tokens != 0 || ahead == closed_mark);
    }
    [[nodiscard]] bool closed() const noexcept { return ahead_.load(std::memory_order_relaxed) == closed_mark; }
    // Tokens that are asked for by those who wait; nothing once closed.
    [[nodiscard]] std::optional<std::uint64_t> ahead() const noexcept {
        const std::uint64_t ahead = ahead_.load(std::memory_order_relaxed);
        return ahead == closed_mark ? std::nullopt : std::optional(ahead);
    }

    [[nodiscard]] Duration max_wait() const noexcept { return Duration{max_wait_.load(std::memory_order_relaxed)}; }
    [[nodiscard]] std::uint32_t max_waiters() const noexcept { return max_waiters_.load(std::memory_order_relaxed); }
    void set_limits(Duration max_wait, std::uint32_t max_waiters) noexcept {
        max_wait_.store(max_wait.count(), std::memory_order_relaxed);
        max_waiters_.store(max_waiters, std::memory_order_relaxed);
    }

    // Stands at the end of the line, if the tokens are there by `until` and before `deadline`.
    [[nodiscard]] Answer join(Bucket& bucket, Waiter& waiter, TimePoint now, TimePoint until,
                              TimePoint deadline) noexcept {
        const std::lock_guard lock(mutex_);
        if (closed()) return {.joined = Joined::closed};
        if (waiter.tokens > bucket.capacity()) return {.joined = Joined::too_many};
        const Duration wait = bucket.time_until(waiter.tokens, now, ahead_.load(std::memory_order_relaxed));
        if (list_.size() >= max_waiters()) return {.joined = Joined::full, .wait = wait};
        waiter.moment = saturating_add(now, wait);
        if (waiter.moment > until || waiter.moment >= deadline) return {.joined = Joined::too_late, .wait = wait};
        if (waiter.blocking) sleepers_.fetch_add(1, std::memory_order_relaxed);
        waiter.state.store(WaitState::queued, std::memory_order_relaxed);
        list_.push_back(waiter);
        add_ahead(waiter.tokens);
        return {.joined = Joined::yes, .wait = wait};
    }
    // Serves whom it can. The moment at which this waiter has to look again, unless it was served or called.
    [[nodiscard]] TimePoint look(Bucket& bucket, Waiter& waiter, TimePoint now) noexcept {
        Deliveries deliveries;
        TimePoint moment = never;
        {
            const std::lock_guard lock(mutex_);
            if (waiter.state.load(std::memory_order_relaxed) == WaitState::queued) {
                serve_locked(bucket, now, deliveries, &waiter);
                if (waiter.state.load(std::memory_order_relaxed) == WaitState::queued) {
                    moment = look_again_at(bucket, waiter, now);
                }
            }
        }
        deliveries.deliver();
        return moment;
    }
    // Gives up for the reason `why`, which an end that comes by delivery brings along.
    [[nodiscard]] Withdrawn withdraw(Bucket& bucket, Waiter& waiter, TimePoint now, const Rejection& why) noexcept {
        Deliveries deliveries;
        bool gone = false;
        {
            const std::lock_guard lock(mutex_);
            WaitState state = waiter.state.load(std::memory_order_relaxed);
            if (state != WaitState::queued && state != WaitState::called) return Withdrawn::served_before;
            unlink(waiter);
            state = WaitState::queued;
            gone = waiter.state.compare_exchange_strong(state, WaitState::idle, std::memory_order_acq_rel);
            if (!gone) {
                waiter.why = why;
                deliveries.end(waiter, true);
            }
            serve_locked(bucket, now, deliveries, nullptr);
        }
        deliveries.deliver();
        return gone ? Withdrawn::gone : Withdrawn::after_delivery;
    }
    // The last thing that a `blocking` waiter that joined does here.
    void depart() noexcept {
        // Release: pairs with empty_of_sleepers().
        sleepers_.fetch_sub(1, std::memory_order_release);
    }

    // After a change of rate: who asks for more than the bucket can hold now is sent away, after `each` has seen it.
    template <class Each>
    void judge_again(Bucket& bucket, TimePoint now, Each&& each, Deliveries& deliveries) noexcept {
        const std::lock_guard lock(mutex_);
        const std::uint64_t capacity = bucket.capacity();
        for (Waiter* waiter = list_.front(); waiter != nullptr;) {
            Waiter& asks = *waiter;
            waiter = waiter->next;
            if (asks.tokens <= capacity) continue;
            unlink(asks);
            each(asks);
            deliveries.end(asks, true);
        }
        serve_locked(bucket, now, deliveries, nullptr);
    }
    // Nobody gets in any more, and whoever waits is sent away, each after `each` has seen it.
    template <class Each>
    void close(Each&& each, Deliveries& deliveries) noexcept {
        const std::lock_guard lock(mutex_);
        while (Waiter* const first = list_.front()) {
            list_.remove(*first);
            each(*first);
            deliveries.end(*first, true);
        }
        ahead_.store(closed_mark, std::memory_order_relaxed);
    }

    [[nodiscard]] Waiting waiting() const noexcept {
        const std::lock_guard lock(mutex_);
        Waiting waiting{.depth = list_.size()};
        if (const Waiter* const first = list_.front()) waiting.oldest_since = first->since;
        return waiting;
    }
    [[nodiscard]] bool empty_of_sleepers() const noexcept { return sleepers_.load(std::memory_order_acquire) == 0; }

  private:
    static constexpr std::uint64_t closed_mark = std::numeric_limits<std::uint64_t>::max();

    void add_ahead(std::uint64_t tokens) noexcept {
        ahead_.store(ahead_.load(std::memory_order_relaxed) + tokens, std::memory_order_relaxed);
    }
    void unlink(Waiter& waiter) noexcept {
        list_.remove(waiter);
        add_ahead(std::uint64_t{0} - waiter.tokens);
    }
    void serve_locked(Bucket& bucket, TimePoint now, Deliveries& deliveries, const Waiter* asking) noexcept {
        while (Waiter* const first = list_.front()) {
            if (!bucket.try_take(first->tokens, now)) break;
            unlink(*first);
            deliveries.end(*first, false);
        }
        Waiter* const first = list_.front();
        if (first == nullptr || first == asking) return;
        const TimePoint moment = saturating_add(now, bucket.time_until(first->tokens, now));
        if (moment >= first->moment) return;
        first->moment = moment;
        deliveries.call(*first);
    }
    [[nodiscard]] TimePoint look_again_at(const Bucket& bucket, Waiter& waiter, TimePoint now) noexcept {
        if (&waiter == list_.front()) {
            waiter.moment = saturating_add(now, bucket.time_until(waiter.tokens, now));
        } else if (waiter.moment <= now) {
            // Late, because the rate fell or the bucket was drained. At the latest when everybody has been served.
            waiter.moment = saturating_add(
                now, bucket.time_until(waiter.tokens, now, ahead_.load(std::memory_order_relaxed) - waiter.tokens));
        }
        return std::max(waiter.moment, saturating_add(now, Duration{1}));
    }

    typename Atomics::template Atomic<std::uint64_t> ahead_{0};
    typename Atomics::template Atomic<std::int64_t> max_wait_;
    typename Atomics::template Atomic<std::uint32_t> max_waiters_;
    typename Atomics::template Atomic<std::uint32_t> sleepers_{0};
    mutable typename Atomics::Mutex mutex_;
    BasicWaitList<Atomics> list_;
};

using TokenLine = BasicTokenLine<StandardAtomics>;

}  // namespace resilience::inline v1
