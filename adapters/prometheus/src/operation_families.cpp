#include <resilience/base/circuit_state.hpp>

#include "family.hpp"
#include "metric_families.hpp"

namespace resilience::inline v1::detail {

namespace {

using Operation = CircuitBreakerStats::Operation;
using OperationFamily = PlainFamily<Operation>;

std::optional<double> ratio_in_window(const Operation& operation) noexcept {
    if (operation.window.requests == 0) return std::nullopt;
    return operation.window.failure_ratio;
}

std::optional<double> own_state(const Operation& operation) noexcept {
    if (!operation.state) return std::nullopt;
    return static_cast<double>(*operation.state);
}

constexpr OperationFamily operation_families[] = {
    {"circuit_breaker_operation_requests_total", "Attempts of an operation that asked for admission.",
     MetricType::Counter, counted<&Operation::requests>},
    {"circuit_breaker_operation_failures_total", "Attempts of an operation counted as failures.", MetricType::Counter,
     counted<&Operation::failure>},
    {"circuit_breaker_operation_rejections_total", "Attempts of an operation not admitted.", MetricType::Counter,
     counted<&Operation::rejected>},
    {"circuit_breaker_operation_failure_ratio", "Share of failures of an operation in its window.", MetricType::Gauge,
     ratio_in_window},
    {"circuit_breaker_operation_state",
     "Own state of an isolated operation: 0 closed, 1 open, 2 half-open, 5 metrics only.", MetricType::Gauge,
     own_state},
};

}  // namespace

// Of breakers with series of their own: in the sum of the others nobody could say whose operation it is.
void add_operations(const FamilySink& sink, const Shown<CircuitBreakerStats>& breakers) {
    for (const OperationFamily& row : operation_families) {
        Family family{row.name, row.help, row.type};
        for (const auto& [name, stats] : breakers.each) {
            for (const Operation& operation : stats.operations) {
                const auto value = row.value(operation);
                if (value) family.add(*value, {{"service", name}, {"operation", operation.name}});
            }
        }
        std::move(family).move_to(sink);
    }
}

}  // namespace resilience::inline v1::detail
