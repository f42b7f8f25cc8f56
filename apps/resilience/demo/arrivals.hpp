#pragma once

// When the next customer comes and what he wants: a Poisson stream over the shop's routes, from a seed.
//
// Time is an argument. Two streams of one seed and rate whose factor changes at the same moments are the same, arrival
// by arrival; the order of what is wanted is the same whenever the factor changes.

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <resilience/base/random.hpp>
#include <resilience/base/time.hpp>
#include <string_view>

namespace resilience::demo {

struct CallKind {
    std::string_view method;
    std::string_view path;
    double share;  // of all calls; the shares add up to 1
};
inline constexpr std::array<CallKind, 4> call_kinds{
    {{"POST", "/checkout", 0.25}, {"POST", "/pay", 0.05}, {"GET", "/stock", 0.35}, {"GET", "/recommendations", 0.35}}};

struct Arrival {
    TimePoint due{};
    std::size_t kind = 0;  // of call_kinds
};

class Arrivals {
  public:
    // `rate` calls a second from `from` on.
    Arrivals(std::uint64_t seed, double rate, TimePoint from)
        : pauses_(seed), kinds_(~seed), rate_(rate), since_(from), left_(exponential()) {
        set_due();
    }

    // Of the next arrival; `never` while the load pauses.
    [[nodiscard]] TimePoint due() const noexcept { return due_; }

    Arrival take() {
        const Arrival taken{due_, kind()};
        since_ = due_;
        left_ = exponential();
        set_due();
        return taken;
    }

    // From `at` on the rate is this many times the usual; 0 pauses. Take what is due before.
    void set_factor(double factor, TimePoint at) {
        const double passed = std::chrono::duration<double>(time_between(since_, at)).count() * rate_ * factor_;
        left_ = std::fmax(left_ - passed, 0);
        since_ = at;
        factor_ = factor;
        set_due();
    }

  private:
    // Pauses are drawn for a rate of 1 and stretched by the rate in force, so that a change of it draws nothing anew.
    [[nodiscard]] double exponential() { return -std::log1p(-pauses_.unit()); }
    [[nodiscard]] std::size_t kind() {
        double left = kinds_.unit();
        for (std::size_t index = 0; index + 1 < call_kinds.size(); ++index) {
            left -= call_kinds[index].share;
            if (left < 0) return index;
        }
        return call_kinds.size() - 1;
    }
    void set_due() {
        constexpr double longest_pause = 1e9;  // seconds; a Duration holds nine times as much
        const double rate = rate_ * factor_;
        due_ = rate <= 0 ? never
                         : saturating_add(since_, Duration{std::llround(std::fmin(left_ / rate, longest_pause) * 1e9)});
    }

    Random pauses_;
    Random kinds_;
    double rate_;
    double factor_ = 1;
    TimePoint since_;
    double left_;  // of the pause that runs since `since_`, for a rate of 1
    TimePoint due_{};
};

}  // namespace resilience::demo
