// Health probes sent by a real thread. Nothing here asserts how fast: each test waits until what it waits for is there.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <latch>
#include <memory>
#include <resilience/base/config_error.hpp>
#include <resilience/pipeline/probe_runner.hpp>
#include <stdexcept>
#include <thread>
#include <vector>

namespace resilience::inline v1 {
namespace probe_runner_test {

using namespace std::chrono_literals;

constexpr CircuitBreakerConfig config{.success_threshold = 2, .timeout = 1h, .min_requests = 1};
constexpr HealthProbeConfig often{.interval = 50ms, .timeout = 50ms, .probes_only = true};
// No machine is so busy that such a probe fails.
constexpr HealthProbeConfig once{.interval = 50s, .timeout = 50s, .probes_only = true};

// In the past: its first probe is due at once.
void open(CircuitBreaker& breaker) { breaker.record_result(false, Clock::now() - 1min); }

void wait_until(const std::function<bool()>& there) {
    while (!there()) std::this_thread::yield();
}
CircuitBreakerStats::HealthProbes counts(const CircuitBreaker& breaker) { return *breaker.stats().health_probes; }

TEST(ProbeRunner, closes_breakers_whose_probes_succeed_and_no_other) {
    CircuitBreaker well{"probe_runner_well", config};
    CircuitBreaker ill{"probe_runner_ill", config};
    CircuitBreaker never_set{"probe_runner_none", config};
    std::atomic<int> asked{0};
    well.set_probe(often, [] { return true; });
    ill.set_probe(often, [&] {
        if (++asked % 2 == 0) throw std::runtime_error("connection refused");
        return false;
    });
    ProbeRunner runner;
    for (CircuitBreaker* breaker : {&well, &ill, &never_set}) {
        runner.add(*breaker);
        runner.add(*breaker);
    }
    open(well);
    open(ill);
    wait_until([&] { return well.state() == CircuitState::closed; });
    wait_until([&] { return asked >= 4; });
    EXPECT_EQ(ill.state(), CircuitState::open);
    EXPECT_EQ(counts(ill).succeeded, 0U);
    open(well);
    wait_until([&] { return well.state() == CircuitState::closed; });
}

TEST(ProbeRunner, lets_one_that_hangs_hold_up_nobody_else) {
    std::latch let_go{1};
    CircuitBreaker hung{"probe_runner_hung", config};
    CircuitBreaker well{"probe_runner_well", config};
    hung.set_probe(often, [&] {
        let_go.wait();
        return true;
    });
    well.set_probe(often, [] { return true; });
    ProbeRunner runner;
    runner.add(hung);
    runner.add(well);
    open(hung);
    wait_until([&] { return counts(hung).timed_out == 1; });
    wait_until([&] { return counts(hung).overlapped >= 2; });
    EXPECT_EQ(counts(hung).sent, 1U);
    open(well);
    wait_until([&] { return well.state() == CircuitState::closed; });
    EXPECT_EQ(hung.state(), CircuitState::open);
    let_go.count_down();
    wait_until([&] { return counts(hung).sent >= 2; });
}

TEST(ProbeRunner, finds_a_probe_that_is_set_while_the_breaker_is_open) {
    CircuitBreaker breaker{"probe_runner_test", config};
    CircuitBreaker other{"probe_runner_other", config};
    open(breaker);
    open(other);
    std::atomic<bool> looked{false};
    other.set_probe(once, [&] { return !(looked = true); });
    ProbeRunner runner;
    runner.add(breaker);
    runner.add(other);
    // It has looked at both then, and nothing more is due for long.
    wait_until([&] { return looked.load(); });
    breaker.set_probe(often, [] { return true; });
    wait_until([&] { return breaker.state() == CircuitState::closed; });
}

TEST(ProbeRunner, waits_for_a_probe_that_runs_when_it_ends_or_lets_its_breaker_go) {
    for (const bool removes : {true, false}) {
        std::atomic<bool> runs{false}, may_end{false}, ended{false};
        auto breaker = std::make_unique<CircuitBreaker>("probe_runner_test", config);
        breaker->set_probe(once, [&] {
            runs = true;
            wait_until([&] { return may_end.load(); });
            ended = true;
            return true;
        });
        open(*breaker);
        auto runner = std::make_unique<ProbeRunner>();
        runner->add(*breaker);
        wait_until([&] { return runs.load(); });
        std::jthread ends_it([&] {
            for (int pause = 0; pause < 1'000; ++pause) std::this_thread::yield();
            may_end = true;
        });
        if (removes) {
            runner->remove(*breaker);
        } else {
            runner.reset();
        }
        EXPECT_TRUE(ended);
        EXPECT_EQ(breaker->stats().in_flight, 0U);
        breaker.reset();
    }
}

TEST(ProbeRunner, waits_for_a_probe_that_runs_in_each_thread_that_lets_its_breaker_go) {
    std::atomic<bool> runs{false}, may_end{false}, ended{false};
    auto breaker = std::make_unique<CircuitBreaker>("probe_runner_test", config);
    breaker->set_probe(once, [&] {
        runs = true;
        wait_until([&] { return may_end.load(); });
        ended = true;
        return true;
    });
    open(*breaker);
    ProbeRunner runner;
    runner.add(*breaker);
    wait_until([&] { return runs.load(); });
    std::atomic<int> removing{0}, too_early{0};
    {
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < 3; ++thread) {
            threads.emplace_back([&] {
                ++removing;
                runner.remove(*breaker);
                if (!ended) ++too_early;
            });
        }
        wait_until([&] { return removing == 3; });
        for (int pause = 0; pause < 1'000; ++pause) std::this_thread::yield();
        may_end = true;
    }
    EXPECT_EQ(too_early, 0);
    EXPECT_EQ(breaker->stats().in_flight, 0U);
    breaker.reset();
}

TEST(ProbeRunner, keeps_a_shared_breaker_alive_until_it_is_removed) {
    const auto breaker = std::make_shared<CircuitBreaker>("probe_runner_test", config);
    breaker->set_probe(often, [] { return true; });
    ProbeRunner runner;
    runner.add(breaker);
    runner.add(breaker);
    EXPECT_GT(breaker.use_count(), 1);
    open(*breaker);
    wait_until([&] { return breaker->state() == CircuitState::closed; });
    runner.remove(*breaker);
    EXPECT_EQ(breaker.use_count(), 1);
    runner.remove(*breaker);
}

TEST(ProbeRunner, refuses_a_breaker_that_a_manager_does_not_have) {
    ProbeRunner runner;
    EXPECT_THROW(runner.add(std::shared_ptr<CircuitBreaker>{}), ConfigError);
}

// For ThreadSanitizer: everything at once, and it all reconciles in the end.
TEST(ProbeRunner, lives_with_calls_levers_and_other_probes_from_many_threads) {
    CircuitBreaker breaker{"probe_runner_test", {.success_threshold = 2, .timeout = 2ms, .min_requests = 1}};
    breaker.set_probe({.interval = 1ms, .timeout = 1ms}, [] { return true; });
    {
        ProbeRunner runner;
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < 3; ++thread) {
            threads.emplace_back([&, thread] {
                for (int round = 0; round < 300; ++round) {
                    if (auto permit = breaker.try_acquire()) permit->settle(Outcome::failure);
                    if (round % 16 == 0) breaker.open();
                    if (thread == 0) round % 2 == 0 ? runner.add(breaker) : runner.remove(breaker);
                    if (thread == 1)
                        breaker.set_probe({.interval = 1ms, .timeout = 1ms}, [round] { return round % 3 != 0; });
                    if (thread == 2) static_cast<void>(breaker.stats());
                    if (thread == 2 && round % 64 == 0) breaker.half_open();
                }
            });
        }
    }
    const CircuitBreakerStats stats = breaker.stats();
    EXPECT_EQ(stats.in_flight, 0U);
    EXPECT_EQ(stats.admitted, stats.success + stats.failure + stats.ignored);
    const CircuitBreakerStats::HealthProbes& probes = *stats.health_probes;
    EXPECT_EQ(probes.sent, probes.succeeded + probes.failed + probes.timed_out + probes.undecided);
}

}  // namespace probe_runner_test
}  // namespace resilience::inline v1
