// The guide's manager: register by name, look up, and print everything as JSON.

#include <iostream>
#include <resilience/json/json.hpp>
#include <resilience/resilience.hpp>

using namespace resilience;

int main() {
    ResilienceManager manager{"checkout"};

    auto breaker = manager.register_circuit_breaker("payment_api");
    auto limiter = manager.register_rate_limiter("payment_api", 1000, 100.0);
    auto bulkhead = manager.register_bulkhead("payment_api", 50, 10);

    Pipeline guarded{breaker, limiter, bulkhead};
    for (int call = 0; call < 3; ++call) {
        if (!guarded.execute([] { return 200; })) return 1;
    }

    const ResilienceStats stats = manager.stats();
    std::cout << to_json_text(stats, 2) << '\n';
    const bool found = manager.circuit_breaker("payment_api") == breaker && !manager.circuit_breaker("unknown");
    return found && stats.circuit_breakers.at("payment_api").success == 3 && is_ready(stats) ? 0 : 1;
}
