#pragma once

// The narrator: takes lines from any thread and prints them in order on a thread of its own.
//
// A terminal that is held or a pipe that nobody reads stops the narrator, never a call: at most 1,000 lines wait, later
// ones are counted and the count is told.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <iosfwd>
#include <mutex>
#include <resilience/base/events.hpp>
#include <string>
#include <string_view>
#include <thread>

#include "demo/script_clock.hpp"

namespace resilience::demo {

class Narrator {
  public:
    Narrator(std::ostream& out, ScriptClock clock);
    ~Narrator();  // prints what waits
    Narrator(const Narrator&) = delete;
    Narrator& operator=(const Narrator&) = delete;

    void say(std::string line);                                     // as it is
    void tell(std::string_view line, TimePoint at = Clock::now());  // with the moment in front
    void tell(const Event& event);                                  // from a listener of the manager

  private:
    void print_lines();

    static constexpr std::size_t most_waiting = 1000;
    std::ostream& out_;
    const ScriptClock clock_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::string> lines_;
    std::size_t lost_ = 0;
    bool ending_ = false;
    std::thread thread_;
};

}  // namespace resilience::demo
