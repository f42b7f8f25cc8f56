#pragma once

// What a readiness probe is told: not ready at once, ready again only after it has lasted.
//
// A service at the edge would otherwise go in and out of the load balancer with each circuit that opens and closes.

#include <optional>
#include <resilience/base/time.hpp>
#include <resilience/manager/health.hpp>
#include <resilience/manager/stats.hpp>
#include <string>

namespace resilience::inline v1::detail {

// For how long the rule has held for certain, as far as the states tell that were not seen: a circuit that is not open
// may have been open until it came into its state. Zero when the rule does not hold.
[[nodiscard]] Duration certainly_ready_for(const ResilienceStats& stats, const HealthRules& rules);

// One thread at a time, `now` never falls.
class Readiness {
  public:
    explicit Readiness(Duration again_after) noexcept : again_after_(again_after) {}

    // The health to tell: as judged, or not ready for a while longer after somebody was told so.
    [[nodiscard]] Health told(const ResilienceStats& stats, const HealthRules& rules, TimePoint now);

  private:
    const Duration again_after_;
    bool told_not_ready_ = false;
    std::optional<TimePoint> seen_ready_since_;  // after that, without interruption
};

// The answer of /readyz: health as JSON, with each circuit breaker's state, how critical it is and what it means for
// the service.
[[nodiscard]] std::string readiness_json(const Health& told);

}  // namespace resilience::inline v1::detail
