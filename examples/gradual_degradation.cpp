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
    bool primary_works = true, secondary_works = true;
    auto call_primary = [&]() -> std::string {
        if (!primary_works) throw std::runtime_error("primary is down");
        return "primary answer";
    };
    auto call_secondary = [&]() -> std::string {
        if (!secondary_works) throw std::runtime_error("secondary is down");
        return "secondary answer";
    };

    // Without degrade_on_failure only a refusal leads on: until its breaker has opened, a callee's exception is thrown.
    auto adaptive_call = [&] {
        return first_of(
            degrade_on_failure, [&] { return primary.execute(call_primary); },
            [&] { return secondary.execute(call_secondary); }, cached);
    };
    auto print = [&](const Served<std::string>& served) {
        std::cout << "level " << served.level << ": " << served.value;
        if (served.refused) std::cout << " (" << *served.refused << ')';
        std::cout << '\n';
    };

    const Served<std::string> healthy = adaptive_call();
    print(healthy);

    primary_works = false;
    Served<std::string> degraded = adaptive_call();
    for (int call = 0; call < 3; ++call) degraded = adaptive_call();
    print(degraded);
    if (degraded.level != 1 || primary_breaker.state() != CircuitState::open) return 1;

    secondary_works = false;
    Served<std::string> last = adaptive_call();
    for (int call = 0; call < 5; ++call) last = adaptive_call();
    print(last);

    // One pipeline and its fallback: the same for two levels.
    CallReport report;
    const std::string page =
        primary.execute_or(CallOptions{.report = &report}, call_primary, [&](const Rejection&) { return cached; });
    std::cout << page << ", served by the " << report.served_by << '\n';
    return healthy.level == 0 && last.value == cached && last.level == 2 && page == cached ? 0 : 1;
}
