#pragma once

// A call that waits in a line, for scenes: it notices what comes to it after it has given up.

#include <cstdint>
#include <resilience/base/waiter.hpp>

#include "explorer.hpp"

namespace resilience::exploring {

// A call that waits in line, in a frame of its own that ends with the call.
template <class Atomics>
struct WaitingCall {
    using Stay = BasicWaiter<Atomics>;
    Stay waiter;
    Stay after_the_end;  // what a line that still follows the frame would come to
    std::uint64_t arrivals = 0;
    bool ended = false;

    WaitingCall() {
        waiter.waker = {.deliver = arrive, .call = this};
        after_the_end.waker = {.deliver = touch, .call = this};
    }
    static void arrive(void* call, Stay& waiter) noexcept {
        WaitingCall& self = *static_cast<WaitingCall*>(call);
        let_others_go_first();
        require(!self.ended, "a delivery came to a call that had given up");
        waiter.arrive();
        ++self.arrivals;
        let_others_go_first();
    }
    static void touch(void*, Stay&) noexcept { require(false, "the line touched a call after its frame had ended"); }
    // True: it was granted a place.
    bool await() {
        wait_for_change_of(arrivals, 0);
        return waiter.look() == WaitState::granted;
    }
    void end() {
        ended = true;
        waiter.next = &after_the_end;
    }
};

}  // namespace resilience::exploring
