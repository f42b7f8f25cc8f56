#pragma once

// Lets each allocation of an operation fail in turn.

#include <cstddef>
#include <for_tests/allocation_counters.hpp>
#include <new>

namespace for_tests {

// Runs `action` again and again, failing one allocation later each time, until it succeeds. `after_failure` gets
// the number of the allocation that failed. Returns how often it failed.
template <class Action, class AfterFailure>
std::size_t failures_until_success(Action&& action, AfterFailure&& after_failure) {
    for (std::size_t failures = 0;; ++failures) {
        fail_after = failures;
        try {
            action();
            fail_after = never;
            return failures;
        } catch (const std::bad_alloc&) {
            fail_after = never;
        }
        after_failure(failures);
    }
}

}  // namespace for_tests
