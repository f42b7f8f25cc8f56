// A limiter under any schedule of asks, waits, cancellations, changes of rate, refunds and surpluses: its final charges
// keep the bound in every window, its counters agree at every step, and nobody in its line is forgotten.

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <cstdlib>
#include <for_tests/origin.hpp>
#include <resilience/pipeline/virtual_time.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <tuple>
#include <vector>

#include <for_tests/token_charges.hpp>

namespace resilience::inline v1 {
namespace limiter_properties_test {

using namespace std::chrono_literals;

// Two thousand schedules, unless the environment asks for something else.
[[maybe_unused]] const bool asked = setenv("RC_PARAMS", "max_success=2000", 0) == 0;

constexpr std::int64_t origin = 1'000'000'000'000;

class Schedule {
  public:
    Schedule(std::uint64_t capacity, const TokenCharges::Rate& rate)
        : limiter_(capacity, rate.per_second), charges_(capacity, rate, 0), capacity_(capacity), rate_(&rate) {
        hearing_ = limiter_.on_event(
            [this](const Event& event) {
                // Who asks for nothing is always admitted, whatever is owed.
                if (event.kind != EventKind::permitted || asking_ == 0) return;
                newest_ = charges_.admit(asking_, event.at.time_since_epoch().count());
            },
            EventKinds::calls);
        time_.advance(Duration{origin});
    }

    void step(std::uint8_t kind, std::uint16_t amount, std::uint16_t other) {
        switch (kind % 8) {
            case 0:
                return ask(amount, other);
            case 1:
            case 2:
                return reserve(amount, other);
            case 3:
                return settle(amount, other);
            case 4:
                return wait(amount);
            case 5:
                if (!waiting_.empty()) waiting_[other % waiting_.size()].cancel();
                return;
            case 6:
                return change(amount, other);
            default:
                time_.advance(fill() * (amount % 64) / 16);
        }
    }
    void judge() {
        // Whoever has been served is heard before anything else is asked.
        time_.advance(Duration::zero());
        RC_ASSERT(charges_.worst_excess() <= 0);
        const RateLimiterStats stats = limiter_.stats(time_.now());
        RC_ASSERT(stats.requests == stats.admitted + stats.rejected.total());
        std::uint64_t ended = calls_;
        for (const auto& each : waiting_) ended += each.done() ? 1U : 0U;
        RC_ASSERT(stats.requests == ended);
        RC_ASSERT(stats.waiting == waiting_.size() - (ended - calls_));
    }
    void end() {
        time_.run();
        for (const auto& each : waiting_) RC_ASSERT(each.done());
        judge();
    }

  private:
    // How long the bucket takes to fill, and a little more.
    [[nodiscard]] Duration fill() const {
        return Duration{static_cast<std::int64_t>(1e9 * static_cast<double>(capacity_) / rate_->per_second) + 2};
    }
    [[nodiscard]] TimePoint late(std::uint16_t by) const {
        return time_.now() - fill() * (by % 4 == 0 ? by % 32 : 0) / 16;
    }

    void ask(std::uint16_t amount, std::uint16_t other) {
        asking_ = amount % (capacity_ + 1);
        static_cast<void>(limiter_.acquire(asking_, late(other)));
        asking_ = tokens_of_a_waiter;
        ++calls_;
    }
    void reserve(std::uint16_t amount, std::uint16_t other) {
        asking_ = amount % capacity_ + 1;
        if (auto reservation = limiter_.reserve(asking_, late(other)))
            open_.emplace_back(std::move(*reservation), newest_);
        asking_ = tokens_of_a_waiter;
        ++calls_;
    }
    void settle(std::uint16_t amount, std::uint16_t other) {
        if (open_.empty()) return;
        std::swap(open_[other % open_.size()], open_.back());
        auto& [reservation, admission] = open_.back();
        const auto settled = reservation.settle(amount % (reservation.estimate() + 3), late(amount));
        if (settled.returned != 0) charges_.give_back(admission, settled.returned);
        if (settled.surplus != 0) charges_.add_surplus(settled.surplus);
        open_.pop_back();
    }
    void wait(std::uint16_t amount) {
        waiting_.push_back(time_.start_acquire(limiter_, tokens_of_a_waiter, fill() * (amount % 64) / 16));
    }
    void change(std::uint16_t amount, std::uint16_t other) {
        capacity_ = amount % 20 + 1;
        rate_ = &TokenCharges::rates[other % std::size(TokenCharges::rates)];
        charges_.change(capacity_, *rate_, time_.now().time_since_epoch().count());
        limiter_.set_rate({.capacity = capacity_, .refill_rate = rate_->per_second}, time_.now());
    }

    static constexpr std::uint64_t tokens_of_a_waiter = 2;

    RateLimiter limiter_;
    TokenCharges charges_;
    std::uint64_t capacity_;
    const TokenCharges::Rate* rate_;
    std::uint64_t asking_ = tokens_of_a_waiter;
    std::size_t newest_ = 0;
    std::uint64_t calls_ = 0;
    VirtualTime time_{1, for_tests::origin()};  // dies before the limiter that its calls wait for
    std::vector<std::pair<Reservation, std::size_t>> open_;
    std::vector<VirtualCall<std::expected<void, Rejection>>> waiting_;
    Subscription hearing_;
};

using Steps = std::vector<std::tuple<std::uint8_t, std::uint16_t, std::uint16_t>>;

RC_GTEST_PROP(LimiterProperties, no_schedule_charges_more_than_the_bound, (Steps steps, std::uint16_t start)) {
    const TokenCharges::Rate& rate = TokenCharges::rates[start % std::size(TokenCharges::rates)];
    Schedule schedule(start % 20 + 1, rate);
    for (const auto& [kind, amount, other] : steps) {
        schedule.step(kind, amount, other);
        schedule.judge();
    }
    schedule.end();
}

}  // namespace limiter_properties_test
}  // namespace resilience::inline v1
