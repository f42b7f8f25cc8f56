#pragma once

// The judge of a token bucket with reservations: what was finally charged, in the order of the charges, against the
// bound in exact numbers.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <resilience/measure/token_bucket.hpp>
#include <vector>

namespace resilience {

class TokenCharges {
  public:
    using Wide = detail::Signed128;

    // Rates in tokens per nanosecond, over one denominator; each interval is a whole number of nanoseconds or nearly so
    // (p <= 16), so the bound allows no slack.
    static constexpr Wide denominator = 3'000'000'000;
    struct Rate {
        double per_second;
        std::int64_t numerator;
    };
    static constexpr Rate rates[] = {
        {3.0, 9}, {10.0, 30}, {1000.0 / 60, 50}, {7e8, 2'100'000'000}, {1e9, 3'000'000'000}};

    TokenCharges(std::uint64_t capacity, const Rate& rate, std::int64_t origin)
        : epochs_{{static_cast<std::int64_t>(capacity), rate.numerator, origin, 0}} {}

    // An admission at `now`; its number, for settle().
    std::size_t admit(std::uint64_t tokens, std::int64_t now) {
        charges_.push_back({epochs_.size() - 1, std::max(now, epochs_.back().origin), static_cast<Wide>(tokens), true});
        return charges_.size() - 1;
    }
    void give_back(std::size_t admission, std::uint64_t tokens) {
        charges_[admission].tokens -= static_cast<Wide>(tokens);
    }
    void add_surplus(std::uint64_t tokens) {
        charges_.push_back({epochs_.size() - 1, 0, static_cast<Wide>(tokens), false});
    }
    void change(std::uint64_t capacity, const Rate& rate, std::int64_t now) {
        const Epoch& last = epochs_.back();
        const std::int64_t from = std::max(now, last.origin);
        epochs_.push_back({static_cast<std::int64_t>(capacity), rate.numerator, from,
                           last.refilled + Wide{from - last.origin} * last.rate});
    }

    // By how many tokens (times the denominator) the worst window is over: every window from one admission to another,
    // against the capacity at its start + the integral of the rate.
    [[nodiscard]] Wide worst_excess() const {
        Wide worst = 0;
        Wide charged = 0;
        std::optional<Wide> least;
        for (const Charge& charge : charges_) {
            if (charge.is_admission) {
                const Epoch& epoch = epochs_[charge.epoch];
                const Wide refilled = epoch.refilled + Wide{charge.now - epoch.origin} * epoch.rate;
                const Wide opens = charged + epoch.capacity * denominator - refilled;
                least = std::min(least.value_or(opens), opens);
                worst = std::max(worst, charged + charge.tokens * denominator - refilled - *least);
            }
            charged += charge.tokens * denominator;
        }
        return worst;
    }

  private:
    struct Epoch {  // from one change of rate to the next
        Wide capacity;
        Wide rate;
        std::int64_t origin;
        Wide refilled;  // before it, since the first
    };
    struct Charge {
        std::size_t epoch;
        std::int64_t now;
        Wide tokens;
        bool is_admission;
    };
    std::vector<Epoch> epochs_;
    std::vector<Charge> charges_;
};

}  // namespace resilience
