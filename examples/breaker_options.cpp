// A breaker that does more than count failures: slow calls, a growing open time, a gentle return, and a rule of its
// own.

#include <iostream>
#include <resilience/resilience.hpp>
#include <resilience/testing.hpp>

using namespace resilience;
using namespace std::chrono_literals;

int main() {
    VirtualTime time;
    CircuitBreaker search{"search",
                          {.success_threshold = 2,
                           .timeout = 5s,
                           .min_requests = 10,
                           .slow_call_duration = 200ms,
                           .slow_call_ratio = 0.5,
                           .judge_in_flight = true,
                           .timeout_multiplier = 2,
                           .max_timeout = 60s,
                           .recovery_ramp = 10s}};
    const auto log = search.on_event([](const Event& event) { std::cout << event << '\n'; });
    Pipeline guarded{search};

    // Nothing fails, yet it opens: half of the answers take too long.
    for (int call = 0; call < 10; ++call) {
        if (!time.execute(guarded, [&] { time.take(call % 2 == 0 ? 300ms : 20ms); })) break;
    }
    // Slow probes re-open it, for twice as long.
    time.advance(5s);
    static_cast<void>(time.execute(guarded, [&] { time.take(300ms); }));
    const auto refused = time.execute(guarded, [] { return 1; });
    std::cout << refused.error() << '\n';

    // Quick ones close it, and its calls come back over ten seconds.
    time.advance(10s);
    for (int probe = 0; probe < 2; ++probe) static_cast<void>(time.execute(guarded, [] {}));
    int let_in = 0;
    for (int call = 0; call < 100; ++call) {
        time.advance(100ms);
        if (time.execute(guarded, [] {})) ++let_in;
    }
    std::cout << let_in << " of the first 100 calls after the recovery\n";

    // A rule of the service's own, and one lever over several breakers.
    const auto maintenance = std::make_shared<ManualControl>();
    CircuitBreaker orders{
        "orders",
        {},
        {.trips = [](const ClosedPeriod& seen) { return seen.failures >= 3; }, .manual_control = maintenance}};
    for (int call = 0; call < 3; ++call) orders.record_result(false, time.now());
    const bool opened = orders.state(time.now()) == CircuitState::open;
    maintenance->isolate(time.now());
    return opened && orders.state(time.now()) == CircuitState::forced_open && refused.error().retry_after == 10s ? 0
                                                                                                                 : 1;
}
