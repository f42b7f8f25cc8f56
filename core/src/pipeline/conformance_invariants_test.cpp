// Conformance rows that hold under any mix of operations, on one thread and on many: IN.

#include <atomic>
#include <for_tests/origin.hpp>
#include <resilience/pipeline/manual_time.hpp>
#include <resilience/pipeline/virtual_time.hpp>
#include <thread>
#include <utility>

#include "conformance_breaker.hpp"

namespace conformance {
namespace conformance_invariants_test {

template <class Work>
void in_threads(int threads, Work work) {
    std::vector<std::jthread> running;
    for (int thread = 0; thread < threads; ++thread) running.emplace_back([&work, thread] { work(thread); });
}

void expect_identities(const CircuitBreakerStats& stats) {
    ASSERT_EQ(stats.requests, stats.admitted + stats.rejected.total());
    ASSERT_EQ(stats.admitted, stats.success + stats.failure + stats.ignored + stats.in_flight);
    ASSERT_LE(stats.cancelled + stats.abandoned, stats.ignored);
    ASSERT_LE(stats.late, stats.success + stats.failure + stats.ignored);
}

// ---- IN-1: ten callers, ten thousand calls each, alternately a success and an ignored one

constexpr int callers = 10;
constexpr int calls_each = 10'000;

struct Judge {
    Outcome operator()(Outcome outcome) const { return outcome; }
};
Outcome alternately(int call) { return call % 2 == 0 ? Outcome::success : Outcome::ignored; }

void expect_all_counted(const CircuitBreaker& breaker) {
    const CircuitBreakerStats stats = breaker.stats(for_tests::origin());
    EXPECT_EQ(stats.requests, 100'000U);
    EXPECT_EQ(stats.success, 50'000U);
    EXPECT_EQ(stats.ignored, 50'000U);
    EXPECT_EQ(stats.in_flight, 0U);
    EXPECT_EQ(stats.window.requests, 50'000U);
}

TEST(Conformance, IN_1_permits) {
    CircuitBreaker breaker{"conformance"};
    in_threads(callers, [&](int) {
        for (int call = 0; call < calls_each; ++call) {
            auto permit = breaker.try_acquire(for_tests::origin());
            if (permit) permit->settle(alternately(call), for_tests::origin());
        }
    });
    expect_all_counted(breaker);
}

TEST(Conformance, IN_1_blocking) {
    CircuitBreaker breaker{"conformance"};
    ManualTime time{1, for_tests::origin()};
    const Pipeline guarded{classify(Judge{}), breaker};
    in_threads(callers, [&](int) {
        for (int call = 0; call < calls_each; ++call) {
            EXPECT_TRUE(guarded.execute_in(time, {}, {}, [&] { return alternately(call); }).has_value());
        }
    });
    expect_all_counted(breaker);
}

TEST(Conformance, IN_1_virtual) {
    CircuitBreaker breaker{"conformance"};
    VirtualTime time{1, for_tests::origin()};
    const Pipeline guarded{classify(Judge{}), breaker};
    for (int call = 0; call < calls_each; ++call) {
        for (int caller = 0; caller < callers; ++caller) {
            EXPECT_TRUE(time.execute(guarded, [&] { return alternately(call); }).has_value());
        }
    }
    expect_all_counted(breaker);
}

// ---- IN-3 and IN-4: a random mix of all operations in all states

constexpr CircuitBreakerConfig mixed{.success_threshold = 3,
                                     .timeout = 5s,
                                     .min_requests = 8,
                                     .window_size = 10s,
                                     .half_open_calls = 6,
                                     .half_open_max_calls = 4,
                                     .probe_lease = 20s};

void pull_a_lever(CircuitBreaker& breaker, std::uint64_t dice, TimePoint now) {
    const Duration hold = std::chrono::seconds(dice / 16 % 30);
    switch (dice % 10) {
        case 0:
            return breaker.force_open(hold, now);
        case 1:
            return breaker.force_closed(hold, now);
        case 2:
            return breaker.half_open(hold, now);
        case 3:
            return breaker.open(now);
        case 4:
            return breaker.half_open(now);
        case 5:
            return breaker.reset(now);
        case 6:
            return breaker.reset(hold, now);
        default:
            return breaker.tick(now);
    }
}

// One random step: calls begin and end in any order, results without calls, levers, time.
void step(Scenario& s, Random& random, std::vector<Subject::Call>& out) {
    const std::uint64_t dice = random.next() >> 8;
    const std::uint64_t kind = dice % 100;
    if (kind < 45) {
        if (const auto admitted = s.subject().admit()) out.push_back(*admitted.call);
    } else if (kind < 75 && !out.empty()) {
        std::swap(out[dice / 128 % out.size()], out.back());
        s.finish(out.back(), "SFSFIC"[dice / 1024 % 6]);
        out.pop_back();
    } else if (kind < 82) {
        static_cast<void>(s.breaker().allow(s.now()));
    } else if (kind < 88) {
        s.breaker().record_result(dice / 128 % 2 == 0, s.now());
    } else if (kind < 91) {
        pull_a_lever(s.breaker(), dice / 128, s.now());
    } else {
        s.advance(std::chrono::milliseconds(dice / 128 % 4000));
    }
}

void random_mix(SubjectKind subject, std::uint64_t seed, int steps) {
    Scenario s(subject, mixed);
    Random random(seed);
    std::vector<Subject::Call> out;
    for (int i = 0; i < steps; ++i) {
        step(s, random, out);
        const CircuitBreakerStats stats = s.stats();
        ASSERT_LE(stats.half_open.in_flight, 4U) << "seed " << seed << " step " << i;
        ASSERT_LE(stats.half_open.in_flight + stats.half_open.successes + stats.half_open.failures, 6U)
            << "seed " << seed << " step " << i;
        ASSERT_NO_FATAL_FAILURE(expect_identities(stats)) << "seed " << seed << " step " << i;
        ASSERT_EQ(stats.state, s.state());
    }
    s.finish(out, 'S');
    // Whatever happened, time alone brings it back to where calls are admitted.
    s.advance(2min);
    s.breaker().tick(s.now());
    s.advance(2min);
    s.breaker().tick(s.now());
    if (s.state() != CircuitState::forced_open) s.admitted();
    s.reset();
    s.advance(2min);
    s.breaker().tick(s.now());
    const CircuitBreakerStats stats = s.stats();
    ASSERT_NO_FATAL_FAILURE(expect_identities(stats)) << "seed " << seed;
    EXPECT_EQ(stats.in_flight, 0U) << "seed " << seed;
    EXPECT_EQ(stats.admitted, stats.success + stats.failure + stats.ignored) << "seed " << seed;
}

class BreakerMix : public testing::TestWithParam<SubjectKind> {};

TEST_P(BreakerMix, IN_3_and_IN_4_hold_at_every_step_and_at_rest) {
    // Every blocking call in flight is a thread: fewer steps there.
    const bool threads = GetParam() == SubjectKind::blocking;
    for (std::uint64_t seed = 1; seed <= (threads ? 4U : 100U); ++seed) {
        ASSERT_NO_FATAL_FAILURE(random_mix(GetParam(), seed, threads ? 200 : 400));
    }
}
INSTANTIATE_TEST_SUITE_P(Conformance, BreakerMix,
                         testing::Values(SubjectKind::permits, SubjectKind::blocking, SubjectKind::virtual_time),
                         [](const auto& subject) { return std::string(to_string(subject.param)); });

TEST(Conformance, IN_3_IN_4_hold_in_every_picture_while_threads_call_through_a_pipeline) {
    CircuitBreaker breaker{"conformance",
                           {.success_threshold = 2,
                            .timeout = 20us,
                            .min_requests = 10,
                            .window_size = 1ms,
                            .half_open_calls = 4,
                            .half_open_max_calls = 3}};
    ManualTime time{1, for_tests::origin()};
    const Pipeline guarded{classify(Judge{}), breaker};
    std::atomic<int> pictures{0};
    std::atomic<std::uint64_t> begun{0}, refused{0};
    std::jthread reader([&] {
        while (pictures < 2000 && !testing::Test::HasFatalFailure()) {
            const CircuitBreakerStats stats = breaker.stats(time.now());
            expect_identities(stats);
            EXPECT_LT(stats.in_flight, std::uint64_t{1} << 32) << "more settled than admitted";
            EXPECT_LE(stats.half_open.in_flight, 3U);
            ++pictures;
        }
    });
    in_threads(3, [&](int thread) {
        Random random(static_cast<std::uint64_t>(thread) + 1);
        for (int call = 0; call < 5'000 || pictures < 2000; ++call) {
            const std::uint64_t dice = random.next() >> 8;
            const auto answer = guarded.execute_in(time, {}, {}, [&] {
                time.advance(Duration{static_cast<std::int64_t>(dice % 2000)});
                return static_cast<Outcome>(dice / 4096 % 3);
            });
            ++begun;
            if (!answer) ++refused;
            if (!answer) time.advance(1us);
            if (testing::Test::HasFatalFailure()) return;
        }
    });
    reader.join();
    const CircuitBreakerStats stats = breaker.stats(time.now());
    expect_identities(stats);
    EXPECT_EQ(stats.requests, begun);
    EXPECT_EQ(stats.rejected.total(), refused);
    EXPECT_EQ(stats.in_flight, 0U);
    EXPECT_GT(stats.generation, 10U) << "it opened and closed on the way";
}

// ---- IN-6: one story, however many threads tell it

TEST(Conformance, IN_6_events_follow_each_other) {
    CircuitBreaker breaker{"conformance", {.success_threshold = 1, .timeout = 10us, .min_requests = 1}};
    std::uint64_t sequence = 0;
    std::uint64_t followed = 0;
    CircuitState state = CircuitState::closed;
    std::uint64_t events = 0;
    const auto listening = breaker.on_event(
        [&](const Event& event) {
            EXPECT_GT(event.sequence, sequence);
            // A gap in the sequence is a listener that was too slow; then the states may not meet.
            if (event.sequence == sequence + 1) {
                EXPECT_EQ(event.from, state);
                ++followed;
            }
            sequence = event.sequence;
            state = event.to;
            ++events;
        },
        only(EventKind::transition));
    std::atomic<std::int64_t> clock{0};
    in_threads(8, [&](int thread) {
        Random random(static_cast<std::uint64_t>(thread) + 1);
        for (int i = 0; i < 2'000; ++i) {
            const std::uint64_t dice = random.next() >> 8;
            const TimePoint now = for_tests::origin() + Duration{clock.fetch_add(4'000)};
            if (dice % 8 == 0) {
                pull_a_lever(breaker, dice / 8, now);
            } else if (auto permit = breaker.try_acquire(now)) {
                permit->settle(dice % 2 == 0 ? Outcome::success : Outcome::failure, now);
            }
        }
    });
    EXPECT_EQ(events + breaker.stats(for_tests::origin()).events_dropped, sequence);
    EXPECT_GT(followed, 500U);
}

}  // namespace conformance_invariants_test
}  // namespace conformance
