#pragma once

// Everything the core offers to a service, in one include; `resilience/testing.hpp` adds what its tests need.
//
//     #include <resilience/resilience.hpp>
//
//     resilience::ResilienceManager manager{"checkout"};
//     auto breaker = manager.register_circuit_breaker("payment_api");
//     resilience::Pipeline guarded{resilience::RetryConfig{.max_attempts = 3}, breaker};
//     auto answer = guarded.execute([&] { return charge(card); });          // std::expected<Receipt, Rejection>
//
// Each of the headers below compiles alone; a file that needs one policy may include just that one.

// The words: time, outcomes, rejections, permits, events.
#include <resilience/base/admission.hpp>
#include <resilience/base/call_context.hpp>
#include <resilience/base/call_options.hpp>
#include <resilience/base/circuit_state.hpp>
#include <resilience/base/config_error.hpp>
#include <resilience/base/duration_text.hpp>
#include <resilience/base/error_code.hpp>
#include <resilience/base/events.hpp>
#include <resilience/base/outcome.hpp>
#include <resilience/base/quoted_text.hpp>
#include <resilience/base/random.hpp>
#include <resilience/base/rejection.hpp>
#include <resilience/base/time.hpp>
#include <resilience/base/verdict.hpp>
#include <resilience/base/version.hpp>

// The instruments: usable alone.
#include <resilience/measure/call_window.hpp>
#include <resilience/measure/duration_window.hpp>
#include <resilience/measure/fixed_window.hpp>
#include <resilience/measure/fraction.hpp>
#include <resilience/measure/key_view.hpp>
#include <resilience/measure/rolling_window.hpp>
#include <resilience/measure/rolling_window_change.hpp>
#include <resilience/measure/sliding_log.hpp>
#include <resilience/measure/striped_counters.hpp>
#include <resilience/measure/token_bucket.hpp>

// The policies, their configurations and their stats.
#include <resilience/policies/bulkhead.hpp>
#include <resilience/policies/bulkhead_partition.hpp>
#include <resilience/policies/circuit_breaker.hpp>
#include <resilience/policies/concurrent_retry_budget.hpp>
#include <resilience/policies/fixed_window_limiter.hpp>
#include <resilience/policies/health_probe.hpp>
#include <resilience/policies/keyed.hpp>
#include <resilience/policies/keyed_rate_limiter.hpp>
#include <resilience/policies/keyed_reservation.hpp>
#include <resilience/policies/manual_control.hpp>
#include <resilience/policies/rate_limiter.hpp>
#include <resilience/policies/reservation.hpp>
#include <resilience/policies/retry.hpp>
#include <resilience/policies/retry_budget.hpp>
#include <resilience/policies/sliding_log_limiter.hpp>
#include <resilience/policies/with_classifier.hpp>

// Composition: one call through several policies.
#include <resilience/pipeline/answer.hpp>
#include <resilience/pipeline/any_pipeline.hpp>
#include <resilience/pipeline/classify.hpp>
#include <resilience/pipeline/elements.hpp>
#include <resilience/pipeline/first_of.hpp>
#include <resilience/pipeline/notes.hpp>
#include <resilience/pipeline/pipeline.hpp>
#include <resilience/pipeline/probe_runner.hpp>
#include <resilience/pipeline/rejection_to.hpp>
#include <resilience/pipeline/retry_executor.hpp>

// All policies of a program by name.
#include <resilience/manager/config_templates.hpp>
#include <resilience/manager/health.hpp>
#include <resilience/manager/manager.hpp>
#include <resilience/manager/manager_config.hpp>
#include <resilience/manager/recorded_event.hpp>
#include <resilience/manager/series_overflow.hpp>
#include <resilience/manager/stats.hpp>
