// Pattern 2, selective protection: everything for what matters, a rate limit for what runs in the background.

#include <iostream>
#include <resilience/resilience.hpp>

using namespace resilience;
using namespace std::chrono_literals;

int main() {
    CircuitBreaker breaker{"critical"};
    RateLimiter critical_limit{"critical", {.capacity = 100, .refill_rate = 50.0}};
    Bulkhead bulkhead{"critical", 10};
    RateLimiter background_limit{"background", {.capacity = 2, .refill_rate = 0.1}};

    Pipeline critical{breaker, critical_limit, bulkhead};
    Pipeline background{background_limit};

    int paid = 0, cleaned = 0, postponed = 0;
    for (int round = 0; round < 5; ++round) {
        if (critical.execute([&] { ++paid; })) {
            if (!background.execute([&] { ++cleaned; })) ++postponed;
        }
    }
    std::cout << paid << " critical, " << cleaned << " background, " << postponed << " postponed\n";
    return paid == 5 && cleaned == 2 && postponed == 3 ? 0 : 1;
}
