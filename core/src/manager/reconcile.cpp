#include <resilience/testing.hpp>
#include <stdexcept>
#include <string>

namespace resilience::inline v1 {
namespace {

void expect_sum(std::string& complaints, const std::string& policy, const char* identity, std::uint64_t left,
                std::uint64_t right) {
    if (left == right) return;
    complaints += policy + ": " + identity + " does not hold: " + std::to_string(left) + " against " +
                  std::to_string(right) + '\n';
}

}  // namespace

void expect_reconciled(const ResilienceStats& stats) {
    std::string complaints;
    for (const auto& [name, breaker] : stats.circuit_breakers) {
        const std::string policy = "circuit breaker \"" + name + '"';
        expect_sum(complaints, policy, "requests = admitted + rejected", breaker.requests,
                   breaker.admitted + breaker.rejected.total());
        expect_sum(complaints, policy, "admitted = success + failure + ignored + in flight", breaker.admitted,
                   breaker.success + breaker.failure + breaker.ignored + breaker.in_flight);
    }
    for (const auto& [name, limiter] : stats.rate_limiters) {
        expect_sum(complaints, "rate limiter \"" + name + '"', "requests = admitted + rejected", limiter.requests,
                   limiter.admitted + limiter.rejected.total());
    }
    for (const auto& [name, limiter] : stats.keyed_rate_limiters) {
        expect_sum(complaints, "keyed rate limiter \"" + name + '"', "requests = admitted + rejected", limiter.requests,
                   limiter.admitted + limiter.rejected.total());
    }
    for (const auto& [name, bulkhead] : stats.bulkheads) {
        const std::string policy = "bulkhead \"" + name + '"';
        expect_sum(complaints, policy, "requests = admitted + rejected", bulkhead.requests,
                   bulkhead.admitted + bulkhead.rejected.total());
        expect_sum(complaints, policy, "admitted = settled + in use", bulkhead.admitted,
                   bulkhead.settled + bulkhead.in_use);
        for (const BulkheadPartitionStats& partition : bulkhead.partitions) {
            expect_sum(complaints, policy + ", partition \"" + std::string(partition.name) + '"',
                       "requests = admitted + rejected", partition.requests,
                       partition.admitted_reserved + partition.admitted_shared + partition.rejected);
        }
    }
    for (const auto& [name, retry] : stats.retries) {
        expect_sum(complaints, "retry \"" + name + '"', "calls = the sum of their endings", retry.calls,
                   retry.success_first + retry.success_retried + retry.exhausted + retry.not_retryable + retry.gave_up);
    }
    if (!complaints.empty()) throw std::logic_error(complaints);
}

}  // namespace resilience::inline v1
