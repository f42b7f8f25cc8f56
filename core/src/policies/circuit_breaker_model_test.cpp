// The real breaker as a small machine: every sequence of a few operations by two callers, their drops, hangs and late
// verdicts, the two-step form, levers, ticks, changes of its configuration and the passing of time. In every state that
// is reached some future acquire succeeds, though nobody who is out ever reports.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <for_tests/origin.hpp>
#include <optional>
#include <resilience/policies/circuit_breaker.hpp>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace resilience::inline v1 {
namespace circuit_breaker_model {

using namespace std::chrono_literals;

// A breaker and its two callers. Time is in whole milliseconds. What does not apply to the moment returns false.
class Machine {
  public:
    // The first is what the breaker is made with, the others are what it can be reconfigured to.
    using Configurations = std::vector<CircuitBreakerConfig>;
    explicit Machine(const Configurations& configurations)
        : configurations_(configurations),
          breaker_(configurations.front()),
          most_probes_(breaker_.stats(now_).half_open.max_calls) {}

    bool reload(std::size_t configuration) {
        if (configuration >= configurations_.size() || configuration == configuration_) return false;
        configuration_ = configuration;
        breaker_.reconfigure(configurations_[configuration], now_);
        most_probes_ = std::max(most_probes_, breaker_.stats(now_).half_open.max_calls);
        return true;
    }

    bool acquire(std::size_t caller) {
        // The two are alike: while neither has a permit it is the first who asks.
        if (callers_[caller].permit || (caller == 1 && !callers_[0].permit)) return false;
        if (auto admission = breaker_.try_acquire(now_)) {
            callers_[caller] = {std::move(*admission), breaker_.stats(now_).generation};
        }
        return true;
    }
    bool settle(std::size_t caller, Outcome outcome) {
        if (!callers_[caller].permit) return false;
        callers_[caller].permit->settle(outcome, now_);
        callers_[caller].permit.reset();
        return true;
    }
    bool drop(std::size_t caller) {
        const bool held = callers_[caller].permit.has_value();
        callers_[caller].permit.reset();
        return held;
    }
    bool allow() {
        if (breaker_.allow(now_)) allowed_.push_back({now_, breaker_.stats(now_).generation});
        return true;
    }
    bool record(bool success) {
        breaker_.record_result(success, now_);
        if (!allowed_.empty()) allowed_.pop_front();
        return true;
    }
    bool pull(void (CircuitBreaker::*lever)(TimePoint)) {
        (breaker_.*lever)(now_);
        isolated_ = false;
        return true;
    }
    bool isolate() {
        pull(&CircuitBreaker::force_open);
        isolated_ = true;
        return true;
    }
    bool pull_for_three(void (CircuitBreaker::*lever)(Duration, TimePoint)) {
        (breaker_.*lever)(3ms, now_);
        return true;
    }
    bool let_a_millisecond_pass() {
        now_ += 1ms;
        return true;
    }
    bool go_to_deadline_and_tick() {
        const std::optional<TimePoint> deadline = breaker_.next_deadline();
        if (!deadline || *deadline == never) return false;
        now_ = std::max(now_, *deadline);
        breaker_.tick(now_);
        return true;
    }

    // All that can be told apart from outside: the present, and what the passing of time alone will make of it.
    [[nodiscard]] std::uint64_t picture() const {
        Picture picture;
        picture.add(static_cast<std::int64_t>(configuration_));
        picture.add(isolated_ ? 1 : 0);
        const CircuitBreakerStats stats = breaker_.stats(now_);
        for (const Caller& caller : callers_) {
            picture.add(caller.permit ? static_cast<std::int64_t>(stats.generation - caller.generation) : -1);
            picture.add(caller.permit ? (now_ - caller.permit->admitted_at()).count() : 0);
        }
        for (const auto& [at, of] : allowed_) {
            picture.add((now_ - at).count());
            picture.add(static_cast<std::int64_t>(stats.generation - of));
        }
        add_half_open(picture, stats);
        for (Duration later = 0ms; later <= 8ms; later += 1ms) {
            picture.add(static_cast<std::int64_t>(breaker_.state(now_ + later)));
        }
        // Buckets last two milliseconds.
        picture.add((now_.time_since_epoch() % 2ms).count());
        add_window(picture, stats);
        add_window(picture, breaker_.stats(now_ + 2ms));
        picture.add(age(breaker_.next_deadline()));
        return picture.hash;
    }

    // Nobody reports any more. True: somebody is admitted in the end.
    [[nodiscard]] bool admits_in_the_end() {
        for (int wait = 0; wait < 16; ++wait) {
            if (const auto admission = breaker_.try_acquire(now_)) return true;
            const std::optional<TimePoint> deadline = breaker_.next_deadline();
            if (!deadline || *deadline == never) break;
            now_ = std::max(now_ + 1ms, *deadline);
        }
        // Refusing without an end is what force_open is for, where it was given none; then a reset is the way out.
        if (!isolated_ || breaker_.state(now_) != CircuitState::forced_open) return false;
        breaker_.reset(now_);
        return breaker_.try_acquire(now_).has_value();
    }

    [[nodiscard]] bool reconciles() const {
        const CircuitBreakerStats stats = breaker_.stats(now_);
        return stats.admitted == stats.success + stats.failure + stats.ignored + stats.in_flight &&
               stats.requests == stats.admitted + stats.rejected.total() && stats.half_open.in_flight <= most_probes_;
    }

  private:
    struct Caller {
        std::optional<CircuitBreaker::Permit> permit;
        std::uint64_t generation = 0;
    };
    struct Allowed {
        TimePoint at;
        std::uint64_t generation;
    };

    // A fingerprint, of 64 bits: among fifty thousand states two that look equal have a chance of 1 in 10^10.
    struct Picture {
        std::uint64_t hash = 0;
        void add(std::int64_t value) {
            hash = (hash ^ (static_cast<std::uint64_t>(value) + 1)) * 0x9e3779b97f4a7c15U;
            hash ^= hash >> 29;
        }
    };
    [[nodiscard]] std::int64_t age(std::optional<TimePoint> moment) const {
        return moment ? (*moment - now_).count() : -1;
    }
    static void add_window(Picture& picture, const CircuitBreakerStats& stats) {
        picture.add(static_cast<std::int64_t>(stats.window.requests));
        picture.add(static_cast<std::int64_t>(stats.window.failures));
        picture.add(stats.retry_after ? stats.retry_after->count() : -1);
        picture.add(stats.lever_expires ? stats.lever_expires->count() : -1);
    }
    static void add_half_open(Picture& picture, const CircuitBreakerStats& stats) {
        picture.add(stats.half_open.in_flight);
        picture.add(stats.half_open.successes);
        picture.add(stats.half_open.failures);
        picture.add(stats.half_open.oldest_probe ? stats.half_open.oldest_probe->count() : -1);
        picture.add(static_cast<std::int64_t>(stats.in_flight));
    }

    const Configurations& configurations_;
    std::size_t configuration_ = 0;
    CircuitBreaker breaker_;
    TimePoint now_ = for_tests::origin() + 1s;
    bool isolated_ = false;      // by force_open without an end, and no lever without one since
    std::uint32_t most_probes_;  // probes that are out stay out where fewer are allowed now
    std::array<Caller, 2> callers_;
    std::deque<Allowed> allowed_;
};

struct Operation {
    const char* name;
    bool (*apply)(Machine&);
};
constexpr std::array operations{
    Operation{"first asks", [](Machine& machine) { return machine.acquire(0); }},
    Operation{"second asks", [](Machine& machine) { return machine.acquire(1); }},
    Operation{"first succeeds", [](Machine& machine) { return machine.settle(0, Outcome::success); }},
    Operation{"second succeeds", [](Machine& machine) { return machine.settle(1, Outcome::success); }},
    Operation{"first fails", [](Machine& machine) { return machine.settle(0, Outcome::failure); }},
    Operation{"second fails", [](Machine& machine) { return machine.settle(1, Outcome::failure); }},
    Operation{"first drops", [](Machine& machine) { return machine.drop(0); }},
    Operation{"second drops", [](Machine& machine) { return machine.drop(1); }},
    Operation{"allow", [](Machine& machine) { return machine.allow(); }},
    Operation{"record a success", [](Machine& machine) { return machine.record(true); }},
    Operation{"record a failure", [](Machine& machine) { return machine.record(false); }},
    Operation{"force open", [](Machine& machine) { return machine.isolate(); }},
    Operation{"force open for 3", [](Machine& machine) { return machine.pull_for_three(&CircuitBreaker::force_open); }},
    Operation{"force closed for 3",
              [](Machine& machine) { return machine.pull_for_three(&CircuitBreaker::force_closed); }},
    Operation{"open", [](Machine& machine) { return machine.pull(&CircuitBreaker::open); }},
    Operation{"open for 3", [](Machine& machine) { return machine.pull_for_three(&CircuitBreaker::open); }},
    Operation{"half open", [](Machine& machine) { return machine.pull(&CircuitBreaker::half_open); }},
    Operation{"half open for 3", [](Machine& machine) { return machine.pull_for_three(&CircuitBreaker::half_open); }},
    Operation{"reset", [](Machine& machine) { return machine.pull(&CircuitBreaker::reset); }},
    Operation{"a millisecond", [](Machine& machine) { return machine.let_a_millisecond_pass(); }},
    Operation{"to the next deadline, and tick", [](Machine& machine) { return machine.go_to_deadline_and_tick(); }},
    Operation{"reload the first", [](Machine& machine) { return machine.reload(0); }},
    Operation{"reload the second", [](Machine& machine) { return machine.reload(1); }},
    Operation{"reload the third", [](Machine& machine) { return machine.reload(2); }}};
using Sequence = std::vector<std::uint8_t>;

struct Found {
    std::size_t states = 0;
    std::string wedge{};         // how the first state that refuses for ever is reached
    std::string unreconciled{};  // and the first whose counters do not add up
};

std::string text_of(const Sequence& sequence) {
    std::string text;
    for (const std::uint8_t operation : sequence)
        text += (text.empty() ? "" : "; ") + std::string(operations[operation].name);
    return text;
}

// Breadth first; a state that was seen before is not followed again. Without `merging` every sequence is.
Found explore(const Machine::Configurations& configurations, std::size_t depth, bool merging = true) {
    Found found;
    std::unordered_set<std::uint64_t> seen;
    std::deque<Sequence> open{{}};
    while (!open.empty()) {
        const Sequence before = std::move(open.front());
        open.pop_front();
        for (std::uint8_t operation = 0; operation < operations.size(); ++operation) {
            Machine machine(configurations);
            for (const std::uint8_t earlier : before) operations[earlier].apply(machine);
            if (!operations[operation].apply(machine)) continue;
            if (merging && !seen.insert(machine.picture()).second) continue;
            Sequence sequence = before;
            sequence.push_back(operation);
            ++found.states;
            if (found.unreconciled.empty() && !machine.reconciles()) found.unreconciled = text_of(sequence);
            if (found.wedge.empty() && !machine.admits_in_the_end()) found.wedge = text_of(sequence);
            if (sequence.size() < depth) open.push_back(std::move(sequence));
        }
    }
    return found;
}

constexpr CircuitBreakerConfig one_probe{.failure_threshold = 0.5,
                                         .success_threshold = 1,
                                         .timeout = 2ms,
                                         .min_requests = 1,
                                         .window_size = 4ms,
                                         .buckets = 2,
                                         .probe_lease = 3ms};

// What only the next verdict can tell: a window of the last two calls, more probes, longer leases.
CircuitBreakerConfig laxer() {
    CircuitBreakerConfig config = one_probe;
    config.failure_threshold = 1;
    config.success_threshold = 3;
    config.timeout = 3ms;
    config.min_requests = 2;
    config.probe_lease = 4ms;
    config.window_calls = 2;
    return config;
}

// One bucket instead of two, a single probe whose half-open period is limited, a ramp after it.
CircuitBreakerConfig stricter() {
    CircuitBreakerConfig config = one_probe;
    config.failure_threshold = 0.25;
    config.timeout = 1ms;
    config.buckets = 1;
    config.timeout_multiplier = 2;
    config.max_timeout = 4ms;
    config.half_open_limit = 3ms;
    config.probe_lease = 2ms;
    return config;
}

CircuitBreakerConfig two_of_three() {
    CircuitBreakerConfig config = one_probe;
    config.success_threshold = 2;
    config.half_open_calls = 3;
    config.half_open_max_calls = 2;
    return config;
}

}  // namespace circuit_breaker_model

namespace circuit_breaker_model_test {

using namespace circuit_breaker_model;

TEST(Conformance, IN_8_no_reachable_state_refuses_every_future_acquire) {
    const Found one = explore({one_probe}, 6);
    EXPECT_EQ(one.wedge, "");
    EXPECT_EQ(one.unreconciled, "");
    EXPECT_GT(one.states, 20'000U);
    const Found two = explore({two_of_three()}, 5);
    EXPECT_EQ(two.wedge, "");
    EXPECT_EQ(two.unreconciled, "");
    EXPECT_GT(two.states, 5'000U);
}

TEST(Conformance, IN_8_nor_does_any_that_changes_of_the_configuration_lead_to) {
    const Found found = explore({one_probe, laxer(), stricter()}, 5);
    EXPECT_EQ(found.wedge, "");
    EXPECT_EQ(found.unreconciled, "");
    EXPECT_GT(found.states, 10'000U);
}

// So that nothing is missed because two states were taken for one.
TEST(Conformance, IN_8_nor_does_any_sequence_of_three_operations_lead_to_one) {
    const Found found = explore({two_of_three(), laxer(), stricter()}, 3, false);
    EXPECT_EQ(found.wedge, "");
    EXPECT_EQ(found.unreconciled, "");
}

// What the leases are for. Without them (a lease that never ends) a hung probe is the end, and it is found.
TEST(CircuitBreakerModel, finds_a_breaker_that_refuses_for_ever) {
    CircuitBreakerConfig config = one_probe;
    config.probe_lease = Duration::max();
    EXPECT_EQ(explore({config}, 3).wedge, "half open; first asks");
    config = one_probe;
    config.timeout = Duration::max();
    EXPECT_EQ(explore({config}, 2).wedge, "record a failure") << "which opens it for ever";
}

}  // namespace circuit_breaker_model_test
}  // namespace resilience::inline v1
