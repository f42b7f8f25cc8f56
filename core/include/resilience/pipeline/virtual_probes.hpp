#pragma once

// Health probes in virtual time: what ProbeRunner does with threads, step by step on one.
//
//     breaker.set_probe({.interval = 5s, .timeout = 1s}, [&] { time.take(200ms); return true; });
//     VirtualProbes probes{time, breaker};
//     time.advance(1min);                     // the breaker's probes are sent when they are due
//
// A probe may `take` time and `hold`, as a call's function may; while it lasts, others go on. It looks at the breaker
// when it is made, at each moment the breaker names and at each of its changes of state; set the probe before. While
// probes are due something is always planned, so `VirtualTime::run` does not end. One thread at a time. Neither time
// nor breaker may die before it; what it has planned in the time stays without effect.

#include <memory>
#include <resilience/base/events.hpp>
#include <resilience/pipeline/virtual_time.hpp>
#include <resilience/policies/circuit_breaker.hpp>

namespace resilience::inline v1 {

class VirtualProbes {
  public:
    VirtualProbes(VirtualTime& time, CircuitBreaker& breaker);
    // Every probe that is out is dropped, also one that was replaced meanwhile.
    ~VirtualProbes();
    VirtualProbes(const VirtualProbes&) = delete;
    VirtualProbes& operator=(const VirtualProbes&) = delete;

  private:
    class Body;
    class Running;
    std::shared_ptr<Body> body_;
    Subscription changes_;
};

}  // namespace resilience::inline v1
