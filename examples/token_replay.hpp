#pragma once

// Replays a trace against a limiter of tokens per minute that is asked with estimates and settled with the truth, and
// judges what it has charged.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <queue>
#include <resilience/policies/rate_limiter.hpp>
#include <utility>
#include <vector>

#include "token_trace.hpp"

namespace token_replay {

using resilience::Duration;
using resilience::RateLimiter;
using resilience::RateLimiterConfig;
using resilience::Reservation;
using resilience::TimePoint;

struct Plan {
    std::uint64_t tokens_per_minute = 60'000;
    std::uint64_t burst = 60'000;
    std::uint64_t estimated_answer = 200;  // the estimate is the prompt and this
    // The trace does not say how long an answer took: this for each generated token.
    Duration time_per_token = std::chrono::milliseconds(20);
};

// A stretch from one admission to another and what was charged in it, its ends included.
struct Window {
    TimePoint from{};
    TimePoint to{};
    std::uint64_t charged = 0;
    double allowed = 0;  // burst + rate * length
};

struct Result {
    std::uint64_t admitted = 0;
    std::uint64_t refused = 0;
    std::uint64_t too_large = 0;  // of the refused: more than the burst, never to be granted
    std::uint64_t estimated_tokens = 0;
    std::uint64_t used_tokens = 0;
    std::uint64_t unused_tokens = 0;    // of the estimates
    std::uint64_t refunded_tokens = 0;  // of the unused
    std::uint64_t surplus_tokens = 0;   // used beyond the estimates
    std::uint64_t deepest_debt = 0;
    std::optional<Window> worst;  // nearest to its bound, or farthest beyond
    bool within_bound = true;
};

// Final charges in the order in which they were made.
class Charges {
  public:
    explicit Charges(const Plan& plan) : plan_(plan) {}

    std::size_t admit(TimePoint at, std::uint64_t tokens) {
        charges_.push_back({at, static_cast<std::int64_t>(tokens), true});
        return charges_.size() - 1;
    }
    void refund(std::size_t admission, std::uint64_t tokens) {
        charges_[admission].tokens -= static_cast<std::int64_t>(tokens);
    }
    void surplus(TimePoint at, std::uint64_t tokens) {
        charges_.push_back({at, static_cast<std::int64_t>(tokens), false});
    }

    // Every window from one admission to another against burst + rate * length, in whole numbers: tokens * minute.
    void judge(Result& result) const {
        __extension__ using Wide = __int128;
        constexpr Wide minute = Duration{std::chrono::minutes(1)}.count();
        const Wide rate = static_cast<Wide>(plan_.tokens_per_minute);
        const auto refilled = [&](TimePoint at) { return rate * at.time_since_epoch().count(); };
        std::optional<Wide> worst;
        std::optional<std::pair<Wide, std::size_t>> opens;
        std::vector<std::int64_t> before{0};
        for (std::size_t last = 0; last < charges_.size(); ++last) {
            const Charge& charge = charges_[last];
            if (charge.is_admission) {
                const Wide opened = Wide{before.back()} * minute - refilled(charge.at);
                if (!opens || opened < opens->first) opens = {opened, last};
                const Wide over = Wide{before.back() + charge.tokens} * minute - refilled(charge.at) - opens->first -
                                  static_cast<Wide>(plan_.burst) * minute;
                if (!worst || over > *worst) {
                    worst = over;
                    const TimePoint from = charges_[opens->second].at;
                    const std::int64_t charged = before.back() + charge.tokens - before[opens->second];
                    result.worst = Window{from, charge.at, static_cast<std::uint64_t>(charged),
                                          static_cast<double>(charged) - static_cast<double>(over) / minute};
                }
            }
            before.push_back(before.back() + charge.tokens);
        }
        result.within_bound = !worst || *worst <= 0;
    }

  private:
    struct Charge {
        TimePoint at;
        std::int64_t tokens;
        bool is_admission;
    };
    Plan plan_;
    std::vector<Charge> charges_;
};

class Replay {
  public:
    explicit Replay(const Plan& plan)
        : plan_(plan),
          limiter_("model", RateLimiterConfig::per(plan.tokens_per_minute, std::chrono::minutes(1), plan.burst)),
          charges_(plan) {}

    Result run(const std::vector<token_trace::Request>& trace) {
        for (const token_trace::Request& request : trace) {
            settle_until(request.at);
            ask(request);
        }
        settle_until(resilience::never);
        charges_.judge(result_);
        return result_;
    }

  private:
    struct Flight {
        TimePoint ends;
        std::size_t number;  // in the order of admission: what ends at one moment ends in that order
        std::uint64_t used;
        bool operator>(const Flight& other) const noexcept {
            return ends != other.ends ? ends > other.ends : number > other.number;
        }
    };
    struct Open {
        Reservation reservation;
        std::size_t charge;
    };

    void ask(const token_trace::Request& request) {
        auto reservation = limiter_.reserve(request.prompt + plan_.estimated_answer, request.at);
        if (!reservation) {
            ++result_.refused;
            if (reservation.error().reason == resilience::RejectionReason::exceeds_capacity) ++result_.too_large;
            return;
        }
        ++result_.admitted;
        result_.estimated_tokens += reservation->estimate();
        const std::uint64_t used = request.prompt + request.generated;
        const Duration took = plan_.time_per_token * static_cast<std::int64_t>(request.generated);
        flights_.push({request.at + took, open_.size(), used});
        const std::size_t charge = charges_.admit(request.at, reservation->estimate());
        open_.push_back({std::move(*reservation), charge});
    }
    void settle_until(TimePoint now) {
        for (; !flights_.empty() && flights_.top().ends <= now; flights_.pop()) {
            const Flight& flight = flights_.top();
            Open& ending = open_[flight.number];
            const std::uint64_t estimate = ending.reservation.estimate();
            const Reservation::Settled settled = ending.reservation.settle(flight.used, flight.ends);
            result_.used_tokens += flight.used;
            result_.unused_tokens += estimate - std::min(estimate, flight.used);
            result_.refunded_tokens += settled.returned;
            result_.surplus_tokens += settled.surplus;
            if (settled.returned != 0) charges_.refund(ending.charge, settled.returned);
            if (settled.surplus != 0) charges_.surplus(flight.ends, settled.surplus);
            result_.deepest_debt = std::max(result_.deepest_debt, limiter_.stats(flight.ends).debt_tokens);
        }
    }

    Plan plan_;
    RateLimiter limiter_;
    Charges charges_;
    Result result_;
    std::vector<Open> open_;
    std::priority_queue<Flight, std::vector<Flight>, std::greater<>> flights_;
};

}  // namespace token_replay
