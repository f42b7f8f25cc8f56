#include <algorithm>
#include <resilience/pipeline/scripted_call.hpp>
#include <resilience/pipeline/virtual_time.hpp>
#include <string>

namespace resilience::inline v1 {

ScriptedCall::ScriptedCall(std::initializer_list<scripted::ScriptStep> script) : script_(script) {
    if (script_.empty()) throw std::invalid_argument("ScriptedCall: the script is empty");
}

int ScriptedCall::operator()() {
    const scripted::ScriptStep& step = script_[std::min(calls_, script_.size() - 1)];
    ++calls_;
    if (step.takes > Duration::zero()) {
        VirtualTime* const time = VirtualTime::running();
        if (time == nullptr) throw std::logic_error("ScriptedCall: a step that takes time needs a VirtualTime");
        time->take(step.takes);
    }
    if (!step.succeeds) throw ScriptedFailure("scripted failure of call " + std::to_string(calls_));
    return static_cast<int>(calls_);
}

}  // namespace resilience::inline v1
