// The guide's retry: exponential backoff with jitter, here around a service that answers the third time.

#include <iostream>
#include <resilience/resilience.hpp>
#include <stdexcept>

using namespace resilience;
using namespace std::chrono_literals;

int main() {
    const RetryConfig config{
        .max_attempts = 3,   // the first included
        .base_delay = 10ms,  // the guide's 100 ms, shortened so that the example ends soon
        .max_delay = 30s,    // no delay is longer
        .multiplier = 2.0,   // 10 ms, 20 ms, 40 ms, …
        .jitter = true,      // each ± 25 %
    };
    RetryExecutor retry{config};

    int attempts = 0;
    auto external_service_call = [&] {
        if (++attempts < 3) throw std::runtime_error("no answer");
        return attempts;
    };

    CallReport report;
    auto result = retry.execute(CallOptions{.report = &report}, external_service_call);
    std::cout << "answered by attempt " << *result << '\n';
    const bool waited = report.waited_in_backoff >= 7500us + 15ms;  // 0.75 of 10 ms and of 20 ms at the least
    return *result == 3 && waited ? 0 : 1;
}
