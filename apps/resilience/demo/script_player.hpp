#pragma once

// Plays a script on a thread of its own.

#include <condition_variable>
#include <functional>
#include <mutex>
#include <resilience/base/time.hpp>
#include <string_view>
#include <thread>
#include <vector>

#include "demo/script.hpp"
#include "demo/script_clock.hpp"

namespace resilience::demo {

// What a script can do. Periods are on the real clock.
struct ScriptStage {
    std::function<void(std::string_view)> say;
    std::function<void(UpstreamId, const Fault&, Duration)> begin_fault;
    std::function<void(double)> set_load;
};

// One thing to do at one moment of the script: an event, or the end of a changed load.
struct ScriptStep {
    Duration at{};
    ScriptEvent event;
    bool ends_load = false;
};

// The steps of one round, by time; a load that follows another one takes its place, and only its own end counts.
[[nodiscard]] std::vector<ScriptStep> steps_of(const Script& script);

class ScriptPlayer {
  public:
    ScriptPlayer(const Script& script, ScriptClock clock, ScriptStage stage);
    ~ScriptPlayer();  // stops playing
    ScriptPlayer(const ScriptPlayer&) = delete;
    ScriptPlayer& operator=(const ScriptPlayer&) = delete;

  private:
    void play();
    void perform(const ScriptStep& step);
    bool wait_until(Duration in_script);

    const std::vector<ScriptStep> steps_;
    const Duration loop_;
    const ScriptClock clock_;
    const ScriptStage stage_;
    std::mutex mutex_;
    std::condition_variable ending_changed_;
    bool ending_ = false;
    std::thread thread_;
};

}  // namespace resilience::demo
