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
//   can be overtaken by others that ask for few.
// - The bound is by the `now` each caller gave. A thread that read the clock and then slept is judged by its old `now`;
//   it may be refused although tokens have come since. By the wall clock add refill_rate * the longest such sleep.
// - Tokens are not given back when the call is refused further inside: that would break the bound. Where the cost is
//   known only afterwards, `reserve` takes an estimate, and settling it returns what the bound allows.
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
//
// The members it shares with the other limiters (acquire, try_acquire, acquire_for, close, stats, name, on_event) are
// in limiter_in_line.hpp.

#include <cstdint>
#include <resilience/base/admission.hpp>
#include <resilience/measure/token_bucket.hpp>
#include <resilience/policies/limiter_in_line.hpp>
#include <resilience/policies/rate_limiter_config.hpp>
#include <resilience/policies/reservation.hpp>
#include <string>

namespace resilience::inline v1 {

class RateLimiter : public LimiterInLine<TokenBucket> {
  public:
    // Unnamed: not exported, its rejections carry no name. Throws ConfigError naming every bad field. A negative or
    // fractional capacity arrives here as a whole number already (-1 as 1.8e19, 0.5 as 0) and is refused by its range.
    RateLimiter(std::uint64_t capacity, double refill_rate);
    explicit RateLimiter(RateLimiterConfig config);

    // Throws ConfigError, also for a name that is empty, too long or not UTF-8.
    RateLimiter(std::string name, RateLimiterConfig config);

    // Takes an estimate now, to be settled when the true cost is known; reservation.hpp says what that promises. Never
    // waits; refuses as try_acquire does. The first reservation allocates 128 bytes, and from then on every call of
    // this limiter does two atomic operations more. Without memory for it the tokens are taken and none come back.
    [[nodiscard]] Admission<Reservation> reserve(std::uint64_t estimate, TimePoint now = Clock::now()) noexcept;

    // Changes capacity and rate while calls run; they never wait for it. The *tokens* in the bucket stay, cut at the
    // new capacity: 1 of 1 becomes 1 of 1000, never 1000 of 1000. The bound over a change is the capacity at the
    // window's start + the integral of the rate. Those who wait are judged again at once: served, sent away with
    // exceeds_capacity, or moved to another moment. Event limit_changed carries the refill rates. Throws ConfigError or
    // std::bad_alloc, and then nothing has changed. Each change keeps 64 bytes until the limiter dies, 128 with
    // reservations.
    void set_rate(RateLimiterConfig config, TimePoint now = Clock::now());

    // Takes every whole token that is there and returns how many those were. Event lever. Not counted as a request.
    std::uint64_t drain(TimePoint now = Clock::now()) noexcept;

    // What is in force now, all of it of the same set_rate.
    [[nodiscard]] RateLimiterConfig config() const;

  private:
    friend class Reservation;
    Reservation::Settled settle(const TokenBucket::Reserved& reserved, std::uint64_t actual, TimePoint now) noexcept;
    struct Checked;
    explicit RateLimiter(const Checked& checked);
};

extern template class LimiterInLine<TokenBucket>;

}  // namespace resilience::inline v1
