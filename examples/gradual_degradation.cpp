// Pattern 3, gradual degradation: the primary service, else the secondary, else what was cached.

#include <iostream>
#include <resilience/resilience.hpp>
#include <stdexcept>
#include <string>

using namespace resilience;
using namespace std::chrono_literals;

int main() {
    CircuitBreaker primary_breaker{"primary", {.min_requests = 2}};
    CircuitBreaker secondary_breaker{"secondary", {.min_requests = 2}};
    Pipeline primary{primary_breaker}, secondary{secondary_breaker};

    const std::string cached = "cached answer";
    bool secondary_works = true;
    auto call_primary = []() -> std::string { throw std::runtime_error("primary is down"); };
    auto call_secondary = [&]() -> std::string {
        if (!secondary_works) throw std::runtime_error("secondary is down");
        return "secondary answer";
    };

    // An open breaker is a value, so falling back costs no exception; a failing call still throws its own.
    auto adaptive_call = [&]() -> std::string {
        try {
            if (auto answer = primary.execute(call_primary)) return *answer;
            if (auto answer = secondary.execute(call_secondary)) return *answer;
        } catch (const std::runtime_error&) {
            return cached;  // until the breaker has seen enough
        }
        return cached;
    };

    std::string served;
    for (int call = 0; call < 3; ++call) served = adaptive_call();
    std::cout << "primary " << primary_breaker.state() << ": " << served << '\n';
    if (served != "secondary answer") return 1;

    secondary_works = false;
    for (int call = 0; call < 5; ++call) served = adaptive_call();
    std::cout << "secondary " << secondary_breaker.state() << ": " << served << '\n';
    return served == cached && secondary_breaker.state() == CircuitState::open ? 0 : 1;
}
