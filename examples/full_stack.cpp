// Pattern 1, full protection: breaker, limiter and bulkhead around a retry, the retry innermost as in the guide.
//
// The breaker then sees one outcome per call, however many attempts it took. Outside the breaker, a retry would ask it
// before every attempt: Pipeline{retry, breaker, limiter, bulkhead}.

#include <iostream>
#include <resilience/resilience.hpp>
#include <stdexcept>
#include <string>

using namespace resilience;
using namespace std::chrono_literals;

int main() {
    ResilienceManager manager;
    auto breaker = manager.register_circuit_breaker("api");
    auto limiter = manager.register_rate_limiter("api", 1000, 100.0);
    auto bulkhead = manager.register_bulkhead("api", 50, 10);
    auto retry = manager.register_retry("api", {.max_attempts = 3, .base_delay = 5ms});

    Pipeline protected_call{breaker, limiter, bulkhead, retry};

    int attempts = 0;
    auto external_api_call = [&]() -> std::string {
        if (++attempts == 1) throw std::runtime_error("connection reset");
        return "response";
    };

    auto result = protected_call.execute(external_api_call);
    if (!result) {
        std::cout << result.error() << '\n';
        return 1;
    }
    const auto seen = breaker->stats();
    std::cout << *result << " after " << attempts << " attempts; the breaker saw " << seen.success << " success and "
              << seen.failure << " failures\n";
    return attempts == 2 && seen.success == 1 && seen.failure == 0 ? 0 : 1;
}
