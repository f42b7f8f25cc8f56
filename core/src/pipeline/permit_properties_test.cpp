// Permits over any schedule of calls, holds, cancellations, levers and changes of limit: each comes back once, whoever
// is cancelled or abandoned with what is left of its time, and the counters agree at every step.

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <for_tests/origin.hpp>
#include <memory>
#include <resilience/pipeline/pipeline.hpp>
#include <resilience/pipeline/virtual_time.hpp>
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <tuple>
#include <vector>

namespace resilience::inline v1 {
namespace permit_properties_test {

using namespace std::chrono_literals;

// Two thousand schedules, unless the environment asks for something else.
[[maybe_unused]] const bool asked = setenv("RC_PARAMS", "max_success=2000", 0) == 0;

// Calls through a breaker and then a bulkhead with a line. Some end at once, some are held until somebody ends them.
class Schedule {
  public:
    explicit Schedule(std::uint16_t numbers)
        : bulkhead_({.max_concurrent = 1U + numbers % 4, .queue_size = numbers / 4U % 4, .max_wait = 300us}),
          most_inside_(1U + numbers % 4) {}

    void step(std::uint8_t kind, std::uint16_t number) {
        switch (kind % 8) {
            case 0:
            case 1:
            case 2:
                return begin(number);
            case 3:
                if (!calls_.empty()) calls_[number % calls_.size()].cancel();
                return;
            case 4:
                if (!holds_.empty()) holds_[number % holds_.size()].end();
                return;
            case 5:
                most_inside_ = std::max(most_inside_, number % 6U);
                return bulkhead_.set_max_concurrent(number % 6U);
            case 6:
                return pull(number);
            default:
                time_->advance(Duration{number} * 20);
        }
    }
    void judge() const {
        const BulkheadStats inside = bulkhead_.stats(now());
        RC_ASSERT(inside.admitted == inside.settled + inside.in_use);
        RC_ASSERT(inside.requests == inside.admitted + inside.rejected.total());
        RC_ASSERT(inside.in_use <= most_inside_);
        const CircuitBreakerStats through = breaker_.stats(now());
        RC_ASSERT(through.requests == through.admitted + through.rejected.total());
        RC_ASSERT(through.admitted == through.success + through.failure + through.ignored + through.in_flight);
        RC_ASSERT(through.requests == calls_.size());
        RC_ASSERT(through.in_flight == inside.in_use + inside.queue_depth);
        RC_ASSERT(through.half_open.in_flight <= 2U);
    }
    // Every call ends, some by being abandoned with their time.
    void end(bool abandons) {
        bulkhead_.set_max_concurrent(most_inside_);
        if (!abandons) {
            // A hold that ends may let the next in line begin one.
            for (std::size_t hold = 0; hold < holds_.size(); ++hold) holds_[hold].end(), time_->run();
            time_->run();
        }
        last_ = time_->now();
        time_.reset();
        judge();
        const BulkheadStats inside = bulkhead_.stats(now());
        RC_ASSERT(inside.in_use == 0U);
        RC_ASSERT(inside.queue_depth == 0U);
        RC_ASSERT(inside.available() == most_inside_);
    }

  private:
    [[nodiscard]] TimePoint now() const { return time_ ? time_->now() : last_; }
    void pull(std::uint16_t number) {
        switch (number % 5) {
            case 0:
                return breaker_.open(now());
            case 1:
                return breaker_.half_open(now());
            case 2:
                return breaker_.force_open(Duration{number} * 10, now());
            case 3:
                return breaker_.tick(now());
            default:
                return breaker_.reset(now());
        }
    }
    void begin(std::uint16_t number) {
        CallOptions options;
        if (number % 5 == 0) options.timeout = Duration{1 + number} * 10;
        calls_.push_back(time_->start(guarded_, options, [this, number] {
            if (number % 3 != 0) holds_.push_back(time_->hold());
            return static_cast<int>(number / 8 % 3);
        }));
    }

    Bulkhead bulkhead_;
    std::uint32_t most_inside_;
    CircuitBreaker breaker_{{.success_threshold = 2,
                             .timeout = 500us,
                             .min_requests = 3,
                             .window_size = 10ms,
                             .half_open_calls = 3,
                             .half_open_max_calls = 2,
                             .probe_lease = 1s}};
    Pipeline<ClassifyWith<Outcome (*)(int)>, CircuitBreaker, Bulkhead> guarded_{
        classify(+[](int result) { return static_cast<Outcome>(result); }), breaker_, bulkhead_};
    std::unique_ptr<VirtualTime> time_ = std::make_unique<VirtualTime>(1, for_tests::origin());
    std::vector<VirtualCall<std::expected<int, Rejection>>> calls_;
    std::vector<VirtualHold> holds_;
    TimePoint last_ = for_tests::origin();
};

using Steps = std::vector<std::tuple<std::uint8_t, std::uint16_t>>;

RC_GTEST_PROP(PermitProperties, each_permit_returns_once_over_any_schedule,
              (const Steps& steps, std::uint16_t numbers, bool abandons)) {
    Schedule schedule(numbers);
    for (const auto& [kind, number] : steps) {
        schedule.step(kind, number);
        schedule.judge();
    }
    schedule.end(abandons);
}

}  // namespace permit_properties_test
}  // namespace resilience::inline v1
