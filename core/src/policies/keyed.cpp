#include <algorithm>
#include <bit>
#include <new>
#include <resilience/policies/keyed.hpp>

#include "checked_name.hpp"

namespace resilience::inline v1::detail {
namespace {

constexpr std::size_t most_keys = std::size_t{1} << 32;
constexpr std::size_t most_shards = 1024;
constexpr std::size_t keys_of_a_shard = 64;
constexpr std::size_t usual_shards = 64;

}  // namespace

std::size_t checked_shards(const std::string& name, const KeyedConfig& config) {
    ConfigProblems problems{policy_subject("keyed policies", &name)};
    problems.expect(config.max_keys >= 1 && config.max_keys <= most_keys, "max_keys",
                    "is " + std::to_string(config.max_keys) + "; use 1 to 4294967296");
    problems.expect(config.idle >= Duration::zero(), "idle", "is negative; use 0 or longer");
    problems.expect(
        config.shards == 0 || (std::has_single_bit(config.shards) && config.shards <= most_shards), "shards",
        "is " + std::to_string(config.shards) + "; use 0 (chosen by max_keys) or a power of two up to 1024");
    problems.throw_if_any();
    if (config.shards != 0) return config.shards;
    return std::clamp(std::bit_floor(config.max_keys / keys_of_a_shard), std::size_t{1}, usual_shards);
}

// Where there is no memory for the picture, nothing is known and nothing goes.
bool at_rest(const CircuitBreaker& breaker, TimePoint now, bool idle) noexcept {
    try {
        const auto rests = [&](CircuitState state) {
            return state == CircuitState::closed || (idle && state == CircuitState::half_open) ||
                   // Made anew it would measure again.
                   (state == CircuitState::metrics_only &&
                    breaker.config().initial_state == CircuitState::metrics_only);
        };
        // Open circuits are looked at with every new key: no picture is made of them.
        if (!rests(breaker.state(now))) return false;
        const CircuitBreakerStats stats = breaker.stats(now);
        // A lever with an end may bring an open circuit back.
        if (!rests(stats.state) || stats.lever_expires || stats.in_flight != 0) return false;
        return std::ranges::all_of(stats.operations,
                                   [&](const auto& operation) { return rests(operation.state.value_or(stats.state)); });
    } catch (const std::bad_alloc&) {
        return false;
    }
}

bool at_rest(const Bulkhead& bulkhead, TimePoint now, bool) noexcept {
    try {
        const BulkheadStats stats = bulkhead.stats(now);
        return stats.in_use == 0 && stats.queue_depth == 0 && stats.partitions.empty();
    } catch (const std::bad_alloc&) {
        return false;
    }
}

}  // namespace resilience::inline v1::detail
