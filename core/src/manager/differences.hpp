#pragma once

// What differs between two configurations of one kind, field by field, for the error of a name registered twice.

#include <resilience/base/config_error.hpp>
#include <resilience/policies/bulkhead_config.hpp>
#include <resilience/policies/circuit_breaker_config.hpp>
#include <resilience/policies/keyed_rate_limiter_config.hpp>
#include <resilience/policies/rate_limiter_config.hpp>
#include <resilience/policies/retry_config.hpp>

namespace resilience::inline v1::detail {

// One problem for each field in which `given` is not `registered`.
void add_differences(ConfigProblems& problems, const CircuitBreakerConfig& registered,
                     const CircuitBreakerConfig& given);
void add_differences(ConfigProblems& problems, const RateLimiterConfig& registered, const RateLimiterConfig& given);
void add_differences(ConfigProblems& problems, const KeyedRateLimiterConfig& registered,
                     const KeyedRateLimiterConfig& given);
void add_differences(ConfigProblems& problems, const BulkheadConfig& registered, const BulkheadConfig& given);
void add_differences(ConfigProblems& problems, const RetryConfig& registered, const RetryConfig& given);

}  // namespace resilience::inline v1::detail
