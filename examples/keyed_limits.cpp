// A rate for each tenant: bronze, silver and gold, a live change of a tier, a cost known afterwards, and who asks most.

#include <iostream>
#include <resilience/resilience.hpp>
#include <string>
#include <string_view>

using namespace resilience;
using namespace std::chrono_literals;

int main() {
    // Keys are users' data: the manager's stats name the hottest only because it is told to.
    ResilienceManager manager{"shop", {.hottest_keys = 2}};
    const auto limiter = manager.register_keyed_rate_limiter(
        "per_tenant", {.tiers = {{"bronze", 5, 1}, {"silver", 20, 10}, {"gold", 100, 50}}, .max_keys = 10'000});
    KeyedRateLimiter& per_tenant = *limiter;
    const auto gold = per_tenant.tier("gold");
    const auto bronze = per_tenant.tier("bronze");

    const TimePoint now = Clock::now();
    const auto served = [&](std::string_view tenant, int requests) {
        int admitted = 0;
        for (int request = 0; request < requests; ++request) admitted += per_tenant.acquire(tenant, 1, now) ? 1 : 0;
        return admitted;
    };
    // acme has paid: its tier stays with it until it is released.
    const bool assigned = per_tenant.assign("acme", gold, now);
    const int of_acme = served("acme", 150);
    const int of_somebody = served("somebody", 150);
    std::cout << "acme " << of_acme << ", somebody " << of_somebody << '\n';

    // A refusal says when; a costly call weighs more.
    const auto refused = per_tenant.try_acquire("somebody", 3, now);
    std::cout << refused.error() << '\n';
    const bool later = per_tenant.acquire("somebody", 3, now + *refused.error().retry_after);

    // Bronze becomes larger for all its tenants: they keep the tokens they have.
    per_tenant.set_tier(bronze, 50, 10, now);

    // What the model will cost is a guess until it has answered: the rest comes back, to this tenant alone.
    std::uint64_t came_back = 0;
    if (auto reservation = per_tenant.reserve("globex", gold, 80, now)) {
        came_back = reservation->settle(30, now).returned;
    }
    std::cout << "globex got " << came_back << " back and has " << per_tenant.available("globex", now) << " left\n";

    const ResilienceStats shown = manager.stats(now);
    for (const HotKey& hot : shown.keyed_rate_limiters.at("per_tenant").hottest) {
        std::cout << hot.key << " (" << hot.tier << "): " << hot.admitted << " admitted, " << hot.rejected
                  << " refused\n";
    }

    // From a timer: tenants whose buckets are full again cost nothing.
    per_tenant.sweep(now + 1h);
    const KeyedRateLimiterStats stats = per_tenant.stats();
    std::cout << stats.keys << " keys held, " << stats.evicted_full_total << " forgotten\n";
    return assigned && of_acme == 100 && of_somebody == 5 && later && came_back == 50 && stats.keys == 1 ? 0 : 1;
}
