#pragma once

// When the next customer comes and what he wants: a Poisson stream over the shop's routes, from a seed.

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

class Arrivals {
  public:
    explicit Arrivals(std::uint64_t seed) : random_(seed) {}

    // Exponential with the mean 1 / rate.
    [[nodiscard]] Duration pause(double rate) {
        constexpr double longest_pause = 3600;
        const double seconds = -std::log1p(-random_.unit()) / rate;
        return Duration{std::llround(std::fmin(seconds, longest_pause) * 1e9)};
    }
    [[nodiscard]] std::size_t kind() {
        double left = random_.unit();
        for (std::size_t index = 0; index + 1 < call_kinds.size(); ++index) {
            left -= call_kinds[index].share;
            if (left < 0) return index;
        }
        return call_kinds.size() - 1;
    }

  private:
    Random random_;
};

}  // namespace resilience::demo
