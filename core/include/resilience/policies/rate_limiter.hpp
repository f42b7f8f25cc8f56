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
// - Refused callers take nothing, and nobody waits here. There is no fairness: a caller that asks for many tokens can
//   be overtaken by callers that ask for few.
// - The bound is by the `now` each caller gave. A thread that read the clock and then slept is judged by its old `now`;
//   it may be refused although tokens have come since. By the wall clock add refill_rate * the longest such sleep.
// - Tokens are not given back when the call is refused further inside: that would break the bound.
//
// Threads: every member may be called from any thread; the limiter is neither copied nor moved and outlives its
// callers. Cost: admitted one CAS and one striped counter, refused one load and one striped counter; no lock, no
// allocation, no clock but the default argument's. 256 bytes, counters for two hardware threads included.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <resilience/base/event_channel.hpp>
#include <resilience/base/rejection.hpp>
#include <resilience/base/time.hpp>
#include <resilience/measure/striped_counters.hpp>
#include <resilience/measure/token_bucket.hpp>
#include <resilience/policies/rate_limiter_config.hpp>
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

    // Takes `tokens` if they are there, else nothing.
    [[nodiscard]] bool acquire(std::uint64_t tokens = 1, TimePoint now = Clock::now()) noexcept {
        if (!bucket_.try_take(tokens, now)) [[unlikely]] {
            count_refusal(tokens, now);
            return false;
        }
        count_admission(now);
        return true;
    }

    // As acquire; a refusal says why and when: rate_limited with the time until the first nanosecond at which the same
    // request succeeds if nobody comes between, or exceeds_capacity. Working out when costs one division more.
    [[nodiscard]] std::expected<void, Rejection> try_acquire(std::uint64_t tokens = 1,
                                                             TimePoint now = Clock::now()) noexcept {
        if (!bucket_.try_take(tokens, now)) [[unlikely]]
            return std::unexpected(refuse(tokens, now));
        count_admission(now);
        return {};
    }

    // The engine's form of try_acquire: writes `why` only when it returns false.
    [[nodiscard]] bool enter(std::uint64_t tokens, TimePoint now, Rejection& why) noexcept {
        if (!bucket_.try_take(tokens, now)) [[unlikely]] {
            why = refuse(tokens, now);
            return false;
        }
        count_admission(now);
        return true;
    }

    // Changes capacity and rate while calls run; they never wait for it. The *tokens* in the bucket stay, cut at the
    // new capacity: 1 of 1 becomes 1 of 1000, never 1000 of 1000. The bound over a change is the capacity at the
    // window's start + the integral of the rate. Event limit_changed carries the refill rates. Throws ConfigError or
    // std::bad_alloc, and then nothing has changed. Each change keeps 64 bytes until the limiter dies.
    void set_rate(RateLimiterConfig config, TimePoint now = Clock::now());

    // Takes every whole token that is there and returns how many those were. Event lever. Not counted as a request.
    std::uint64_t drain(TimePoint now = Clock::now()) noexcept;

    // Takes a short lock that no call ever takes.
    [[nodiscard]] RateLimiterStats stats(TimePoint now = Clock::now()) const;

    // Empty when unnamed; lives as long as the process.
    [[nodiscard]] std::string_view name() const noexcept { return name_; }

    // What is in force now: capacity and rate of the same set_rate.
    [[nodiscard]] RateLimiterConfig config() const;

    // `changes` are limit_changed and lever; `calls` are permitted and refused, at the cost of a lock for each call.
    Subscription on_event(Listener listener, EventKinds kinds = EventKinds::changes);

  private:
    enum Counter : std::size_t { admitted, rate_limited, exceeds_capacity, counters };
    struct Checked;
    explicit RateLimiter(const Checked& checked);

    void count_admission(TimePoint now) noexcept {
        counters_.add(admitted);
        if (events_.wants(EventKind::permitted)) [[unlikely]]
            publish_permitted(now);
    }
    // More than the bucket can ever hold. One token always fits, which spares the usual refusal the look-up.
    bool never_fits(std::uint64_t tokens) const noexcept { return tokens > 1 && tokens > bucket_.capacity(); }
    void count_refusal(std::uint64_t tokens, TimePoint now) noexcept {
        counters_.add(never_fits(tokens) ? exceeds_capacity : rate_limited);
        if (events_.wants(EventKind::refused)) [[unlikely]]
            publish_refused(rejection(tokens, now), now);
    }
    Rejection refuse(std::uint64_t tokens, TimePoint now) noexcept;
    Rejection rejection(std::uint64_t tokens, TimePoint now) const noexcept;
    void publish_permitted(TimePoint now) noexcept;
    void publish_refused(const Rejection& why, TimePoint now) noexcept;

    // The members fill the room that the bucket's alignment would leave empty.
    [[no_unique_address]] TokenBucket bucket_;
    std::string_view name_;
    StripedCounters<counters> counters_;
    EventChannel events_;
};

}  // namespace resilience::inline v1
