#pragma once

// A thread that sends the health probes of circuit breakers when they are due.
//
//     ProbeRunner runner;
//     breaker.set_probe({.interval = 2s, .probes_only = true}, [] { return client.get("/health").status == 200; });
//     runner.add(breaker);
//
// One thread watches: it sleeps until the next moment of any of its breakers, wakes when one of them changes its state,
// and looks at all of them at least once a second, for what no event tells: a probe that was set, or a lever moved,
// while the breaker was open. It judges timeouts and runs no probe itself. Those run on threads beside it, which are
// started when they are first needed and kept: as many as probes have ever run at once. So a probe that hangs keeps one
// thread, and only its own breaker waits for it: until it returns, no other probe of that breaker is sent.
//
// A function cannot be stopped from outside: `remove` and the destructor wait for a probe that runs, so a probe should
// keep to its deadline. One that is due while no thread can be started is not sent, and its turn comes again.
//
// Threads: any, but `remove` and the destructor not from a probe, nor from a listener of a breaker they wait for.

#include <memory>
#include <resilience/policies/circuit_breaker.hpp>

namespace resilience::inline v1 {

class ProbeRunner {
  public:
    // Starts the thread. Throws std::system_error, std::bad_alloc.
    ProbeRunner();
    ~ProbeRunner();
    ProbeRunner(const ProbeRunner&) = delete;
    ProbeRunner& operator=(const ProbeRunner&) = delete;

    // From now on, until it is removed. Borrowed: it is removed, or the runner ends, before the breaker does; or kept
    // alive meanwhile, as one of a manager is. Twice is once. Throws std::bad_alloc; ConfigError for a null pointer.
    void add(CircuitBreaker& breaker);
    void add(std::shared_ptr<CircuitBreaker> breaker);
    // When this returns the runner does not touch the breaker any more, also where another thread removes it meanwhile.
    void remove(const CircuitBreaker& breaker) noexcept;

  private:
    class Body;
    std::unique_ptr<Body> body_;
};

}  // namespace resilience::inline v1
