#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <resilience/http/admin_server.hpp>
#include <resilience/manager/manager.hpp>
#include <resilience/pipeline/pipeline.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <string>
#include <thread>
#include <vector>

#include "demo/http_client_for_tests.hpp"

namespace resilience::demo {
namespace stats_under_load_test {

using Json = nlohmann::json;

constexpr int callers = 4;
// Calls that come and go while a picture is taken may show as in flight, and these take less time than the picture.
// Below zero it never is: what is settled was admitted before.
constexpr std::uint64_t not_wrapped = 1ULL << 32;

// Calls that take no time, from threads that make nothing else: every order of counting and reading happens.
class Callers {
  public:
    explicit Callers(ResilienceManager& manager)
        : guarded_{classify(judged), manager.register_circuit_breaker("hot", {.failure_threshold = 1}),
                   manager.register_bulkhead("hot", callers)} {
        for (int thread = 0; thread < callers; ++thread) threads_.emplace_back([this, thread] { call(thread); });
    }
    ~Callers() { stop(); }

    std::uint64_t stop() {
        ending_.store(true);
        for (std::thread& thread : threads_) thread.join();
        threads_.clear();
        std::uint64_t sum = 0;
        for (const std::uint64_t calls : calls_) sum += calls;
        return sum;
    }

  private:
    void call(int thread) {
        std::uint64_t calls = 0;
        while (!ending_.load(std::memory_order_relaxed)) {
            ++calls;
            (void)guarded_.execute([&] { return calls % 5; });
        }
        calls_[static_cast<std::size_t>(thread)] = calls;
    }

    static Outcome judged(const std::uint64_t& answer) { return answer == 0 ? Outcome::failure : Outcome::success; }

    Pipeline<ClassifyWith<Outcome (*)(const std::uint64_t&)>, CircuitBreaker, Bulkhead> guarded_;
    std::atomic<bool> ending_{false};
    std::array<std::uint64_t, callers> calls_{};
    std::vector<std::thread> threads_;
};

std::uint64_t number(const Json& json, const char* name) { return json.at(name).get<std::uint64_t>(); }

TEST(StatsUnderLoad, reconcile_in_a_thousand_reads_of_the_admin_port_and_agree_with_the_callers_at_rest) {
    ResilienceManager manager{"shop"};
    const AdminServer admin{manager, {.port = 0}};
    Callers load(manager);
    std::map<std::string, std::uint64_t> before;
    for (int read = 0; read < 1000; ++read) {
        for (int direct = 0; direct < 100; ++direct) {
            const CircuitBreakerStats stats = manager.stats().circuit_breakers.at("hot");
            ASSERT_LT(stats.in_flight, not_wrapped);
            ASSERT_EQ(stats.admitted, stats.success + stats.failure + stats.ignored + stats.in_flight);
        }
        const Json breaker = Json::parse(ask(admin.port(), "GET", "/stats").body).at("circuit_breakers").at("hot");
        ASSERT_LT(number(breaker, "in_flight"), not_wrapped) << breaker;
        ASSERT_EQ(number(breaker, "requests_total"), number(breaker, "admitted_total")) << breaker;
        ASSERT_EQ(number(breaker, "admitted_total"),
                  number(breaker, "success_total") + number(breaker, "failure_total") +
                      number(breaker, "ignored_total") + number(breaker, "in_flight"));
        for (const char* counter : {"requests_total", "admitted_total", "success_total", "failure_total"}) {
            ASSERT_GE(number(breaker, counter), before[counter]) << counter;
            before[counter] = number(breaker, counter);
        }
    }
    const std::uint64_t calls = load.stop();
    const CircuitBreakerStats stats = manager.stats().circuit_breakers.at("hot");
    EXPECT_EQ(stats.requests, calls);
    EXPECT_EQ(stats.admitted, calls);
    EXPECT_EQ(stats.success + stats.failure + stats.ignored, calls);
    EXPECT_EQ(stats.in_flight, 0U);
}

}  // namespace stats_under_load_test
}  // namespace resilience::demo
