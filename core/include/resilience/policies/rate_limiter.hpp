#pragma once

// Limits how often something happens: a token bucket that refills at a steady rate and allows a bounded burst.
//
//     RateLimiter limiter{"sms", {.capacity = 20, .refill_rate = 10}};     // 10 a second, 20 at once
//     if (!limiter.acquire()) return too_many_requests();
//
//     if (auto answer = limiter.try_acquire(); !answer) {                  // the form that says when
//         return too_many_requests(answer.error().retry_after);            // usable exactly as given
//     }
//
// Promise: the tokens admitted with a `now` in [s, t] are never more than capacity + refill_rate * (t - s), from any
// number of threads; at rates whose interval is not a multiple of 1/p ns with p <= 16 the same with t - s + 1 ns. The
// rate is read as the simplest fraction its double can mean, so nothing drifts: 3 per second are 3,000,000 in a million
// seconds. The proof is in measure/token_bucket.hpp.
//
// - A new limiter is full, and so is an idle one: never more than `capacity`.
// - More tokens than `capacity` are refused at once with exceeds_capacity and without retry_after: waiting cannot help.
// - 0 tokens are always admitted, take nothing and count as a request, so that a cost computed as 0 needs no special
//   case.
// - Refused callers take nothing. Among callers that do not wait there is no fairness: one that asks for many tokens
// can
//   be overtaken by others that ask for few.
// - The bound is by the `now` each caller gave. A thread that read the clock and then slept is judged by its old `now`;
//   it may be refused although tokens have come since. By the wall clock add refill_rate * the longest such sleep.
// - Tokens are not given back when the call is refused further inside: that would break the bound.
//
// Waiting. `acquire_for`, and a pipeline where the config has a `max_wait`, stand in a bounded line, first come first
// served, large requests and small ones alike:
//
//     RateLimiter limiter{"sms", {.capacity = 20, .refill_rate = 10, .max_wait = 500ms}};
//     auto answer = limiter.acquire_for(1, 500ms);                         // or rate_limited, at once
//
// - When a token will be there is known, so a wait that cannot fit is refused at once, with the true retry_after.
// - Waiting reserves nothing: whoever leaves has taken nothing, and those behind move up.
// - While somebody waits, acquire and try_acquire are refused, with a retry_after behind the whole line.
//
// Threads: every member may be called from any thread; the limiter is neither copied nor moved and outlives its
// callers; its destructor sends everybody in its line away and waits until the threads that sleep there have left.
// Cost: admitted one CAS and one striped counter, refused one load and one striped counter; no lock, no allocation, no
// clock but the default argument's. A wait takes a short lock. 256 bytes, counters for two hardware threads included;
// 96 more once somebody may wait.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <resilience/base/event_channel.hpp>
#include <resilience/base/inlining.hpp>
#include <resilience/base/rejection.hpp>
#include <resilience/base/time.hpp>
#include <resilience/measure/striped_counters.hpp>
#include <resilience/measure/token_bucket.hpp>
#include <resilience/policies/place_in_line.hpp>
#include <resilience/policies/rate_limiter_config.hpp>
#include <resilience/policies/rate_limiter_line.hpp>
#include <stop_token>
#include <string>
#include <string_view>

namespace resilience::inline v1 {

class RateLimiter {
  public:
    // Unnamed: not exported, its rejections carry no name. Throws ConfigError naming every bad field. A negative or
    // fractional capacity arrives here as a whole number already (-1 as 1.8e19, 0.5 as 0) and is refused by its range.
    RateLimiter(std::uint64_t capacity, double refill_rate);
    explicit RateLimiter(RateLimiterConfig config);

    // Throws ConfigError, also for a name that is empty, too long or not UTF-8.
    RateLimiter(std::string name, RateLimiterConfig config);

    RateLimiter(const RateLimiter&) = delete;
    RateLimiter& operator=(const RateLimiter&) = delete;
    ~RateLimiter();

    // Takes `tokens` if they are there and nobody waits for them, else nothing.
    [[nodiscard]] bool acquire(std::uint64_t tokens = 1, TimePoint now = Clock::now()) noexcept {
        if (line_.load(std::memory_order_relaxed) != nullptr) [[unlikely]]
            return acquire_beside_line(tokens, now);
        if (bucket_.try_take(tokens, now)) [[likely]] {
            count_admission(now);
            return true;
        }
        if (never_fits(tokens) || events_.wants(EventKind::refused)) [[unlikely]]
            return static_cast<void>(refuse(tokens, now)), false;
        counters_.add(rate_limited);
        return false;
    }

    // As acquire; a refusal says why and when: rate_limited with the time until the first nanosecond at which the same
    // request succeeds if nobody comes between, or exceeds_capacity. Working out when costs one division more.
    [[nodiscard]] std::expected<void, Rejection> try_acquire(std::uint64_t tokens = 1,
                                                             TimePoint now = Clock::now()) noexcept {
        if (enter(tokens, now)) [[likely]]
            return {};
        if (line_.load(std::memory_order_relaxed) != nullptr || never_fits(tokens) || events_.wants(EventKind::refused))
            [[unlikely]]
            return std::unexpected(refuse(tokens, now));
        counters_.add(rate_limited);
        // Written where the caller wants it: a refusal made elsewhere would have to be copied.
        return std::expected<void, Rejection>(std::unexpect, RejectionReason::rate_limited, PolicyKind::rate_limiter,
                                              name(), bucket_.time_until(tokens, now));
    }

    // Waits in the line for at most `max_wait` on this thread. Refused at once with rate_limited when the tokens come
    // later than that, exceeds_capacity, queue_full, or cancelled once `stop` is requested; queue_timeout if the rate
    // was lowered meanwhile. May throw std::bad_alloc the first time somebody waits here; then nothing has happened.
    [[nodiscard]] std::expected<void, Rejection> acquire_for(std::uint64_t tokens, Duration max_wait,
                                                             const std::stop_token& stop = {});

    // Changes capacity and rate while calls run; they never wait for it. The *tokens* in the bucket stay, cut at the
    // new capacity: 1 of 1 becomes 1 of 1000, never 1000 of 1000. The bound over a change is the capacity at the
    // window's start + the integral of the rate. Those who wait are judged again at once: served, sent away with
    // exceeds_capacity, or moved to another moment. Event limit_changed carries the refill rates. Throws ConfigError or
    // std::bad_alloc, and then nothing has changed. Each change keeps 64 bytes until the limiter dies.
    void set_rate(RateLimiterConfig config, TimePoint now = Clock::now());

    // Takes every whole token that is there and returns how many those were. Event lever. Not counted as a request.
    std::uint64_t drain(TimePoint now = Clock::now()) noexcept;

    // From now on everything is refused with shutting_down, and so is everybody in the line. For good. May throw
    // std::bad_alloc; then nothing has changed.
    void close();

    // Takes two short locks that a call takes only when it waits.
    [[nodiscard]] RateLimiterStats stats(TimePoint now = Clock::now()) const;

    // Empty when unnamed; lives as long as the process.
    [[nodiscard]] std::string_view name() const noexcept { return {name_, name_length_}; }

    // What is in force now, all of it of the same set_rate.
    [[nodiscard]] RateLimiterConfig config() const;

    // `changes` are limit_changed and lever; `calls` are permitted and refused, at the cost of a lock for each call.
    Subscription on_event(Listener listener, EventKinds kinds = EventKinds::changes);

    // ---- for drivers -----------------------------------------------------------------------------------------------
    // Takes the tokens and counts the admission, else counts nothing and takes nothing.
    [[nodiscard]] RESILIENCE_HOT bool enter(std::uint64_t tokens, TimePoint now) noexcept {
        // Acquire: the line behind the pointer is seen.
        const TokenLine* const line = line_.load(std::memory_order_acquire);
        if (line != nullptr && line->blocks(tokens)) [[unlikely]]
            return false;
        if (!bucket_.try_take(tokens, now)) [[unlikely]]
            return false;
        count_admission(now);
        return true;
    }
    // Counts and words a refusal of somebody who does not wait.
    [[nodiscard]] Rejection refuse(std::uint64_t tokens, TimePoint now) noexcept;
    // Whether somebody who has time may wait for this many tokens; makes the line the first time. Throws
    // std::bad_alloc.
    [[nodiscard]] bool opens_line(std::uint64_t tokens) { return !never_fits(tokens) && (line(), true); }
    // How long a call in a pipeline may wait for this many tokens: 0 if not at all.
    [[nodiscard]] Duration longest_wait(std::uint64_t tokens) const noexcept;

    // ---- for PlaceInLine, which says what they mean ----------------------------------------------------------------
    struct Turn {};
    [[nodiscard]] bool join_line(Waiter& waiter, TimePoint now, const WaitTerms& terms, Rejection& why) noexcept;
    [[nodiscard]] TimePoint look_in_line(Waiter& waiter, TimePoint now) noexcept;
    [[nodiscard]] bool leave_line(Waiter& waiter, RejectionReason reason, TimePoint now, Rejection& why) noexcept;
    [[nodiscard]] Rejection rejection_of(RejectionReason reason) const noexcept;
    Turn adopt(Waiter&, TimePoint now) noexcept { return count_admission(now), Turn{}; }
    // The tokens are spent: giving them back would break the bound.
    void return_turn(Waiter&, TimePoint now) noexcept { count_admission(now); }
    void depart() noexcept { line_.load(std::memory_order_relaxed)->depart(); }

  private:
    enum Counter : std::size_t {
        admitted,
        rate_limited,
        exceeds_capacity,
        queue_full,
        queue_timeout,
        deadline_exceeded,
        cancelled,
        shutting_down,
        counters
    };
    static Counter counter_of(RejectionReason reason) noexcept;
    struct Checked;
    explicit RateLimiter(const Checked& checked);

    void count_admission(TimePoint now) noexcept {
        counters_.add(admitted);
        if (events_.wants(EventKind::permitted)) [[unlikely]]
            publish_permitted(now);
    }
    // More than the bucket can ever hold. One token always fits, which spares the usual refusal the look-up.
    bool never_fits(std::uint64_t tokens) const noexcept { return tokens > 1 && tokens > bucket_.capacity(); }
    [[gnu::noinline]] bool acquire_beside_line(std::uint64_t tokens, TimePoint now) noexcept;
    TokenLine& line();
    void send_everybody_away(TokenLine& closing, BasicDeliveries<>& deliveries) noexcept;
    Rejection too_many(std::uint64_t tokens) const noexcept;
    Rejection rejection(std::uint64_t tokens, TimePoint now) const noexcept;
    Rejection refuse_because(const Rejection& why, TimePoint now) noexcept;
    void publish_permitted(TimePoint now) noexcept;
    void enqueue_refused(const Rejection& why, TimePoint now) noexcept;

    // The members fill the room that the bucket's alignment would leave empty.
    [[no_unique_address]] TokenBucket bucket_;
    const char* name_;  // interned
    // Made when somebody may wait for the first time, or at close, and then never replaced.
    std::atomic<TokenLine*> line_{nullptr};
    // With the small member in its tail.
    [[no_unique_address]] StripedCounters<counters> counters_;
    std::uint8_t name_length_;
    EventChannel events_;
};

}  // namespace resilience::inline v1
