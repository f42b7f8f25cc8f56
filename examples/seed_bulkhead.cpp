// The guide's bulkhead: at most 20 at once; a permit gives its place back when it dies.

#include <iostream>
#include <resilience/resilience.hpp>
#include <vector>

using namespace resilience;

int main() {
    Bulkhead bulkhead{"worker_pool",
                      20,  // at most 20 concurrent operations
                      5};  // places for callers that wait: try_acquire never does, acquire_for and pipelines may

    std::vector<Bulkhead::Permit> working;
    for (int operation = 0; operation < 20; ++operation) {
        auto permit = bulkhead.try_acquire();
        if (!permit) return 1;
        working.push_back(std::move(*permit));
    }

    auto permit = bulkhead.try_acquire();
    if (permit) return 1;
    std::cout << permit.error() << '\n';

    working.pop_back();  // one operation ends: its permit is released
    const bool free_again = bulkhead.try_acquire().has_value();
    std::cout << bulkhead.stats().in_use << " in use\n";
    return free_again && bulkhead.stats().in_use == 19 ? 0 : 1;
}
