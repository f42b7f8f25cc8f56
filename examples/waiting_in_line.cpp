// Waiting instead of being refused: a bounded queue in front of a bulkhead, a bounded line in front of a rate limiter.

#include <atomic>
#include <iostream>
#include <resilience/resilience.hpp>
#include <thread>
#include <vector>

using namespace resilience;
using namespace std::chrono_literals;

int main() {
    Bulkhead database{"orders_db", {.max_concurrent = 2, .queue_size = 6, .max_wait = 10s}};
    RateLimiter mail{"mail", {.capacity = 1, .refill_rate = 100, .max_wait = 5s}};
    Pipeline guarded{mail, database};

    std::atomic<int> sent{0};
    std::vector<std::jthread> customers;
    for (int customer = 0; customer < 8; ++customer) {
        customers.emplace_back([&] {
            if (guarded.execute(CallOptions{.timeout = 10s}, [&] { ++sent; })) return;
        });
    }
    customers.clear();
    std::cout << sent << " mails sent, " << mail.stats().rejected.total() << " refused\n";

    // A wait that cannot fit is refused at once, with the moment to come back at.
    const auto answer = mail.acquire_for(1, 1ns);
    const bool says_when = answer.has_value() || answer.error().retry_after > 0ns;

    // On a thread of one's own, without a pipeline.
    const auto held = database.acquire_for(1s);
    const auto also_held = database.acquire_for(1s);
    const auto too_many = database.acquire_for(1ms);
    std::cout << too_many.error() << '\n';
    return sent == 8 && says_when && too_many.error().reason == RejectionReason::queue_timeout ? 0 : 1;
}
