// Health probes: a breaker that asks whether its callee is well again, so that no user has to find out.

#include <future>
#include <iostream>
#include <resilience/resilience.hpp>
#include <resilience/testing.hpp>

using namespace resilience;
using namespace std::chrono_literals;

// In virtual time, as a test would: a callee that is down for twenty seconds.
bool in_virtual_time() {
    VirtualTime time;
    CircuitBreaker cards{"card_host", {.success_threshold = 2, .timeout = 60s, .min_requests = 1}};
    const auto log = cards.on_event([](const Event& event) { std::cout << event << '\n'; });
    cards.set_probe({.interval = 5s, .timeout = 1s, .probes_only = true}, [&] {
        time.take(30ms);
        return time.elapsed() > 20s;
    });
    const VirtualProbes probes{time, cards};

    cards.record_result(false, time.now());
    time.advance(24s);
    const bool refused_until_well = !cards.allow(time.now());
    time.advance(10s);
    const auto counts = *cards.stats(time.now()).health_probes;
    std::cout << counts.sent << " probes, " << counts.failed << " of them failed; closed "
              << cards.stats(time.now()).in_state / 1ms << " ms ago, not after a minute\n";
    return refused_until_well && cards.state(time.now()) == CircuitState::closed && counts.sent == 6;
}

// In a service: a thread of the application sends them.
bool in_real_time() {
    CircuitBreaker search{"search", {.success_threshold = 1, .min_requests = 1}};
    std::promise<void> closed;
    const auto log = search.on_event([&](const Event& event) {
        if (event.to == CircuitState::closed) closed.set_value();
    });
    search.set_probe({.interval = 20ms, .timeout = 20ms, .probes_only = true}, [] { return true; });
    ProbeRunner runner;
    runner.add(search);
    search.record_result(false);
    closed.get_future().wait();
    return search.state() == CircuitState::closed;
}

int main() { return in_virtual_time() && in_real_time() ? 0 : 1; }
