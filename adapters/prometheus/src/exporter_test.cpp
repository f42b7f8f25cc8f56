#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <resilience/base/version.hpp>
#include <resilience/prometheus/exporter.hpp>
#include <string>

#include "one_of_each.hpp"
#include "promtool.hpp"

namespace exporter_test {

using namespace resilience;
using namespace std::chrono_literals;
using detail::one_of_each;
using detail::promtool_finds_nothing;
using detail::value_of;

struct PromisedFamily {
    const char* name;
    const char* type;
    const char* help;
};
const PromisedFamily promised_families[] = {
    {"circuit_breaker_state", "gauge",
     "Circuit state: 0 closed, 1 open, 2 half-open, 3 forced open, 4 forced closed, 5 metrics only; with label "
     "state 1 for the current one."},
    {"circuit_breaker_failures", "untyped", "Attempts counted as failures."},
    {"circuit_breaker_failures_total", "counter", "Attempts counted as failures."},
    {"circuit_breaker_successes_total", "counter", "Attempts counted as successes."},
    {"circuit_breaker_ignored_total", "counter", "Attempts that ended without a verdict."},
    {"circuit_breaker_requests_total", "counter", "Attempts that asked for admission."},
    {"circuit_breaker_rejections_total", "counter", "Attempts not admitted."},
    {"circuit_breaker_transitions_total", "counter", "State changes."},
    {"circuit_breaker_not_closed_seconds", "gauge", "Time since the circuit was last closed."},
    {"circuit_breaker_window_saturated_total", "counter", "Results that did not fit into a bucket of the window."},
    {"circuit_breaker_call_duration_seconds", "histogram", "Duration of settled attempts."},
    {"circuit_breaker_unpaired_results_total", "counter", "Results recorded without an attempt that was let through."},
    {"circuit_breaker_abandoned_total", "counter", "Attempts let through by allow() whose result was never recorded."},
    {"circuit_breaker_classifier_errors_total", "counter", "Classifiers that threw."},
    {"circuit_breaker_late_results_total", "counter", "Verdicts for an earlier state."},
    {"circuit_breaker_leases_reclaimed_total", "counter", "Probe slots taken back from probes that never reported."},
    {"circuit_breaker_failure_ratio", "gauge", "Share in the window; absent below min_requests."},
    {"circuit_breaker_slow_calls_total", "counter", "Attempts slower than slow_call_duration."},
    {"circuit_breaker_slow_call_ratio", "gauge", "Share in the window; absent below min_requests."},
    {"circuit_breaker_failure_threshold", "gauge", "Ratio that opens the circuit now."},
    {"circuit_breaker_state_seconds", "gauge", "Time in the current state."},
    {"circuit_breaker_retry_after_seconds", "gauge", "Time until the next probe; 0 unless open."},
    {"circuit_breaker_oldest_probe_seconds", "gauge", "Age of the oldest probe; 0 if none."},
    {"circuit_breaker_in_flight", "gauge", "Attempts admitted and not settled."},
    {"rate_limiter_requests_total", "counter", "Requests for tokens."},
    {"rate_limiter_rejections_total", "counter", "Requests refused."},
    {"rate_limiter_available_tokens", "gauge", "Tokens to take now."},
    {"rate_limiter_capacity", "gauge", "Largest burst."},
    {"bulkhead_in_use", "gauge", "Permits out."},
    {"bulkhead_max_concurrent", "gauge", "Limit now."},
    {"bulkhead_queue_size", "gauge", "Places in the queue."},
    {"bulkhead_queue_depth", "gauge", "Waiters."},
    {"bulkhead_oldest_waiter_seconds", "gauge", "Age of the oldest waiter."},
    {"bulkhead_wait_seconds", "histogram", "Time from request to permit."},
    {"bulkhead_partition_in_use", "gauge", "Permits out, of its own places and of those that everybody shares."},
    {"bulkhead_partition_reserved", "gauge", "Places of its own."},
    {"bulkhead_partition_requests_total", "counter", "Requests for a permit."},
    {"bulkhead_partition_rejections_total", "counter", "Requests refused."},
    {"rate_limiter_waiting", "gauge", "Callers in the queue."},
    {"rate_limiter_oldest_waiter_seconds", "gauge", "Age of the oldest waiter."},
    {"rate_limiter_returned_tokens_total", "counter", "Tokens that settled reservations gave back."},
    {"rate_limiter_surplus_tokens_total", "counter", "Tokens used beyond the estimates of reservations."},
    {"rate_limiter_debt_tokens", "gauge", "Tokens used beyond what was there, still owed."},
    {"rate_limiter_keys", "gauge", "Keys held."},
    {"rate_limiter_evicted_keys_total", "counter", "Keys dropped to stay within max_keys."},
    {"bulkhead_requests_total", "counter", "Requests for a permit."},
    {"bulkhead_rejections_total", "counter", "Requests refused."},
    {"retry_calls_total", "counter", "Calls by how they ended."},
    {"retry_attempts_total", "counter", "Attempts, the first included."},
    {"retry_sleeping", "gauge", "Calls in backoff."},
    {"retry_budget_rejections_total", "counter", "Retries the budget refused."},
    {"retry_budget_balance", "gauge", "Retries that may start now."},
    {"retry_budget_capacity", "gauge", "Retries that may start at most."},
    {"build_info", "gauge", "1."},
    {"health_status", "gauge", "1 for the current status."},
    {"ready", "gauge", "1 when /readyz says 200."},
    {"listener_exceptions_total", "counter", "Exceptions caught from listeners."},
    {"events_dropped_total", "counter", "Events a slow reader lost."},
    {"metrics_dropped_components", "gauge", "Components summed into overflow."},
};

TEST(Exporter, writes_every_family_with_its_type_and_help) {
    const std::string text = export_metrics(one_of_each());
    std::size_t families = 0;
    for (std::size_t at = text.find("# TYPE "); at != std::string::npos; at = text.find("# TYPE ", at + 1)) ++families;
    EXPECT_EQ(families, std::size(promised_families));
    for (const auto& row : promised_families) {
        const std::string name = std::string("resilience_") + row.name;
        EXPECT_NE(text.find("# HELP " + name + ' ' + row.help + "\n# TYPE " + name + ' ' + row.type + "\n"),
                  std::string::npos)
            << name;
    }
}

struct PromisedSeries {
    const char* series;
    double value;
};
const PromisedSeries series_of_one_of_each[] = {
    {R"(circuit_breaker_state{service="pay"})", 1},
    {R"(circuit_breaker_failures{service="pay"})", 48},
    {R"(circuit_breaker_failures_total{service="pay"})", 48},
    {R"(circuit_breaker_successes_total{service="pay"})", 899},
    {R"(circuit_breaker_ignored_total{service="pay"})", 2},
    {R"(circuit_breaker_requests_total{service="pay"})", 1203},
    {R"(circuit_breaker_rejections_total{service="pay",reason="circuit_open"})", 250},
    {R"(circuit_breaker_rejections_total{service="pay",reason="half_open_full"})", 3},
    {R"(circuit_breaker_rejections_total{service="pay",reason="forced_open"})", 0},
    {R"(circuit_breaker_transitions_total{service="pay",from="closed",to="open"})", 3},
    {R"(circuit_breaker_transitions_total{service="pay",from="open",to="half_open"})", 2},
    {R"(circuit_breaker_not_closed_seconds{service="pay"})", 40},
    {R"(circuit_breaker_late_results_total{service="pay"})", 4},
    {R"(circuit_breaker_abandoned_total{service="pay"})", 5},
    {R"(circuit_breaker_leases_reclaimed_total{service="pay"})", 6},
    {R"(circuit_breaker_unpaired_results_total{service="pay"})", 7},
    {R"(circuit_breaker_window_saturated_total{service="pay"})", 8},
    {R"(circuit_breaker_classifier_errors_total{service="pay"})", 9},
    {R"(circuit_breaker_call_duration_seconds_bucket{service="pay",le="0.001"})", 0},
    {R"(circuit_breaker_call_duration_seconds_bucket{service="pay",le="0.005"})", 2},
    {R"(circuit_breaker_call_duration_seconds_bucket{service="pay",le="0.01"})", 3},
    {R"(circuit_breaker_call_duration_seconds_bucket{service="pay",le="2"})", 3},
    {R"(circuit_breaker_call_duration_seconds_bucket{service="pay",le="30"})", 4},
    {R"(circuit_breaker_call_duration_seconds_bucket{service="pay",le="+Inf"})", 4},
    {R"(circuit_breaker_call_duration_seconds_count{service="pay"})", 4},
    {R"(circuit_breaker_call_duration_seconds_sum{service="pay"})", 3.013},
    {R"(circuit_breaker_failure_ratio{service="pay"})", 0.575},
    {R"(circuit_breaker_slow_calls_total{service="pay"})", 3},
    {R"(circuit_breaker_slow_call_ratio{service="pay"})", 0.05},
    {R"(circuit_breaker_failure_threshold{service="pay"})", 0.5},
    {R"(circuit_breaker_state_seconds{service="pay"})", 12.5},
    {R"(circuit_breaker_retry_after_seconds{service="pay"})", 47.5},
    {R"(circuit_breaker_oldest_probe_seconds{service="pay"})", 2},
    {R"(circuit_breaker_in_flight{service="pay"})", 1},
    {R"(rate_limiter_requests_total{service="pay"})", 9000},
    {R"(rate_limiter_rejections_total{service="pay"})", 50},
    {R"(rate_limiter_available_tokens{service="pay"})", 412},
    {R"(rate_limiter_capacity{service="pay"})", 1000},
    {R"(bulkhead_in_use{service="pay"})", 12},
    {R"(bulkhead_wait_seconds_bucket{service="pay",le="0.005"})", 2},
    {R"(bulkhead_wait_seconds_count{service="pay"})", 4},
    {R"(bulkhead_partition_in_use{service="pay",partition="checkout"})", 13},
    {R"(bulkhead_partition_reserved{service="pay",partition="checkout"})", 10},
    {R"(bulkhead_partition_requests_total{service="pay",partition="checkout"})", 70},
    {R"(bulkhead_partition_rejections_total{service="pay",partition="checkout"})", 4},
    {R"(rate_limiter_oldest_waiter_seconds{service="pay"})", 1.5},
    {R"(retry_budget_rejections_total{service="reads"})", 6},
    {R"(retry_budget_balance{service="reads"})", 7.5},
    {R"(retry_budget_capacity{service="reads"})", 10},
    {R"(bulkhead_max_concurrent{service="pay"})", 50},
    {R"(bulkhead_queue_size{service="pay"})", 10},
    {R"(bulkhead_queue_depth{service="pay"})", 3},
    {R"(bulkhead_oldest_waiter_seconds{service="pay"})", 0.25},
    {R"(rate_limiter_waiting{service="pay"})", 4},
    {R"(bulkhead_rejections_total{service="pay",reason="queue_full"})", 5},
    {R"(bulkhead_rejections_total{service="pay",reason="queue_timeout"})", 0},
    {R"(bulkhead_requests_total{service="pay"})", 950},
    {R"(bulkhead_rejections_total{service="pay",reason="bulkhead_full"})", 2},
    {R"(bulkhead_rejections_total{service="pay",reason="shutting_down"})", 1},
    {R"(retry_calls_total{service="reads",result="success_first"})", 880},
    {R"(retry_calls_total{service="reads",result="success_retried"})", 15},
    {R"(retry_calls_total{service="reads",result="exhausted"})", 3},
    {R"(retry_calls_total{service="reads",result="not_retryable"})", 2},
    {R"(retry_calls_total{service="reads",result="gave_up"})", 1},
    {R"(retry_attempts_total{service="reads"})", 921},
    {R"(retry_sleeping{service="reads"})", 4},
    {R"(rate_limiter_returned_tokens_total{service="pay"})", 70},
    {R"(rate_limiter_surplus_tokens_total{service="pay"})", 30},
    {R"(rate_limiter_debt_tokens{service="pay"})", 6},
    {R"(rate_limiter_keys{service="per_user"})", 17},
    {R"(rate_limiter_evicted_keys_total{service="per_user"})", 5},
    {R"(rate_limiter_requests_total{service="per_user"})", 800},
    {R"(rate_limiter_rejections_total{service="per_user"})", 6},
    {R"(rate_limiter_returned_tokens_total{service="per_user"})", 8},
    {R"(rate_limiter_surplus_tokens_total{service="per_user"})", 9},
    {R"(health_status{status="healthy"})", 0},
    {R"(health_status{status="degraded"})", 1},
    {R"(health_status{status="failing"})", 0},
    {"ready", 1},
    {"listener_exceptions_total", 6},
    {"events_dropped_total", 60},
};

TEST(Exporter, writes_every_value_under_its_labels) {
    const std::string text = export_metrics(one_of_each());
    for (const auto& row : series_of_one_of_each) {
        const auto value = value_of(text, std::string("resilience_") + row.series);
        ASSERT_TRUE(value.has_value()) << row.series;
        EXPECT_DOUBLE_EQ(*value, row.value) << row.series;
    }
    EXPECT_NE(text.find("resilience_build_info{version=\"" + std::string(library_version) + "\",compiler=\""),
              std::string::npos);
}

TEST(Exporter, has_exactly_one_state_at_1) {
    for (std::size_t current = 0; current < circuit_states; ++current) {
        ResilienceStats stats;
        stats.circuit_breakers["pay"].state = static_cast<CircuitState>(current);
        const std::string text = export_metrics(stats);
        EXPECT_EQ(value_of(text, R"(resilience_circuit_breaker_state{service="pay"})"), current);
        double sum = 0;
        for (std::size_t state = 0; state < circuit_states; ++state) {
            const std::string name{to_string(static_cast<CircuitState>(state))};
            const auto value =
                value_of(text, R"(resilience_circuit_breaker_state{service="pay",state=")" + name + "\"}");
            ASSERT_TRUE(value.has_value()) << name;
            EXPECT_EQ(*value, state == current ? 1 : 0) << name << " while " << current;
            sum += *value;
        }
        EXPECT_EQ(sum, 1);
    }
}

TEST(Exporter, has_all_but_ratios_from_registration_on) {
    ResilienceStats fresh;
    fresh.circuit_breakers["pay"];
    fresh.rate_limiters["pay"];
    fresh.bulkheads["pay"];
    fresh.retries["pay"];
    const std::string text = export_metrics(fresh);
    for (const char* series :
         {R"(circuit_breaker_rejections_total{service="pay",reason="circuit_open"})",
          R"(circuit_breaker_rejections_total{service="pay",reason="half_open_full"})",
          R"(circuit_breaker_rejections_total{service="pay",reason="forced_open"})",
          R"(circuit_breaker_rejections_total{service="pay",reason="throttled"})",
          R"(circuit_breaker_failures{service="pay"})", R"(circuit_breaker_not_closed_seconds{service="pay"})",
          R"(circuit_breaker_retry_after_seconds{service="pay"})",
          R"(circuit_breaker_oldest_probe_seconds{service="pay"})", R"(rate_limiter_rejections_total{service="pay"})",
          R"(bulkhead_rejections_total{service="pay",reason="bulkhead_full"})",
          R"(bulkhead_rejections_total{service="pay",reason="shutting_down"})",
          R"(retry_calls_total{service="pay",result="gave_up"})"}) {
        EXPECT_EQ(value_of(text, std::string("resilience_") + series), 0) << series;
    }
    EXPECT_EQ(text.find("resilience_circuit_breaker_failure_ratio"), std::string::npos);
}

TEST(Exporter, leaves_a_ratio_out_below_min_requests) {
    auto stats = one_of_each();
    stats.circuit_breakers["quiet"].window = {.requests = 9, .failures = 9, .failure_ratio = 1, .min_requests = 10};
    const std::string text = export_metrics(stats);
    EXPECT_FALSE(value_of(text, R"(resilience_circuit_breaker_failure_ratio{service="quiet"})"));
    EXPECT_TRUE(value_of(text, R"(resilience_circuit_breaker_failure_ratio{service="pay"})"));
}

TEST(Exporter, never_writes_a_number_that_is_none) {
    auto stats = one_of_each();
    stats.circuit_breakers["pay"].window.failure_ratio = std::nan("");
    stats.circuit_breakers["pay"].window.failure_threshold = std::numeric_limits<double>::infinity();
    const std::string text = export_metrics(stats);
    for (const char* word : {" Nan\n", " NaN\n", " nan\n", " +Inf\n", " inf\n"}) {
        EXPECT_EQ(text.find(word), std::string::npos) << word;
    }
}

TEST(Exporter, gives_no_limiter_series_a_reason) {
    const std::string text = export_metrics(one_of_each());
    for (std::size_t at = 0; (at = text.find("\nresilience_rate_limiter_", at)) != std::string::npos; ++at) {
        const std::string line = text.substr(at + 1, text.find('\n', at + 1) - at - 1);
        EXPECT_EQ(line.find("reason"), std::string::npos) << line;
    }
}

TEST(Exporter, leaves_families_without_series_out) {
    const std::string text = export_metrics(ResilienceStats{});
    for (const char* kind : {"circuit_breaker", "rate_limiter", "bulkhead", "retry"}) {
        EXPECT_EQ(text.find(std::string("resilience_") + kind), std::string::npos) << kind;
    }
    EXPECT_EQ(value_of(text, "resilience_ready"), 1);
    EXPECT_EQ(value_of(text, "resilience_events_dropped_total"), 0);
}

TEST(Exporter, names_the_service_of_the_process_when_it_has_a_name) {
    auto stats = one_of_each();
    stats.service = "checkout";
    const std::string text = export_metrics(stats);
    EXPECT_EQ(value_of(text, R"(resilience_ready{service="checkout"})"), 1);
    EXPECT_EQ(value_of(text, R"(resilience_health_status{service="checkout",status="degraded"})"), 1);
}

TEST(Exporter, says_ready_by_the_rules_it_is_given) {
    ResilienceStats stats;
    for (const char* name : {"a", "b", "c"}) stats.circuit_breakers[name].state = CircuitState::open;
    EXPECT_EQ(value_of(export_metrics(stats), "resilience_ready"), 0);
    EXPECT_EQ(value_of(export_metrics(stats), R"(resilience_health_status{status="failing"})"), 1);
    EXPECT_EQ(value_of(export_metrics(stats, {.max_open_circuits = std::nullopt}), "resilience_ready"), 1);
}

TEST(Promtool, finds_nothing_in_a_normal_scrape) { EXPECT_TRUE(promtool_finds_nothing(export_metrics(one_of_each()))); }

TEST(Promtool, finds_nothing_in_the_scrape_of_an_empty_manager) {
    EXPECT_TRUE(promtool_finds_nothing(export_metrics(ResilienceStats{})));
}

TEST(Promtool, finds_nothing_in_a_scrape_of_hostile_names) {
    ResilienceStats stats;
    stats.service = "\"} 1\nforged_total 7";
    for (const std::string name : {"quote\"", "back\\slash", "new\nline", "\"} 1\nforged_total{x=\"", "# HELP x y",
                                   "{}", "tab\t", "\x01\x7f", "\xf0\x9f\x94\xa5", "ends with \\", " "}) {
        stats.circuit_breakers[name];
        stats.rate_limiters[name];
        stats.bulkheads[name];
        stats.retries[name];
    }
    const std::string text = export_metrics(stats);
    EXPECT_TRUE(promtool_finds_nothing(text));
    EXPECT_EQ(text.find("\nforged_total"), std::string::npos);
    EXPECT_EQ(value_of(text, R"(resilience_circuit_breaker_state{service="new\nline"})"), 0);
    EXPECT_EQ(value_of(text, R"(resilience_circuit_breaker_state{service="ends with \\"})"), 0);
}

TEST(Promtool, would_find_a_counter_called_failures_and_broken_text) {
    EXPECT_EQ(detail::check_metrics("# HELP resilience_circuit_breaker_failures F.\n"
                                    "# TYPE resilience_circuit_breaker_failures counter\n"
                                    "resilience_circuit_breaker_failures 1\n")
                  .exit_code,
              3);
    EXPECT_EQ(detail::check_metrics("resilience-ready 1\n").exit_code, 1);
}

}  // namespace exporter_test
