// One card host, two kinds of call: when charging fails, refunds go on.

#include <iostream>
#include <resilience/resilience.hpp>
#include <resilience/testing.hpp>

using namespace resilience;
using namespace std::chrono_literals;

int main() {
    VirtualTime time;
    CircuitBreaker cards{
        "cards", {.success_threshold = 2, .timeout = 10s, .min_requests = 5, .operation_mode = OperationMode::isolate}};
    const auto charge = cards.operation("charge");
    const auto refund = cards.operation("refund");
    Pipeline guarded{cards, classify([](int status) { return status < 500 ? Outcome::success : Outcome::failure; })};

    const auto call = [&](CircuitBreaker::Operation operation, int status) {
        return time.execute(guarded, CallOptions{.operation = operation}, [status] { return status; });
    };
    for (int each = 0; each < 5; ++each) {
        static_cast<void>(call(charge, 503));
        static_cast<void>(call(refund, 200));
    }
    const auto refused = call(charge, 200);
    std::cout << "charge: " << refused.error() << '\n';
    const bool refunds_go_on = call(refund, 200).has_value();

    time.advance(10s);
    for (int probe = 0; probe < 2; ++probe) static_cast<void>(call(charge, 200));
    for (const auto& operation : cards.stats(time.now()).operations) {
        std::cout << operation.name << ": " << *operation.state << ", " << operation.failure << " of "
                  << operation.requests << " failed, " << operation.rejected << " refused\n";
    }
    const bool whole_stayed_closed = cards.stats(time.now()).window.failures == 0;
    return refunds_go_on && whole_stayed_closed && charge.state(time.now()) == CircuitState::closed ? 0 : 1;
}
