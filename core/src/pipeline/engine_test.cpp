// What the call machine promises whatever happens to a call: permits return, time and counters are exact, and nothing
// recurses or allocates.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <for_tests/counted_allocations.hpp>
#include <for_tests/origin.hpp>
#include <memory>
#include <optional>
#include <resilience/pipeline/manual_time.hpp>
#include <resilience/pipeline/pipeline.hpp>
#include <resilience/pipeline/virtual_time.hpp>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <tuple>
#include <vector>

namespace resilience::inline v1 {
namespace engine_test {

using namespace std::chrono_literals;
using for_tests::allocations;

using Reply = std::expected<int, std::string>;
Reply down() { return std::unexpected("down"); }

constexpr RetryConfig every_second{.max_attempts = 3, .base_delay = 1s, .multiplier = 1.0, .jitter = false};

// One of each policy; the calls themselves live in the time of the test.
class Engine : public testing::Test {
  public:
    void expect_at_rest(TimePoint now) {
        EXPECT_EQ(bulkhead.stats().in_use, 0U);
        EXPECT_EQ(breaker.stats(now).in_flight, 0U);
        EXPECT_EQ(retry.stats().sleeping, 0U);
    }

    CircuitBreaker breaker{"engine_breaker", {.failure_threshold = 1.0, .min_requests = 1'000'000}};
    RateLimiter limiter{"engine_limiter", {.capacity = 1000, .refill_rate = 1000}};
    Bulkhead bulkhead{"engine_bulkhead", 4};
    Retry retry{"engine_retry", every_second};
};

TEST_F(Engine, an_abandoned_call_returns_its_permits) {
    std::optional<VirtualHold> hold;
    {
        VirtualTime time{1, for_tests::origin()};
        Pipeline slots_outside{bulkhead, retry, breaker};
        auto held = time.start(slots_outside, [&] { hold = time.hold(); });
        auto in_back_off = time.start(slots_outside, down);
        auto between_attempts = time.start(Pipeline{breaker, retry, bulkhead}, [&]() -> Reply {
            time.take(100ms);
            return down();
        });
        time.advance(500ms);
        EXPECT_EQ(bulkhead.stats().in_use, 2U);
        EXPECT_EQ(breaker.stats(time.now()).in_flight, 2U);
        EXPECT_EQ(retry.stats().sleeping, 2U);
        EXPECT_FALSE(held.done() || in_back_off.done() || between_attempts.done());
    }
    hold->end();
    expect_at_rest(for_tests::origin() + 500ms);
    EXPECT_EQ(breaker.stats(for_tests::origin() + 500ms).cancelled, 2U) << "dropped permits are ignored";
    EXPECT_EQ(retry.stats().gave_up, 3U);
}

TEST_F(Engine, a_cancelled_back_off_ends_at_once) {
    VirtualTime time{1, for_tests::origin()};
    auto call = time.start(Pipeline{bulkhead, retry, breaker}, down);
    time.advance(300ms);
    call.cancel();
    call.cancel();
    EXPECT_FALSE(call.done()) << "nothing happens inside of cancel";
    time.advance(0s);
    ASSERT_TRUE(call.done());
    EXPECT_EQ(call.answer().error().reason, RejectionReason::cancelled);
    expect_at_rest(time.now());
    EXPECT_EQ(breaker.stats(time.now()).failure, 1U) << "the attempt itself had failed before";
    time.run();
    EXPECT_EQ(time.elapsed(), 1s) << "the timer of the back-off finds nothing to do";
    EXPECT_EQ(breaker.stats(time.now()).requests, 1U);
}

TEST_F(Engine, a_cancelled_attempt_keeps_its_permits_until_it_has_really_ended) {
    for (const bool answers : {true, false}) {
        VirtualTime time{1, for_tests::origin()};
        CircuitBreaker judge("engine_judge");
        std::optional<VirtualHold> hold;
        std::stop_token asked_to_stop;
        auto call = time.start(Pipeline{retry, judge, bulkhead}, [&](CallContext& context) -> Reply {
            hold = time.hold();
            asked_to_stop = context.stop_token();
            if (answers) return 200;
            return down();
        });
        time.advance(1s);
        call.cancel();
        time.advance(1s);
        EXPECT_TRUE(asked_to_stop.stop_requested());
        EXPECT_FALSE(call.done());
        EXPECT_EQ(bulkhead.stats().in_use, 1U);
        hold->end();
        time.run();
        ASSERT_TRUE(call.done());
        EXPECT_EQ(call.answer().has_value(), answers) << "an answer that is there is kept";
        EXPECT_EQ(judge.stats(time.now()).failure, 0U);
        EXPECT_EQ(judge.stats(time.now()).cancelled, answers ? 0U : 1U);
        expect_at_rest(time.now());
    }
}

TEST_F(Engine, polling_more_often_than_needed_changes_nothing) {
    struct Trickling {  // wakes up a hundred times in every wait
        ManualTime time{1, for_tests::origin()};
        int wakes = 0;
        [[nodiscard]] TimePoint now() const noexcept { return time.now(); }
        void wait_until(TimePoint until, const std::stop_token&, Parker&) {
            ++wakes;
            time.advance(std::min<Duration>(until - time.now(), 10ms));
        }
        [[nodiscard]] Random& random() noexcept { return time.random(); }
    } trickling;
    CallReport report;
    Pipeline guarded{bulkhead, retry, breaker, limiter};
    const auto answer = guarded.execute_in(trickling, CallOptions{.report = &report}, {}, down);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->error(), "down");
    EXPECT_GE(trickling.wakes, 200);
    EXPECT_EQ(report.attempts, 3U);
    EXPECT_EQ(report.waited_in_backoff, 2s);
    EXPECT_EQ(trickling.now(), for_tests::origin() + 2s);
    EXPECT_EQ(limiter.stats(trickling.now()).requests, 3U);
    EXPECT_EQ(retry.stats().retries, 2U);
    expect_at_rest(trickling.now());
}

TEST_F(Engine, a_hundred_thousand_attempts_without_delay_do_not_recurse) {
    constexpr std::uint32_t attempts = 100'000;
    Pipeline guarded{RetryConfig{.max_attempts = attempts, .base_delay = 0s, .jitter = false}, breaker};
    std::uintptr_t lowest = UINTPTR_MAX, highest = 0;
    std::uint32_t calls = 0;
    const auto where_it_stands = [&]() -> Reply {
        if (++calls > 1) {  // the first one runs on the way in
            const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
            lowest = std::min(lowest, here);
            highest = std::max(highest, here);
        }
        return down();
    };
    ManualTime blocking{1, for_tests::origin()};
    (void)guarded.execute_in(blocking, {}, {}, where_it_stands);
    EXPECT_EQ(calls, attempts);
    EXPECT_EQ(lowest, highest) << "every attempt stands at the same depth";
    calls = 0;
    lowest = UINTPTR_MAX;
    highest = 0;
    VirtualTime time{1, for_tests::origin()};
    (void)time.execute(guarded, where_it_stands);
    EXPECT_EQ(calls, attempts);
    EXPECT_EQ(lowest, highest) << "every attempt stands at the same depth";
    EXPECT_EQ(time.elapsed(), 0s);
}

TEST_F(Engine, an_answer_that_is_replaced_is_destroyed) {
    struct Counted {
        explicit Counted(int& alive) noexcept : alive_(&alive) { ++*alive_; }
        Counted(Counted&& other) noexcept : alive_(other.alive_) { ++*alive_; }
        ~Counted() { --*alive_; }
        int* alive_;
    };
    int alive = 0, calls = 0, most = 0;
    const auto count = [&] {
        most = std::max(most, alive + 1);
        ++calls;
        return Counted(alive);
    };
    const auto always_failing = classify([](const Counted&) { return Outcome::failure; });
    ManualTime blocking{1, for_tests::origin()};
    EXPECT_TRUE((Pipeline{always_failing, retry}).execute_in(blocking, {}, {}, count));
    EXPECT_TRUE((Pipeline{always_failing, retry, bulkhead, breaker}).execute_in(blocking, {}, {}, count));
    EXPECT_TRUE(
        (Pipeline{always_failing, allow_nested_retry, retry, every_second}).execute_in(blocking, {}, {}, count));
    EXPECT_EQ(calls, 3 + 3 + 9);
    EXPECT_EQ(most, 1) << "the earlier answer is gone before the next attempt begins";
    {
        VirtualTime time{1, for_tests::origin()};
        EXPECT_TRUE(time.execute(Pipeline{always_failing, retry, bulkhead}, count));
        auto abandoned = time.start(Pipeline{always_failing, retry}, count);
    }
    EXPECT_EQ(alive, 0);
}

TEST_F(Engine, twenty_thousand_calls_on_one_thread_reconcile) {
    constexpr std::uint64_t calls = 20'000;
    VirtualTime time(7, for_tests::origin());
    Pipeline guarded{retry, breaker, limiter, bulkhead};
    Random random(11);
    std::uint64_t began = 0;
    std::vector<std::optional<VirtualCall<Answer<Reply>>>> started(calls);
    for (std::uint64_t number = 0; number < calls; ++number) {
        const TimePoint at = time.now() + std::chrono::microseconds(number * 500);
        time.at(at, [&, number] {
            const CallOptions options{.timeout = number % 5 == 0 ? std::optional<Duration>(1500ms) : std::nullopt};
            started[number] = time.start(guarded, options, [&]() -> Reply {
                ++began;
                time.take(std::chrono::microseconds(random.next() % 20'000));
                if (random.unit() < 0.2) return down();
                if (random.unit() < 0.1) throw std::runtime_error("down");
                return 200;
            });
        });
        if (number % 7 == 0) time.at(at + 5ms, [&, number] { started[number]->cancel(); });
    }
    time.run();

    EXPECT_TRUE(std::ranges::all_of(started, [](const auto& call) { return call->done(); }));
    const auto of_breaker = breaker.stats(time.now());
    const auto of_limiter = limiter.stats(time.now());
    const auto of_bulkhead = bulkhead.stats();
    const auto of_retry = retry.stats();
    EXPECT_EQ(of_retry.attempts, of_breaker.requests);
    EXPECT_EQ(of_retry.calls, of_retry.success_first + of_retry.success_retried + of_retry.exhausted +
                                  of_retry.not_retryable + of_retry.gave_up);
    EXPECT_EQ(of_breaker.admitted, of_limiter.requests);
    EXPECT_EQ(of_limiter.admitted, of_bulkhead.requests);
    EXPECT_EQ(of_bulkhead.admitted, began);
    EXPECT_EQ(of_bulkhead.admitted, of_bulkhead.settled);
    EXPECT_EQ(of_breaker.admitted, of_breaker.success + of_breaker.failure + of_breaker.ignored);
    EXPECT_EQ(of_retry.calls, calls);
    expect_at_rest(time.now());
    for (const std::uint64_t met :
         {of_limiter.rejected.total(), of_bulkhead.rejected.total(), of_breaker.cancelled, of_breaker.failure,
          of_retry.success_retried, of_retry.exhausted, of_retry.gave_up}) {
        EXPECT_GT(met, 0U) << "the mix leaves out one of the ways a call can go";
    }
}

TEST_F(Engine, the_same_seed_gives_the_same_run_event_by_event) {
    using Moment = std::tuple<int, std::uint32_t, Duration>;
    const auto run_of = [](std::uint64_t seed) {
        VirtualTime time(seed, for_tests::origin());
        Pipeline guarded{RetryConfig{.max_attempts = 4, .jitter_kind = JitterKind::full}, BulkheadConfig{20}};
        std::vector<Moment> moments;
        for (int number = 0; number < 50; ++number) {
            std::ignore = time.start(guarded, [&moments, &time, number](CallContext& call) {
                moments.emplace_back(number, call.attempt(), time.elapsed());
                time.take(5ms);
                return down();
            });
        }
        time.run();
        return moments;
    };
    const auto first = run_of(42);
    EXPECT_GT(first.size(), 50U);
    EXPECT_EQ(first, run_of(42));
    EXPECT_NE(first, run_of(43));
}

TEST_F(Engine, a_blocking_call_allocates_nothing) {
    ManualTime time{1, for_tests::origin()};
    Pipeline guarded{classify([](int status) { return status == 200 ? Outcome::success : Outcome::failure; }), retry,
                     breaker, limiter, bulkhead};
    CallReport report;
    const CallOptions options{.timeout = 60s, .report = &report};
    const std::stop_source source;
    const std::stop_token stop = source.get_token();
    const auto allocated_by = [&](int status) {
        const std::size_t before = allocations;
        const auto answer = guarded.execute_in(time, options, stop, [&] { return status; });
        (void)answer;
        return allocations - before;
    };
    const std::size_t before = allocations;
    EXPECT_EQ(*std::make_unique<int>(1), 1);
    ASSERT_EQ(allocations - before, 1U) << "the counter counts";

    EXPECT_EQ(allocated_by(200), 0U);
    EXPECT_EQ(allocated_by(503), 0U);
    EXPECT_EQ(report.attempts, 3U);
    breaker.force_open(time.now());
    EXPECT_EQ(allocated_by(200), 0U);
    EXPECT_EQ(report.refused->reason, RejectionReason::forced_open);
    breaker.reset(time.now());
    bulkhead.set_max_concurrent(0);
    EXPECT_EQ(allocated_by(200), 0U);
    EXPECT_EQ(report.refused->reason, RejectionReason::bulkhead_full);
    (void)limiter.drain(time.now());
    EXPECT_EQ(allocated_by(200), 0U);
}

}  // namespace engine_test
}  // namespace resilience::inline v1
