// The smallest guarded call: two failures are retried, the breaker remembers them, the third attempt answers.

#include <iostream>
#include <resilience/resilience.hpp>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;

std::string pay() {
    static int n = 0;
    if (++n % 3) throw std::runtime_error("card host down");
    return "paid";
}

int main() {
    resilience::CircuitBreaker breaker{"card_host", {.failure_threshold = 0.5, .timeout = 10s}};
    resilience::RateLimiter limiter{"card_host", {.capacity = 100, .refill_rate = 10.0}};
    resilience::Pipeline guarded{resilience::RetryConfig{.max_attempts = 3, .base_delay = 50ms}, breaker, limiter};
    auto answer = guarded.execute(pay);  // std::expected<std::string, Rejection>
    if (answer)
        std::cout << *answer << '\n';
    else
        std::cout << "not now: " << answer.error() << '\n';
    return answer ? 0 : 1;
}
