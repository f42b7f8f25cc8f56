// Retries over any schedule of calls: delays stay within their bounds, attempts within theirs, budgets are neither
// overdrawn nor left with anything taken, and the counters agree at every step.

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <for_tests/origin.hpp>
#include <memory>
#include <resilience/pipeline/pipeline.hpp>
#include <resilience/pipeline/virtual_time.hpp>
#include <tuple>
#include <vector>

namespace resilience::inline v1 {
namespace retry_properties_test {

using namespace std::chrono_literals;

// Two thousand schedules, unless the environment asks for something else.
[[maybe_unused]] const bool asked = setenv("RC_PARAMS", "max_success=2000", 0) == 0;

// A legal configuration made of arbitrary numbers, extreme ones among them.
RetryConfig configuration(
    const std::tuple<std::uint8_t, std::uint64_t, std::uint64_t, std::uint16_t, std::uint16_t>& numbers) {
    const auto& [kinds, base, more, multiplier, ratio] = numbers;
    constexpr auto longest = static_cast<std::uint64_t>(Duration::max().count());
    const std::uint64_t shift = kinds / 16 * 4;  // from nanoseconds to centuries
    const std::uint64_t delay = (base >> shift) % longest;
    return {.max_attempts = static_cast<std::uint32_t>(1 + base % 12),
            .base_delay = Duration{static_cast<std::int64_t>(delay)},
            .max_delay = Duration{static_cast<std::int64_t>(delay + (more >> shift) % (longest - delay))},
            .multiplier = 1.0 + multiplier % 1000,
            .backoff_kind = static_cast<BackoffKind>(kinds % 3),
            .jitter = more % 8 != 0,
            .jitter_kind = static_cast<JitterKind>(kinds % 4),
            .jitter_ratio = ratio / 65535.0};
}
using Numbers = std::tuple<std::uint8_t, std::uint64_t, std::uint64_t, std::uint16_t, std::uint16_t>;

RC_GTEST_PROP(RetryProperties, delays_stay_within_their_bounds,
              (const Numbers& numbers, std::uint32_t attempt, std::uint32_t share)) {
    const RetryConfig config = configuration(numbers);
    const Retry legal(config);
    const double unit = share / 4294967295.0;
    const Duration previous = config.max_delay / 3;
    const Duration most = longest_backoff(config, attempt, previous);
    const Duration delay = backoff_delay(config, attempt, previous, unit);
    RC_ASSERT(most >= Duration::zero());
    RC_ASSERT(most <= config.max_delay);
    RC_ASSERT(delay >= Duration::zero());
    RC_ASSERT(delay <= config.max_delay);
    if (!config.jitter) RC_ASSERT(delay == most);
    if (config.jitter && config.jitter_kind != JitterKind::proportional) RC_ASSERT(delay <= most);
    if (config.jitter && config.jitter_kind == JitterKind::equal) RC_ASSERT(delay >= most / 2);
    const bool grows = !config.jitter || config.jitter_kind != JitterKind::decorrelated;
    if (grows && attempt > 1) RC_ASSERT(longest_backoff(config, attempt - 1, previous) <= most);
    RC_ASSERT(backoff_delay(config, attempt, previous, 0) <= delay);
    RC_ASSERT(delay <= backoff_delay(config, attempt, previous, 1));
}

RC_GTEST_PROP(RetryProperties, a_call_keeps_to_its_attempts_and_its_time,
              (const Numbers& numbers, std::uint32_t timeout, std::uint32_t max_duration, std::uint8_t lasting)) {
    RetryConfig config = configuration(numbers);
    config.max_duration = Duration{1 + std::int64_t{max_duration}};
    Retry retry(config);
    Pipeline guarded{classify([](int) { return Outcome::failure; }), retry};
    VirtualTime time(numbers == Numbers{} ? 1 : std::get<1>(numbers), for_tests::origin());
    CallReport report;
    std::vector<TimePoint> began;
    auto answer =
        time.execute(guarded, CallOptions{.timeout = Duration{1 + std::int64_t{timeout}}, .report = &report}, [&] {
            began.push_back(time.now());
            time.take(Duration{lasting});
            return 1;
        });
    RC_ASSERT(began.size() <= config.max_attempts);
    RC_ASSERT(report.attempts == began.size());
    RC_ASSERT(retry.stats().attempts == began.size());
    RC_ASSERT(retry.stats().sleeping == 0U);
    Duration between{};
    for (std::size_t attempt = 1; attempt < began.size(); ++attempt) {
        RC_ASSERT(began[attempt] - for_tests::origin() < config.max_duration);
        RC_ASSERT(began[attempt] - for_tests::origin() <= Duration{timeout});
        const Duration delay = began[attempt] - began[attempt - 1] - Duration{lasting};
        RC_ASSERT(delay >= Duration::zero());
        RC_ASSERT(delay <= config.max_delay);
        between += delay;
    }
    RC_ASSERT(report.waited_in_backoff == between);
    // It ends with its last attempt, not with the limit that ended it.
    if (answer) RC_ASSERT(time.elapsed() == began.back() - for_tests::origin() + Duration{lasting});
}

using Steps = std::vector<std::tuple<std::uint8_t, std::uint16_t>>;

// Two retries, one inside the other, that share no budget, or the same one twice.
class Schedule {
  public:
    Schedule(SharedRetryBudget outer, SharedRetryBudget inner)
        : outer_({.max_attempts = 3, .base_delay = 10ms, .max_delay = 1s}, std::move(outer)),
          inner_({.max_attempts = 2, .base_delay = 1ms, .max_delay = 1s, .wait_for_circuit = true}, std::move(inner)) {}

    void step(std::uint8_t kind, std::uint16_t number) {
        switch (kind % 6) {
            case 0:
            case 1:
                return begin(number);
            case 2:
                if (!calls_.empty()) calls_[number % calls_.size()].cancel();
                return;
            case 3:
                if (!holds_.empty()) holds_[number % holds_.size()].end();
                return;
            case 4:
                if (number % 4 == 0) breaker_.open(time_->now());
                if (number % 4 == 1) breaker_.reset(time_->now());
                return;
            default:
                time_->advance(Duration{number} * 1000);
        }
    }
    // Every call ends, some by being abandoned with their time.
    void end(bool abandons) {
        if (!abandons) {
            for (std::size_t hold = 0; hold < holds_.size(); ++hold) holds_[hold].end();
            time_->run();
            for (std::size_t hold = 0; hold < holds_.size(); ++hold) holds_[hold].end(), time_->run();
        }
        last_ = time_->now();
        time_.reset();
        RC_ASSERT(outer_.stats().sleeping == 0U);
        RC_ASSERT(inner_.stats().sleeping == 0U);
        RC_ASSERT(outer_.stats().calls == started_);
    }
    [[nodiscard]] TimePoint now() const { return time_ ? time_->now() : last_; }
    [[nodiscard]] const Retry& outer() const { return outer_; }

  private:
    void begin(std::uint16_t number) {
        ++started_;
        CallOptions options;
        if (number % 5 == 0) options.timeout = Duration{1 + number} * 1000;
        calls_.push_back(time_->start(guarded_, options, [this, number, tries = 0]() mutable {
            const int result = (number >> (++tries % 16)) % 4;
            if (result == 3) holds_.push_back(time_->hold());
            if (result == 2) time_->take(Duration{number} * 100);
            return result;
        }));
    }

    Retry outer_;
    Retry inner_;
    CircuitBreaker breaker_{{.timeout = 5ms, .min_requests = 1000}};
    Pipeline<AllowNestedRetry, ClassifyWith<Outcome (*)(int)>, Retry, Retry, CircuitBreaker> guarded_{
        allow_nested_retry, classify(+[](int result) { return result == 0 ? Outcome::success : Outcome::failure; }),
        outer_, inner_, breaker_};
    std::unique_ptr<VirtualTime> time_ = std::make_unique<VirtualTime>(1, for_tests::origin());
    std::vector<VirtualCall<std::expected<int, Rejection>>> calls_;
    std::vector<VirtualHold> holds_;
    std::uint64_t started_ = 0;
    TimePoint last_ = for_tests::origin();
};

RC_GTEST_PROP(RetryProperties, places_return_over_any_schedule, (const Steps& steps, bool abandons, bool twice)) {
    auto budget =
        std::make_shared<ConcurrentRetryBudget>(ConcurrentRetryBudgetConfig{.rate = 0.5, .minimum = 1, .maximum = 3});
    Schedule schedule(budget, twice ? SharedRetryBudget{budget} : SharedRetryBudget{});
    for (const auto& [kind, number] : steps) {
        schedule.step(kind, number);
        RC_ASSERT(budget->stats().retries <= 3U);
    }
    schedule.end(abandons);
    RC_ASSERT(budget->stats().calls == 0U);
    RC_ASSERT(budget->stats().retries == 0U);
}

RC_GTEST_PROP(RetryProperties, tokens_are_never_overdrawn, (const Steps& steps, bool abandons, bool twice)) {
    auto budget = std::make_shared<RetryBudget>(RetryBudgetConfig{.ratio = 0.5, .capacity = 2, .trickle = 100});
    Schedule schedule(budget, twice ? SharedRetryBudget{budget} : SharedRetryBudget{});
    const auto judge = [&] {
        const RetryBudgetStats stats = budget->stats(schedule.now());
        const double seconds = std::chrono::duration<double>(schedule.now() - for_tests::origin()).count();
        // Each call deposits at each retry that it succeeds in.
        const double deposits = static_cast<double>(schedule.outer().stats().calls) * (twice ? 4 : 1);
        RC_ASSERT(stats.balance >= 0);
        RC_ASSERT(stats.balance <= 2);
        RC_ASSERT(stats.given_back <= stats.spent);
        RC_ASSERT(static_cast<double>(stats.spent - stats.given_back) <= 2 + 0.5 * deposits + 100 * seconds + 8);
        if (!twice) RC_ASSERT(schedule.outer().stats().retries <= stats.spent - stats.given_back);
    };
    for (const auto& [kind, number] : steps) {
        schedule.step(kind, number);
        judge();
    }
    schedule.end(abandons);
    judge();
    if (!twice)
        RC_ASSERT(schedule.outer().stats().retries ==
                  budget->stats(schedule.now()).spent - budget->stats(schedule.now()).given_back);
}

RC_GTEST_PROP(RetryProperties, a_budget_of_successes_is_a_bucket_of_whole_fractions,
              (const Steps& steps, std::uint8_t numerator, std::uint8_t denominator, std::uint8_t capacity)) {
    const std::int64_t whole = 1 + denominator;
    const std::int64_t part = 1 + numerator % whole;
    const std::int64_t full = (1 + capacity % 20) * whole;
    RetryBudget budget({.ratio = static_cast<double>(part) / static_cast<double>(whole),
                        .capacity = 1U + capacity % 20,
                        .trickle = 0});
    std::int64_t level = full;
    TimePoint now = for_tests::origin();
    for (const auto& [kind, number] : steps) {
        now += Duration{number};
        for (int repeat = 0; repeat <= number % 8; ++repeat) {
            if (kind % 4 == 0) {
                budget.give_back(now);
                level = std::min(level + whole, full);
            } else if (kind % 4 == 1) {
                budget.deposit(now);
                level = std::min(level + part, full);
            } else {
                RC_ASSERT(budget.withdraw(now) == (level >= whole));
                if (level >= whole) level -= whole;
            }
        }
        RC_ASSERT(budget.stats(now).balance == static_cast<double>(level) / static_cast<double>(whole));
    }
}

RC_GTEST_PROP(RetryProperties, no_window_of_a_budget_gives_more_than_it_may,
              (const Steps& steps, std::uint16_t ratio, std::uint16_t rate, std::uint8_t capacity)) {
    const RetryBudgetConfig config{
        .ratio = ratio % 1001 / 1000.0, .capacity = 1U + capacity % 10, .trickle = 1.0 + rate % 1000};
    RetryBudget budget(config);
    struct Act {
        TimePoint at;
        double earned = 0;
        int granted = 0;
    };
    std::vector<Act> acts;
    TimePoint now = for_tests::origin() + 1h;
    for (const auto& [kind, number] : steps) {
        now += Duration{number} * 100;
        Act act{.at = now};
        if (kind % 3 == 0) {
            budget.deposit(now);
            act.earned = config.ratio;
        } else {
            while (act.granted < 3 && budget.withdraw(now)) ++act.granted;
        }
        acts.push_back(act);
    }
    for (std::size_t first = 0; first < acts.size(); ++first) {
        double earned = config.capacity;
        int granted = 0;
        for (std::size_t last = first; last < acts.size(); ++last) {
            earned += acts[last].earned;
            granted += acts[last].granted;
            const Duration window = acts[last].at - acts[first].at + 1us;
            const double seconds = std::chrono::duration<double>(window).count();
            RC_ASSERT(granted <= earned + config.trickle * seconds + 1e-6);
        }
    }
}

}  // namespace retry_properties_test
}  // namespace resilience::inline v1
