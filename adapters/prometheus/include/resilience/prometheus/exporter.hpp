#pragma once

// A manager's stats as Prometheus metrics: as text, or as a Collectable for an exposer you already have.
//
//     std::string body = resilience::export_metrics(manager);             // serve as metrics_content_type
//
//     prometheus::Exposer exposer{"127.0.0.1:9464"};                      // from prometheus-cpp's own pull library
//     auto collectable = std::make_shared<resilience::ManagerCollectable>(manager);
//     exposer.RegisterCollectable(collectable);                           // the exposer holds it weakly: keep it
//
// Every family begins with `resilience_`; README.md beside this adapter lists them. What you can rely on:
//  - `service` is the policy's name; on families of the whole process it is the manager's, left out when it has none.
//  - A series exists from registration on, with 0: each reason of a rejection, each state, each way a call can end. So
//    the first rejection shows in rate().
//  - `resilience_circuit_breaker_state{service}` is the number of the state. The same family with `state="open"` and so
//    on is 1 for the current state and 0 for the five others. To add up over services, ask for {state="open"} or, for
//    the plain number, {state=""}.
//  - `resilience_circuit_breaker_failures` is untyped: as a counter it would have to end in `_total`. It never falls,
//    rate() works, and `_failures_total` beside it is the typed one.
//  - `resilience_rate_limiter_rejections_total` has no `reason`, so that it divides by `_requests_total` as it stands.
//  - Policies beyond ManagerConfig::max_components share one set of series with service="overflow": the sums of their
//    counters and histograms, no gauges. `resilience_metrics_dropped_components` says how many they are. The sums never
//    fall, also when such a policy is removed. The series of any other policy go with it.
//  - A ratio that does not exist has no series, never NaN. A family without series is left out whole.
//
// Callable from any thread. Cost: one `manager.stats()`, which takes no lock of a call path, and the text: 10 to 15 ms
// for 1,000 circuit breakers (34,000 series, 3.1 MB) in an optimized build. Through an exposer, prometheus-cpp writes
// the text and takes three times as long. Counters are exact to 2^53, where the format's doubles end.

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <chrono>
#include <resilience/base/time.hpp>
#include <resilience/manager/health.hpp>
#include <resilience/manager/manager.hpp>
#include <resilience/manager/series_overflow.hpp>
#include <resilience/manager/stats.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace resilience::inline v1 {

// What to answer a scrape with. The text is in format 0.0.4 only: OpenMetrics does not allow the untyped family's name.
inline constexpr std::string_view metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";

// The `service` of the policies that are shown as one sum. A manager lets no policy be called so.
inline constexpr std::string_view overflow_service = overflow_name;

struct MetricsConfig {
    // The upper edges of the histograms' buckets, beside +Inf; order and repetitions do not matter. Edges of
    // LatencyScale::standard() count exactly; for any other a bucket holds what is sure to be no longer.
    std::vector<Duration> latency_buckets = {
        std::chrono::milliseconds{1},   std::chrono::microseconds{2500}, std::chrono::milliseconds{5},
        std::chrono::milliseconds{10},  std::chrono::milliseconds{25},   std::chrono::milliseconds{50},
        std::chrono::milliseconds{100}, std::chrono::milliseconds{250},  std::chrono::milliseconds{500},
        std::chrono::seconds{1},        std::chrono::seconds{2},         std::chrono::milliseconds{2500},
        std::chrono::seconds{5},        std::chrono::seconds{10},        std::chrono::seconds{30}};
};

// The text a scrape is answered with. `rules` decide what `resilience_ready` and `resilience_health_status` say; give
// those your readiness probe uses. Throws std::bad_alloc only.
[[nodiscard]] std::string export_metrics(const ResilienceManager& manager, const HealthRules& rules = {},
                                         const MetricsConfig& config = {});

// The same from stats that were taken before, or only some of them.
[[nodiscard]] std::string export_metrics(const ResilienceStats& stats, const HealthRules& rules = {},
                                         const MetricsConfig& config = {});

// The same with a health that was judged before: that of a probe which delays being ready again, say.
[[nodiscard]] std::string export_metrics_as_judged(const ResilienceStats& stats, const Health& judged,
                                                   const MetricsConfig& config = {});

// A manager as a source of prometheus-cpp. Refers to the manager, which must outlive it. Collect() may run on any
// thread, several at once.
class ManagerCollectable : public prometheus::Collectable {
  public:
    explicit ManagerCollectable(const ResilienceManager& manager, HealthRules rules = {},
                                MetricsConfig config = {}) noexcept
        : manager_(manager), rules_(std::move(rules)), config_(std::move(config)) {}

    [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;

  private:
    const ResilienceManager& manager_;
    HealthRules rules_;
    MetricsConfig config_;
};

}  // namespace resilience::inline v1
