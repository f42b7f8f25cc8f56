#pragma once

// The measured loops: one function for each row, counted by instruction_counts and timed by operation_times.
//
// Each runs its operation n times and returns how often the operation did what the row says; the caller fails when that
// is not n. Every operation ends in an atomic read-modify-write on a policy that lives as long as the program, so none
// can be optimised away; a row whose work had vanished would show the loop alone: 2 or 3 instructions.
//
// `now` is given and stands still, except in the rows of whole calls, which read the clock as a user's call does. No
// lambdas in here: the counting tool knows these functions by their names, and a lambda's name begins with that of its
// function.

#include <chrono>
#include <cstdint>
#include <resilience/pipeline/any_pipeline.hpp>
#include <resilience/pipeline/pipeline.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <resilience/policies/retry.hpp>
#include <string_view>

namespace bench {

using namespace resilience;

inline const TimePoint now = Clock::now();
inline const TimePoint later = now + std::chrono::milliseconds(3);

// Never refuse within a run, so that a row measures one path only.
inline constexpr RateLimiterConfig plenty{.capacity = 4'000'000'000, .refill_rate = 1e9};
inline constexpr std::uint32_t places = 64;

inline CircuitBreaker healthy{"healthy"};
inline CircuitBreaker failing{"failing"};
inline CircuitBreaker opened{"opened"};
inline CircuitBreaker timed{"timed", {.record_latency = true}};
inline CircuitBreaker two_step{"two_step"};
inline RateLimiter limiter{"limiter", plenty};
inline RateLimiter drained{"drained", {.capacity = 1, .refill_rate = 1e-8}};
inline Bulkhead bulkhead{"bulkhead", places};
inline Bulkhead full{"full", 1};
inline Retry retry{"retry"};

// Whole calls have policies of their own: those above live at a moment that stands still, and would refuse a caller who
// comes with it after another one has shown them the present.
inline CircuitBreaker call_breaker{"call"};
inline RateLimiter call_limiter{"call", plenty};
inline Bulkhead call_bulkhead{"call", places};
inline const Pipeline guarded{call_breaker, call_limiter, call_bulkhead};
inline const Pipeline retried{retry, call_breaker, call_limiter, call_bulkhead};
inline const AnyPipeline any_guarded{guarded};

// Brings the refusing policies into the state that their rows measure. The permit that fills `full` lives until the
// program ends.
inline void prepare() {
    static_cast<void>(drained.acquire(1, now));
    static auto kept = full.try_acquire();
    for (int call = 0; call < 10; ++call) {
        opened.record_result(false, now);  // its default configuration opens at 10 calls and stays open for 60 s
    }
}

// What the pipelines guard: a call that the compiler cannot see through, of 3 instructions.
inline int answer = 1;
struct Callee {
    [[gnu::noinline]] int operator()() const {
        asm volatile("" : "+r"(answer));
        return answer;
    }
};

}  // namespace bench

[[gnu::noinline]] inline long measured_breaker_healthy(long n) {
    long done = 0;
    for (long i = 0; i < n; ++i) {
        auto permit = bench::healthy.try_acquire(bench::now);
        if (!permit) continue;
        permit->settle(bench::Outcome::success, bench::now);
        ++done;
    }
    return done;
}

// One failure, then 99 successes, in two loops so that the row does not count a division; n is a multiple of 100.
[[gnu::noinline]] inline long measured_breaker_failing(long n) {
    long done = 0;
    for (long i = 0; i < n; i += 100) {
        auto failed = bench::failing.try_acquire(bench::now);
        if (!failed) continue;
        failed->settle(bench::Outcome::failure, bench::now);
        ++done;
        for (int success = 1; success < 100; ++success) {
            auto permit = bench::failing.try_acquire(bench::now);
            if (!permit) continue;
            permit->settle(bench::Outcome::success, bench::now);
            ++done;
        }
    }
    return done;
}

// Healthy, and keeping how long calls take.
[[gnu::noinline]] inline long measured_breaker_latency(long n) {
    long done = 0;
    for (long i = 0; i < n; ++i) {
        auto permit = bench::timed.try_acquire(bench::now);
        if (!permit) continue;
        permit->settle(bench::Outcome::success, bench::later);
        ++done;
    }
    return done;
}

[[gnu::noinline]] inline long measured_breaker_rejected(long n) {
    long done = 0;
    for (long i = 0; i < n; ++i) {
        const auto permit = bench::opened.try_acquire(bench::now);
        if (permit) continue;
        // All of it is asked for, or the compiler would leave out what is not.
        const bench::Rejection& why = permit.error();
        const bool complete = why.kind == bench::PolicyKind::circuit_breaker && !why.policy.empty() && why.retry_after;
        done += why.reason == bench::RejectionReason::circuit_open && complete ? 1 : 0;
    }
    return done;
}

// The refusal as a bare bool, without reason and moment.
[[gnu::noinline]] inline long measured_two_step_rejected(long n) {
    long done = 0;
    for (long i = 0; i < n; ++i) done += bench::opened.allow(bench::now) ? 0 : 1;
    return done;
}

[[gnu::noinline]] inline long measured_two_step(long n) {
    long done = 0;
    for (long i = 0; i < n; ++i) {
        if (!bench::two_step.allow(bench::now)) continue;
        bench::two_step.record_result(true, bench::now);
        ++done;
    }
    return done;
}

[[gnu::noinline]] inline long measured_limiter_admitted(long n) {
    long done = 0;
    for (long i = 0; i < n; ++i) done += bench::limiter.acquire(1, bench::now) ? 1 : 0;
    return done;
}

[[gnu::noinline]] inline long measured_limiter_rejected(long n) {
    long done = 0;
    for (long i = 0; i < n; ++i) done += bench::drained.acquire(1, bench::now) ? 0 : 1;
    return done;
}

// The same with the reason and the moment worth coming back at.
[[gnu::noinline]] inline long measured_limiter_rejected_when(long n) {
    long done = 0;
    for (long i = 0; i < n; ++i) {
        const auto admission = bench::drained.try_acquire(1, bench::now);
        done += !admission && admission.error().retry_after ? 1 : 0;
    }
    return done;
}

[[gnu::noinline]] inline long measured_bulkhead(long n) {
    long done = 0;
    for (long i = 0; i < n; ++i) {
        const auto permit = bench::bulkhead.try_acquire();
        done += permit ? 1 : 0;
    }
    return done;
}

[[gnu::noinline]] inline long measured_bulkhead_rejected(long n) {
    long done = 0;
    for (long i = 0; i < n; ++i) {
        const auto permit = bench::full.try_acquire();
        done += !permit && permit.error().reason == bench::RejectionReason::bulkhead_full ? 1 : 0;
    }
    return done;
}

[[gnu::noinline]] inline long measured_pipeline(long n) {
    long done = 0;
    for (long i = 0; i < n; ++i) {
        const auto result = bench::guarded.execute(bench::Callee{});
        done += result ? *result : 0;
    }
    return done;
}

[[gnu::noinline]] inline long measured_pipeline_with_retry(long n) {
    long done = 0;
    for (long i = 0; i < n; ++i) {
        const auto result = bench::retried.execute(bench::Callee{});
        done += result ? *result : 0;
    }
    return done;
}

// The policies of measured_pipeline without a pipeline, as a user would write it.
[[gnu::noinline]] inline long measured_by_hand(long n) {
    long done = 0;
    for (long i = 0; i < n; ++i) {
        const bench::TimePoint begin = bench::Clock::now();
        auto permit = bench::call_breaker.try_acquire(begin);
        if (!permit || !bench::call_limiter.acquire(1, begin)) continue;
        auto place = bench::call_bulkhead.try_acquire();
        if (!place) continue;
        const int result = bench::Callee{}();
        const bench::TimePoint end = bench::Clock::now();
        place->settle(bench::Outcome::success, end);
        permit->settle(bench::Outcome::success, end);
        done += result;
    }
    return done;
}

// The clock read before and after the callee: what each of the three rows above contains of it.
[[gnu::noinline]] inline long measured_clock(long n) {
    long done = 0;
    for (long i = 0; i < n; ++i) {
        const bench::TimePoint begin = bench::Clock::now();
        const int result = bench::Callee{}();
        done += bench::Clock::now() >= begin ? result : 0;
    }
    return done;
}

// The policies of measured_pipeline behind a type that does not name them.
[[gnu::noinline]] inline long measured_any_pipeline(long n) {
    long done = 0;
    for (long i = 0; i < n; ++i) {
        const auto result = bench::any_guarded.execute(bench::Callee{});
        done += result ? *result : 0;
    }
    return done;
}

namespace bench {

struct Row {
    std::string_view name;
    long (*measured)(long);
};

inline constexpr Row rows[] = {
    {"breaker_healthy", measured_breaker_healthy},
    {"breaker_failing", measured_breaker_failing},
    {"breaker_latency", measured_breaker_latency},
    {"breaker_rejected", measured_breaker_rejected},
    {"two_step", measured_two_step},
    {"two_step_rejected", measured_two_step_rejected},
    {"limiter_admitted", measured_limiter_admitted},
    {"limiter_rejected", measured_limiter_rejected},
    {"limiter_rejected_when", measured_limiter_rejected_when},
    {"bulkhead", measured_bulkhead},
    {"bulkhead_rejected", measured_bulkhead_rejected},
    {"pipeline", measured_pipeline},
    {"pipeline_with_retry", measured_pipeline_with_retry},
    {"by_hand", measured_by_hand},
    {"clock", measured_clock},
    {"any_pipeline", measured_any_pipeline},
};

}  // namespace bench
