#include "demo/script_player.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <utility>
#include <variant>

#include "text/figures.hpp"

namespace resilience::demo {
namespace {

std::string told(double factor) {
    if (factor == 0) return "the load pauses";
    const std::string number = program::with_decimals(factor, factor == std::floor(factor) ? 0 : 2);
    return std::string("the load ") + (factor < 1 ? "falls" : "grows") + " to " + number + " times the usual";
}

}  // namespace

std::vector<ScriptStep> steps_of(const Script& script) {
    std::vector<ScriptStep> steps;
    for (const ScriptEvent& event : script.events) {
        const LoadEvent* const load = std::get_if<LoadEvent>(&event.what);
        if (load != nullptr) {
            std::erase_if(steps, [&](const ScriptStep& step) { return step.ends_load && step.at >= event.at; });
            steps.push_back({saturating_add(TimePoint{event.at}, load->period).time_since_epoch(), event, true});
        }
        steps.push_back({event.at, event, false});
    }
    std::ranges::sort(steps, {},
                      [](const ScriptStep& step) { return std::tuple(step.at, step.event.line, step.ends_load); });
    return steps;
}

ScriptPlayer::ScriptPlayer(const Script& script, ScriptClock clock, ScriptStage stage)
    : steps_(steps_of(script)), loop_(script.loop), clock_(clock), stage_(std::move(stage)), thread_([this] {
          play();
      }) {}

ScriptPlayer::~ScriptPlayer() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    ending_changed_.notify_one();
    thread_.join();
}

void ScriptPlayer::play() {
    for (Duration round{}; !steps_.empty(); round += loop_) {
        for (const ScriptStep& step : steps_) {
            if (!wait_until(round + step.at)) return;
            perform(step);
        }
        if (loop_ <= Duration::zero()) return;
    }
}

// False when the play is over before the moment comes.
bool ScriptPlayer::wait_until(Duration in_script) {
    const TimePoint moment = saturating_add(clock_.started, clock_.real(in_script));
    std::unique_lock lock(mutex_);
    return !ending_changed_.wait_until(lock, moment, [this] { return ending_; });
}

void ScriptPlayer::perform(const ScriptStep& step) {
    if (step.ends_load) {
        stage_.set_load(1);
        stage_.say("the load is as usual again");
    } else if (const auto* say = std::get_if<SayEvent>(&step.event.what)) {
        stage_.say(say->text);
    } else if (const auto* load = std::get_if<LoadEvent>(&step.event.what)) {
        stage_.say(told(load->factor));
        stage_.set_load(load->factor);
    } else if (const auto* fault = std::get_if<FaultEvent>(&step.event.what)) {
        stage_.begin_fault(fault->upstream, fault->fault, clock_.real(fault->period));
    }
}

}  // namespace resilience::demo
