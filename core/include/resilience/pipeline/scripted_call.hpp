#pragma once

// A callee whose answers are written down beforehand, for tests in virtual time.
//
//     using namespace resilience::scripted;
//     ScriptedCall callee{fail, fail, slow(2s), ok};
//     auto answer = time.execute(guarded, std::ref(callee));        // fails twice, then answers after 2 s
//
// After the last step it keeps repeating that one. It returns the number of the call, from 1, or throws
// ScriptedFailure.

#include <cstddef>
#include <initializer_list>
#include <resilience/base/time.hpp>
#include <stdexcept>
#include <vector>

namespace resilience::inline v1 {

struct ScriptedFailure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

namespace scripted {

struct ScriptStep {
    bool succeeds = true;
    Duration takes{};
};
inline constexpr ScriptStep ok{};
inline constexpr ScriptStep fail{.succeeds = false};
[[nodiscard]] constexpr ScriptStep slow(Duration takes) noexcept { return {.takes = takes}; }
[[nodiscard]] constexpr ScriptStep slow_fail(Duration takes) noexcept { return {.succeeds = false, .takes = takes}; }

}  // namespace scripted

class ScriptedCall {
  public:
    // Throws std::invalid_argument for an empty script.
    ScriptedCall(std::initializer_list<scripted::ScriptStep> script);

    // Steps that take time need a VirtualTime around them; without one they throw std::logic_error.
    int operator()();
    [[nodiscard]] std::size_t calls() const noexcept { return calls_; }

  private:
    std::vector<scripted::ScriptStep> script_;
    std::size_t calls_ = 0;
};

}  // namespace resilience::inline v1
