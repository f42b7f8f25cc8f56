// The guide's rate limiter: a bucket of 100 tokens that refills with 10 a second.

#include <iostream>
#include <resilience/resilience.hpp>

using namespace resilience;
using namespace std::chrono_literals;

int main() {
    RateLimiter limiter{100, 10.0};

    const TimePoint now = Clock::now();  // one reading for all, so that nothing refills in between
    int processed = 0, refused = 0;
    for (int request = 0; request < 120; ++request) {
        if (!limiter.acquire(1, now)) {
            ++refused;
            continue;
        }
        ++processed;
    }
    const auto one_more = limiter.try_acquire(1, now);
    std::cout << processed << " processed, " << refused << " refused; " << one_more.error() << '\n';
    const bool later = limiter.acquire(1, now + *one_more.error().retry_after);  // usable exactly as given
    return processed == 100 && refused == 20 && later ? 0 : 1;
}
