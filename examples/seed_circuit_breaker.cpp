// The guide's circuit breaker: its six fields, and the two-step form allow() / record_result().

#include <iostream>
#include <resilience/resilience.hpp>

using namespace resilience;
using namespace std::chrono_literals;

namespace {

bool api_call(int number) { return number >= 10; }  // the first ten fail

}  // namespace

int main() {
    CircuitBreaker breaker{"api_service",
                           {
                               .failure_threshold = 0.5,  // open at a 50 % error rate
                               .success_threshold = 5,    // close after 5 successes
                               .timeout = 60s,            // try half-open after 60 s
                               .min_requests = 10,        // no verdict before 10 calls
                               .window_size = 60s,        // rolling window of 60 s
                               .buckets = 10,             // in 10 buckets of 6 s
                           }};

    int refused = 0;
    for (int number = 0; number < 15; ++number) {
        if (!breaker.allow()) {
            ++refused;
            continue;
        }
        breaker.record_result(api_call(number));
    }
    std::cout << "state " << breaker.state() << ", " << refused << " of 15 calls refused\n";
    return breaker.state() == CircuitState::open && refused == 5 ? 0 : 1;
}
