#include "demo/narrator.hpp"

#include <optional>
#include <ostream>
#include <utility>

#include "demo/narration.hpp"

namespace resilience::demo {

Narrator::Narrator(std::ostream& out, ScriptClock clock)
    : out_(out), clock_(clock), thread_([this] { print_lines(); }) {}

Narrator::~Narrator() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    changed_.notify_one();
    thread_.join();
}

void Narrator::tell(const Event& event) {
    if (const std::optional<std::string> line = narrated(event)) tell(*line, event.at);
}

void Narrator::tell(std::string_view line, TimePoint at) { say(moment_text(clock_.at(at)) + "  " + std::string(line)); }

void Narrator::say(std::string line) {
    {
        const std::lock_guard lock(mutex_);
        if (lines_.size() >= most_waiting) {
            ++lost_;
            return;
        }
        lines_.push_back(std::move(line));
    }
    changed_.notify_one();
}

void Narrator::print_lines() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return ending_ || !lines_.empty(); });
        if (lines_.empty()) return;
        const std::deque<std::string> ready = std::exchange(lines_, {});
        const std::size_t lost = std::exchange(lost_, 0);
        lock.unlock();
        for (const std::string& line : ready) out_ << line << '\n';
        if (lost > 0) out_ << "       (" << lost << " lines lost: the output was not read)\n";
        out_.flush();
        lock.lock();
    }
}

}  // namespace resilience::demo
