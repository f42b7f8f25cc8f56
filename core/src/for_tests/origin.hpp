#pragma once

// Where the clock of the tests begins: at its epoch, or as many nanoseconds from it as RESILIENCE_TEST_ORIGIN says.
//
// A test takes every moment from here, so that the whole of its suite can be run again by a clock that has been up for
// years (core/CMakeLists.txt does: arithmetic on times that is right only near the epoch shows there).

#include <cstdlib>
#include <resilience/base/time.hpp>

namespace for_tests {

inline resilience::TimePoint origin() noexcept {
    static const resilience::TimePoint begin = [] {
        const char* const nanoseconds = std::getenv("RESILIENCE_TEST_ORIGIN");
        return resilience::TimePoint{
            resilience::Duration{nanoseconds == nullptr ? 0 : std::strtoll(nanoseconds, nullptr, 10)}};
    }();
    return begin;
}

}  // namespace for_tests
